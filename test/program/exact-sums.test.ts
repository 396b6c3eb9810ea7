/** What is counted is counted exactly: known calls, and the same sums wherever the operator looks. */
import { afterEach, expect, test } from 'bun:test'
import { type ClientKey, noLimits, type Outcome, type Usage } from '../../src/domain.ts'
import { createMetrics } from '../../src/gateway/metrics.ts'
import { type CallEnding, createRecordCall } from '../../src/gateway/usage.ts'
import { silentLogger } from '../../src/log.ts'
import type { Call } from '../../src/providers/provider.ts'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { openStore } from '../../src/stores/sqlite.ts'
import type { Store, Totals } from '../../src/stores/store.ts'
import { createChance } from '../helpers/random.ts'
import {
  createMemory,
  startGateway,
  type TestGateway,
  testConfig,
  testProvider,
  until,
} from '../helpers/start-gateway.ts'
import { createDataDirectory, type DataDirectory } from '../stores/fixtures/data-directory.ts'

let cleanUp: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const clean of cleanUp.reverse()) await clean()
  cleanUp = []
})

async function open(): Promise<{ data: DataDirectory; store: Store }> {
  const data = createDataDirectory()
  cleanUp.push(data.remove)
  // So many at once as no gateway has: an answer after them takes longer than any other.
  const store = await openStore({ ...data.storeOptions, limits: { maxQueuedRecords: 200_000, questionMs: 60_000 } })
  cleanUp.push(store.close)
  return { data, store }
}

const names = [
  'requests',
  'succeeded',
  'failed',
  'aborted',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'reasoning_tokens',
] as const
type Known = Record<(typeof names)[number], number> & { costMicroUsd: number }

const nothing = (): Known => ({
  requests: 0,
  succeeded: 0,
  failed: 0,
  aborted: 0,
  input_tokens: 0,
  output_tokens: 0,
  cached_tokens: 0,
  reasoning_tokens: 0,
  costMicroUsd: 0,
})

function countTotals(totals: Totals): Known {
  const { cost_usd, ...counts } = totals
  return { ...counts, costMicroUsd: Math.round(cost_usd * 1_000_000) }
}

/** Each column of the file, summed up. */
function countCsv(text: string): Known {
  const [head = '', ...lines] = text.trim().split('\r\n')
  const columns = head.split(',')
  const sums = nothing()
  for (const line of lines) {
    const cells = line.split(',')
    const number = (name: string) => Number(cells[columns.indexOf(name)])
    sums.requests++
    const outcome = cells[columns.indexOf('outcome')]
    if (outcome === 'succeeded' || outcome === 'aborted') sums[outcome]++
    else sums.failed++
    for (const name of names.slice(4)) sums[name] += number(name)
    sums.costMicroUsd += Math.round(number('cost_usd') * 1_000_000)
  }
  return sums
}

function countPrometheus(text: string): Known {
  const sums = nothing()
  for (const [, name, labels = '', value] of text.matchAll(/^(\w+)\{([^}]*)\} (\S+)$/gm)) {
    const label = (key: string) => new RegExp(`${key}="([^"]*)"`).exec(labels)?.[1] ?? ''
    if (name === 'any2api_requests_total') {
      sums.requests += Number(value)
      const outcome = label('outcome')
      sums[outcome === 'succeeded' || outcome === 'aborted' ? outcome : 'failed'] += Number(value)
    }
    if (name === 'any2api_tokens_total') sums[`${label('type')}_tokens` as 'input_tokens'] += Number(value)
    if (name === 'any2api_cost_usd_total') sums.costMicroUsd += Math.round(Number(value) * 1_000_000)
  }
  return sums
}

async function read(gateway: TestGateway, path: string): Promise<string> {
  const response = await gateway.admin(path)
  expect([path, response.status]).toEqual([path, 200])
  return response.text()
}

