/** The limits of client keys at the front door: who gets in, what the others are told, and what every ending gives back. */
import { describe, expect, test } from 'bun:test'
import { type Limits, noLimits } from '../../src/domain.ts'
import { type LimitKind, limitKinds } from '../../src/gateway/client-limits.ts'
import type { TokenCounter } from '../../src/gateway/token-counter.ts'
import type { TokenCount } from '../../src/gateway/token-messages.ts'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { createChance } from '../helpers/random.ts'
import { sendRaw } from '../helpers/raw-client.ts'
import { clientSecret, testClient, testConfig } from '../helpers/start-gateway.ts'
import { createTestClock, type Pair, readError, startPair, statusOf, until } from '../helpers/start-pair.ts'

const secret = 'sk-limited-credential-001'
const good: Behaviour = { kind: 'good' }
const bobsSecret = 'sk-client-of-bob'
const bob = { headers: { authorization: `Bearer ${bobsSecret}` } }
const dear = { 'gpt-4o': { input: 0, output: 10, cachedInput: null } }

interface Start {
  readonly alice?: Partial<Limits>
  readonly defaults?: Partial<Limits>
  readonly behaviour?: Behaviour
  readonly isAnonymousAllowed?: boolean
}

function accessWith({ alice = {}, defaults = {}, isAnonymousAllowed = false }: Start) {
  const { access } = testConfig([])
  const clientKeys = [
    testClient('alice', clientSecret, { limits: { ...noLimits, ...alice } }),
    testClient('bob', bobsSecret),
  ]
  return { ...access, isAnonymousAllowed, clientKeys, defaultLimits: { ...noLimits, ...defaults } }
}

/** On a clock that only moves when it is told to, apart from deadlines. */
function start(options: Start): Promise<Pair & { advance: (durationMs: number) => void }> {
  let now = 1_900_000_000_000
  const clock = { ...createTestClock(), now: () => now, monotonic: () => now - 1_800_000_000_000 }
  const config = { access: accessWith(options), prices: dear }
  return startPair({ credentials: { [secret]: options.behaviour ?? good }, config, clock }).then((pair) =>
    Object.assign(pair, {
      advance: (durationMs: number) => {
        now += durationMs
      },
    }),
  )
}

function reloadWith(pair: Pair, options: Start): void {
  const { gateway } = pair.gateway
  gateway.reload({ ...gateway.config(), access: accessWith(options) })
}

const statusesOf = (answers: readonly Promise<Response>[]) => Promise.all(answers.map(statusOf))
const countOf = (statuses: readonly number[], wanted: number) => statuses.filter((status) => status === wanted).length
const limitsOf = ({ headers }: Response, of = 'requests') =>
  ['limit', 'remaining', 'reset'].map((name) => headers.get(`x-ratelimit-${name}-${of}`))
const statusOfClient = ({ gateway }: Pair, name = 'alice') =>
  gateway.gateway.limits.status().find((one) => one.name === name)

