/** Which calls the page of requests shows, as its address says it, and the question to the gateway that follows. */
import { type Preset, type Range, rangeParameters, readRange } from './range.ts'
import { type Outcome, outcomes } from './reports.ts'
import { type NameFilter, readNames } from './usage-view.ts'

export const callPresets: readonly Preset[] = ['1h', '24h', '7d', '30d', 'all']
export const statusClasses = ['2xx', '4xx', '5xx'] as const

export interface CallFilter {
  readonly range: Range
  readonly names: NameFilter
  readonly outcome: Outcome | null
  /** `429`, `5xx`. */
  readonly status: string | null
  /** Seconds. */
  readonly minSeconds: number | null
}

export function readCallFilter(query: URLSearchParams): CallFilter {
  const offered: readonly Preset[] = ['today', '90d', ...callPresets]
  const status = query.get('status') ?? ''
  const seconds = Number(query.get('min') ?? '')
  return {
    range: readRange(query, offered, 'all'),
    names: readNames(query),
    outcome: outcomes.find((outcome) => outcome === query.get('outcome')) ?? null,
    status: /^[1-5](?:xx|\d\d)$/.test(status) ? status : null,
    minSeconds: Number.isFinite(seconds) && seconds > 0 && seconds <= maxSeconds ? seconds : null,
  }
}

/** Of `GET /admin/requests`. */
export function callParameters({ range, names, outcome, status, minSeconds }: CallFilter): URLSearchParams {
  return new URLSearchParams({
    ...rangeParameters(range),
    ...names,
    ...(outcome === null ? {} : { outcome }),
    ...(status === null ? {} : { status }),
    ...(minSeconds === null ? {} : { min_duration: String(Math.round(minSeconds * 1000)) }),
  })
}

/** Whether calls that end from now on can be among them. */
export function isOpenEnded({ range }: CallFilter, now: Date = new Date()): boolean {
  return range.to === null || Date.parse(range.to) > now.getTime()
}

const maxSeconds = 86_400
