/** All limits together, on a clock that stands still unless it is moved. */
import { describe, expect, test } from 'bun:test'
import { type ClientKey, type Limits, noLimits, type Usage } from '../../src/domain.ts'
import { type ClientLimits, createClientLimits } from '../../src/gateway/client-limits.ts'
import type { Call } from '../../src/providers/provider.ts'
import type { Spending } from '../../src/stores/store.ts'
import { type Chance, createChance } from '../helpers/random.ts'
import { testClient } from '../helpers/start-gateway.ts'

const noon = Date.parse('2030-05-10T12:00:00Z')
const hourMs = 3_600_000
const targets = [
  { provider: 'a', model: 'cheap' },
  { provider: 'b', model: 'dear' },
  { provider: 'c', model: 'cheap' },
]
const nothingSpent = { startsAt: 0, costsMicroUsd: {} }

interface Options {
  readonly timezone?: string
  readonly defaults?: Partial<Limits>
  readonly spending?: Spending
}

function startLimits(client: ClientKey, options: Options = {}) {
  const clock = {
    atMs: 0,
    now: () => noon + clock.atMs,
    monotonic: () => clock.atMs,
  }
  const clients = [client]
  const limits = createClientLimits({
    clock,
    timezone: options.timezone ?? 'UTC',
    defaults: { ...noLimits, ...options.defaults },
    spending: options.spending ?? { day: nothingSpent, month: nothingSpent },
    priceOf: (model) => ({ input: 0, output: model === 'dear' ? 10 : 1, cachedInput: null }),
    clients: () => clients,
  })
  const call = (maxTokens = 100, by = client) => callOf(by, maxTokens, clock.now())
  return { clock, limits, call, clients, take: (one: Call) => limits.take(one, targets)?.refusal ?? null }
}

let lastId = 0

/** Its body is empty: it is reckoned at what it asks for. */
function callOf(client: ClientKey, maxTokens: number, time: number): Call {
  const json = { max_tokens: maxTokens }
  return {
    id: `req_${++lastId}`,
    client,
    method: 'POST',
    path: '/chat/completions',
    query: '',
    headers: new Headers(),
    body: new Uint8Array(0),
    view: { model: 'm', modelSpan: null, isModelQuoted: true, isStream: false, json, outline: json },
    signal: new AbortController().signal,
    time,
    startedMs: 0,
  }
}

function limited(changes: Partial<Limits>, name = 'alice'): ClientKey {
  return testClient(name, `sk-client-of-${name}`, { limits: { ...noLimits, ...changes } })
}

function settle(limits: ClientLimits, call: Call, tokens = 0, costMicroUsd = tokens * 10): void {
  const usage: Usage = { inputTokens: 0, outputTokens: tokens, cachedTokens: 0, reasoningTokens: 0 }
  limits.settle(call, { client: call.client.name, time: call.time, usage, costMicroUsd })
}

function someLimits(chance: Chance): Partial<Limits> {
  const maybe = (value: number) => (chance.below(2) === 0 ? value : null)
  return {
    requestsPerMinute: maybe(1 + chance.below(40)),
    requestsPerSecond: maybe(chance.pick([0.5, 1 / 3, 1, 4])),
    burst: maybe(1 + chance.below(8)),
    tokensPerMinute: maybe(200 + chance.below(4000)),
    maxConcurrent: maybe(1 + chance.below(10)),
    budgetMicroUsd: maybe(1000 + chance.below(400_000)),
    budgetPeriod: chance.pick(['day', 'month']),
  }
}

test.each(Array.from({ length: 24 }, (_, seed) => seed + 1))(
  'a client that waits as long as it was told gets in, one that comes a moment earlier does not (seed %d)',
  (seed) => {
    const chance = createChance(seed)
    const { clock, limits, call, take } = startLimits(limited(someLimits(chance)))
    let underWay: Call[] = []
    const endAll = (tokens: () => number) => {
      for (const one of underWay) settle(limits, one, tokens())
      underWay = []
    }
    for (let round = 0; round < 1500; round++) {
      clock.atMs += chance.below(25) === 0 ? chance.next() * 50_000 : chance.next() * 600
      if (chance.below(3) === 0) endAll(() => chance.below(1500))
      const one = call(1 + chance.below(900))
      const refusal = take(one)
      if (refusal === null) {
        underWay.push(one)
        continue
      }
      if (refusal.isGuess) endAll(() => 0)
      const toldMs = Math.ceil(refusal.waitMs)
      if (!refusal.isGuess) {
        clock.atMs += toldMs - 1.01
        expect(take(one)).not.toBeNull()
        clock.atMs += 1.01
      } else clock.atMs += toldMs
      expect(take(one)).toBeNull()
      underWay.push(one)
    }
  },
)