describe('requests', () => {
  test('of two hundred calls at once on a key with a hundred exactly a hundred pass, streams and other paths among them', async () => {
    await using pair = await start({ alice: { requestsPerMinute: 100 } })
    const headers = { 'content-type': 'application/json' }
    const body = '{"model":"text-embedding-3-small","input":"x"}'
    const embed = () => pair.gateway.call('/v1/embeddings', { method: 'POST', headers, body })
    const statuses = await statusesOf(
      Array.from({ length: 200 }, (_, index) =>
        index % 4 === 0 ? embed() : pair.gateway.chat({ stream: index % 3 === 0 }),
      ),
    )
    expect([countOf(statuses, 200), countOf(statuses, 429)]).toEqual([100, 100])
    expect(pair.upstream.totalCalls()).toBe(100)
  })

  test('a call too many is 429 in the shape of OpenAI, with the time to come back, and on record as refused', async () => {
    await using pair = await start({ alice: { requestsPerMinute: 2 } })
    const { gateway, advance } = pair
    expect(limitsOf(await gateway.chat({}))).toEqual(['2', '1', '60s'])
    advance(1500)
    expect(limitsOf(await gateway.chat({}))).toEqual(['2', '0', '60s'])
    const refused = await gateway.chat({})
    expect(refused.status).toBe(429)
    expect(limitsOf(refused)).toEqual(['2', '0', '60s'])
    expect(refused.headers.get('retry-after')).toBe('59')
    expect(refused.headers.get('retry-after-ms')).toBe('58500')
    expect(await readError(refused)).toEqual({
      code: 'rate_limit_exceeded',
      type: 'rate_limit_error',
      param: null,
      message: 'this key may make 2 requests per minute; Retry-After says when the next one is possible',
    })
    const records = await gateway.recorded(3)
    expect(records.map(({ status, outcome, errorCode }) => [status, outcome, errorCode])).toEqual([
      [200, 'succeeded', ''],
      [200, 'succeeded', ''],
      [429, 'refused', 'rate_limit_exceeded'],
    ])
    advance(58_500)
    expect(await statusOf(gateway.chat({}))).toBe(200)
  })

  test('a burst at once, then the rate, which may be a fraction', async () => {
    await using pair = await start({ alice: { requestsPerSecond: 0.5, burst: 3 } })
    const burst = await statusesOf(Array.from({ length: 10 }, () => pair.gateway.chat({})))
    expect(countOf(burst, 200)).toBe(3)
    const refused = await pair.gateway.chat({})
    expect(limitsOf(refused)).toEqual(['3', '0', '6s'])
    expect(refused.headers.get('retry-after')).toBe('2')
    expect((await readError(refused)).message).toStartWith('this key may make 0.5 requests per second, 3 at once;')
    pair.advance(2000)
    expect(await statusesOf([pair.gateway.chat({}), pair.gateway.chat({})])).toEqual([200, 429])
  })

  test('what the gateway itself refuses, and listing models, costs nothing', async () => {
    await using pair = await start({ alice: { requestsPerMinute: 1 } })
    for (let round = 0; round < 3; round++) {
      expect(await statusOf(pair.gateway.call('/v1/models'))).toBe(200)
      expect(await statusOf(pair.gateway.call('/v1/files'))).toBe(403)
      expect(await statusOf(pair.gateway.call('/v1/organization/usage'))).toBe(404)
    }
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    expect(await statusOf(pair.gateway.chat({}))).toBe(429)
    expect(await statusOf(pair.gateway.call('/v1/models'))).toBe(200)
  })

  test('a key without a limit of its own has that of all, each key for itself', async () => {
    await using pair = await start({ defaults: { requestsPerMinute: 1 } })
    const { gateway } = pair
    expect(await statusesOf([gateway.chat({}), gateway.chat({}), gateway.chat({}, bob)])).toEqual([200, 429, 200])
    expect(await statusOf(gateway.chat({}, bob))).toBe(429)
  })

  test('callers without a key share one set of the limits of all', async () => {
    await using pair = await start({ defaults: { requestsPerMinute: 2 }, isAnonymousAllowed: true })
    const stranger = (key: string) => pair.gateway.chat({}, { headers: { authorization: `Bearer ${key}` } })
    const statuses = await statusesOf([stranger('one'), stranger('two'), stranger('three')])
    expect(countOf(statuses, 200)).toBe(2)
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    expect(statusOfClient(pair, 'anonymous')).toMatchObject({ allowed: 2, rpm: { limit: 2, remaining: 0 } })
  })

  test('where there is no limit, nothing is said of one', async () => {
    await using pair = await start({})
    const answer = await pair.gateway.chat({})
    expect(JSON.stringify([...answer.headers.keys()])).not.toContain('ratelimit')
  })
})

