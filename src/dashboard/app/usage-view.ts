/** What the usage page shows, as its address says it, and the question to the gateway that follows. */
import type { QueryChanges } from './query-changes.ts'
import { isHourly, type Preset, type Range, rangeParameters, readRange } from './range.ts'
import { type Dimension, dimensions, type SeriesLine } from './reports.ts'

export const usageMeasures = ['requests', 'tokens', 'cost'] as const
export type UsageMeasure = (typeof usageMeasures)[number]
export type Bucket = 'hour' | 'day'
export type NameFilter = Readonly<Partial<Record<Dimension, string>>>

export interface UsageView {
  readonly range: Range
  readonly bucket: Bucket
  /** Whether numbers by the hour can be had for this range. */
  readonly isHourPossible: boolean
  readonly by: Dimension
  readonly measure: UsageMeasure
  readonly filter: NameFilter
}

export const usagePresets: readonly Preset[] = ['24h', '7d', '30d', '90d', 'all']
const hourlyByDefault: readonly string[] = ['24h', 'today']

export function readUsageView(query: URLSearchParams): UsageView {
  const offered: readonly Preset[] = ['today', ...usagePresets]
  const range = readRange(query, offered, '7d')
  const isHourPossible = isHourly(range)
  const wished = query.get('bucket')
  const byDefault = hourlyByDefault.includes(range.preset) ? 'hour' : 'day'
  const bucket = wished === 'hour' || wished === 'day' ? wished : byDefault
  return {
    range,
    bucket: isHourPossible ? bucket : 'day',
    isHourPossible,
    by: dimensions.find((dimension) => dimension === query.get('by')) ?? 'model',
    measure: usageMeasures.find((measure) => measure === query.get('measure')) ?? 'requests',
    filter: readNames(query),
  }
}

export function readNames(query: URLSearchParams): NameFilter {
  const given = dimensions.map((dimension) => [dimension, query.get(dimension) ?? ''] as const)
  return Object.fromEntries(given.filter(([, name]) => name !== ''))
}

/** Of `GET /stats`. Never empty: without any the answer has another shape. */
export function usageParameters({ range, bucket, by, filter }: UsageView): URLSearchParams {
  return new URLSearchParams({ ...rangeParameters(range), bucket, by, ...filter })
}

/** Whether totals are kept for both at once: those by credential only together with providers. */
export function areKeptTogether(one: Dimension, other: Dimension): boolean {
  const pair = [one, other]
  return !(pair.includes('credential') && (pair.includes('model') || pair.includes('client')))
}

/** Filters by a name; what is not kept together with it gives way. */
export function filterChanges({ filter, by }: UsageView, dimension: Dimension, name: string): QueryChanges {
  const inTheWay = Object.keys(filter).filter((other) => !areKeptTogether(dimension, other as Dimension))
  return {
    ...Object.fromEntries(inTheWay.map((other) => [other, null])),
    [dimension]: name,
    ...(areKeptTogether(dimension, by) ? {} : { by: 'provider' }),
  }
}

/** Whether the chart can be split by this under the filters in force. */
export function canSplitBy(dimension: Dimension, filter: NameFilter): boolean {
  return Object.keys(filter).every((other) => areKeptTogether(dimension, other as Dimension))
}

export function valuesOf(line: SeriesLine, measure: UsageMeasure): readonly number[] {
  if (measure === 'requests') return line.requests
  if (measure === 'cost') return line.cost_usd
  return line.input_tokens.map((input, at) => input + (line.output_tokens[at] ?? 0))
}
