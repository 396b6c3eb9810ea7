/** The lines of a chart with their colours; their values at the time that is pointed at, else their totals. */
import type { Signal } from '@preact/signals'
import { type ChartProps, colourOf, totalOf, valueText } from './chart-lines.ts'

export type ChartLegendProps = ChartProps & {
  /** Index of a time; null: none. */
  readonly pointedAt: Signal<number | null>
}

export function ChartLegend({ lines, format, pointedAt }: ChartLegendProps) {
  const at = pointedAt.value
  return (
    <figcaption class="chart-legend">
      <ul>
        {lines.map((line, index) => (
          <li key={line.name}>
            <span class="swatch" style={{ background: `var(${colourOf(line, index)})` }} />
            {line.name} <b>{at === null ? totalOf(line, format) : valueText(line.values[at] ?? null, format)}</b>
          </li>
        ))}
      </ul>
    </figcaption>
  )
}
