/** A chart over time, drawn by uPlot, with its own legend and a table of the same numbers for whoever cannot see it. */
import { type ReadonlySignal, type Signal, signal, useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { ChartLegend, type ChartLegendProps } from './chart-legend.tsx'
import { type ChartProps, columnsOf, heightOf, totalOf } from './chart-lines.ts'
import { optionsOf } from './chart-options.ts'
import { ChartTable } from './chart-table.tsx'
import { bucketTime } from './chart-time.ts'
import { language } from './language.ts'
import { theme } from './preferences.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: { empty: 'Nothing in this range.' },
  zh: { empty: '该时间范围内没有数据。' },
})

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
      <ChartLegend {...props} pointedAt={pointedAt} />
      <div ref={place} class="chart-drawing" role="img" aria-label={summaryOf(props)} />
      <PointedTime {...props} pointedAt={pointedAt} />
      <ChartTable {...props} />
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

/** The time that is pointed at. */
function PointedTime({ times, bucketSeconds, timezone, pointedAt }: ChartLegendProps) {
  const time = pointedAt.value === null ? undefined : times[pointedAt.value]
  return (
    <span class="chart-time quiet" aria-hidden="true">
      {time === undefined ? '' : bucketTime(time, bucketSeconds ?? null, timezone ?? null)}
    </span>
  )
}

function summaryOf({ label, lines, format }: ChartProps): string {
  if (lines.length === 0) return `${label}: ${text('empty')}`
  return `${label}: ${lines.map((line) => `${line.name} ${totalOf(line, format)}`).join(', ')}`
}