describe('tokens', () => {
  test('a call sets aside what it asks for until its answer tells what it used', async () => {
    const behaviour: Behaviour = { kind: 'good', text: 'one two three', delayMs: 40 }
    await using pair = await start({ alice: { tokensPerMinute: 3000 }, behaviour })
    const { gateway } = pair
    const first = gateway.chat({ stream: true, max_tokens: 2500 })
    await pair.upstream.waitFor(() => true, 2000)
    const refused = await gateway.chat({ max_tokens: 1000 })
    expect(refused.status).toBe(429)
    expect((await readError(refused)).message).toStartWith('this key may use 3000 tokens per minute;')
    const [limit, remaining] = limitsOf(refused, 'tokens')
    expect(limit).toBe('3000')
    expect(Number(remaining)).toBeWithin(400, 500)
    expect(await statusOf(first)).toBe(200)
    const [record] = (await gateway.recorded(2)).filter(({ outcome }) => outcome === 'succeeded')
    const used = (record?.usage.inputTokens ?? 0) + (record?.usage.outputTokens ?? 0)
    expect(used).toBeGreaterThan(0)
    expect(statusOfClient(pair)?.tpm?.remaining).toBe(3000 - used)
    expect(await statusOf(gateway.chat({ max_tokens: 1000 }))).toBe(200)
  })

  test('a call that failed gives back all of it', async () => {
    await using pair = await start({ alice: { tokensPerMinute: 3000 }, behaviour: { kind: 'bad_request' } })
    expect(await statusOf(pair.gateway.chat({ max_tokens: 2500 }))).toBe(400)
    expect(statusOfClient(pair)?.tpm?.remaining).toBe(3000)
  })
})

describe('budgets', () => {
  test('of fifty calls at once on a budget for ten, ten are made, and what was set aside is what is spent', async () => {
    const usage = { prompt_tokens: 5, completion_tokens: 100, total_tokens: 105 }
    const message = { role: 'assistant', content: 'Hello' }
    const body = JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }], usage })
    const headers = { 'content-type': 'application/json' }
    await using pair = await start({
      alice: { budgetMicroUsd: 10_000, budgetPeriod: 'day' },
      behaviour: { kind: 'script', headers, chunks: [body], delayMs: 30 },
    })
    const calls = Array.from({ length: 50 }, () => pair.gateway.chat({ max_tokens: 100 }))
    const statuses = await statusesOf(calls)
    expect([countOf(statuses, 200), countOf(statuses, 429)]).toEqual([10, 40])
    expect(pair.upstream.totalCalls()).toBe(10)
    expect(statusOfClient(pair)?.budget).toMatchObject({ spentMicroUsd: 10_000, reservedMicroUsd: 0 })
    const refused = await pair.gateway.chat({})
    const leftMs = 86_400_000 - (1_900_000_000_000 % 86_400_000)
    expect(refused.headers.get('retry-after')).toBe(String(leftMs / 1000))
    expect(await readError(refused)).toMatchObject({
      code: 'insufficient_quota',
      type: 'insufficient_quota',
      message: 'this key may spend 0.01 USD in a day; Retry-After says when the next one is possible',
    })
    pair.advance(leftMs)
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
  })
})

