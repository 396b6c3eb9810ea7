/** The operator's endpoints: the shapes their users read, and that no secret is ever in them. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type OpenAiSimulator, startOpenAiSimulator } from '../../src/simulator/openai.ts'
import {
  adminSecret,
  clientSecret,
  createMemory,
  startGateway,
  type TestGateway,
  testConfig,
  testCredential,
  testProvider,
} from '../helpers/start-gateway.ts'

const good = 'sk-upstream-good-secret-0001'
const spent = 'sk-upstream-spent-secret-0002'
const other = 'sk-upstream-other-secret-0003'
const secrets = [good, spent, other, adminSecret, clientSecret]

let upstream: OpenAiSimulator
let gateway: TestGateway

beforeAll(async () => {
  upstream = startOpenAiSimulator({
    credentials: { [good]: { kind: 'good' }, [spent]: { kind: 'exhausted' }, [other]: { kind: 'good' } },
  })
  gateway = await startGateway({
    config: testConfig([
      testProvider(upstream.baseUrl, [spent, good]),
      testProvider(upstream.baseUrl, [other], { name: 'second' }),
    ]),
  })
  const messages = [{ role: 'user', content: 'hello' }]
  await (await gateway.chat({ model: 'gpt-4o', messages })).text()
  await (await gateway.chat({ model: 'gpt-4o', messages, stream: true })).text()
  await gateway.recorded(2)
})

afterAll(async () => {
  await gateway.stop()
  upstream.stop()
})

async function readJson(response: Response): Promise<Record<string, unknown>> {
  expect(response.headers.get('content-type')).toStartWith('application/json')
  return (await response.json()) as Record<string, unknown>
}

/** A gateway over the same upstream whose first credential is out. */
async function startWithOneOut(): Promise<TestGateway> {
  const { id, label } = testCredential(spent)
  const memory = createMemory()
  memory.store.putBlacklistEntry({
    provider: 'openai',
    credentialId: id,
    label,
    scope: '',
    reason: 'quota_exhausted',
    detail: '429 insufficient_quota',
    since: Date.now(),
    until: null,
  })
  const providers = [
    testProvider(upstream.baseUrl, [spent, good]),
    testProvider(upstream.baseUrl, [other], { name: 'second' }),
  ]
  return startGateway({ config: testConfig(providers), memory })
}

test('/stats has the shape of the multi-key proxy, and more', async () => {
  const stats = await readJson(await gateway.admin('/stats'))
  expect(stats).toMatchObject({
    server: {
      uptime: expect.stringMatching(/^\d+s$/),
      requestCount: 2,
      startTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      version: '0.0.0-test',
    },
    keys: {
      currentIndex: 3,
      totalKeys: 3,
      healthyKeys: 2,
      blacklistedKeys: 1,
      successCount: 2,
      failureCount: 1,
      memoryUsage: { failureCountsSize: 0, blacklistSize: 1 },
      credentials: [
        {
          label: testCredential(spent).label,
          provider: 'openai',
          state: 'blacklisted',
          reason: 'quota_exhausted',
          until: null,
          inFlight: 0,
          successes: 0,
          failures: 1,
        },
        { label: testCredential(good).label, provider: 'openai', state: 'healthy', reason: null, successes: 2 },
        { label: testCredential(other).label, provider: 'second', state: 'healthy', reason: null },
      ],
    },
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    totals: {
      requests: 2,
      succeeded: expect.any(Number),
      failed: expect.any(Number),
      aborted: expect.any(Number),
      input_tokens: expect.any(Number),
      output_tokens: expect.any(Number),
      cached_tokens: expect.any(Number),
      reasoning_tokens: expect.any(Number),
      cost_usd: expect.any(Number),
    },
    models: {},
    providers: {},
    credentials: {},
    clients: {},
    days: {},
    hours: {},
    breakers: [],
    reload: null,
    store: { persistence: 'memory', problem: null },
  })
})

test('/stats answers when the store does not, and tells of the last reload', async () => {
  const memory = createMemory()
  const store = {
    ...memory.store,
    totals: () => Promise.reject(new Error('disk gone')),
    problem: () => 'the disk is full',
  }
  const problem = { place: 'providers.openai.rotation', message: 'not a rotation' }
  const last = { isApplied: false, problems: [problem], notices: [], needsRestart: [], time: 1e12, cause: 'signal' }
  const broken = await startGateway({
    config: testConfig([]),
    memory: { ...memory, store },
    settings: { reload: () => last, lastReload: () => last, effectiveConfig: () => null },
  })
  const stats = await readJson(await broken.admin('/stats'))
  expect(stats).toMatchObject({
    totals: { requests: 0 },
    reload: { applied: false, cause: 'signal', problems: [problem], time: '2001-09-09T01:46:40.000Z' },
    store: { problem: 'the disk is full' },
  })
  expect(await readJson(await broken.admin('/health'))).toMatchObject({
    status: 'ok',
    message: 'running; statistics are not being stored',
  })
  const save = await broken.admin('/save_stats', { method: 'POST' })
  expect(save.status).toBe(500)
  expect(await readJson(save)).toMatchObject({ error: { code: 'store_failed' } })
  await broken.stop()
})

