/** Makes Markdown of the figures of a run, and writes it into a README between two marks, with the pictures beside it. */
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Bar, barsOf, comparePeers } from './bars.ts'
import { charts } from './charts.ts'
import type { CaseFigures, Figures, Group, LaneFigures } from './figures.ts'
import { formatBytes, formatNumber, formatSpread } from './format-figures.ts'
import { markdownTable } from './markdown-table.ts'
import { difference, percentile, perRound, ratio, spread } from './statistics.ts'

export const beginMark = '<!-- results: written by `bun run bench --report`, not by hand -->'
export const endMark = '<!-- end of results -->'

/** With less idle time than this, a delay says how long one waited for a processor, whoever is measured. */
const fullBelowIdle = 0.05

export async function writeReport(figures: Figures, file: string): Promise<void> {
  const pictures = charts(figures)
  for (const picture of pictures) await writeFile(join(dirname(file), picture.file), picture.svg)
  const links = pictures.map(({ file: name, title }) => `![${title}](${name})`).join('\n\n')
  const results = `${markdownReport(figures)}\n${links === '' ? '' : `\n${links}\n`}`
  await writeFile(file, insertResults(await Bun.file(file).text(), results))
}

/** Throws where the marks are not there. */
export function insertResults(text: string, results: string): string {
  const begin = text.indexOf(beginMark)
  const end = text.indexOf(endMark)
  if (begin === -1 || end < begin) throw new Error(`no place for the results: expected ${beginMark} … ${endMark}`)
  return `${text.slice(0, begin + beginMark.length)}\n\n${results.trim()}\n\n${text.slice(end)}`
}

export function markdownReport(figures: Figures): string {
  const sections = [
    introduction(figures),
    section('Bars', barTable(barsOf(figures))),
    section(
      'Where another gateway is ahead',
      comparePeers(figures)
        .behind.map((text) => `- ${text}`)
        .join('\n'),
    ),
    section('One connection, one call after the other', latencyTable(figures)),
    section('CPU of a call, relative to nginx', relativeTable(figures, 'cpuUs')),
    section(
      'CPU of a call, µs',
      caseTable(figures, (lane) => formatSpread(spreadOf(lane, 'cpuUs'))),
    ),
    section('Calls per second, relative to nginx', relativeTable(figures, 'callsPerSecond')),
    section(
      'Calls per second',
      caseTable(figures, (lane) => formatSpread(spreadOf(lane, 'callsPerSecond'))),
    ),
    section('Latency under that load, median / 99th percentile, ms', caseTable(figures, latencyCell)),
    ...casesOf(figures, 'paced').map((one) => section(`${one.name}, a delta each 20 ms`, pacedTable(one))),
    section('Start and memory', startTable(figures)),
    section('Credentials, cache, redirect: CPU of a JSON call on 10 connections', variantTable(figures)),
    section('Errors', errorList(figures)),
    section('Not measured', notMeasuredList(figures)),
  ]
  return sections.filter((text) => text !== '').join('\n\n')
}

function introduction({ date, commit, machine, versions, options }: Figures): string {
  const memory = `${Math.round(machine.memoryBytes / 2 ** 30)} GiB`
  const names = Object.entries(versions).map(
    ([name, version]) => `${name === 'direct' ? 'upstream' : name}: ${version}`,
  )
  return [
    `${date.slice(0, 10)}, commit ${commit}; ${machine.processor}, ${machine.cores} cores, ${memory}, Linux ${machine.kernel}; load before the run ${formatNumber(machine.loadBefore)}.`,
    `${names.join('; ')}.`,
    `${options.rounds} rounds of ${options.seconds} s; median (lowest to highest round).`,
  ].join('\n')
}

function section(title: string, text: string): string {
  return text === '' ? '' : `### ${title}\n\n${text}`
}

