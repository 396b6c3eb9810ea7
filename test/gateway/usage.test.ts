/** One record for each call, with what the upstream counted, and what it cost. */
import { describe, expect, test } from 'bun:test'
import type { Price } from '../../src/domain.ts'
import { costMicroUsd, createPriceTable } from '../../src/gateway/pricing.ts'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { createTestClock, startPair, statusOf, until } from '../helpers/start-pair.ts'

const secret = 'sk-counted-credential-001'
const tokens = { prompt: 1_000_000, completion: 200_000, cached: 400_000, reasoning: 50_000 }
const price = (input: number, output: number, cachedInput: number | null = null): Price => ({
  input,
  output,
  cachedInput,
})

describe('a record', () => {
  for (const isStream of [false, true]) {
    test(`has the numbers of the upstream, cached and reasoning ones too${isStream ? ', streamed' : ''}`, async () => {
      await using pair = await startPair({
        credentials: { [secret]: { kind: 'good', tokens } },
        config: { prices: { 'gpt-4o': price(2.5, 10, 1.25) } },
      })
      await statusOf(pair.gateway.chat({ stream: isStream }))
      expect(await pair.onlyRecord()).toMatchObject({
        client: 'alice',
        path: '/chat/completions',
        model: 'gpt-4o',
        provider: 'openai',
        targetModel: 'gpt-4o',
        credential: pair.credential(secret).label,
        status: 200,
        outcome: 'succeeded',
        isStream,
        errorCode: '',
        attempts: 1,
        usage: { inputTokens: 1_000_000, outputTokens: 200_000, cachedTokens: 400_000, reasoningTokens: 50_000 },
        usageSource: 'upstream',
        costMicroUsd: 600_000 * 2.5 + 400_000 * 1.25 + 200_000 * 10,
      })
    })
  }

  test('costs what the model costs that answered, unless the route has a price', async () => {
    const route = (pattern: string, own: Price | null) => ({
      pattern,
      targets: [{ provider: 'openai', model: 'gpt-4o-mini' }],
      price: own,
    })
    await using pair = await startPair({
      credentials: { [secret]: { kind: 'good', tokens: { prompt: 1000, completion: 1000 } } },
      config: { models: [route('plain', null), route('priced', price(7, 9))], prices: { 'gpt-4o-mini': price(1, 2) } },
    })
    for (const model of ['plain', 'priced', 'unknown']) await statusOf(pair.gateway.chat({ model }))
    const records = await pair.gateway.recorded(3)
    expect(records.map((record) => record.costMicroUsd)).toEqual([3000, 16_000, 4000])
  })

  test('tells the time to the first byte and the whole time', async () => {
    const slow: Behaviour = { kind: 'good', firstTokenDelayMs: 60, deltaCount: 4, text: 'four', delayMs: 20 }
    await using pair = await startPair({ credentials: { [secret]: slow } })
    await statusOf(pair.gateway.chat({ stream: true }))
    const record = await pair.onlyRecord()
    expect(record.firstByteMs).toBeWithin(50, 2000)
    expect(record.durationMs - (record.firstByteMs ?? 0)).toBeGreaterThan(50)
  })

  test('is made for refusals of the gateway that had a route, and costs nothing', async () => {
    await using pair = await startPair({ credentials: { [secret]: { kind: 'rate_limited', retryAfterMs: 60_000 } } })
    for (const _ of [1, 2]) await statusOf(pair.gateway.chat({}))
    for (const record of await pair.gateway.recorded(2)) {
      expect(record).toMatchObject({
        status: 429,
        outcome: 'failed',
        usageSource: 'none',
        costMicroUsd: 0,
        firstByteMs: null,
      })
    }
  })

  test('is made once for each of 300 calls of all kinds, and nothing is left running', async () => {
    const steps: Behaviour[] = [
      { kind: 'good' },
      { kind: 'dying', afterChunks: 3 },
      { kind: 'bad_request' },
      { kind: 'error_in_stream' },
      { kind: 'error_in_200' },
    ]
    await using pair = await startPair({
      credentials: { [secret]: { kind: 'sequence', steps, isRepeated: true }, 'sk-second': { kind: 'good' } },
      clock: createTestClock(),
      provider: {
        breaker: { failures: 1e9, ratio: 1, minCalls: 1e9, windowMs: 1, openMs: 1, maxOpenMs: 1 },
        blacklist: { threshold: 1e9, cooldownMs: 1, recheckMs: 1 },
      },
    })
    const ids: string[] = []
    const worker = async (_: unknown, index: number) => {
      for (let call = 0; call < 10; call++) {
        const response = await pair.gateway.chat({ stream: (index + call) % 2 === 0 })
        await response.text()
        ids.push(response.headers.get('x-request-id') ?? '')
      }
    }
    await Promise.all(Array.from({ length: 30 }, worker))
    await pair.gateway.recorded(300)
    expect(pair.gateway.records.map((record) => record.id).sort()).toEqual(ids.sort())
    await until(() => pair.upstream.inFlight() === 0)
    for (const one of pair.gateway.gateway.status().providers[0]?.credentials ?? []) expect(one.inFlight).toBe(0)
    const { calls, activeCalls } = pair.gateway.gateway.metrics.snapshot()
    expect([calls, activeCalls]).toEqual([300, 0])
  })
})

