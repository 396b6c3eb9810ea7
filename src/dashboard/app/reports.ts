/** The shapes of the statistics API, as the pages read them. Money in US dollars, durations in milliseconds, times ISO 8601. */

export const dimensions = ['model', 'provider', 'client', 'credential'] as const
export type Dimension = (typeof dimensions)[number]

export const measures = [
  'requests',
  'succeeded',
  'failed',
  'aborted',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'reasoning_tokens',
  'cost_usd',
] as const
export type Measure = (typeof measures)[number]

export type Totals = Readonly<Record<Measure, number>>

/** A percentile is null where nothing was counted. */
export interface Percentiles {
  readonly count: number
  readonly p50: number | null
  readonly p90: number | null
  readonly p95: number | null
  readonly p99: number | null
}

/** Of a chart: one number for each time. */
export type SeriesLine = Readonly<Record<Measure, readonly number[]>> & {
  readonly name: string
  /** All that have no line of their own. */
  readonly is_rest: boolean
  readonly totals: Totals
}

export interface RangeReport {
  readonly totals: Totals
  readonly models: Readonly<Record<string, Totals>>
  readonly providers: Readonly<Record<string, Totals>>
  readonly clients: Readonly<Record<string, Totals>>
  readonly credentials: Readonly<Record<string, Totals>>
  readonly range: {
    readonly from: string
    readonly to: string
    readonly bucket: 'hour' | 'day'
    readonly timezone: string
    /** Breakdowns that are not kept for the filter asked for. */
    readonly unavailable: readonly string[]
  }
  readonly series: {
    readonly bucket: 'hour' | 'day'
    readonly times: readonly string[]
    readonly lines: readonly SeriesLine[]
  }
  /** Null: not kept for this filter. */
  readonly percentiles: { readonly first_byte_ms: Percentiles; readonly duration_ms: Percentiles } | null
}

export const outcomes = ['succeeded', 'refused', 'failed', 'cut', 'aborted'] as const
export type Outcome = (typeof outcomes)[number]

/** One finished call. */
export interface CallReport {
  readonly id: string
  readonly time: string
  readonly client: string
  readonly path: string
  readonly model: string
  readonly provider: string
  readonly target_model: string
  readonly credential: string
  readonly status: number
  readonly outcome: Outcome
  readonly stream: boolean
  readonly error_code: string | null
  readonly attempts: number
  readonly first_byte_ms: number | null
  readonly duration_ms: number
  readonly input_tokens: number
  readonly output_tokens: number
  readonly cached_tokens: number
  readonly reasoning_tokens: number
  /** `upstream`, `counted`, `estimate`, `cache` or `none`. */
  readonly usage_source: string
  readonly cost_usd: number
}

export interface AttemptReport {
  readonly provider: string
  readonly model: string
  readonly credential: string
  /** Null: it served the call. */
  readonly failure: string | null
  readonly status: number | null
  readonly code: string | null
  /** From the call's start. */
  readonly start_ms: number
  readonly duration_ms: number
}

export interface CallDetails extends CallReport {
  /** Every attempt, where there were several or one failed. */
  readonly trail: readonly AttemptReport[]
}

export interface CallPage {
  readonly data: readonly CallReport[]
  readonly next_cursor: string | null
}

export interface LiveReport {
  readonly time: string
  readonly in_flight: number
  readonly last_minute: {
    readonly requests: number
    readonly errors: number
    readonly aborted: number
    readonly requests_per_second: number
    readonly errors_per_second: number
    readonly input_tokens: number
    readonly output_tokens: number
    readonly cost_usd: number
  }
  /** Of the last five minutes. */
  readonly first_byte_ms: Percentiles
  readonly duration_ms: Percentiles
  /** The last 60, oldest first. */
  readonly seconds: { readonly requests: readonly number[]; readonly errors: readonly number[] }
  /** How many in each state. */
  readonly credentials: Readonly<Record<string, number>>
  readonly breakers: readonly { readonly target: string; readonly state: string; readonly until: string | null }[]
  readonly store_problem: string | null
  /** Finished since the event before, newest first. */
  readonly calls: readonly CallReport[]
}