test('/blacklist shows who is out and why, never a whole key', async () => {
  const { label } = testCredential(spent)
  expect(await readJson(await gateway.admin('/blacklist'))).toEqual({
    totalBlacklisted: 1,
    totalKeys: 3,
    healthyKeys: 2,
    blacklistedKeys: [
      {
        index: 0,
        lineNumber: 1,
        keyPreview: label,
        fullKey: label,
        provider: 'openai',
        reason: 'quota_exhausted',
        detail: expect.stringContaining('429'),
        scope: null,
        since: expect.stringMatching(/^\d{4}-/),
        until: null,
      },
    ],
    restingKeys: [],
  })
})

test('a credential that rests for one model is listed apart, and the sums come out', async () => {
  upstream.setBehaviour(other, { kind: 'forbidden', reason: 'model' })
  const config = testConfig([testProvider(upstream.baseUrl, [other, good])])
  const scoped = await startGateway({ config })
  await (await scoped.chat({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hello' }] })).text()
  upstream.setBehaviour(other, { kind: 'good' })
  expect(await readJson(await scoped.admin('/blacklist'))).toMatchObject({
    totalBlacklisted: 0,
    totalKeys: 2,
    healthyKeys: 2,
    blacklistedKeys: [],
    restingKeys: [{ reason: 'not_allowed', scope: expect.stringContaining('gpt-4o') }],
  })
  await scoped.stop()
})

test('an empty blacklist is a list', async () => {
  const empty = await startGateway({ config: testConfig([testProvider(upstream.baseUrl, [good])]) })
  expect(await readJson(await empty.admin('/blacklist'))).toMatchObject({ totalBlacklisted: 0, blacklistedKeys: [] })
  await empty.stop()
})

const resets = [
  { name: 'all', method: 'POST', query: '', cleared: 1, total: 3 },
  { name: 'all, by GET', method: 'GET', query: '', cleared: 1, total: 3 },
  { name: 'one provider', method: 'POST', query: '?provider=openai', cleared: 1, total: 2 },
  { name: 'the other provider', method: 'POST', query: '?provider=second', cleared: 0, total: 1 },
  {
    name: 'one credential by its label',
    method: 'POST',
    query: `?credential=${encodeURIComponent(testCredential(spent).label)}`,
    cleared: 1,
    total: 3,
  },
  {
    name: 'one credential by its fingerprint',
    method: 'POST',
    query: `?provider=openai&credential=${testCredential(spent).id.slice(0, 8)}`,
    cleared: 1,
    total: 2,
  },
  {
    name: 'a healthy credential',
    method: 'POST',
    query: `?credential=${testCredential(good).id}`,
    cleared: 0,
    total: 3,
  },
]

test.each(resets)('/reset-keys clears $name', async ({ method, query, cleared, total }) => {
  const one = await startWithOneOut()
  expect(one.gateway.status().counts.blacklisted).toBe(1)
  const answer = await readJson(await one.admin(`/reset-keys${query}`, { method }))
  expect(answer).toEqual({
    success: true,
    message: expect.stringMatching(/^\d credentials? (?:is|are) available again$/),
    clearedCount: cleared,
    totalKeys: total,
  })
  expect(one.gateway.status().counts.blacklisted).toBe(1 - cleared)
  await one.stop()
})

test.each([
  ['?provider=nobody', 404, 'provider'],
  ['?provider=', 404, 'provider'],
  ['?credential=00000000', 404, 'credential'],
  ['?credential=', 404, 'credential'],
  [`?provider=second&credential=${testCredential(spent).id}`, 404, 'credential'],
])('/reset-keys%s is refused with %i and changes nothing', async (query, status, param) => {
  const one = await startWithOneOut()
  const response = await one.admin(`/reset-keys${query}`, { method: 'POST' })
  expect(response.status).toBe(status)
  expect(await readJson(response)).toMatchObject({ error: { param } })
  expect(one.gateway.status().counts.blacklisted).toBe(1)
  await one.stop()
})

test('HEAD /reset-keys changes nothing', async () => {
  const one = await startWithOneOut()
  expect((await one.admin('/reset-keys', { method: 'HEAD' })).status).toBe(200)
  expect(one.gateway.status().counts.blacklisted).toBe(1)
  await one.stop()
})

test('/save_stats flushes; a browser is sent home, a program gets JSON', async () => {
  let flushes = 0
  const memory = createMemory()
  const flush = async () => {
    flushes++
  }
  const one = await startGateway({
    config: testConfig([]),
    memory: { ...memory, store: { ...memory.store, flush, persistence: 'sqlite' } },
  })
  const browser = await one.admin('/save_stats', {
    method: 'POST',
    headers: { accept: 'text/html,*/*' },
    redirect: 'manual',
  })
  expect([browser.status, browser.headers.get('location')]).toEqual([303, '/'])
  const program = await one.admin('/save_stats', { method: 'POST' })
  expect(await readJson(program)).toEqual({ status: 'ok', message: 'statistics are saved' })
  expect(flushes).toBe(2)
  await one.stop()
})

test('/health tells the operator more than others', async () => {
  const open = await readJson(await fetch(`${gateway.url}/health`))
  expect(Object.keys(open).sort()).toEqual(['message', 'persistence', 'status', 'time', 'uptime', 'uptime_seconds'])
  expect(await readJson(await gateway.call('/health'))).not.toHaveProperty('keysStatus')
  expect(await readJson(await gateway.admin('/health'))).toMatchObject({
    status: 'ok',
    version: '0.0.0-test',
    requestCount: 2,
    keysStatus: { total: 3, healthy: 2, blacklisted: 1 },
  })
})

test('/admin/reload says what was taken and what needs a restart', async () => {
  const one = await startGateway({
    config: testConfig([]),
    settings: {
      reload: () => ({
        isApplied: true,
        problems: [],
        notices: ['GIN_MODE has no effect here'],
        needsRestart: ['server.port'],
        time: 0,
        cause: 'asked',
      }),
      lastReload: () => null,
      effectiveConfig: () => ({ server: { port: 7860 } }),
    },
  })
  const response = await one.admin('/admin/reload', { method: 'POST' })
  expect(response.status).toBe(200)
  expect(await readJson(response)).toEqual({
    ok: true,
    notices: ['GIN_MODE has no effect here'],
    needsRestart: ['server.port'],
  })
  expect(await readJson(await one.admin('/admin/config'))).toEqual({ server: { port: 7860 } })
  await one.stop()
})

test('/admin/reload tells all problems of settings that are refused', async () => {
  const problems = [
    { place: 'providers.a.rotation', message: 'not a rotation' },
    { place: 'server.port', message: 'not a port' },
  ]
  const one = await startGateway({
    config: testConfig([]),
    settings: {
      reload: () => ({ isApplied: false, problems, notices: [], needsRestart: [], time: 0, cause: 'asked' }),
      lastReload: () => null,
      effectiveConfig: () => null,
    },
  })
  const response = await one.admin('/admin/reload', { method: 'POST' })
  expect(response.status).toBe(422)
  expect(await readJson(response)).toMatchObject({
    error: { code: 'invalid_settings', param: 'providers.a.rotation', message: expect.stringContaining('2 problems') },
    ok: false,
    problems,
  })
  await one.stop()
})

test('/admin/requests lists the last calls, newest first', async () => {
  const page = await readJson(await gateway.admin('/admin/requests?limit=1'))
  expect(page).toMatchObject({
    object: 'list',
    data: [{ client: 'alice', model: 'gpt-4o', status: 200, outcome: 'succeeded', stream: true, error_code: null }],
    next_cursor: expect.any(String),
  })
  expect(await readJson(await gateway.admin('/admin/requests'))).toMatchObject({ next_cursor: null })
})

test('no secret is in any answer, whoever asks', async () => {
  for (const { method, path } of gateway.app.routes) {
    // Never ends: its figures are looked at in a test of its own.
    if (path === '/admin/live') continue
    const target = path.replace('*', 'something')
    for (const ask of [gateway.admin, gateway.call]) {
      for (const accept of ['application/json', 'text/html', '*/*']) {
        const response = await ask(target, {
          method: method === 'ALL' ? 'POST' : method,
          headers: { accept },
          redirect: 'manual',
        })
        const text = (await response.text()) + JSON.stringify([...response.headers])
        for (const secret of secrets) expect(text).not.toContain(secret)
      }
    }
  }
  for (const secret of secrets) expect(gateway.logged()).not.toContain(secret)
})
