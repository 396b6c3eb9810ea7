/** What an operator does with one credential: pause, resume, check now. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type OpenAiSimulator, startOpenAiSimulator } from '../../src/simulator/openai.ts'
import {
  createMemory,
  type Memory,
  startGateway,
  type TestGateway,
  testConfig,
  testCredential,
  testProvider,
} from '../helpers/start-gateway.ts'

const first = 'sk-upstream-first-secret-0001'
const second = 'sk-upstream-second-secret-0002'
const revoked = 'sk-upstream-revoked-secret-0003'
let upstream: OpenAiSimulator

beforeAll(() => {
  upstream = startOpenAiSimulator({
    credentials: { [first]: { kind: 'good' }, [second]: { kind: 'good' }, [revoked]: { kind: 'revoked' } },
  })
})

afterAll(() => upstream.stop())

async function withGateway(
  secrets: readonly string[],
  check: (gateway: TestGateway) => Promise<void>,
  memory: Memory = createMemory(),
): Promise<void> {
  const gateway = await startGateway({ config: testConfig([testProvider(upstream.baseUrl, [...secrets])]), memory })
  try {
    await check(gateway)
  } finally {
    await gateway.stop()
  }
}

const labelOf = (secret: string) => testCredential(secret).label
const post = (gateway: TestGateway, action: string, secret: string) =>
  gateway.admin(`/admin/${action}?credential=${encodeURIComponent(labelOf(secret))}`, { method: 'POST' })

async function usedBy(gateway: TestGateway, calls: number): Promise<Set<string>> {
  const before = gateway.records.length
  for (let call = 0; call < calls; call++) await (await gateway.chat({})).text()
  const records = await gateway.recorded(before + calls)
  return new Set(records.slice(before).map((record) => record.credential))
}

test('a paused credential serves no call until it is resumed, over a restart and a reset of all', async () => {
  const memory = createMemory()
  await withGateway(
    [first, second],
    async (gateway) => {
      expect((await post(gateway, 'pause', first)).status).toBe(200)
      expect(await usedBy(gateway, 4)).toEqual(new Set([labelOf(second)]))
      await gateway.admin('/reset-keys', { method: 'POST' })
      expect(await usedBy(gateway, 4)).toEqual(new Set([labelOf(second)]))
    },
    memory,
  )
  await withGateway(
    [first, second],
    async (gateway) => {
      expect(await usedBy(gateway, 4)).toEqual(new Set([labelOf(second)]))
      expect(
        ((await (await gateway.admin('/blacklist')).json()) as { blacklistedKeys: unknown[] }).blacklistedKeys,
      ).toMatchObject([{ reason: 'paused', until: null }])
      expect((await post(gateway, 'resume', first)).status).toBe(200)
      expect(await usedBy(gateway, 4)).toEqual(new Set([labelOf(first), labelOf(second)]))
    },
    memory,
  )
})

test('a pool whose credentials are all paused says so, and no check brings them back', () =>
  withGateway([first], async (gateway) => {
    await post(gateway, 'pause', first)
    expect((await post(gateway, 'recheck', first)).status).toBe(200)
    const response = await gateway.chat({})
    expect(response.status).toBe(503)
    expect(await response.text()).toContain('credentials_paused')
  }))

test('a reset that names a paused credential resumes it', () =>
  withGateway([first], async (gateway) => {
    await post(gateway, 'pause', first)
    await gateway.admin(`/reset-keys?credential=${encodeURIComponent(labelOf(first))}`, { method: 'POST' })
    expect((await gateway.chat({})).status).toBe(200)
  }))

test.each([
  [first, true],
  [revoked, false],
])('a check now tells whether a credential works', (secret, works) =>
  withGateway([first, revoked], async (gateway) => {
    const response = await post(gateway, 'recheck', secret)
    expect(await response.json()).toMatchObject({ credential: labelOf(secret), works })
  }),
)

test('a check now brings back a blacklisted credential that works', async () => {
  const memory = createMemory()
  const { id, label } = testCredential(first)
  memory.store.putBlacklistEntry({
    ...{ provider: 'openai', credentialId: id, label, scope: '', reason: 'quota_exhausted', detail: '429' },
    since: Date.now(),
    until: null,
  })
  await withGateway(
    [first],
    async (gateway) => {
      expect((await gateway.chat({})).status).toBe(429)
      expect(await (await post(gateway, 'recheck', first)).json()).toMatchObject({ works: true, state: 'healthy' })
      expect((await gateway.chat({})).status).toBe(200)
    },
    memory,
  )
})

test.each([
  ['', 400],
  ['?credential=', 400],
  ['?credential=ffffffff', 404],
  ['?credential=ffffffff&provider=nobody', 404],
])('what is named wrongly is told so: %s', (query, status) =>
  withGateway([first], async (gateway) => {
    expect((await gateway.admin(`/admin/pause${query}`, { method: 'POST' })).status).toBe(status)
  }),
)