function barTable(bars: readonly Bar[]): string {
  if (bars.length === 0) return ''
  const verdict = ({ isMet, isGoalMet }: Bar) => {
    if (!isMet) return 'missed'
    return isGoalMet === false ? 'met, goal missed' : 'met'
  }
  const rows = bars.map((bar) => [bar.name, bar.measured, bar.bar, bar.goal ?? '', verdict(bar)])
  return markdownTable([['', 'measured', 'bar', 'goal', ''], ...rows])
}

function latencyTable(figures: Figures): string {
  const one = casesOf(figures, 'latency')[0]
  if (one === undefined) return ''
  const direct = one.lanes.find(({ name }) => name === 'direct')
  const p99 = (lane: LaneFigures | undefined) =>
    percentile(
      [...(lane?.samples.callMs ?? [])].sort((a, b) => a - b),
      0.99,
    )
  const rows = one.lanes.map((lane) => {
    const added = spread(perRound(lane.samples.p50Ms ?? [], direct?.samples.p50Ms ?? [], difference))
    return [
      lane.name,
      formatSpread(spreadOf(lane, 'p50Ms')),
      formatNumber(p99(lane)),
      lane === direct ? '' : formatSpread(added),
      lane === direct ? '' : formatNumber(p99(lane) - p99(direct)),
    ]
  })
  return markdownTable([['ms', 'median', '99th percentile', 'added to the median', 'added to the 99th'], ...rows])
}

/** Lanes down, cases of JSON and unpaced streams across. */
function caseTable(figures: Figures, cell: (lane: LaneFigures, one: CaseFigures) => string): string {
  const json = casesOf(figures, 'json').map((one) => ({ title: `JSON, ${one.name}`, one }))
  const streams = casesOf(figures, 'streams').map((one) => ({ title: `stream, ${one.name}`, one }))
  const columns = [...json, ...streams]
  const names = columns[0]?.one.lanes.map(({ name }) => name) ?? []
  if (names.length === 0) return ''
  const rows = names.map((name) => [
    name,
    ...columns.map(({ one }) => {
      const lane = one.lanes.find((candidate) => candidate.name === name)
      return lane === undefined ? '' : cell(lane, one)
    }),
  ])
  return markdownTable([['', ...columns.map(({ title }) => title)], ...rows])
}

function relativeTable(figures: Figures, figure: string): string {
  return caseTable(figures, (lane, one) => {
    const reference = one.lanes.find(({ name }) => name === 'nginx')
    if (reference === undefined) return ''
    return formatSpread(spread(perRound(lane.samples[figure] ?? [], reference.samples[figure] ?? [], ratio)))
  })
}

function latencyCell(lane: LaneFigures): string {
  return `${formatNumber(spreadOf(lane, 'p50Ms').median)} / ${formatNumber(spreadOf(lane, 'p99Ms').median)}`
}

function pacedTable(one: CaseFigures): string {
  const direct = one.lanes.find(({ name }) => name === 'direct')
  const streams = Number.parseInt(one.name, 10)
  const rows = one.lanes.map((lane) => {
    const median = (figure: string) => spreadOf(lane, figure).median
    const pair = (first: string, second: string) => `${formatNumber(median(first))} / ${formatNumber(median(second))}`
    const isFull = [lane, direct].some((one) => spreadOf(one, 'machineIdle').median < fullBelowIdle)
    const added = (figure: string) => {
      if (lane === direct) return ''
      if (isFull) return 'full'
      return formatNumber(
        spread(perRound(lane.samples[figure] ?? [], direct?.samples[figure] ?? [], difference)).median,
      )
    }
    return [
      lane.name,
      wholeCell(lane.samples.whole ?? [], streams),
      pair('firstEventP50Ms', 'firstEventP99Ms'),
      added('firstEventP99Ms'),
      pair('delayP50Ms', 'delayP99Ms'),
      added('delayP99Ms'),
      added('gapP99Ms'),
      formatNumber(median('durationP50Ms')),
      formatNumber(median('cpuUs')),
      formatBytes(median('peakBytes')),
      [median('upstreamBusy'), median('loadBusy'), median('machineIdle')].map(percent).join(' / '),
    ]
  })
  const header = [
    'ms',
    'whole',
    'first event 50 / 99 %',
    'added, 99 %',
    'delay of a delta 50 / 99 %',
    'added, 99 %',
    'gap added, 99 %',
    'whole stream',
    'CPU µs',
    'memory',
    'upstream / client busy / machine idle',
  ]
  return markdownTable([header, ...rows])
}

