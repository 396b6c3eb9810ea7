/** A chart over time, drawn by uPlot, with its own legend and a table of the same numbers for whoever cannot see it. */
import { type ReadonlySignal, type Signal, signal, useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { axisTimes, bucketTime } from './chart-time.ts'
import { language, theme } from './preferences.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: { table: 'Show the numbers', time: 'Time', empty: 'Nothing in this range.' },
  zh: { table: '查看数据表', time: '时间', empty: '该时间范围内没有数据。' },
})

export interface ChartLine {
  readonly name: string
  /** One for each time; null: not known. */
  readonly values: readonly (number | null)[]
  /** Name of a colour of the style sheet (`--good`); by default the next of the series. */
  readonly colour?: string
  /** Stands in the legend while no time is pointed at; by default the last value. */
  readonly total?: string
}

export interface ChartProps {
  /** What is shown, for screen readers. */
  readonly label: string
  /** Unix seconds, ascending; of buckets, when they begin. */
  readonly times: readonly number[]
  readonly lines: readonly ChartLine[]
  /** Each line stands on those before it. */
  readonly isStacked?: boolean
  readonly format: (value: number) => string
  readonly height?: number
  /** Bars instead of lines: how long a bucket is. */
  readonly bucketSeconds?: number
  /** IANA zone in which times are told; by default the browser's. */
  readonly timezone?: string
  /** Marks at whole numbers only. */
  readonly isWhole?: boolean
}

export function Chart(props: ChartProps) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const newest = useRef(props)
  newest.current = props
  const pointedAt = useSignal<number | null>(null)
  // Colours and words are read when it is drawn: what changes them makes a new drawing. New numbers do not.
  const look = `${language.value} ${theme.value} ${isSystemDark.value}`
  const shape = JSON.stringify([
    props.lines.map(({ name, colour }) => [name, colour]),
    [props.isStacked, props.height, props.bucketSeconds, props.timezone, props.isWhole],
  ])
  const columns = useMemo(() => columnsOf(props), [props.times, props.lines, props.isStacked])

  useEffect(() => {
    const element = place.current
    if (element === null) return
    const drawn = new uPlot(optionsOf(newest, pointedAt, element.clientWidth), columns, element)
    plot.current = drawn
    const watcher = new ResizeObserver(() => {
      if (element.clientWidth > 0) drawn.setSize({ width: element.clientWidth, height: heightOf(newest.current) })
    })
    watcher.observe(element)
    return () => {
      watcher.disconnect()
      drawn.destroy()
      plot.current = null
      pointedAt.value = null
    }
  }, [shape, look])

  useEffect(() => {
    plot.current?.setData(columns)
  }, [columns])

  return (
    <figure class="chart">
      <Legend {...props} pointedAt={pointedAt} />
      <div ref={place} class="chart-drawing" role="img" aria-label={summaryOf(props)} />
      <NumbersTable {...props} />
    </figure>
  )
}

/** Under the theme `auto` the browser's wish counts. */
const isSystemDark: ReadonlySignal<boolean> = followSystem()

function followSystem(): Signal<boolean> {
  const query = matchMedia('(prefers-color-scheme: dark)')
  const isDark = signal(query.matches)
  query.addEventListener('change', () => {
    isDark.value = query.matches
  })
  return isDark
}

const defaultHeight = 220
const seriesColours = 9
const heightOf = ({ height = defaultHeight }: ChartProps) => height
const colourOf = ({ colour }: ChartLine, index: number) => colour ?? `--series-${(index % seriesColours) + 1}`

function Legend(props: ChartProps & { readonly pointedAt: Signal<number | null> }) {
  const { lines, times, format } = props
  const bucketSeconds = props.bucketSeconds ?? null
  const timezone = props.timezone ?? null
  const at = props.pointedAt.value
  const time = at === null ? undefined : times[at]
  return (
    <figcaption class="chart-legend">
      <ul>
        {lines.map((line, index) => (
          <li key={line.name}>
            <span class="swatch" style={{ background: `var(${colourOf(line, index)})` }} />
            {line.name}
            <b>{at === null ? (line.total ?? lastOf(line, format)) : valueText(line.values[at] ?? null, format)}</b>
          </li>
        ))}
      </ul>
      <span class="chart-time quiet">{time === undefined ? '' : bucketTime(time, bucketSeconds, timezone)}</span>
    </figcaption>
  )
}