describe('calls under way', () => {
  const authorization = `authorization: Bearer ${clientSecret}`
  const isFree = (pair: Pair) => statusOfClient(pair)?.concurrency?.used === 0
  const long: Behaviour = { kind: 'good', deltaCount: 400, text: 'x'.repeat(4000), delayMs: 10 }
  const wholes: Readonly<Record<string, Behaviour>> = {
    'an answer': good,
    'a refusal of the request': { kind: 'bad_request' },
    'a revoked credential': { kind: 'revoked' },
    'a used-up credential': { kind: 'exhausted' },
    'an upstream that fails': { kind: 'server_error' },
    'an upstream that closes the connection': { kind: 'no_answer' },
    'an error where success was promised': { kind: 'error_in_200' },
    'an answer cut in the middle': { kind: 'dying', afterChunks: 2 },
    'a stream without its end': { kind: 'dying', afterChunks: 2, how: 'clean' },
    'an error in the middle': { kind: 'error_in_stream', afterChunks: 2 },
    silence: { kind: 'hanging' },
    'silence in the middle': { kind: 'silent', after: 'content', afterChunks: 1 },
    'an empty answer': { kind: 'empty_body' },
  }

  for (const [ending, behaviour] of Object.entries(wholes)) {
    for (const stream of [false, true]) {
      test(`end with ${ending}${stream ? ', streamed' : ''}`, async () => {
        const access = accessWith({ alice: { maxConcurrent: 1 } })
        const provider = { timeouts: { firstByteMs: 100, answerMs: 100, idleMs: 100 }, maxAttempts: 1 }
        await using pair = await startPair({ credentials: { [secret]: behaviour }, provider, config: { access } })
        for (let round = 0; round < 2; round++) {
          const answer = await pair.gateway.chat({ stream })
          await answer.text().catch(() => '')
          await until(() => isFree(pair))
        }
        expect(statusOfClient(pair)).toMatchObject({ allowed: 2, refused: { concurrency: 0 } })
      })
    }
  }

  const departures: Readonly<
    Record<string, { behaviour: Behaviour; stream: boolean; isBegun: boolean; keepAliveMs?: number }>
  > = {
    'before the head of a stream': { behaviour: { kind: 'hanging' }, stream: true, isBegun: false },
    'before the head of an answer': { behaviour: { kind: 'hanging' }, stream: false, isBegun: false },
    'in the middle of a stream': { behaviour: long, stream: true, isBegun: true },
    'in the middle of a stream that has fallen silent': {
      behaviour: { kind: 'silent', after: 'content', afterChunks: 2 },
      stream: true,
      isBegun: true,
    },
    'while only comments were sent': { behaviour: { kind: 'hanging' }, stream: true, isBegun: true, keepAliveMs: 20 },
  }

  for (const [when, { behaviour, stream, isBegun, keepAliveMs = 15_000 }] of Object.entries(departures)) {
    test(`end with a client that leaves ${when}`, async () => {
      const { server } = testConfig([])
      const config = { access: accessWith({ alice: { maxConcurrent: 1 } }), server: { ...server, keepAliveMs } }
      await using pair = await startPair({ credentials: { [secret]: behaviour }, config })
      const controller = new AbortController()
      const answer = pair.gateway.chat({ stream }, { signal: controller.signal })
      answer.catch(() => {})
      await pair.upstream.waitFor(() => true, 2000)
      if (isBegun) await (await answer).body?.getReader().read()
      const refused = await pair.gateway.chat({ stream })
      expect(refused.status).toBe(429)
      expect(refused.headers.get('retry-after')).toBe('1')
      expect((await readError(refused)).message).toMatch(/^this key may have 1 calls under way at once; .* is a guess$/)
      controller.abort()
      await until(() => isFree(pair))
      expect(pair.gateway.gateway.metrics.snapshot().activeCalls).toBe(0)
    })
  }

  test('end with a client whose connection breaks without a word, and with one that hardly reads', async () => {
    const behaviour: Behaviour = { kind: 'good', deltaCount: 2000, text: 'y'.repeat(4_000_000) }
    const access = accessWith({ alice: { maxConcurrent: 1 } })
    const provider = { timeouts: { firstByteMs: 2000, answerMs: 2000, idleMs: 150 } }
    await using pair = await startPair({ credentials: { [secret]: behaviour }, provider, config: { access } })
    const body = '{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"x"}]}'
    for (const leaves of [true, false]) {
      const client = await sendRaw(pair.gateway.url, {
        path: '/v1/chat/completions',
        headers: [authorization, 'content-type: application/json'],
        body,
      })
      await until(() => client.received().length > 0)
      client.pause()
      expect(isFree(pair)).toBe(false)
      if (leaves) client.leave()
      await until(() => isFree(pair))
      client.leave()
    }
  })

  test('a thousand calls with every kind of end leave none behind', async () => {
    const steps: Behaviour[] = [...Object.values(wholes).filter(({ kind }) => kind !== 'hanging'), good, good]
    const chance = createChance(11)
    const access = accessWith({
      alice: { maxConcurrent: 40, tokensPerMinute: 100_000_000, budgetMicroUsd: 1_000_000_000 },
    })
    const provider = { timeouts: { firstByteMs: 60, answerMs: 60, idleMs: 60 }, maxAttempts: 2 }
    const credentials = { [secret]: { kind: 'sequence', steps, isRepeated: true } as const }
    await using pair = await startPair({ credentials, provider, config: { access }, clock: createTestClock() })
    const one = async () => {
      const controller = new AbortController()
      const isLeft = chance.below(4) === 0
      if (isLeft) setTimeout(() => controller.abort(), chance.below(40))
      try {
        const answer = await pair.gateway.chat({ stream: chance.below(2) === 0 }, { signal: controller.signal })
        await answer.text()
      } catch {}
    }
    const worker = async () => {
      for (let call = 0; call < 25; call++) await one()
    }
    await Promise.all(Array.from({ length: 40 }, worker))
    await until(() => isFree(pair))
    // Of those that were cut or left, the tokens are being counted.
    await until(() => statusOfClient(pair)?.budget?.reservedMicroUsd === 0)
    expect(pair.gateway.gateway.metrics.snapshot().activeCalls).toBe(0)
  }, 20_000)
})