describe('all or nothing', () => {
  test('a call that one limit refuses costs nothing of the others, however often it comes', () => {
    const client = limited({
      requestsPerMinute: 3,
      requestsPerSecond: 1,
      burst: 3,
      tokensPerMinute: 1000,
      maxConcurrent: 1,
      budgetMicroUsd: 1_000_000,
    })
    const { limits, call, take } = startLimits(client)
    const first = call()
    expect(take(first)).toBeNull()
    for (let round = 0; round < 50; round++) expect(take(call())?.kind).toBe('concurrency')
    expect(limits.status()[0]).toMatchObject({
      allowed: 1,
      refused: { rpm: 0, rps: 0, tpm: 0, concurrency: 50, budget: 0 },
      rpm: { remaining: 2 },
      rps: { remaining: 2 },
      tpm: { remaining: 900 },
      concurrency: { used: 1 },
      budget: { reservedMicroUsd: 1000 },
    })
  })

  test('a client without limits is not counted at all', () => {
    const { limits, call } = startLimits(limited({}))
    const one = call()
    expect(limits.take(one, targets)).toBeNull()
    settle(limits, one, 10)
    expect(limits.status()).toEqual([])
    expect(limits.counts().allowed).toBe(0)
  })

  test('a call is settled once, however often it is said', () => {
    const { limits, call, take } = startLimits(limited({ maxConcurrent: 2 }))
    const [first, second] = [call(), call()]
    take(first)
    take(second)
    settle(limits, first)
    settle(limits, first)
    expect(limits.status()[0]?.concurrency).toEqual({ limit: 2, used: 1 })
  })

  test('a call whose use is known later gives its place back at its end, once, and the rest when it is known', () => {
    const client = limited({ maxConcurrent: 2, tokensPerMinute: 1000, budgetMicroUsd: 1_000_000 })
    const { limits, call, take } = startLimits(client)
    const [first, second] = [call(), call()]
    take(first)
    take(second)
    limits.release(first)
    limits.release(first)
    expect(limits.status()[0]).toMatchObject({
      concurrency: { used: 1 },
      tpm: { remaining: 800 },
      budget: { spentMicroUsd: 0, reservedMicroUsd: 2000 },
    })
    settle(limits, first, 30)
    limits.release(first)
    expect(limits.status()[0]).toMatchObject({
      concurrency: { used: 1 },
      tpm: { remaining: 870 },
      budget: { spentMicroUsd: 300, reservedMicroUsd: 1000 },
    })
    settle(limits, second, 100)
    expect(limits.status()[0]).toMatchObject({ concurrency: { used: 0 }, budget: { reservedMicroUsd: 0 } })
  })
})