test('of 100,000 calls with known tokens and prices, failures and departures among them, every sum is exact', async () => {
  const { store } = await open()
  const chance = createChance(11)
  const gateway = await startGateway({ config: testConfig([]), memory: { ...createMemory(), store } })
  cleanUp.push(gateway.stop)
  const known = nothing()
  const byModel = new Map<string, Known>()
  const client: ClientKey = {
    name: 'alice',
    hash: '',
    label: '',
    models: null,
    limits: noLimits,
    isStateful: null,
  }
  // Exact in binary: what is known here is no rounding of another order.
  const prices = [0.25, 2.5, 10, 0.125]
  // What the gateway itself is made of, without the wire.
  const record = createRecordCall({
    clock: { now: Date.now, monotonic: () => 5000, random: () => 0, sleep: async () => {} },
    log: silentLogger,
    store,
    metrics: gateway.gateway.metrics,
    limits: gateway.gateway.limits,
    counter: { count: (_, done) => done(null) },
    priceOf: (model) => ({ input: prices[Number(model.at(-1)) % 4] ?? 0, output: 3, cachedInput: null }),
  })
  const outcomes: [Outcome, ...Outcome[]] = [
    'succeeded',
    'succeeded',
    'succeeded',
    'refused',
    'failed',
    'cut',
    'aborted',
  ]
  for (let index = 0; index < 100_000; index++) {
    const model = `model-${chance.below(8)}`
    const outcome = index < 8 ? 'succeeded' : chance.pick(outcomes)
    const hasUsage = outcome === 'succeeded' || outcome === 'cut' || outcome === 'aborted'
    const inputTokens = chance.below(100_000)
    const usage: Usage | null = hasUsage
      ? {
          inputTokens,
          outputTokens: chance.below(9000),
          cachedTokens: chance.below(inputTokens + 1),
          reasoningTokens: chance.below(500),
        }
      : null
    const ending: CallEnding = {
      status: outcome === 'succeeded' ? 200 : 502,
      outcome,
      errorCode: '',
      usage,
      answer: null,
    }
    const time = Date.now() - chance.below(40) * 3_600_000
    const call = {
      id: `req_${index}`,
      client,
      path: '/chat/completions',
      time,
      startedMs: 1000,
      body: new Uint8Array(),
      view: { model, isStream: true },
    }
    const progress = {
      attempts: 1,
      provider: `p${index % 3}`,
      targetModel: model,
      credentialLabel: `c${index % 5}`,
      firstByteMs: 7,
      isAtUpstream: true,
      isCached: false,
      trail: null,
    }
    record(call as unknown as Call, progress, ending)
    const cost =
      usage === null
        ? 0
        : Math.round(usage.inputTokens * (prices[Number(model.at(-1)) % 4] ?? 0) + usage.outputTokens * 3)
    for (const sums of [known, byModel.get(model) ?? nothing()]) {
      if (sums !== known) byModel.set(model, sums)
      sums.requests++
      sums[outcome === 'succeeded' || outcome === 'aborted' ? outcome : 'failed']++
      sums.input_tokens += usage?.inputTokens ?? 0
      sums.output_tokens += usage?.outputTokens ?? 0
      sums.cached_tokens += usage?.cachedTokens ?? 0
      sums.reasoning_tokens += usage?.reasoningTokens ?? 0
      sums.costMicroUsd += cost
    }
  }
  await store.flush()
  const stats = JSON.parse(await read(gateway, '/stats')) as {
    totals: Totals
    models: Record<string, Totals>
    days: Record<string, Totals>
  }
  expect(countTotals(stats.totals)).toEqual(known)
  for (const [model, sums] of byModel) expect(countTotals(stats.models[model] as Totals)).toEqual(sums)
  const ranged = JSON.parse(await read(gateway, '/stats?from=60h&bucket=hour&by=model')) as { totals: Totals }
  expect(countTotals(ranged.totals)).toEqual(known)
  expect(countCsv(await read(gateway, '/admin/requests?format=csv'))).toEqual(known)
  expect(countPrometheus(await read(gateway, '/metrics'))).toEqual(known)
}, 60_000)

test('of calls through the front door, the sums are those of what the upstream said', async () => {
  const { store } = await open()
  const upstream = startOpenAiSimulator({
    credentials: { 'sk-good-0001': { kind: 'good' }, 'sk-good-0002': { kind: 'good' } },
  })
  cleanUp.push(() => upstream.stop())
  const config = testConfig([testProvider(upstream.baseUrl, ['sk-good-0001', 'sk-good-0002'])])
  const gateway = await startGateway({ config, memory: { ...createMemory(), store } })
  cleanUp.push(gateway.stop)
  const told = { requests: 0, input_tokens: 0, output_tokens: 0 }
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const isBad = index % 10 === 0
        const response = await gateway.chat(
          isBad ? { model: 'gpt-4o', messages: 'none' } : { model: `gpt-4o-${index % 3}` },
        )
        const body = (await response.json()) as { usage?: { prompt_tokens: number; completion_tokens: number } }
        if (body.usage === undefined) return
        told.requests++
        told.input_tokens += body.usage.prompt_tokens
        told.output_tokens += body.usage.completion_tokens
      }),
    )
  }
  await until(() => gateway.gateway.metrics.snapshot().activeCalls === 0)
  await store.flush()
  const { totals } = JSON.parse(await read(gateway, '/stats')) as { totals: Totals }
  expect(told.requests).toBe(900)
  expect(totals).toMatchObject({
    succeeded: told.requests,
    input_tokens: told.input_tokens,
    output_tokens: told.output_tokens,
  })
  expect(countPrometheus(await read(gateway, '/metrics'))).toEqual(countTotals(totals))
  expect(countCsv(await read(gateway, '/admin/requests?format=csv'))).toEqual(countTotals(totals))
}, 60_000)

test('a model that nobody has answered for has no name in the metrics', () => {
  const metrics = createMetrics({ now: () => 0, isNamed: (_, model) => model === 'configured' })
  const count = (targetModel: string, outcome: Outcome) =>
    metrics.count({
      ...{
        id: '',
        time: 0,
        client: '',
        path: '',
        model: '',
        provider: 'p',
        credential: '',
        status: 502,
        isStream: false,
        errorCode: '',
      },
      ...{ attempts: 1, firstByteMs: null, durationMs: 1, usageSource: 'none', costMicroUsd: 0, trail: null },
      usage: { inputTokens: 0, outputTokens: 0, cachedTokens: 0, reasoningTokens: 0 },
      targetModel,
      outcome,
    })
  for (let index = 0; index < 1000; index++) count(`made-up-${index}`, 'failed')
  count('configured', 'failed')
  for (let index = 0; index < 1000; index++) count(`real-${index}`, 'succeeded')
  const { series } = metrics.snapshot()
  const models = new Set(series.map((one) => one.model))
  expect([...models].filter((model) => model.startsWith('made-up'))).toEqual([])
  expect(models.has('configured')).toBe(true)
  expect(models.size).toBe(501)
  expect(series.reduce((total, one) => total + one.calls, 0)).toBe(2001)
})