test.each([1, 2, 3, 4])(
  'a client that waits for Retry-After gets in, whatever its limits are (seed %d)',
  async (seed) => {
    const chance = createChance(seed)
    const alice: Partial<Limits> = {
      requestsPerMinute: 5 + chance.below(10),
      requestsPerSecond: chance.pick([0.3, 2]),
      burst: 1 + chance.below(5),
      tokensPerMinute: 1500 + chance.below(3000),
      budgetMicroUsd: 5000,
      budgetPeriod: 'day',
    }
    await using pair = await start({ alice })
    for (let call = 0; call < 60; call++) {
      pair.advance(chance.below(3000))
      const body = { max_tokens: 1 + chance.below(800) }
      const answer = await pair.gateway.chat(body)
      await answer.text()
      if (answer.status === 200) continue
      expect(answer.status).toBe(429)
      const isExact = chance.below(2) === 0
      const { headers } = answer
      const toldMs = isExact ? Number(headers.get('retry-after-ms')) : Number(headers.get('retry-after')) * 1000
      expect(toldMs).toBeGreaterThan(0)
      pair.advance(toldMs)
      expect(await statusOf(pair.gateway.chat(body))).toBe(200)
    }
  },
)

test('a reload keeps what was counted, and changed limits hold at once', async () => {
  await using pair = await start({ alice: { requestsPerMinute: 3, maxConcurrent: 5 } })
  const { gateway } = pair
  expect(await statusesOf([gateway.chat({}), gateway.chat({})])).toEqual([200, 200])
  reloadWith(pair, { alice: { requestsPerMinute: 3 } })
  expect(await statusesOf([gateway.chat({}), gateway.chat({})])).toEqual([200, 429])
  reloadWith(pair, { alice: { requestsPerMinute: 5 } })
  expect(limitsOf(await gateway.chat({}))).toEqual(['5', '1', '60s'])
  reloadWith(pair, { defaults: { requestsPerMinute: 2 } })
  expect(await statusOf(gateway.chat({}))).toBe(429)
  reloadWith(pair, {})
  expect(await statusOf(gateway.chat({}))).toBe(200)
})

test('while the tokens of a call are counted its place is free, and what it set aside is not', async () => {
  const access = accessWith({ alice: { maxConcurrent: 1, tokensPerMinute: 100_000, budgetMicroUsd: 1_000_000 } })
  const waiting: (() => void)[] = []
  const counted: TokenCount = { inputTokens: 7, outputTokens: 40, reasoningTokens: 0, isWhole: true }
  const counter: TokenCounter = {
    count: (_, done) => waiting.push(() => done(counted)),
    close: async () => {},
  }
  const behaviour: Behaviour = { kind: 'good', usage: 'never' }
  const config = { access, prices: dear }
  await using pair = await startPair({ credentials: { [secret]: behaviour }, config, counter })
  const isFree = () => statusOfClient(pair)?.concurrency?.used === 0
  for (const stream of [true, false]) {
    expect(await statusOf(pair.gateway.chat({ stream, max_tokens: 1000 }))).toBe(200)
    await until(isFree)
  }
  expect(waiting).toHaveLength(2)
  expect(statusOfClient(pair)).toMatchObject({
    allowed: 2,
    budget: { spentMicroUsd: 0, reservedMicroUsd: 2 * 1000 * 10 },
  })
  expect(statusOfClient(pair)?.tpm?.remaining).toBeWithin(97_000, 98_001)
  for (const count of waiting) count()
  expect(statusOfClient(pair)).toMatchObject({
    concurrency: { used: 0 },
    tpm: { remaining: 100_000 - 2 * 47 },
    budget: { spentMicroUsd: 2 * 40 * 10, reservedMicroUsd: 0 },
  })
  expect(await pair.gateway.recorded(2)).toHaveLength(2)
})