describe('tokens', () => {
  test('a call sets aside what it may use; then what it did use counts', () => {
    const { limits, call, take } = startLimits(limited({ tokensPerMinute: 1000 }))
    const first = call(600)
    expect(take(first)).toBeNull()
    expect(take(call(500))?.kind).toBe('tpm')
    settle(limits, first, 100)
    expect(limits.status()[0]?.tpm?.remaining).toBe(900)
    expect(take(call(500))).toBeNull()
  })

  test('one that failed before an answer is given back whole', () => {
    const { limits, call, take } = startLimits(limited({ tokensPerMinute: 1000 }))
    const one = call(600)
    take(one)
    settle(limits, one, 0)
    expect(limits.status()[0]?.tpm).toMatchObject({ remaining: 1000, resetMs: 0 })
  })

  test('one that is larger than the limit is let in when nothing else counts, and only then', () => {
    const { clock, limits, call, take } = startLimits(limited({ tokensPerMinute: 1000 }))
    const small = call(10)
    take(small)
    settle(limits, small, 10)
    const large = call(5000)
    const refusal = take(large)
    expect(refusal).toMatchObject({ kind: 'tpm', isGuess: false })
    clock.atMs += refusal?.waitMs ?? 0
    expect(take(large)).toBeNull()
    expect(take(call(1))?.kind).toBe('tpm')
    settle(limits, large, 4000)
    expect(limits.status()[0]?.tpm?.remaining).toBe(0)
  })

  test('the length that is asked for counts under each of its names, the body by its size; a file counts nothing', () => {
    const { limits } = startLimits(limited({}))
    const client = limited({ tokensPerMinute: 1_000_000 })
    const reckoned = (json: Record<string, unknown> | null, path = '/chat/completions', bytes = 400) => {
      const one = callOf(client, 0, noon)
      const { view } = one
      const before = limits.take(one, targets)?.tokens?.remaining ?? 0
      settle(limits, one)
      limits.take({ ...one, path, body: new Uint8Array(bytes), view: { ...view, json, outline: json } }, targets)
      const after = limits.take(callOf(client, 0, noon), targets)?.tokens?.remaining ?? 0
      // Both probes are reckoned at the default of 1000.
      return before - after
    }
    expect(reckoned({ max_tokens: 50 })).toBe(150)
    expect(reckoned({ max_completion_tokens: 60 })).toBe(160)
    expect(reckoned({ max_output_tokens: 70 })).toBe(170)
    expect(reckoned({ max_tokens: 50, n: 3 })).toBe(250)
    expect(reckoned({})).toBe(1100)
    expect(reckoned({ max_tokens: -5 })).toBe(1100)
    expect(reckoned({ max_tokens: 'many' })).toBe(1100)
    expect(reckoned({ max_tokens: 1e12 })).toBe(16_484)
    expect(reckoned({}, '/embeddings')).toBe(100)
    expect(reckoned(null)).toBe(0)
    expect(reckoned({ max_tokens: 1 }, '/chat/completions', 8_000_000)).toBe(200_001)
  })
})

describe('budgets', () => {
  const budget = (changes: Partial<Limits> = {}) => limited({ budgetMicroUsd: 10_000, budgetPeriod: 'day', ...changes })

  test('what calls under way may cost, by the dearest of their targets, is set aside', () => {
    const { limits, call, take } = startLimits(budget())
    const calls = Array.from({ length: 50 }, () => call(100))
    const allowed = calls.filter((one) => take(one) === null)
    expect(allowed).toHaveLength(10)
    expect(take(call())).toMatchObject({ kind: 'budget', isGuess: true, waitMs: 1000 })
    for (const one of allowed) settle(limits, one, 100)
    expect(limits.status()[0]?.budget).toMatchObject({ spentMicroUsd: 10_000, reservedMicroUsd: 0 })
  })

  test('when it is spent, the wait is the rest of the day or month as the zone has it', () => {
    for (const [budgetPeriod, timezone, end] of [
      ['day', 'UTC', '2030-05-11T00:00:00Z'],
      ['month', 'UTC', '2030-06-01T00:00:00Z'],
      ['day', 'Asia/Kolkata', '2030-05-10T18:30:00Z'],
      ['month', 'America/New_York', '2030-06-01T04:00:00Z'],
    ] as const) {
      const { clock, limits, call, take } = startLimits(budget({ budgetPeriod }), { timezone })
      const one = call()
      take(one)
      settle(limits, one, 0, 10_000)
      const refusal = take(call())
      expect(refusal).toMatchObject({ kind: 'budget', isGuess: false, waitMs: Date.parse(end) - noon })
      expect(refusal?.allowed).toBe(`spend 0.01 USD in a ${budgetPeriod}`)
      clock.atMs += (refusal?.waitMs ?? 0) - 1
      expect(take(call())?.kind).toBe('budget')
      clock.atMs += 1
      expect(take(call())).toBeNull()
    }
  })

  test('a call that ends in the next period counts in the one in which it began', () => {
    const { clock, limits, call, take } = startLimits(budget())
    const one = call(900)
    take(one)
    clock.atMs += 13 * hourMs
    const other = call(100)
    take(other)
    settle(limits, one, 900)
    expect(limits.status()[0]?.budget).toMatchObject({ spentMicroUsd: 0, reservedMicroUsd: 1000 })
  })

  test('what earlier runs have spent counts, where it was in the same day or month', () => {
    const costsMicroUsd = { alice: 9999, bob: 10_000 }
    const start = (startsAt: string, name: string) => {
      const spending = { day: { startsAt: Date.parse(startsAt), costsMicroUsd }, month: nothingSpent }
      const client = limited({ budgetMicroUsd: 10_000, budgetPeriod: 'day' }, name)
      const { call, take } = startLimits(client, { spending })
      return [take(call())?.kind, take(call())?.kind]
    }
    expect(start('2030-05-10T00:00:00Z', 'alice')).toEqual([undefined, 'budget'])
    expect(start('2030-05-10T00:00:00Z', 'bob')).toEqual(['budget', 'budget'])
    expect(start('2030-05-09T00:00:00Z', 'bob')).toEqual([undefined, undefined])
  })

  test('a budget that a reload gives begins with what has been spent without it', () => {
    const { limits, call, take } = startLimits(limited({}))
    const one = call()
    take(one)
    settle(limits, one, 0, 10_000)
    limits.setDefaults({ ...noLimits, budgetMicroUsd: 10_000 })
    expect(take(call())?.kind).toBe('budget')
  })
})