function NumbersTable(props: ChartProps) {
  const { label, times, lines, format } = props
  const bucketSeconds = props.bucketSeconds ?? null
  const timezone = props.timezone ?? null
  const isOpen = useSignal(false)
  return (
    <details
      class="chart-numbers"
      onToggle={(event) => {
        isOpen.value = event.currentTarget.open
      }}
    >
      <summary>{text('table')}</summary>
      {isOpen.value && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
        <section class="scroll tall" aria-label={label} tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">{text('time')}</th>
                {lines.map(({ name }) => (
                  <th key={name} scope="col" class="number">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times.map((time, at) => (
                <tr key={time}>
                  <th scope="row">{bucketTime(time, bucketSeconds, timezone)}</th>
                  {lines.map(({ name, values }) => (
                    <td key={name} class="number">
                      {valueText(values[at] ?? null, format)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </details>
  )
}

function optionsOf(
  newest: { readonly current: ChartProps },
  pointedAt: Signal<number | null>,
  width: number,
): uPlot.Options {
  const { lines, isStacked = false, bucketSeconds, timezone = null, isWhole = false } = newest.current
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string) => resolveColour(style, name)
  const font = `12px ${getComputedStyle(document.body).fontFamily}`
  const axis = { stroke: colour('--quiet'), font, grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } }
  const isBars = bucketSeconds !== undefined
  const bars = uPlot.paths.bars?.({ size: [0.82, 48], radius: 0 })
  const series = lines.map((line, index): uPlot.Series => {
    const own = colour(colourOf(line, index))
    if (isBars && bars !== undefined) return { paths: bars, fill: own, stroke: own, width: 0, points: { show: false } }
    const fill = isStacked ? { fill: own } : {}
    return { stroke: own, width: 1.5, points: { show: false }, spanGaps: false, ...fill }
  })
  return {
    width,
    height: heightOf(newest.current),
    padding: [8, 4, 0, 0],
    series: [{}, ...(isStacked ? series.toReversed() : series)],
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 64,
        values: (_plot, marks, _axis, _space, step) => axisTimes(marks, step, timezone),
      },
      {
        ...axis,
        size: 62,
        ...(isWhole ? { incrs: wholeSteps } : {}),
        values: (_plot, marks) => marks.map((mark) => newest.current.format(mark)),
      },
    ],
    ...(timezone === null ? {} : { tzDate: (time: number) => uPlot.tzDate(new Date(time * 1000), timezone) }),
    scales: {
      x: { range: (_plot, low, high) => horizontalRange(newest.current, low, high) },
      y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.06 : 1] },
    },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    legend: { show: false },
    hooks: {
      setCursor: [
        (plot) => {
          pointedAt.value = plot.cursor.idx ?? null
        },
      ],
    },
  }
}

const wholeSteps = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat()

/** Bars stand in the middle of their bucket. */
function horizontalRange({ times, bucketSeconds = 0 }: ChartProps, low: number, high: number): [number, number] {
  const first = times[0]
  const last = times.at(-1)
  if (first === undefined || last === undefined) return [low, high]
  return [first, last + Math.max(bucketSeconds, first === last ? 1 : 0)]
}

/** The uppermost line of a stack is drawn first, so that the others are painted over it. */
export function columnsOf({
  times,
  lines,
  isStacked,
  bucketSeconds = 0,
}: Pick<ChartProps, 'times' | 'lines' | 'isStacked' | 'bucketSeconds'>): uPlot.AlignedData {
  const middles = times.map((time) => time + bucketSeconds / 2)
  if (isStacked !== true) return [middles, ...lines.map(({ values }) => [...values])]
  const sums = times.map(() => 0)
  const stacked = lines.map(({ values }) =>
    values.map((value, at) => {
      sums[at] = (sums[at] ?? 0) + (value ?? 0)
      return sums[at] ?? 0
    }),
  )
  return [middles, ...stacked.toReversed()]
}

/** `light-dark()` is only resolved where a colour is used. */
function resolveColour(style: CSSStyleDeclaration, name: string): string {
  const probe = document.createElement('span')
  probe.style.color = style.getPropertyValue(name) || name
  document.body.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

function valueText(value: number | null, format: (value: number) => string): string {
  return value === null ? '–' : format(value)
}

function lastOf({ values }: ChartLine, format: (value: number) => string): string {
  return valueText(values.findLast((value) => value !== null) ?? null, format)
}

function summaryOf({ label, lines, format }: ChartProps): string {
  if (lines.length === 0) return `${label}: ${text('empty')}`
  return `${label}: ${lines.map((line) => `${line.name} ${line.total ?? lastOf(line, format)}`).join(', ')}`
}
