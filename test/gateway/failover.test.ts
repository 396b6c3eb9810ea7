/** From target to target: in order, each with its own name for the model, within bounds. */
import { describe, expect, test } from 'bun:test'
import type { OpenAiProviderConfig } from '../../src/domain.ts'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { type OpenAiSimulator, startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { startGateway, type TestGateway, testConfig, testProvider } from '../helpers/start-gateway.ts'
import { createTestClock, readError, startPair, statusOf, type TestClock } from '../helpers/start-pair.ts'

const short = { firstByteMs: 60, answerMs: 60, idleMs: 60 }
const good: Behaviour = { kind: 'good', text: 'from the second' }

interface Two extends AsyncDisposable {
  readonly first: OpenAiSimulator
  readonly second: OpenAiSimulator
  readonly gateway: TestGateway
  readonly clock: TestClock
}

async function startTwo(
  behaviour: Behaviour,
  provider: Partial<OpenAiProviderConfig> = {},
  other: Behaviour = good,
): Promise<Two> {
  const first = startOpenAiSimulator({ credentials: { 'sk-first-a': behaviour, 'sk-first-b': behaviour } })
  const second = startOpenAiSimulator({ credentials: { 'sk-second': other } })
  const clock = createTestClock()
  const targets = [
    { provider: 'one', model: 'first-model' },
    { provider: 'two', model: 'second-model' },
  ]
  const gateway = await startGateway({
    clock,
    config: testConfig(
      [
        testProvider(first.baseUrl, ['sk-first-a', 'sk-first-b'], { name: 'one', ...provider }),
        testProvider(second.baseUrl, ['sk-second'], { name: 'two' }),
      ],
      { models: [{ pattern: 'fast', targets, price: null }] },
    ),
  })
  return {
    first,
    second,
    gateway,
    clock,
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      first.stop()
      second.stop()
    },
  }
}

const failing: readonly (readonly [string, Behaviour, number])[] = [
  ['server errors', { kind: 'server_error' }, 4],
  ['resets: at once, without another try', { kind: 'no_answer' }, 1],
  ['silence: at once, without another try', { kind: 'hanging' }, 1],
  ['rate limits', { kind: 'rate_limited', retryAfterMs: 9000 }, 2],
  ['refused credentials', { kind: 'revoked', covers: 'calls' }, 2],
  ['forbidden models', { kind: 'forbidden' }, 2],
  ['used up quotas', { kind: 'exhausted' }, 2],
]

describe('the second target answers under its own name, told to the client under the one it asked for, after', () => {
  for (const [what, behaviour, tries] of failing) {
    for (const isStream of [false, true]) {
      test(`${what}${isStream ? ', streamed' : ''}`, async () => {
        await using two = await startTwo(behaviour, behaviour.kind === 'hanging' ? { timeouts: short } : {})
        const response = await two.gateway.chat({ model: 'fast', stream: isStream })
        expect(response.status).toBe(200)
        const text = await response.text()
        expect(text).toContain('second')
        expect(text).toMatch(/"model": ?"fast"/)
        expect(text).not.toContain('second-model"')
        expect(two.second.requests[0]?.json()).toMatchObject({ model: 'second-model' })
        expect(two.first.requests.filter((one) => one.method === 'POST')).toHaveLength(tries)
        for (const one of two.first.requests)
          if (one.method === 'POST') expect(one.json()).toMatchObject({ model: 'first-model' })
        const [record] = await two.gateway.recorded(1)
        expect(record).toMatchObject({
          provider: 'two',
          targetModel: 'second-model',
          model: 'fast',
          attempts: tries + 1,
          status: 200,
        })
      })
    }
  }

  test('nothing: while the first one rests it is not asked', async () => {
    await using two = await startTwo({ kind: 'rate_limited', retryAfterMs: 60_000 })
    await statusOf(two.gateway.chat({ model: 'fast' }))
    const before = two.first.totalCalls()
    expect(await statusOf(two.gateway.chat({ model: 'fast' }))).toBe(200)
    expect(two.first.totalCalls()).toBe(before)
  })
})

test("a client's own mistake is not taken to the second target", async () => {
  await using two = await startTwo({ kind: 'bad_request' })
  expect(await statusOf(two.gateway.chat({ model: 'fast' }))).toBe(400)
  expect(two.second.totalCalls()).toBe(0)
})

