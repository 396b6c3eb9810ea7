/** Requests, tokens and cost of a range, in charts and in sum. */
import { useMemo } from 'preact/hooks'
import { Chart } from './chart.tsx'
import type { ChartLine } from './chart-lines.ts'
import { formatMoney, formatShort } from './format.ts'
import { rangeParameters, readRange } from './range.ts'
import { RangePicker } from './range-picker.tsx'
import { RangeTold } from './range-told.tsx'
import { ReadingProblem } from './reading-problem.tsx'
import { useRemote } from './remote.ts'
import type { Measure, RangeReport } from './reports.ts'
import { linkTo, route } from './route.ts'
import { defineTexts } from './texts.ts'
import { TotalFigures } from './total-figures.tsx'

const text = defineTexts({
  en: {
    title: 'History',
    usage: 'Usage in detail',
    requests: 'Requests',
    succeeded: 'Succeeded',
    failed: 'Failed',
    aborted: 'Aborted',
    tokens: 'Tokens',
    input: 'Input',
    output: 'Output',
    cost: 'Cost',
  },
  zh: {
    title: '历史',
    usage: '详细用量',
    requests: '请求',
    succeeded: '成功',
    failed: '失败',
    aborted: '客户端取消',
    tokens: 'Token',
    input: '输入',
    output: '输出',
    cost: '费用',
  },
})

const offered = ['today', '24h', '7d', '30d'] as const
const refreshMs = 60_000

export function OverviewHistory() {
  const range = readRange(route.value.query, offered, '24h')
  const path = useMemo(
    () => `stats?${new URLSearchParams({ bucket: bucketOf(range.preset), ...rangeParameters(range) })}`,
    [range.preset],
  )
  const remote = useRemote<RangeReport>(path, refreshMs)
  const report = remote.value.value
  return (
    <section class="card stack" aria-labelledby="history-title">
      <header class="card-head">
        <h2 id="history-title">{text('title')}</h2>
        <RangeTold report={report} />
        <a href={linkTo('usage', { range: range.preset })}>{text('usage')}</a>
      </header>
      <RangePicker range={range} offered={offered} hasCustom={false} />
      <ReadingProblem remote={remote} />
      <div class={`stack ${remote.isLoading.value ? 'is-stale' : ''}`}>
        <TotalFigures totals={report?.totals ?? null} />
        <div class="charts">
          <HistoryChart title={text('requests')} report={report} parts={requestParts} format={formatShort} isWhole />
          <HistoryChart title={text('tokens')} report={report} parts={tokenParts} format={formatShort} />
          <HistoryChart title={text('cost')} report={report} parts={costParts} format={formatMoney} />
        </div>
      </div>
    </section>
  )
}

/** An hour of today is as much as a day of the month. */
function bucketOf(preset: string): 'hour' | 'day' {
  return preset === '30d' ? 'day' : 'hour'
}

interface Part {
  readonly measure: Measure
  readonly name: 'succeeded' | 'failed' | 'aborted' | 'input' | 'output' | 'cost'
  readonly colour: string
}

const requestParts: readonly Part[] = [
  { measure: 'succeeded', name: 'succeeded', colour: '--good' },
  { measure: 'failed', name: 'failed', colour: '--bad' },
  { measure: 'aborted', name: 'aborted', colour: '--series-9' },
]
const tokenParts: readonly Part[] = [
  { measure: 'input_tokens', name: 'input', colour: '--series-1' },
  { measure: 'output_tokens', name: 'output', colour: '--series-4' },
]
const costParts: readonly Part[] = [{ measure: 'cost_usd', name: 'cost', colour: '--series-5' }]

interface HistoryChartProps {
  readonly title: string
  readonly report: RangeReport | null
  readonly parts: readonly Part[]
  readonly format: (value: number) => string
  readonly isWhole?: boolean
}

function HistoryChart({ title, report, parts, format, isWhole = false }: HistoryChartProps) {
  const times = report?.series.times.map((time) => Date.parse(time) / 1000) ?? []
  const line = report?.series.lines[0]
  const lines = parts.map(
    ({ measure, name, colour }): ChartLine => ({
      name: text(name),
      colour,
      values: line?.[measure] ?? times.map(() => 0),
      total: report === null ? '–' : format(report.totals[measure]),
    }),
  )
  return (
    <div>
      <h3>{title}</h3>
      <Chart
        label={title}
        times={times}
        lines={lines}
        isStacked
        format={format}
        height={180}
        bucketSeconds={report?.series.bucket === 'day' ? 86_400 : 3600}
        timezone={report?.range.timezone ?? 'UTC'}
        isWhole={isWhole}
      />
    </div>
  )
}
