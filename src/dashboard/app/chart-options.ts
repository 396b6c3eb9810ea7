/** How uPlot draws a chart: its axes, bars or lines, and colours of the style sheet. */
import type { Signal } from '@preact/signals'
import uPlot from 'uplot'
import { type ChartProps, colourOf, heightOf } from './chart-lines.ts'
import { axisTimes } from './chart-time.ts'

/** `newest`: the properties as they are when something is drawn. `pointedAt` is set to the index of a time. */
export function optionsOf(
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
    padding: [8, 18, 0, 0],
    series: [{}, ...(isStacked ? series.toReversed() : series)],
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 64,
        size: 32,
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

/** `light-dark()` is only resolved where a colour is used. */
function resolveColour(style: CSSStyleDeclaration, name: string): string {
  const probe = document.createElement('span')
  probe.style.color = style.getPropertyValue(name) || name
  document.body.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}
