/** The pictures of a run: processor time, latency and memory of every subject. */
import { type BarChart, barChart } from './bar-chart.ts'
import type { CaseFigures, Figures, Group } from './figures.ts'
import { difference, perRound, ratio, spread } from './statistics.ts'

export interface Picture {
  readonly file: string
  readonly title: string
  readonly svg: string
}

/** Others may be so much longer that nothing could be told from the short bars. */
const longestToOurs = 4

/** Without those whose cases were not measured. */
export function charts(figures: Figures): Picture[] {
  const json = casesOf(figures, 'json').find(({ name }) => name.startsWith('200 B, 64'))
  const streams = casesOf(figures, 'streams').find(({ name }) => name.startsWith('64'))
  const most = casesOf(figures, 'paced').find(({ name }) => name.startsWith('5000'))
  return [
    picture('cpu.svg', {
      title: 'CPU time of a call, relative to nginx',
      subtitle: '64 connections; shorter is better',
      series: ['JSON call', 'stream of 50 events'],
      rows: rowsOf(figures, [relative(json, 'nginx', 'cpuUs', ratio), relative(streams, 'nginx', 'cpuUs', ratio)]),
    }),
    picture('latency.svg', {
      title: 'Latency added to a call, µs',
      subtitle: 'one connection, one call after the other, median; shorter is better',
      series: ['JSON call'],
      rows: rowsOf(figures, [microseconds(relative(casesOf(figures, 'latency')[0], 'direct', 'p50Ms', difference))]),
    }),
    picture('memory.svg', {
      title: 'Resident memory, MB',
      subtitle: 'shorter is better',
      series: ['idle', 'at 5,000 streams', 'half a minute later'],
      rows: rowsOf(figures, [
        megabytes(casesOf(figures, 'memory')[0], 'idleBytes'),
        megabytes(most, 'peakBytes'),
        megabytes(casesOf(figures, 'memory')[0], 'afterStreamsBytes'),
      ]),
    }),
  ].filter((candidate) => candidate !== null)
}

type ValueFor = (name: string) => number | null

function picture(file: string, chart: BarChart): Picture | null {
  if (chart.rows.length === 0) return null
  const ours = chart.rows.find(({ name }) => name === 'any2api')?.values.filter((value) => value !== null) ?? []
  const longest = ours.length === 0 ? Number.POSITIVE_INFINITY : longestToOurs * Math.max(...ours)
  return { file, title: chart.title, svg: barChart({ ...chart, longest }) }
}

function rowsOf(figures: Figures, values: readonly ValueFor[]): BarChart['rows'] {
  return Object.keys(figures.versions)
    .filter((name) => name !== 'direct')
    .map((name) => ({ name, values: values.map((value) => value(name)) }))
    .filter((row) => row.values.some((value) => value !== null))
}

function relative(
  one: CaseFigures | undefined,
  reference: string,
  figure: string,
  compare: (value: number, reference: number) => number,
): ValueFor {
  const others = samplesOf(one, reference, figure)
  return (name) => finite(spread(perRound(samplesOf(one, name, figure), others, compare)).median)
}

function microseconds(milliseconds: ValueFor): ValueFor {
  return (name) => {
    const value = milliseconds(name)
    return value === null ? null : value * 1_000
  }
}

function megabytes(one: CaseFigures | undefined, figure: string): ValueFor {
  return (name) => finite(spread(samplesOf(one, name, figure)).median / 1e6)
}

function samplesOf(one: CaseFigures | undefined, name: string, figure: string): readonly number[] {
  return one?.lanes.find((lane) => lane.name === name)?.samples[figure] ?? []
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

function casesOf(figures: Figures, group: Group): readonly CaseFigures[] {
  return figures.cases.filter((one) => one.group === group)
}
