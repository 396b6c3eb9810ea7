import { afterEach, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/clock.ts'
import { createRateLimiter } from '../../src/gateway/rate-limiter.ts'
import { createChance } from '../helpers/random.ts'
import {
  clientSecret,
  startGateway,
  type TestGateway,
  testClient,
  testConfig,
  testProvider,
} from '../helpers/start-gateway.ts'

function limiterAt(start: number) {
  const clock = { now: start, monotonic: () => clock.now }
  return { clock, limiter: createRateLimiter(clock) }
}

describe('the window', () => {
  test('so many calls are allowed in a minute, and each place is free again a minute after its call', () => {
    const { clock, limiter } = limiterAt(0)
    const take = (at: number) => {
      clock.now = at
      const { isAllowed, remaining, retryAfterMs, resetMs } = limiter.take('a', 3)
      return [isAllowed, remaining, retryAfterMs, resetMs]
    }
    expect(take(0)).toEqual([true, 2, 0, 60_000])
    expect(take(20_000)).toEqual([true, 1, 0, 60_000])
    expect(take(59_000)).toEqual([true, 0, 1000, 60_000])
    expect(take(59_999)).toEqual([false, 0, 1, 59_001])
    expect(take(60_000)).toEqual([true, 0, 20_000, 60_000])
    expect(take(79_999)).toEqual([false, 0, 1, 40_001])
    expect(take(80_000)).toEqual([true, 0, 39_000, 60_000])
    expect(take(500_000)).toEqual([true, 2, 0, 60_000])
  })

  test('refused calls cost nothing, however many they are', () => {
    const { clock, limiter } = limiterAt(5)
    limiter.take('a', 1)
    for (let call = 0; call < 1000; call++) expect(limiter.take('a', 1).isAllowed).toBe(false)
    clock.now = 60_005
    expect(limiter.take('a', 1).isAllowed).toBe(true)
  })

  test.each([1, 2, 3])(
    'no minute anywhere holds more than the limit, and none is refused without need (seed %d)',
    (seed) => {
      const chance = createChance(seed)
      const { clock, limiter } = limiterAt(0)
      const limit = 20
      const allowed: number[] = []
      for (let call = 0; call < 20_000; call++) {
        // Bursts and pauses.
        clock.now += chance.below(10) === 0 ? chance.below(40_000) : chance.below(500)
        const inWindow = allowed.filter((time) => time > clock.now - 60_000).length
        const allowance = limiter.take('a', limit)
        expect(allowance.isAllowed).toBe(inWindow < limit)
        if (allowance.isAllowed) allowed.push(clock.now)
        if (allowed.length > 100) allowed.splice(0, 50)
      }
    },
  )

  test('the time told is true: a moment before it is refused, at it allowed', () => {
    const chance = createChance(7)
    const { clock, limiter } = limiterAt(0)
    for (let round = 0; round < 200; round++) {
      clock.now += chance.below(3000)
      const { isAllowed, retryAfterMs } = limiter.take('a', 10)
      if (isAllowed) continue
      clock.now += retryAfterMs - 1
      expect(limiter.take('a', 10).isAllowed).toBe(false)
      clock.now += 1
      expect(limiter.take('a', 10).isAllowed).toBe(true)
    }
  })

  test('a limit that a reload lowers holds at once', () => {
    const { clock, limiter } = limiterAt(0)
    for (let call = 0; call < 10; call++) {
      clock.now = call * 1000
      limiter.take('a', 10)
    }
    expect(limiter.take('a', 4)).toMatchObject({ isAllowed: false, remaining: 0, retryAfterMs: 57_000 })
    clock.now += 57_000
    expect(limiter.take('a', 4).isAllowed).toBe(true)
  })

  test('clients are counted apart, and those long gone are forgotten', () => {
    const { clock, limiter } = limiterAt(0)
    expect(limiter.take('a', 1).isAllowed).toBe(true)
    expect(limiter.take('b', 1).isAllowed).toBe(true)
    expect(limiter.take('a', 1).isAllowed).toBe(false)
    clock.now = 60_000
    expect(limiter.take('c', 1).isAllowed).toBe(true)
    expect(limiter.take('a', 1).isAllowed).toBe(true)
  })
})

describe('at the front door', () => {
  let gateway: TestGateway | null = null
  let upstream: ReturnType<typeof Bun.serve> | null = null

  afterEach(async () => {
    await gateway?.stop()
    await upstream?.stop(true)
  })

  async function start(requestsPerMinute: number | null, defaultRequestsPerMinute: number | null) {
    let now = 0
    let calls = 0
    upstream = Bun.serve({
      port: 0,
      fetch() {
        calls++
        const message = { role: 'assistant', content: 'Hello' }
        return Response.json({ choices: [{ index: 0, message, finish_reason: 'stop' }] })
      },
    })
    const config = testConfig([testProvider(`http://127.0.0.1:${upstream.port}/v1`, ['sk-upstream'])])
    const clientKeys = [testClient('alice', clientSecret, { requestsPerMinute }), testClient('bob', 'sk-client-of-bob')]
    gateway = await startGateway({
      config: { ...config, access: { ...config.access, clientKeys, defaultRequestsPerMinute } },
      clock: { ...systemClock, monotonic: () => now },
    })
    const wait = (durationMs: number) => {
      now += durationMs
    }
    return { gateway, calls: () => calls, wait }
  }

  const limitsOf = ({ headers }: Response) =>
    ['limit', 'remaining', 'reset'].map((name) => headers.get(`x-ratelimit-${name}-requests`))

  test('a call too many is 429 in the shape of OpenAI, with the time to come back, and on record as refused', async () => {
    const { gateway, calls, wait } = await start(2, null)
    expect(limitsOf(await gateway.chat({}))).toEqual(['2', '1', '60s'])
    wait(1500)
    expect(limitsOf(await gateway.chat({}))).toEqual(['2', '0', '60s'])
    const refused = await gateway.chat({})
    expect(refused.status).toBe(429)
    expect(limitsOf(refused)).toEqual(['2', '0', '60s'])
    expect(refused.headers.get('retry-after')).toBe('59')
    expect(refused.headers.get('retry-after-ms')).toBe('58500')
    expect(refused.headers.get('x-request-id')).toStartWith('req_')
    expect(await refused.json()).toMatchObject({
      error: { code: 'rate_limit_exceeded', type: 'rate_limit_error', param: null },
    })
    const records = await gateway.recorded(3)
    expect(records.map(({ status, outcome, errorCode }) => [status, outcome, errorCode])).toEqual([
      [200, 'succeeded', ''],
      [200, 'succeeded', ''],
      [429, 'refused', 'rate_limit_exceeded'],
    ])
    expect(calls()).toBe(2)
    wait(58_500)
    expect((await gateway.chat({})).status).toBe(200)
  })

  test('of many calls at once exactly the allowed ones pass, other paths and streams among them', async () => {
    const { gateway, calls } = await start(5, null)
    const embed = () => gateway.call('/v1/embeddings', { method: 'POST', body: '{"model":"e","input":"x"}' })
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) => (index % 2 === 0 ? embed() : gateway.chat({ stream: index % 3 === 0 }))),
    )
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(25)
    expect(calls()).toBe(5)
  })

  test('a key without a limit of its own has that of all, each key for itself', async () => {
    const { gateway } = await start(null, 1)
    const bob = { headers: { authorization: 'Bearer sk-client-of-bob' } }
    expect((await gateway.chat({})).status).toBe(200)
    expect((await gateway.chat({})).status).toBe(429)
    expect((await gateway.chat({}, bob)).status).toBe(200)
    expect((await gateway.chat({}, bob)).status).toBe(429)
  })

  test('where there is no limit, nothing is said of one', async () => {
    const { gateway } = await start(null, null)
    expect(limitsOf(await gateway.chat({}))).toEqual([null, null, null])
  })
})
