/** Answers what people ask of the totals: sums, series for charts and percentiles, over a range and for one model, client or the like. */
import type { BudgetPeriod } from '../domain.ts'
import { periodAround } from './budget-period.ts'
import type { LocalTime } from './local-time.ts'
import { percentilesOf } from './log-histogram.ts'
import type {
  PeriodSpending,
  RangeStats,
  SeriesLine,
  Spending,
  StatsQuery,
  StatsTotals,
  Totals,
  TotalsDimension,
} from './store.ts'
import {
  addSums,
  noSums,
  noTimings,
  type PeriodRange,
  quarterHourMs,
  type Subject,
  type SubjectFilter,
  type Sums,
  sumColumns,
  type TotalsTables,
} from './totals-tables.ts'

export interface Statistics {
  /** Of all times; `now`: Unix milliseconds. */
  totals(now: number): StatsTotals
  range(query: StatsQuery): RangeStats
  /** `now`: Unix milliseconds. */
  spending(now: number): Spending
}

const hourMs = 3_600_000
const dayMs = 86_400_000
const shownDays = 30
const shownHours = 48
const quartersPerHour = hourMs / quarterHourMs
/** What is not kept by the hour for ever is kept for so long. */
export const keptHoursMs = 92 * dayMs
/** Buckets of a series at most, as days: ten years. */
const maxDays = 3660
/** Longest range that is answered hour by hour. */
export const maxHourlyMs = 62 * dayMs

