/** Counters and histograms of finished calls, kept so that counting costs one map lookup. How they are spelled is `routes/metrics.ts`'s business. */
import type { UsageRecord } from '../domain.ts'
import { createLiveWindow, type LiveWindow } from './live-window.ts'

export interface Metrics {
  count(record: UsageRecord): void
  /** A call the gateway refused before it became one (no key, bad body). */
  countRefusal(status: number): void
  begin(): void
  end(): void
  snapshot(): MetricsSnapshot
  /** The last minutes. */
  readonly live: LiveWindow
}

export interface MetricsSnapshot {
  readonly activeCalls: number
  readonly calls: number
  readonly failed: number
  /** Refused by the gateway itself, by status. */
  readonly refusals: Readonly<Record<string, number>>
  readonly series: readonly Series[]
}

/** One combination of labels. Histogram counts are cumulative only when they are written out. */
export interface Series {
  readonly provider: string
  readonly model: string
  readonly status: string
  readonly outcome: string
  calls: number
  attempts: number
  inputTokens: number
  outputTokens: number
  cachedTokens: number
  reasoningTokens: number
  costMicroUsd: number
  readonly duration: Histogram
  readonly firstByte: Histogram
}

export interface Histogram {
  readonly buckets: number[]
  sumMs: number
  count: number
}

/** Upper bounds in milliseconds, from a cache hit to a long reasoning answer. */
export const bucketBoundsMs = [
  5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000,
]

/** Model names come from clients: each costs a scraper some fifty lines. */
const maxModels = 500
const maxSeries = 5000
const other = 'other'

export interface MetricsOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Whether the settings name this model of this provider. Others have a name here only once they have answered. */
  readonly isNamed: (provider: string, model: string) => boolean
}

export function createMetrics({ now, isNamed }: MetricsOptions): Metrics {
  const series = new Map<string, Series>()
  const models = new Set<string>()
  const live = createLiveWindow(now)
  const refusals: Record<string, number> = {}
  let activeCalls = 0
  let calls = 0
  let failed = 0

  /** The last one is mostly the next one, too. */
  let last: { readonly record: UsageRecord; readonly series: Series } | null = null

  function find(record: UsageRecord): Series {
    if (last !== null && isSameSeries(last.record, record)) return last.series
    const found = look(record)
    // Once a model has answered it may have a series of its own.
    last = found.model === record.targetModel ? { record, series: found } : null
    return found
  }

  function look(record: UsageRecord): Series {
    const key = `${record.provider}\n${record.targetModel}\n${record.status}\n${record.outcome}`
    return series.get(key) ?? findOrCreate(record, key)
  }

  function findOrCreate(record: UsageRecord, ownKey: string): Series {
    const isKnown = isKnownModel(record) && series.size < maxSeries
    const model = isKnown ? record.targetModel : other
    const status = series.size < maxSeries ? String(record.status) : other
    const provider = series.size < maxSeries ? record.provider : other
    const key = isKnown ? ownKey : `${provider}\n\0other\n${status}\n${record.outcome}`
    const known = series.get(key)
    if (known !== undefined) return known
    const created: Series = {
      provider,
      model,
      status,
      outcome: record.outcome,
      calls: 0,
      attempts: 0,
      inputTokens: 0,
      outputTokens: 0,
      cachedTokens: 0,
      reasoningTokens: 0,
      costMicroUsd: 0,
      duration: createHistogram(),
      firstByte: createHistogram(),
    }
    series.set(key, created)
    return created
  }

  function isKnownModel({ provider, targetModel, outcome }: UsageRecord): boolean {
    if (targetModel === '') return true
    const key = `${provider}\n${targetModel}`
    if (models.has(key)) return true
    if (models.size >= maxModels || (outcome !== 'succeeded' && !isNamed(provider, targetModel))) return false
    models.add(key)
    return true
  }

  return {
    live,
    count(record) {
      calls++
      live.count(record)
      if (record.outcome !== 'succeeded' && record.outcome !== 'aborted') failed++
      const one = find(record)
      one.calls++
      one.attempts += record.attempts
      one.inputTokens += record.usage.inputTokens
      one.outputTokens += record.usage.outputTokens
      one.cachedTokens += record.usage.cachedTokens
      one.reasoningTokens += record.usage.reasoningTokens
      one.costMicroUsd += record.costMicroUsd
      observe(one.duration, record.durationMs)
      if (record.firstByteMs !== null) observe(one.firstByte, record.firstByteMs)
    },
    countRefusal(status) {
      refusals[status] = (refusals[status] ?? 0) + 1
    },
    begin() {
      activeCalls++
    },
    end() {
      activeCalls--
    },
    snapshot: () => ({ activeCalls, calls, failed, refusals: { ...refusals }, series: [...series.values()] }),
  }
}

function isSameSeries(one: UsageRecord, other: UsageRecord): boolean {
  return (
    one.status === other.status &&
    one.outcome === other.outcome &&
    one.targetModel === other.targetModel &&
    one.provider === other.provider
  )
}

function createHistogram(): Histogram {
  return { buckets: bucketBoundsMs.map(() => 0), sumMs: 0, count: 0 }
}

function observe(histogram: Histogram, valueMs: number): void {
  histogram.sumMs += valueMs
  histogram.count++
  let bucket = 0
  while (valueMs > (bucketBoundsMs[bucket] ?? Number.POSITIVE_INFINITY)) bucket++
  if (bucket < bucketBoundsMs.length) histogram.buckets[bucket] = (histogram.buckets[bucket] ?? 0) + 1
}
