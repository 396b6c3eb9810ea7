/** What is said about a series of figures. */

/** Median, lowest and highest of the rounds. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** NaN for no values. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}

/** The smallest value that `share` (0 to 1) of all values do not exceed; NaN for no values. `sorted` is ascending. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  const rank = Math.ceil(share * sorted.length)
  return sorted[Math.max(rank, 1) - 1] ?? Number.NaN
}

/** Round by round, so that neighbours in time are compared; rounds that one of the two lacks are left out. */
export function perRound(
  values: readonly number[],
  references: readonly number[],
  compare: (value: number, reference: number) => number,
): number[] {
  const rounds = Math.min(values.length, references.length)
  return values.slice(0, rounds).map((value, round) => compare(value, references[round] ?? Number.NaN))
}

export function ratio(value: number, reference: number): number {
  return value / reference
}

export function difference(value: number, reference: number): number {
  return value - reference
}
