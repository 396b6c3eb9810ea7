/** What is left of one limit at a moment, whichever kind it is. */
export interface Quota {
  readonly limit: number
  /** How much more would be allowed now. */
  readonly remaining: number
  /** Until what was asked about is allowed, if nothing else comes in between; 0 where it is now. */
  readonly waitMs: number
  /** Until the whole limit is there again. */
  readonly resetMs: number
}
