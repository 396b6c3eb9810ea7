/** The part of `GET /stats` that is about a range of time: what is asked, and how it is told as JSON and as CSV. */
import { csvLine } from '../formats/csv.ts'
import { maxHourlyMs } from '../stores/statistics.ts'
import type { RangeStats, SeriesLine, StatsQuery, Totals } from '../stores/store.ts'
import { datedName, download } from './download.ts'
import {
  invalid,
  type RangeContext,
  readChoice,
  readCount,
  readFormat,
  readNames,
  readTime,
  refuseBackwards,
  refuseUnknown,
} from './read-range.ts'

const dimensions = ['model', 'provider', 'client', 'credential'] as const
const known = ['from', 'to', ...dimensions, 'bucket', 'by', 'top', 'format']
const defaultTop = 8
const maxTop = 50
const columns = [
  'requests',
  'succeeded',
  'failed',
  'aborted',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'reasoning_tokens',
  'cost_usd',
] as const satisfies readonly (keyof Totals)[]

export interface AskedStats {
  readonly query: StatsQuery
  readonly format: 'csv' | 'json'
}

/** Null where nothing is asked. Throws GatewayError 400. */
export function readStatsQuery(request: Request, context: RangeContext): AskedStats | null {
  const query = new URL(request.url).searchParams
  const format = readFormat(query, request) ?? 'json'
  if (query.size === 0 && format === 'json') return null
  refuseUnknown(query, known)
  const from = readTime(query, 'from', context)
  const to = readTime(query, 'to', context)
  refuseBackwards(from, to ?? context.now + 1)
  const filter = readNames(query, dimensions)
  const bucket = readChoice(query, 'bucket', ['hour', 'day'])
  const by = readChoice(query, 'by', dimensions)
  const top = readCount(query, 'top', { most: maxTop, byDefault: defaultTop })
  if (bucket === 'hour' && (to ?? context.now) - (from ?? 0) > maxHourlyMs) {
    throw invalid('hours are answered for up to 62 days; use bucket=day, or a later from', 'bucket')
  }
  refuseUnkept('credential' in filter, 'model' in filter || 'client' in filter, 'credential')
  refuseUnkept('credential' in filter, by === 'model' || by === 'client', 'by')
  refuseUnkept('model' in filter || 'client' in filter, by === 'credential', 'by')
  return { query: { from, to, bucket, by, top, filter, now: context.now }, format }
}

function refuseUnkept(isOne: boolean, isOther: boolean, param: string): void {
  if (isOne && isOther) {
    throw invalid('totals by credential are not kept together with models or clients, only with providers', param)
  }
}

export function describeRange(range: RangeStats, query: StatsQuery, timezone: string) {
  const { percentiles } = range
  return {
    totals: range.totals,
    models: range.models,
    providers: range.providers,
    credentials: range.credentials,
    clients: range.clients,
    // `series` has them.
    days: {},
    hours: {},
    range: {
      from: new Date(range.from).toISOString(),
      to: new Date(range.to).toISOString(),
      bucket: range.bucket,
      timezone,
      filter: query.filter,
      unavailable: range.unavailable.map((dimension) => `${dimension}s`),
    },
    series: {
      bucket: range.bucket,
      by: query.by,
      times: range.times.map((time) => new Date(time).toISOString()),
      lines: range.lines.map(describeLine),
    },
    percentiles:
      percentiles === null ? null : { first_byte_ms: percentiles.firstByteMs, duration_ms: percentiles.durationMs },
  }
}

/** By column, as charts take them. */
function describeLine({ name, isRest, totals, points }: SeriesLine) {
  const series = columns.map((column) => [column, points.map((point) => point[column])])
  return { name, is_rest: isRest, totals, ...Object.fromEntries(series) }
}

/** A row for each bucket and line. */
export function answerCsv({ times, lines }: RangeStats, now: number): Response {
  let index = -1
  return download({
    filename: `${datedName('stats', now)}.csv`,
    format: 'csv',
    async next() {
      index++
      if (index === 0) return csvLine(['time', 'name', ...columns])
      const line = lines[index - 1]
      if (line === undefined) return null
      return line.points
        .map((point, at) =>
          csvLine([new Date(times[at] ?? 0).toISOString(), line.name, ...columns.map((column) => point[column])]),
        )
        .join('')
    },
  })
}

const examplePercentiles = { count: 1284, p50: 410, p90: 980, p95: 1320, p99: 2900 }

export const exampleRange = {
  range: {
    from: '2030-01-01T00:00:00.000Z',
    to: '2030-01-02T00:00:00.000Z',
    bucket: 'day',
    timezone: 'UTC',
    filter: { client: 'alice' },
    unavailable: ['credentials'],
  },
  series: {
    bucket: 'day',
    by: 'model',
    times: ['2030-01-01T00:00:00.000Z'],
    lines: [{ name: 'gpt-4o', is_rest: false, requests: [1284], cost_usd: [4.061_2] }],
  },
  percentiles: { first_byte_ms: examplePercentiles, duration_ms: examplePercentiles },
}
