import { expect, test } from 'bun:test'
import type { OpenAiSimulator } from '../../src/simulator/openai.ts'
import { settingsFor, waitFor } from '../helpers/program.ts'
import { dataOf } from '../helpers/start-pair.ts'
import { type Service, startService } from './start-with.ts'
import { repeat } from './stream-client.ts'

const revoked = 'sk-upstream-revoked-000001'
const limited = 'sk-upstream-limited-000001'
const exhausted = 'sk-upstream-exhausted-0001'
const flaky = 'sk-upstream-flaky-00000001'
const hanging = 'sk-upstream-hanging-000001'
const goodOnes = ['sk-upstream-good-000000001', 'sk-upstream-good-000000002']

const firstByteMs = 1000
const threshold = 3
const atOnce = 20
/** From the sending of a refusal to the last call that may still go the same way, on a machine with much else to do. */
const reactionMs = 500

async function startBadPool(): Promise<Service> {
  return await startService({
    credentials: {
      [revoked]: { kind: 'revoked' },
      [limited]: { kind: 'rate_limited', retryAfterMs: 120_000 },
      [exhausted]: { kind: 'exhausted' },
      [flaky]: { kind: 'server_error', everyNth: 3 },
      [hanging]: { kind: 'hanging' },
      ...Object.fromEntries(goodOnes.map((secret) => [secret, { kind: 'good' as const }])),
    },
    settings: { provider: poolSettings('1h') },
  })
}

function poolSettings(recheck: string) {
  return { timeouts: { first_byte: `${firstByteMs}ms` }, blacklist: { threshold, cooldown: '5m', recheck } }
}

/** Chat calls only: checks of our own list models. */
function callsOf(upstream: OpenAiSimulator, secret: string) {
  return upstream.requests.filter((request) => request.credential === secret && request.method === 'POST')
}

/** How many calls came after the end of the n-th one had been told to the gateway. */
function callsAfter(upstream: OpenAiSimulator, secret: string, ended: number): number {
  const calls = callsOf(upstream, secret)
  const ends = calls.flatMap((call) => (call.endedAtMs === null ? [] : [call.endedAtMs])).toSorted((a, b) => a - b)
  const end = ends[ended - 1] ?? Number.POSITIVE_INFINITY
  return calls.filter((call) => call.receivedAtMs > end + reactionMs).length
}

test('with two good credentials among five bad ones every call is answered whole, and each bad one is let alone', async () => {
  await using service = await startBadPool()
  const { gateway, upstream, folder } = service
  const answers = await repeat({ times: 1000, atOnce }, (index) => gateway.chat({ stream: index % 2 === 0 }))
  const bad = answers.filter(({ status }) => status !== 200)
  expect(bad).toEqual([])
  const isWhole = (text: string, index: number) =>
    index % 2 === 0
      ? dataOf(text).at(-1) === '[DONE]'
      : (JSON.parse(text) as { object?: string }).object === 'chat.completion'
  expect(answers.filter(({ text }, index) => !isWhole(text, index))).toEqual([])
  // Only calls that were under way together can meet the same refusal.
  for (const secret of [revoked, limited, exhausted]) {
    expect(callsOf(upstream, secret).length).toBeLessThanOrEqual(atOnce)
    expect(callsAfter(upstream, secret, 1)).toBe(0)
  }
  expect(callsOf(upstream, hanging).length).toBeLessThanOrEqual(atOnce + threshold)
  expect(callsAfter(upstream, hanging, threshold)).toBe(0)
  expect(callsOf(upstream, flaky).length).toBeGreaterThan(100)

  // The same folder, with checks that are due soon: what was learned is still known, and a check brings the key back.
  gateway.signal('SIGTERM')
  expect(await gateway.ended()).toBe(0)
  await folder.write(
    'any2api.yaml',
    settingsFor(upstream.baseUrl, [revoked, limited, exhausted, flaky, hanging, ...goodOnes], {
      provider: poolSettings('2s'),
    }),
  )
  upstream.reset()
  const again = await service.again()
  for (let call = 0; call < 20; call++) expect((await again.chat()).status).toBe(200)
  for (const secret of [revoked, limited, exhausted, hanging]) expect(callsOf(upstream, secret)).toEqual([])
  upstream.setBehaviour(revoked, { kind: 'good' })
  await again.logged('credential is back', (line) => line.reason === 'invalid_credential')
  await waitFor(async () => {
    await again.chat()
    return callsOf(upstream, revoked).length > 0
  }, 'a call with the key that came back')
}, 60_000)

test('a burst of which one hanging credential takes its share costs no call', async () => {
  await using service = await startService({
    credentials: {
      [hanging]: { kind: 'hanging' },
      ...Object.fromEntries(goodOnes.map((secret) => [secret, { kind: 'good' as const }])),
    },
    settings: { provider: poolSettings('1h') },
  })
  const { gateway } = service
  const answers = await repeat({ times: 60, atOnce: 60 }, (index) => gateway.chat({ stream: index % 2 === 0 }))
  expect(answers.filter(({ status }) => status !== 200)).toEqual([])
  expect((await gateway.chat()).status).toBe(200)
}, 20_000)
