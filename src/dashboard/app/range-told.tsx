/** What the numbers shown are of, as the gateway says: whole buckets, in its own zone. */
import { formatSpan } from './format.ts'
import type { RangeReport } from './reports.ts'

export function RangeTold({ report }: { readonly report: RangeReport | null }) {
  if (report === null || report.series.times.length === 0) return <span class="quiet">&nbsp;</span>
  const { from, to, timezone } = report.range
  return (
    <span class="quiet">
      {formatSpan(from, to, timezone)} ({timezone})
    </span>
  )
}