test('the first target comes back when it is well', async () => {
  await using two = await startTwo({ kind: 'server_error' }, { maxAttempts: 6 })
  await statusOf(two.gateway.chat({ model: 'fast' }))
  for (const secret of ['sk-first-a', 'sk-first-b'])
    two.first.setBehaviour(secret, { kind: 'good', text: 'from the first' })
  two.clock.advance(61_000)
  expect(await (await two.gateway.chat({ model: 'fast' })).text()).toContain('from the first')
})

test('when all fail the last one is told, with the soonest recovery of all', async () => {
  await using two = await startTwo(
    { kind: 'rate_limited', retryAfterMs: 4000 },
    {},
    { kind: 'rate_limited', retryAfterMs: 40_000 },
  )
  const response = await two.gateway.chat({ model: 'fast' })
  expect([response.status, response.headers.get('retry-after')]).toEqual([429, '4'])
  await readError(response)
})

describe('bounds', () => {
  test('max_attempts counts tries, not credentials that were lost on the way', async () => {
    const dead = Array.from({ length: 5 }, (_, index) => [`sk-dead-${index}`, { kind: 'exhausted' }] as const)
    await using pair = await startPair({
      credentials: { ...Object.fromEntries(dead), 'sk-alive': { kind: 'good' } },
      provider: { maxAttempts: 2 },
    })
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    expect((await pair.onlyRecord()).attempts).toBeGreaterThan(2)
  })

  for (const maxAttempts of [1, 3]) {
    test(`max_attempts of ${maxAttempts} is never exceeded`, async () => {
      const clock = createTestClock()
      await using pair = await startPair({
        credentials: Object.fromEntries(
          Array.from({ length: 9 }, (_, index) => [`sk-${index}`, { kind: 'server_error' }]),
        ),
        provider: { maxAttempts },
        clock,
      })
      expect(await statusOf(pair.gateway.chat({}))).toBe(500)
      expect(pair.upstream.totalCalls()).toBe(maxAttempts)
      // Waited for before a try, never before giving up; each longer, with jitter.
      expect(clock.slept).toHaveLength(maxAttempts - 1)
      expect(clock.slept).toEqual([150, 300].slice(0, maxAttempts - 1))
    })
  }

  test('max_wait ends the tries of a stream, whatever attempts are left', async () => {
    await using pair = await startPair({
      credentials: { 'sk-a': { kind: 'hanging' }, 'sk-b': { kind: 'hanging' }, 'sk-c': { kind: 'hanging' } },
      provider: { maxWaitMs: 150, maxAttempts: 50, timeouts: { firstByteMs: 100, answerMs: 100, idleMs: 100 } },
    })
    const startedMs = performance.now()
    expect(await statusOf(pair.gateway.chat({ stream: true }))).toBe(504)
    expect(performance.now() - startedMs).toBeWithin(140, 3000)
    expect((await pair.onlyRecord()).attempts).toBeWithin(1, 4)
  })

  test('a backoff is never longer than what is left', async () => {
    const clock = createTestClock()
    await using pair = await startPair({
      credentials: { 'sk-a': { kind: 'server_error' } },
      provider: { maxWaitMs: 400, maxAttempts: 4 },
      clock,
    })
    await statusOf(pair.gateway.chat({}))
    for (const durationMs of clock.slept) expect(durationMs).toBeLessThanOrEqual(400)
  })
})

test('a connection that the upstream had closed meanwhile costs nobody anything', async () => {
  const secret = 'sk-reused'
  await using pair = await startPair({
    credentials: { [secret]: { kind: 'no_answer', isOnlyOnReusedConnection: true } },
    clock: createTestClock(),
  })
  for (let call = 0; call < 4; call++) expect(await statusOf(pair.gateway.chat({}))).toBe(200)
  expect(pair.exclusions(secret)).toEqual([])
})

test('an upstream that is not there is tried again and told as such', async () => {
  const simulator = startOpenAiSimulator({ credentials: {} })
  simulator.stop()
  const gateway = await startGateway({
    config: testConfig([testProvider(simulator.baseUrl, ['sk-a', 'sk-b'])]),
    clock: createTestClock(),
  })
  const response = await gateway.chat({})
  expect(response.status).toBe(502)
  expect((await readError(response)).code).toBe('upstream_unreachable')
  expect((await gateway.recorded(1))[0]).toMatchObject({ attempts: 4, outcome: 'failed' })
  await gateway.stop()
})