describe('a price', () => {
  const table = createPriceTable(
    { 'gpt-4o': price(1, 1), 'gpt-*': price(2, 2), 'gpt-4*': price(3, 3), '*': price(4, 4) },
    price(9, 9),
  )
  const bare = createPriceTable({}, price(9, 9))
  const rows: readonly (readonly [string, number])[] = [
    ['gpt-4o', 1],
    ['gpt-4.1', 3],
    ['gpt-5', 2],
    ['o3', 4],
    ['', 4],
    ['constructor', 4],
  ]
  for (const [model, input] of rows)
    test(`of ${model || '(no name)'} is the nearest`, () => expect(table(model).input).toBe(input))

  test('is the built-in one where the settings say nothing, else the default', () => {
    expect(bare('gpt-4o')).toEqual(price(1.25, 5))
    for (const model of ['unknown', '__proto__', 'constructor', 'toString']) expect(bare(model)).toEqual(price(9, 9))
  })

  test('of cached input is its own, or that of input', () => {
    const usage = { inputTokens: 1000, outputTokens: 10, cachedTokens: 900, reasoningTokens: 0 }
    expect(costMicroUsd(usage, price(10, 100, 1))).toBe(100 * 10 + 900 * 1 + 10 * 100)
    expect(costMicroUsd(usage, price(10, 100))).toBe(1000 * 10 + 10 * 100)
    expect(costMicroUsd(usage, price(10, 100, 0))).toBe(100 * 10 + 10 * 100)
    expect(Number.isInteger(costMicroUsd({ ...usage, inputTokens: 1001 }, price(0.0333, 0.07)))).toBe(true)
    // More cached than sent: never less than nothing.
    expect(costMicroUsd({ ...usage, cachedTokens: 5000 }, price(10, 100, 1))).toBe(1000 * 1 + 10 * 100)
  })

  test('is rounded once for each call, halves up, as in decimals', () => {
    const cost = (inputTokens: number, input: number, outputTokens = 0, output = 0) =>
      costMicroUsd({ inputTokens, outputTokens, cachedTokens: 0, reasoningTokens: 0 }, price(input, output))
    // In binary fractions 100 times 0.145 is less than 14.5, and 100 times 0.285 less than 28.5.
    expect([cost(100, 0.145), cost(100, 0.285), cost(100, 1.005), cost(1, 0.5), cost(1, 0.49)]).toEqual([
      15, 29, 101, 1, 0,
    ])
    expect(cost(1, 0.3, 1, 0.2)).toBe(1)
    expect(cost(100_000_000, 75)).toBe(7_500_000_000)
  })

  test('knows the cents of a million calls', () => {
    let total = 0
    for (let call = 0; call < 1_000_000; call++)
      total += costMicroUsd(
        { inputTokens: 1000, outputTokens: 100, cachedTokens: 0, reasoningTokens: 0 },
        price(0.075, 0.3),
      )
    expect(total).toBe(105_000_000)
  })
})
