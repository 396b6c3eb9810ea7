/** What the gateway is asked to reach, and whether it did in a run. */
import type { CaseFigures, Figures, Group, LaneFigures } from './figures.ts'
import { formatBytes, formatNumber, formatSpread } from './format-figures.ts'
import { difference, percentile, perRound, ratio, type Spread, spread } from './statistics.ts'

export interface Bar {
  readonly name: string
  readonly measured: string
  readonly bar: string
  readonly goal?: string
  readonly isMet: boolean
  readonly isGoalMet?: boolean
}

const ours = 'any2api'
const references = ['direct', 'nginx', ours, 'any2api before']

/** Only those whose case was measured. */
export function barsOf(figures: Figures): Bar[] {
  return [
    ...cpuBars(figures, { group: 'json', kind: 'JSON', bar: 2.5, goal: 2 }),
    ...cpuBars(figures, { group: 'streams', kind: 'streams', bar: 1.6, goal: 1.2 }),
    ...latencyBars(figures),
    ...firstEventBars(figures),
    ...manyStreamsBars(figures),
    ...plainBars(figures),
    ...variantBars(figures),
    ...peerBars(figures),
  ]
}

function cpuBars(figures: Figures, of: { group: Group; kind: string; bar: number; goal: number }): Bar[] {
  return casesOf(figures, of.group).flatMap((one) => {
    const values = compared(one, ours, 'nginx', 'cpuUs', ratio)
    if (values === null) return []
    return {
      name: `CPU of a call, ${of.kind}, ${one.name}`,
      measured: `${formatSpread(values)} × nginx`,
      bar: `≤ ${of.bar}`,
      goal: `${of.goal}`,
      isMet: values.median <= of.bar,
      isGoalMet: values.median <= of.goal,
    }
  })
}

function latencyBars(figures: Figures): Bar[] {
  return casesOf(figures, 'latency').flatMap((one) => {
    const median = compared(one, ours, 'direct', 'p50Ms', difference)
    if (median === null) return []
    const p99 = percentileOf(one, ours) - percentileOf(one, 'direct')
    return [
      limit('added latency, one connection, median', median.median, 0.2, `${formatSpread(median)} ms`, 'ms'),
      limit('added latency, one connection, 99th percentile', p99, 1, `${formatNumber(p99)} ms`, 'ms'),
    ]
  })
}

function firstEventBars(figures: Figures): Bar[] {
  const one = casesOf(figures, 'paced').find(({ name }) => name.startsWith('100 '))
  const added = one === undefined ? null : compared(one, ours, 'direct', 'firstEventP99Ms', difference)
  if (added === null) return []
  const name = 'added time to the first event, 100 paced streams, 99th percentile'
  return [limit(name, added.median, 0.3, `${formatSpread(added)} ms`, 'ms')]
}

function manyStreamsBars(figures: Figures): Bar[] {
  const lane = laneOf(
    casesOf(figures, 'paced').find(({ name }) => name.startsWith('5000 ')),
    ours,
  )
  const whole = lane?.samples.whole
  if (lane === undefined || whole === undefined) return []
  const peak = Math.max(...(lane.samples.peakBytes ?? []))
  return [
    {
      name: '5,000 paced streams at once, whole',
      measured: whole.join(', '),
      bar: 'all',
      isMet: lane.failure === undefined && whole.every((count) => count === 5_000),
    },
    limit('memory at 5,000 streams', peak / 1e6, 250, formatBytes(peak), 'MB'),
  ]
}

function plainBars(figures: Figures): Bar[] {
  const idle = laneOf(casesOf(figures, 'memory')[0], ours)?.samples.idleBytes?.[0]
  const starts = laneOf(casesOf(figures, 'start')[0], ours)?.samples.startMs
  return [
    ...(idle === undefined ? [] : [limit('memory idle', idle / 1e6, 60, formatBytes(idle), 'MB')]),
    ...(starts === undefined
      ? []
      : [limit('start to first answer', spread(starts).median, 100, `${formatSpread(spread(starts))} ms`, 'ms')]),
  ]
}