describe('who has which', () => {
  test('what a key leaves out comes from the limits of all, one by one', () => {
    const client = limited({ requestsPerSecond: 2, budgetMicroUsd: 5_000_000 })
    const defaults: Partial<Limits> = {
      requestsPerMinute: 7,
      burst: 4,
      requestsPerSecond: 9,
      budgetPeriod: 'day',
      maxConcurrent: 3,
    }
    const { limits } = startLimits(client, { defaults })
    expect(limits.status()[0]).toMatchObject({
      rpm: { limit: 7 },
      rps: { perSecond: 2, limit: 4 },
      tpm: null,
      concurrency: { limit: 3 },
      budget: { limitMicroUsd: 5_000_000, period: 'day' },
    })
  })

  test.each([
    [0.5, 1],
    [2.5, 3],
    [4, 4],
  ])('without a burst, %d per second are %d at once', (requestsPerSecond, burst) => {
    const { limits } = startLimits(limited({ requestsPerSecond }))
    expect(limits.status()[0]?.rps?.limit).toBe(burst)
  })

  test('the requests told are those of the tighter limit', () => {
    const { limits, call } = startLimits(limited({ requestsPerMinute: 10, requestsPerSecond: 1, burst: 2 }))
    expect(limits.take(call(), targets)?.requests).toMatchObject({ limit: 2, remaining: 1 })
    const other = startLimits(limited({ requestsPerMinute: 2, requestsPerSecond: 1, burst: 10 }))
    expect(other.limits.take(other.call(), targets)?.requests).toMatchObject({ limit: 2, remaining: 1 })
  })

  test('keys that are gone are forgotten, but not while a call of theirs is under way; those that stay keep their counts', () => {
    const client = limited({ requestsPerMinute: 5, maxConcurrent: 5 })
    const { clock, limits, call, clients, take } = startLimits(client)
    const gone = limited({ maxConcurrent: 2 }, 'gone')
    clients.push(gone)
    const [first, second] = [call(1, gone), call(1, gone)]
    take(first)
    take(second)
    settle(limits, first)
    take(call())
    clients.pop()
    const wakeSweep = (name: string) => {
      clock.atMs += 120_000
      take(call(1, limited({ maxConcurrent: 1 }, name)))
    }
    const usedByGone = () => {
      clients.push(gone)
      const used = limits.status().find(({ name }) => name === 'gone')
      clients.pop()
      return [used?.allowed, used?.concurrency?.used]
    }
    wakeSweep('visitor-1')
    expect(usedByGone()).toEqual([2, 1])
    settle(limits, second)
    wakeSweep('visitor-2')
    expect(usedByGone()).toEqual([0, 0])
    expect(limits.status()[0]).toMatchObject({ name: 'alice', allowed: 1 })
  })
})