export function createStatistics(tables: TotalsTables, localTime: LocalTime): Statistics {
  /** Null range: of all times. */
  function sumOf(subjects: readonly Subject[], range: PeriodRange | null): Sums {
    const sums = noSums()
    for (const subject of subjects) {
      const found = range === null ? tables.ever(subject) : tables.sum(subject, range)
      if (found !== null) addSums(sums, found)
    }
    return sums
  }

  /** Calls that name no model, or reached no provider or credential, are in the sum of all only. */
  function byName(
    dimension: TotalsDimension,
    filter: SubjectFilter,
    range: PeriodRange | null,
  ): Map<string, Sums> | null {
    const subjects = tables.subjects(filter, dimension)
    if (subjects === null) return null
    const groups = Map.groupBy(subjects, (subject) => subject[dimension] ?? '')
    groups.delete('')
    const sums = [...groups].map(([name, group]) => [name, sumOf(group, range)] as const)
    return new Map(sums.filter(([, one]) => one.requests > 0).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  function breakdown(dimension: TotalsDimension, filter: SubjectFilter, range: PeriodRange | null) {
    return named(byName(dimension, filter, range))
  }

  function named(sums: Map<string, Sums> | null): Record<string, Totals> {
    return Object.fromEntries([...(sums ?? [])].map(([name, one]) => [name, toTotals(one)]))
  }

  function labelled(range: PeriodRange, label: (start: number) => string): Record<string, Totals> {
    const sums = new Map<string, Sums>()
    for (const subject of tables.subjects({}, null) ?? []) {
      for (const row of tables.periods(subject, range)) {
        // Where clocks are put back two hours have one label.
        const known = sums.get(label(row.start))
        if (known === undefined) sums.set(label(row.start), row)
        else addSums(known, row)
      }
    }
    return Object.fromEntries([...sums].map(([name, one]) => [name, toTotals(one)]))
  }

  function rangeOf({ from, to, bucket, filter, now }: StatsQuery): PeriodRange {
    const end = to ?? now + 1
    const first = tables.firstDay() ?? localTime.dayNumber(now)
    const begin = Math.min(from ?? localTime.dayStart(first), end - 1)
    const isKept = Object.keys(filter).length < 2 || begin >= now - keptHoursMs
    const wished = bucket ?? (end - begin <= 3 * dayMs ? 'hour' : 'day')
    if (wished === 'hour' && isKept && end - begin <= maxHourlyMs + hourMs) {
      const start = Math.round(localTime.hourStart(begin) / quarterHourMs)
      const last = Math.round(localTime.hourStart(end - 1) / quarterHourMs)
      return { table: 'hour', start, end: last + quartersPerHour }
    }
    const lastDay = localTime.dayNumber(end - 1)
    return { table: 'day', start: Math.max(localTime.dayNumber(begin), lastDay - maxDays + 1), end: lastDay + 1 }
  }

  /** `ranked`: the sums of each name, where there is a line for each. */
  function series(range: PeriodRange, { filter, by, top }: StatsQuery, ranked: Map<string, Sums> | null): SeriesLine[] {
    const step = range.table === 'hour' ? quartersPerHour : 1
    const length = Math.ceil((range.end - range.start) / step)
    const line = (name: string, subjects: readonly Subject[]): SumLine => {
      const points = Array.from({ length }, noSums)
      for (const subject of subjects) {
        for (const row of tables.periods(subject, range)) {
          const point = points[Math.floor((row.start - range.start) / step)]
          if (point !== undefined) addSums(point, row)
        }
      }
      return { name, points }
    }
    const all = line('all', tables.subjects(filter, null) ?? [])
    if (by === null) return [toLine(all, false)]
    const groups = Map.groupBy(tables.subjects(filter, by) ?? [], (subject) => subject[by] ?? '')
    const largest = [...(ranked ?? [])].sort(([, a], [, b]) => b.requests - a.requests).slice(0, top)
    const lines = largest.map(([name]) => line(name, groups.get(name) ?? []))
    // What the lines have not counted, so that they always add up.
    for (const { points } of lines) {
      for (const [index, point] of points.entries()) subtract(all.points[index], point)
    }
    const hasRest = all.points.some((point) => point.requests > 0)
    return [...lines.map((one) => toLine(one, false)), ...(hasRest ? [toLine({ ...all, name: 'other' }, true)] : [])]
  }

  function percentiles(range: PeriodRange, { filter, now }: StatsQuery): RangeStats['percentiles'] {
    const names = Object.keys(filter)
    const isKept = names.length < 2 || (names.length === 2 && filter.credential !== undefined)
    if (!isKept || (range.table === 'hour' && range.start * quarterHourMs < now - keptHoursMs)) return null
    const timings = noTimings()
    for (const subject of tables.subjects(filter, null) ?? []) tables.addTimings(subject, range, timings)
    return { firstByteMs: percentilesOf(timings.firstByte), durationMs: percentilesOf(timings.duration) }
  }

  /** By hours, which are kept for ever: after a change of the zone they tell better than days what lies in a period of the new one. */
  function spendingOf(kind: BudgetPeriod, now: number): PeriodSpending {
    const { startsAt } = periodAround(localTime, kind, now)
    const range: PeriodRange = {
      table: 'hour',
      start: Math.ceil(startsAt / quarterHourMs),
      end: Number.MAX_SAFE_INTEGER,
    }
    const sums = byName('client', {}, range) ?? new Map<string, Sums>()
    const costs = new Map([...sums].map(([name, one]) => [name, one.cost_micro_usd]))
    // Budgets are exact even where these cannot be written.
    for (const { names, time, sums } of tables.unfolded().values()) {
      const isCounted = names.client !== '' && time / quarterHourMs >= range.start
      if (isCounted) costs.set(names.client, (costs.get(names.client) ?? 0) + sums.cost_micro_usd)
    }
    return { startsAt, costsMicroUsd: Object.fromEntries(costs) }
  }

  const timeOf = ({ table }: PeriodRange, start: number) =>
    table === 'hour' ? start * quarterHourMs : localTime.dayStart(start)

  return {
    totals(now) {
      const today = localTime.dayNumber(now)
      const thisHour = Math.round(localTime.hourStart(now) / quarterHourMs)
      const days: PeriodRange = { table: 'day', start: today - shownDays + 1, end: today + 1 }
      const hours: PeriodRange = {
        table: 'hour',
        start: thisHour - (shownHours - 1) * quartersPerHour,
        end: thisHour + quartersPerHour,
      }
      return {
        totals: toTotals(sumOf(tables.subjects({}, null) ?? [], null)),
        models: breakdown('model', {}, null),
        providers: breakdown('provider', {}, null),
        credentials: breakdown('credential', {}, null),
        clients: breakdown('client', {}, null),
        days: labelled(days, (day) => new Date(day * dayMs).toISOString().slice(0, 10)),
        hours: labelled(hours, (quarter) => localTime.hourLabel(quarter * quarterHourMs)),
      }
    },

    range(query) {
      const range = rangeOf(query)
      const step = range.table === 'hour' ? quartersPerHour : 1
      const times: number[] = []
      for (let start = range.start; start < range.end; start += step) times.push(timeOf(range, start))
      const unavailable = (['model', 'provider', 'credential', 'client'] as const).filter(
        (dimension) => tables.subjects(query.filter, dimension) === null,
      )
      // Of all times: in it is also what was taken over from another program without days.
      const sumRange = query.from === null && query.to === null ? null : range
      const { by, filter } = query
      const ranked = by === null ? null : byName(by, filter, sumRange)
      return {
        totals: toTotals(sumOf(tables.subjects(filter, null) ?? [], sumRange)),
        models: by === 'model' ? named(ranked) : breakdown('model', filter, sumRange),
        providers: by === 'provider' ? named(ranked) : breakdown('provider', filter, sumRange),
        credentials: by === 'credential' ? named(ranked) : breakdown('credential', filter, sumRange),
        clients: by === 'client' ? named(ranked) : breakdown('client', filter, sumRange),
        bucket: range.table,
        from: times[0] ?? query.now,
        to: timeOf(range, range.end),
        times,
        lines: series(range, query, ranked),
        percentiles: percentiles(range, query),
        unavailable,
      }
    },

    spending: (now) => ({ day: spendingOf('day', now), month: spendingOf('month', now) }),
  }
}

interface SumLine {
  readonly name: string
  readonly points: Sums[]
}

function subtract(sums: Sums | undefined, other: Sums): void {
  if (sums !== undefined) for (const column of sumColumns) sums[column] -= other[column]
}

function toLine({ name, points }: SumLine, isRest: boolean): SeriesLine {
  const sums = noSums()
  for (const point of points) addSums(sums, point)
  return { name, isRest, totals: toTotals(sums), points: points.map(toTotals) }
}

function toTotals(sums: Sums): Totals {
  return {
    requests: sums.requests,
    succeeded: sums.succeeded,
    failed: sums.failed,
    aborted: sums.aborted,
    input_tokens: sums.input_tokens,
    output_tokens: sums.output_tokens,
    cached_tokens: sums.cached_tokens,
    reasoning_tokens: sums.reasoning_tokens,
    cost_usd: sums.cost_micro_usd / 1_000_000,
  }
}
