/** What happens now, and how it went lately. */
import './statistics.css'
import { useLive } from './live.ts'
import { LiveCalls } from './live-calls.tsx'
import { LiveFigures } from './live-figures.tsx'
import { LiveNotices } from './live-notices.tsx'
import { OverviewHistory } from './overview-history.tsx'

export function OverviewPage() {
  const live = useLive()
  return (
    <div class="stack">
      <LiveNotices live={live} />
      <LiveFigures live={live} />
      <LiveCalls live={live} />
      <OverviewHistory />
    </div>
  )
}