test('with the answer cache on, calls give back what they took as well', async () => {
  const access = accessWith({ alice: { maxConcurrent: 1, tokensPerMinute: 100_000 } })
  const cache = { ...testConfig([]).cache, isEnabled: true }
  await using pair = await startPair({ credentials: { [secret]: good }, config: { access, cache } })
  for (const content of ['one', 'other', 'one']) {
    expect(await statusOf(pair.gateway.chat({ messages: [{ role: 'user', content }] }))).toBe(200)
    await until(() => statusOfClient(pair)?.concurrency?.used === 0)
  }
  const records = await pair.gateway.recorded(3)
  const tokens = records.reduce((sum, { usage }) => sum + usage.inputTokens + usage.outputTokens, 0)
  expect(records.map(({ usageSource }) => usageSource)).toEqual(['upstream', 'upstream', 'cache'])
  expect(statusOfClient(pair)?.tpm?.remaining).toBe(100_000 - tokens)
})

test('a call under way over a reload gives its place back', async () => {
  await using pair = await start({
    alice: { maxConcurrent: 1 },
    behaviour: { kind: 'good', text: 'one two three four', delayMs: 30 },
  })
  const answer = pair.gateway.chat({ stream: true })
  await pair.upstream.waitFor((one) => one.chunksSent > 1, 2000)
  reloadWith(pair, { alice: { maxConcurrent: 1 } })
  expect(await statusOf(pair.gateway.chat({}))).toBe(429)
  expect(await statusOf(answer)).toBe(200)
  expect(await statusOf(pair.gateway.chat({}))).toBe(200)
})

test.each([false, true])(
  'what a call has taken is given back where answers are kept, streamed or not: %p',
  async (stream) => {
    await using pair = await start({ alice: { maxConcurrent: 1, budgetMicroUsd: 10_000_000, budgetPeriod: 'day' } })
    const { gateway } = pair.gateway
    const { cache } = gateway.config()
    gateway.reload({ ...gateway.config(), cache: { ...cache, isEnabled: true } })
    // A miss, a hit, one that fails at the client's own mistake.
    for (const body of [{ stream }, { stream }, { stream, messages: 'none' }]) {
      await statusOf(pair.gateway.chat(body))
      await until(() => statusOfClient(pair)?.concurrency?.used === 0)
    }
    expect(statusOfClient(pair)?.budget?.reservedMicroUsd).toBe(0)
  },
)

test('the operator sees limits, what is left of them and how many calls each has refused', async () => {
  await using pair = await start({
    alice: { requestsPerMinute: 2, requestsPerSecond: 10, budgetMicroUsd: 5_000_000, maxConcurrent: 3 },
    defaults: { requestsPerSecond: 4 },
  })
  const { gateway } = pair
  const statuses: number[] = []
  for (let call = 0; call < 5; call++) statuses.push(await statusOf(gateway.chat({})))
  await gateway.recorded(5)
  expect(statuses).toEqual([200, 200, 429, 429, 429])
  const stats = (await (await gateway.admin('/stats')).json()) as { clients_limits: Record<string, unknown> }
  expect(stats.clients_limits).toMatchObject({
    alice: {
      allowed: 2,
      refused: { rpm: 3, rps: 0, tpm: 0, concurrency: 0, budget: 0 },
      rpm: { limit: 2, remaining: 0, reset_ms: 60_000 },
      rps: { limit: 10, burst: 10, remaining: 8 },
      tpm: null,
      max_concurrent: { limit: 3, used: 0 },
      budget: { period: 'month', limit_usd: 5, reserved_usd: 0, ends: '2030-04-01T00:00:00.000Z' },
    },
    bob: { allowed: 0, rpm: null, rps: { limit: 4, burst: 4, remaining: 4 }, budget: null },
  })
  const text = await (await gateway.admin('/metrics')).text()
  const counted = (limit: LimitKind) => `any2api_limited_requests_total{limit="${limit}"} ${limit === 'rpm' ? 3 : 0}\n`
  for (const limit of limitKinds) expect(text).toContain(counted(limit))
  const json = await (await gateway.admin('/metrics', { headers: { accept: 'application/json' } })).json()
  expect(json).toMatchObject({
    rate_stats: {
      enabled: true,
      rate: 2 / 60 + 4,
      burst: 2 + 4,
      available_tokens: 4,
      request_count: 5,
      allowed_count: 2,
      rejected_count: 3,
      rejection_rate: 0.6,
    },
  })
})
