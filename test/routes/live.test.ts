/** `/admin/live`: events at once and each second, and an end when somebody leaves or the gateway stops. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { UsageRecord } from '../../src/domain.ts'
import { createLiveWindow } from '../../src/gateway/live-window.ts'
import { type OpenAiSimulator, startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { startGateway, type TestGateway, testConfig, testCredential, testProvider } from '../helpers/start-gateway.ts'
import { usageRecord } from '../stores/fixtures/usage-record.ts'

const secret = 'sk-upstream-good-secret-0001'
const stopping = new AbortController()
let upstream: OpenAiSimulator
let gateway: TestGateway

beforeAll(async () => {
  upstream = startOpenAiSimulator({ credentials: { [secret]: { kind: 'good' } } })
  const config = testConfig([testProvider(upstream.baseUrl, [secret])])
  gateway = await startGateway({ config, stopping: stopping.signal })
})

afterAll(async () => {
  await gateway.stop()
  upstream.stop()
})

interface Live {
  in_flight: number
  last_minute: { requests: number; errors: number }
  seconds: { requests: number[] }
  credentials: Record<string, number>
  calls: { id: string }[]
  duration_ms: { count: number; p50: number }
}

interface Watch {
  next(): Promise<Live | null>
  leave(): void
}

async function watch(): Promise<Watch> {
  const leaving = new AbortController()
  const response = await gateway.admin('/admin/live', { signal: leaving.signal })
  expect(response.headers.get('content-type')).toStartWith('text/event-stream')
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    async next() {
      for (;;) {
        const found = /event: live\ndata: (.*)\n\n/.exec(text)
        if (found !== null) {
          text = text.slice(found.index + found[0].length)
          expect(found[1]).not.toContain(secret)
          return JSON.parse(found[1] ?? '') as Live
        }
        const read = await reader?.read()
        if (read === undefined || read.done) return null
        text += read.value
      }
    },
    leave: () => leaving.abort(),
  }
}

test('the first event comes at once with the last calls, the next ones with what ended since', async () => {
  await (await gateway.chat({})).text()
  const [one, other] = await Promise.all([watch(), watch()])
  const first = await one.next()
  expect(first).toMatchObject({ in_flight: 0, last_minute: { requests: 1, errors: 0 }, credentials: { healthy: 1 } })
  expect(first?.calls).toHaveLength(1)
  expect(first?.seconds.requests).toHaveLength(60)
  await (await gateway.chat({})).text()
  const ids: string[] = []
  for (let events = 0; ids.length === 0 && events < 3; events++)
    ids.push(...((await one.next())?.calls ?? []).map((call) => call.id))
  expect(ids).toEqual([gateway.records[1]?.id ?? ''])
  expect(await other.next()).not.toBeNull()
  one.leave()
  expect(await other.next()).not.toBeNull()
  other.leave()
}, 15_000)

test('a credential that an operator has paused is counted as such, here and for Prometheus', async () => {
  const credential = { provider: 'openai', credentialId: testCredential(secret).id }
  expect(gateway.gateway.setPaused(credential, true)).toBe(true)
  const one = await watch()
  expect((await one.next())?.credentials).toEqual({ healthy: 0, cooling: 0, blacklisted: 0, paused: 1 })
  one.leave()
  const metrics = await (await gateway.admin('/metrics')).text()
  expect(metrics).toContain('any2api_credentials{provider="openai",state="paused"} 1')
  gateway.gateway.setPaused(credential, false)
})

test('it ends when the gateway stops, and no other begins', async () => {
  const one = await watch()
  await one.next()
  stopping.abort()
  while ((await one.next()) !== null);
  expect((await gateway.admin('/admin/live')).status).toBe(503)
})

test('what is older than its window is forgotten, and memory is bounded', () => {
  let nowMs = 1_000_000
  const live = createLiveWindow(() => nowMs)
  const count = (changes: Partial<UsageRecord>) => live.count(usageRecord(changes))
  for (let index = 0; index < 200; index++)
    count({ id: `a${index}`, outcome: index % 4 === 0 ? 'failed' : 'succeeded', durationMs: 1000 })
  expect(live.read().lastMinute).toMatchObject({ requests: 200, errors: 50 })
  expect(live.read().seconds.requests.at(-1)).toBe(200)
  expect(live.callsSince(0).calls).toHaveLength(50)
  expect(live.callsSince(198).calls.map((call) => call.id)).toEqual(['a199', 'a198'])
  nowMs += 30_000
  count({ durationMs: 4000 })
  expect(live.read().lastMinute.requests).toBe(201)
  nowMs += 31_000
  expect(live.read().lastMinute.requests).toBe(1)
  expect(live.read().durationMs.count).toBe(201)
  nowMs += 300_000
  expect(live.read()).toMatchObject({ lastMinute: { requests: 0 }, durationMs: { count: 0, p50: null } })
})
