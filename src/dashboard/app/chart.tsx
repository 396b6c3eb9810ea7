/** A chart over time, drawn by uPlot, with a table of the same numbers for whoever cannot see it. */
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { language, theme } from './preferences.ts'

export interface ChartLine {
  readonly name: string
  /** One for each time; null: not known. */
  readonly values: readonly (number | null)[]
  /** Name of a colour of the style sheet (`--good`); by default the next of the series. */
  readonly colour?: string
}

export interface ChartProps {
  /** What is shown, for screen readers. */
  readonly label: string
  /** Unix seconds, ascending. */
  readonly times: readonly number[]
  readonly lines: readonly ChartLine[]
  /** Each line stands on those before it. */
  readonly isStacked?: boolean
  readonly format: (value: number) => string
  readonly height?: number
}

export function Chart(props: ChartProps) {
  const place = useRef<HTMLDivElement>(null)
  // A changed language or theme is a new drawing: colours and words are read when it is made.
  const look = `${language.value} ${theme.value}`
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const plot = new uPlot(optionsOf(props, element.clientWidth), columnsOf(props), element)
    const watcher = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: heightOf(props) }))
    watcher.observe(element)
    return () => {
      watcher.disconnect()
      plot.destroy()
    }
  }, [props, look])

  return (
    <figure class="chart">
      <div ref={place} role="img" aria-label={summaryOf(props)} />
    </figure>
  )
}

const defaultHeight = 220
const heightOf = ({ height = defaultHeight }: ChartProps) => height

function optionsOf(props: ChartProps, width: number): uPlot.Options {
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string) => resolveColour(style, name)
  const axis = { stroke: colour('--quiet'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } }
  const shown = props.lines.map((line, index) => ({ line, index }))
  const series = shown.map(({ line, index }) => {
    const stroke = colour(line.colour ?? `--series-${(index % 9) + 1}`)
    const value = (_plot: uPlot, _raw: number, _series: number, at: number | null) => {
      const own = at === null ? null : (line.values[at] ?? null)
      return own === null ? '–' : props.format(own)
    }
    const fill = props.isStacked === true ? { fill: withAlpha(stroke) } : {}
    return { label: line.name, stroke, width: 1.5, points: { show: false }, value, ...fill }
  })
  return {
    width,
    height: heightOf(props),
    series: [{}, ...(props.isStacked === true ? series.toReversed() : series)],
    axes: [axis, { ...axis, size: 64, values: (_plot, ticks) => ticks.map(props.format) }],
    scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    cursor: { y: false },
    legend: { live: true },
  }
}

/** The uppermost line of a stack is drawn first, so that the others are painted over it. */
function columnsOf({ times, lines, isStacked }: ChartProps): uPlot.AlignedData {
  if (isStacked !== true) return [[...times], ...lines.map(({ values }) => [...values])]
  const sums = times.map(() => 0)
  const stacked = lines.map(({ values }) =>
    values.map((value, at) => {
      sums[at] = (sums[at] ?? 0) + (value ?? 0)
      return sums[at] ?? 0
    }),
  )
  return [[...times], ...stacked.toReversed()]
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

function withAlpha(colour: string): string {
  return colour.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.28)')
}

function summaryOf({ label, lines, format }: ChartProps): string {
  const ends = lines.map(({ name, values }) => {
    const last = values.findLast((value) => value !== null) ?? null
    return last === null ? name : `${name} ${format(last)}`
  })
  return `${label}: ${ends.join(', ')}`
}