function variantBars(figures: Figures): Bar[] {
  const credentials = casesOf(figures, 'credentials')[0]
  const redirect = casesOf(figures, 'redirect')[0]
  const many = credentials && compared(credentials, '10,000 credentials', '10 credentials', 'cpuUs', ratio)
  const redirected = redirect && compared(redirect, '1 MB, redirected', '1 MB', 'cpuUs', ratio)
  return [
    ...(many
      ? [
          {
            name: 'CPU of a call with 10,000 credentials',
            measured: `${formatSpread(many)} × that with 10`,
            bar: '0.95 to 1.05',
            isMet: many.median <= 1.05,
          },
        ]
      : []),
    ...(redirected
      ? [
          limit(
            'CPU of a call, 1 MB prompt with redirect',
            redirected.median,
            1.1,
            `${formatSpread(redirected)} × without`,
            '',
          ),
        ]
      : []),
  ]
}

/** By the name of their samples: how people call them, and whether more is better. */
const comparedFigures: Record<string, { readonly name: string; readonly isMoreBetter?: boolean }> = {
  cpuUs: { name: 'CPU µs of a call' },
  callsPerSecond: { name: 'calls per second', isMoreBetter: true },
  p50Ms: { name: 'median latency, ms' },
  p99Ms: { name: 'latency, 99th percentile, ms' },
  firstEventP99Ms: { name: 'time to the first event, 99th percentile, ms' },
  delayP99Ms: { name: 'delay of a delta, 99th percentile, ms' },
  whole: { name: 'whole streams', isMoreBetter: true },
  peakBytes: { name: 'memory under load, bytes' },
  idleBytes: { name: 'memory idle, bytes' },
  startMs: { name: 'start to first answer, ms' },
}

function peerBars(figures: Figures): Bar[] {
  const { behind, count } = comparePeers(figures)
  if (count === 0) return []
  const measured = `${count - behind.length} of ${count}`
  return [{ name: 'figures in which no other gateway is ahead', measured, bar: 'all', isMet: behind.length === 0 }]
}

/** Every figure of every case against each other gateway: how many were compared, and in which the other is ahead. */
export function comparePeers(figures: Figures): { readonly count: number; readonly behind: readonly string[] } {
  const behind: string[] = []
  let count = 0
  for (const one of figures.cases) {
    const own = laneOf(one, ours)
    const peers = one.lanes.filter(({ name }) => !references.includes(name))
    if (own === undefined || ['credentials', 'cache', 'redirect'].includes(one.group)) continue
    for (const [figure, { name, isMoreBetter = false }] of Object.entries(comparedFigures)) {
      const value = spread(own.samples[figure] ?? []).median
      for (const peer of peers) {
        const other = spread(peer.samples[figure] ?? []).median
        if (Number.isNaN(value) || Number.isNaN(other)) continue
        count += 1
        if (isMoreBetter ? value < other : value > other)
          behind.push(
            `${peer.name}, ${one.group} ${one.name}, ${name}: ${formatNumber(other)}, any2api ${formatNumber(value)}`,
          )
      }
    }
  }
  return { count, behind }
}

function limit(name: string, value: number, most: number, measured: string, unit: string): Bar {
  return { name, measured, bar: `≤ ${most} ${unit}`.trim(), isMet: value <= most }
}

/** Null where one of the two was not measured. */
function compared(
  one: CaseFigures,
  name: string,
  reference: string,
  figure: string,
  compare: (value: number, reference: number) => number,
): Spread | null {
  const values = laneOf(one, name)?.samples[figure]
  const others = laneOf(one, reference)?.samples[figure]
  return values === undefined || others === undefined ? null : spread(perRound(values, others, compare))
}

function percentileOf(one: CaseFigures, name: string): number {
  return percentile(
    [...(laneOf(one, name)?.samples.callMs ?? [])].sort((a, b) => a - b),
    0.99,
  )
}

function casesOf(figures: Figures, group: Group): readonly CaseFigures[] {
  return figures.cases.filter((one) => one.group === group)
}

function laneOf(one: CaseFigures | undefined, name: string): LaneFigures | undefined {
  return one?.lanes.find((lane) => lane.name === name)
}