function wholeCell(rounds: readonly number[], streams: number): string {
  if (rounds.length === 0) return '–'
  return rounds.every((whole) => whole === streams) ? 'all' : rounds.join(', ')
}

function startTable(figures: Figures): string {
  const starts = casesOf(figures, 'start')[0]?.lanes ?? []
  const memory = casesOf(figures, 'memory')[0]?.lanes ?? []
  const most = casesOf(figures, 'paced').at(-1)
  const names = (memory.length > 0 ? memory : starts).map(({ name }) => name).filter((name) => name !== 'direct')
  if (names.length === 0) return ''
  const bytes = (lane: LaneFigures | undefined, figure: string) => formatBytes(spreadOf(lane, figure).median)
  const rows = names.map((name) => {
    const find = (lanes: readonly LaneFigures[] | undefined) => lanes?.find((lane) => lane.name === name)
    const resident = find(memory)
    return [
      name,
      formatSpread(spreadOf(find(starts), 'startMs')),
      bytes(resident, 'idleBytes'),
      bytes(find(most?.lanes), 'peakBytes'),
      bytes(resident, 'afterStreamsBytes'),
      bytes(resident, 'endBytes'),
      bytes(resident, 'programBytes'),
    ]
  })
  const header = [
    '',
    'first answer, ms',
    'idle',
    `with ${most?.name ?? 'streams'}`,
    'half a minute later',
    'after everything',
    'program',
  ]
  return markdownTable([header, ...rows])
}

function variantTable(figures: Figures): string {
  const rows = (['credentials', 'cache', 'redirect'] as const).flatMap((group) =>
    casesOf(figures, group).flatMap(({ lanes }) =>
      lanes.map((lane, index) => {
        // A redirect is compared with the call of the same length, the others with the first of their group.
        const reference = lanes[group === 'redirect' ? index - (index % 2) : 0]
        const relative = perRound(lane.samples.cpuUs ?? [], reference?.samples.cpuUs ?? [], ratio)
        const name = group === 'redirect' ? `prompt of ${lane.name}` : lane.name
        return [name, formatSpread(spreadOf(lane, 'cpuUs')), lane === reference ? '1' : formatSpread(spread(relative))]
      }),
    ),
  )
  return rows.length === 0 ? '' : markdownTable([['', 'CPU µs', 'relative to the line before'], ...rows])
}

function errorList({ cases }: Figures): string {
  const lines = cases.flatMap(({ group, name, lanes }) =>
    lanes.flatMap((lane) => {
      const faults = Object.entries(lane.faults).map(([fault, count]) => `${fault} (${count} times)`)
      const texts = [
        ...(lane.errors > 0 ? [`${lane.errors} calls failed${faults.length > 0 ? `: ${faults.join('; ')}` : ''}`] : []),
        ...(lane.failure === undefined ? [] : [`not measured to the end: ${lane.failure}`]),
      ]
      return texts.length === 0 ? [] : [`- ${lane.name}, ${group} ${name}: ${texts.join('; ')}`]
    }),
  )
  return lines.join('\n')
}

function notMeasuredList({ notMeasured, missing }: Figures): string {
  return [
    ...notMeasured.map((text) => `- ${text}`),
    ...missing.map(({ name, version, error }) => `- ${name} ${version}: ${error}`),
  ].join('\n')
}

function casesOf(figures: Figures, group: Group): readonly CaseFigures[] {
  return figures.cases.filter((one) => one.group === group)
}

function spreadOf(lane: LaneFigures | undefined, figure: string) {
  return spread(lane?.samples[figure] ?? [])
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${Math.round(share * 100)} %` : '–'
}
