/** How much was used, by whom and of what. Everything that is chosen stands in the address. */
import './statistics.css'
import { useMemo } from 'preact/hooks'
import { changeQuery } from './address.ts'
import { BreakdownTable } from './breakdown-table.tsx'
import { Chart } from './chart.tsx'
import type { ChartLine } from './chart-lines.ts'
import { Choices } from './choices.tsx'
import { FilterChips, nameChips } from './filter-chips.tsx'
import { formatMoney, formatShort } from './format.ts'
import { dimensionText, lineText } from './names.ts'
import { PercentileTable } from './percentile-table.tsx'
import { RangePicker } from './range-picker.tsx'
import { RangeTold } from './range-told.tsx'
import { ReadingProblem } from './reading-problem.tsx'
import { useRemote } from './remote.ts'
import { dimensions, type RangeReport } from './reports.ts'
import { linkTo, route } from './route.ts'
import { defineTexts } from './texts.ts'
import { TotalFigures } from './total-figures.tsx'
import {
  canSplitBy,
  readUsageView,
  type UsageMeasure,
  type UsageView,
  usageMeasures,
  usageParameters,
  usagePresets,
  valuesOf,
} from './usage-view.ts'

const text = defineTexts({
  en: {
    bucket: 'Step',
    hour: 'Hours',
    day: 'Days',
    by: 'Split by',
    measure: 'Measure',
    requests: 'Requests',
    tokens: 'Tokens',
    cost: 'Cost',
    chart: '{measure} by {dimension}',
    download: 'Download CSV',
    empty: 'No call in this range.',
    emptyHint: 'Choose a longer range or remove a filter.',
    unfiltered: 'Click a name in a table below to see only its numbers.',
    calls: 'These requests one by one',
  },
  zh: {
    bucket: '粒度',
    hour: '按小时',
    day: '按天',
    by: '分组',
    measure: '指标',
    requests: '请求数',
    tokens: 'Token',
    cost: '费用',
    chart: '{measure}（按{dimension}）',
    download: '下载 CSV',
    empty: '该时间范围内没有调用。',
    emptyHint: '请选择更长的时间范围，或移除筛选条件。',
    unfiltered: '点击下方表格中的名称，即可只看它的数据。',
    calls: '查看这些请求的明细',
  },
})

const refreshMs = 60_000

export function UsagePage() {
  const view = readUsageView(route.value.query)
  const parameters = usageParameters(view).toString()
  const remote = useRemote<RangeReport>(`stats?${parameters}`, refreshMs)
  const report = remote.value.value
  const chips = nameChips(view.filter)
  return (
    <div class="stack">
      <div class="bar">
        <RangePicker range={view.range} offered={usagePresets} />
      </div>
      <div class="bar filters-row">
        {chips.length === 0 ? <span class="quiet">{text('unfiltered')}</span> : <FilterChips chips={chips} />}
      </div>
      <ReadingProblem remote={remote} />
      <div class={`stack ${remote.isLoading.value ? 'is-stale' : ''}`}>
        <section class="card stack">
          <TotalFigures totals={report?.totals ?? null} />
        </section>
        <UsageChart view={view} report={report} parameters={parameters} />
        {report !== null && report.totals.requests === 0 && (
          <p class="empty">
            {text('empty')}
            <br />
            {text('emptyHint')}
          </p>
        )}
        <div class="breakdowns">
          {dimensions.map((dimension) => (
            <BreakdownTable key={dimension} dimension={dimension} report={report} view={view} />
          ))}
        </div>
        <PercentileTable percentiles={report === null ? undefined : report.percentiles} />
      </div>
    </div>
  )
}

interface UsageChartProps {
  readonly view: UsageView
  readonly report: RangeReport | null
  readonly parameters: string
}

function UsageChart({ view, report, parameters }: UsageChartProps) {
  const { measure, by, bucket, filter, range } = view
  const format = measure === 'cost' ? formatMoney : formatShort
  const label = text('chart', { measure: text(measure), dimension: dimensionText(by).toLowerCase() })
  const times = useMemo(() => report?.series.times.map((time) => Date.parse(time) / 1000) ?? [], [report])
  const lines = report?.series.lines.map((line): ChartLine => {
    const values = valuesOf(line, measure)
    const total = values.reduce((sum, value) => sum + value, 0)
    const rest = line.is_rest ? { colour: '--series-9' } : {}
    return { name: lineText(line, true), values, total: format(total), ...rest }
  })
  const calls = { ...filter, range: range.preset, from: range.from ?? '', to: range.to ?? '' }
  return (
    <section class="card stack" aria-labelledby="chart-title">
      <header class="card-head">
        <h2 id="chart-title">{label}</h2>
        <RangeTold report={report} />
        <a href={linkTo('requests', Object.fromEntries(Object.entries(calls).filter(([, value]) => value !== '')))}>
          {text('calls')}
        </a>
        <a href={`stats?${parameters}&format=csv`} download>
          {text('download')}
        </a>
      </header>
      <div class="bar">
        <Choices<UsageMeasure>
          label={text('measure')}
          options={usageMeasures.map((value) => ({ value, title: text(value) }))}
          chosen={measure}
          onChoose={(value) => changeQuery({ measure: value })}
        />
        <Choices
          label={text('by')}
          options={dimensions.map((value) => ({
            value,
            title: dimensionText(value),
            isPossible: canSplitBy(value, filter),
          }))}
          chosen={by}
          onChoose={(value) => changeQuery({ by: value })}
        />
        <Choices
          label={text('bucket')}
          options={[
            { value: 'hour', title: text('hour'), isPossible: view.isHourPossible },
            { value: 'day', title: text('day') },
          ]}
          chosen={bucket}
          onChoose={(value) => changeQuery({ bucket: value })}
        />
      </div>
      <Chart
        label={label}
        times={times}
        lines={lines ?? []}
        isStacked
        format={format}
        height={280}
        bucketSeconds={report?.series.bucket === 'hour' ? 3600 : 86_400}
        timezone={report?.range.timezone ?? 'UTC'}
        isWhole={measure !== 'cost'}
      />
    </section>
  )
}
