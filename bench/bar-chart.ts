/** Draws a horizontal bar chart as SVG that can be read on light and on dark pages. */
import { formatNumber } from './format-figures.ts'

export interface BarChart {
  readonly title: string
  /** What a longer bar means, in which unit, and what is better. */
  readonly subtitle: string
  /** At most three; each has a colour. */
  readonly series: readonly string[]
  /** A value for each series; null where it was not measured. */
  readonly rows: readonly { readonly name: string; readonly values: readonly (number | null)[] }[]
  /** Bars longer than this are cut, and look so; their value is written all the same. */
  readonly longest?: number
}

const width = 760
const nameWidth = 150
const valueWidth = 70
const barHeight = 13
const rowGap = 11
const legendHeight = 24

export function barChart(chart: BarChart): string {
  const all = chart.rows.flatMap(({ values }) => values.filter((value) => value !== null))
  const longest = Math.min(chart.longest ?? Number.POSITIVE_INFINITY, Math.max(...all))
  const scale = (width - nameWidth - valueWidth - 20) / longest
  const rowHeight = chart.series.length * (barHeight + 2) + rowGap
  const headHeight = chart.series.length > 1 ? 60 + legendHeight : 64
  const height = headHeight + chart.rows.length * rowHeight + 8
  const legend = chart.series.length > 1 ? chart.series.map(legendEntry) : []
  const rows = chart.rows.map(({ name, values }, row) => {
    const top = headHeight + row * rowHeight
    const middle = top + (rowHeight - rowGap) / 2
    const label = text({ x: nameWidth - 10, y: middle + 4, kind: 'name', anchor: 'end' }, name)
    return [label, ...values.map((value, index) => bar(value, index, top))].join('\n')
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeXml(chart.title)}">
<style>
.page { fill: #ffffff; stroke: #d0d7de } text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 } .quiet { fill: #59636e } .axis { stroke: #d0d7de }
.s0 { fill: #0969da } .s1 { fill: #bc4c00 } .s2 { fill: #1a7f37 } .cut { fill: #ffffff }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; stroke: #3d444d } text { fill: #f0f6fc } .quiet { fill: #9198a1 } .axis { stroke: #3d444d }
.s0 { fill: #4493f8 } .s1 { fill: #f0883e } .s2 { fill: #3fb950 } .cut { fill: #0d1117 }
}
</style>
<rect class="page" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6"/>
${text({ x: 16, y: 28, kind: 'title' }, chart.title)}
${text({ x: 16, y: 49, kind: 'quiet' }, chart.subtitle)}
${legend.join('\n')}
<line class="axis" x1="${nameWidth}" y1="${headHeight - 6}" x2="${nameWidth}" y2="${height - 10}"/>
${rows.join('\n')}
</svg>
`

  function bar(value: number | null, index: number, top: number): string {
    if (value === null) return ''
    const y = top + index * (barHeight + 2)
    const length = Math.max(1, Math.min(value, longest) * scale)
    const end = nameWidth + length
    const cut =
      value > longest
        ? `<path class="cut" d="M${end - 18} ${y + barHeight}l5 -${barHeight}h4l-5 ${barHeight}zm9 0l5 -${barHeight}h4l-5 ${barHeight}z"/>`
        : ''
    const rect = `<rect class="s${index}" x="${nameWidth}" y="${y}" width="${length.toFixed(1)}" height="${barHeight}" rx="2"/>`
    return `${rect}${cut}${text({ x: end + 6, y: y + barHeight - 2, kind: 'value' }, formatNumber(value))}`
  }
}

function legendEntry(name: string, index: number): string {
  const x = 16 + index * 180
  return `<rect class="s${index}" x="${x}" y="60" width="11" height="11" rx="2"/>${text({ x: x + 17, y: 70, kind: 'quiet' }, name)}`
}

interface Place {
  readonly x: number
  readonly y: number
  readonly kind: string
  readonly anchor?: 'end'
}

function text({ x, y, kind, anchor }: Place, content: string): string {
  const anchored = anchor === undefined ? '' : ` text-anchor="${anchor}"`
  return `<text class="${kind}" x="${x.toFixed(1)}" y="${y}"${anchored}>${escapeXml(content)}</text>`
}

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
