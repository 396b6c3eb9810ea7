/**
 * Tokens per minute: a window that slides in steps, so that its size does not depend on what is counted. A step leaves as a whole,
 * when all of it is a minute old: no minute anywhere holds more. Times are of a clock that never runs backwards.
 */
import type { Quota } from './quota.ts'

export interface TokenWindow {
  /** How it stands for so many more, which must not be above the limit; takes nothing. */
  look(now: number, limit: number, wanted: number): Quota
  /** Returns where it was counted, for `correct`. */
  add(now: number, tokens: number): number
  /** After `add`: what is less is given back, what is more counts from now. */
  correct(now: number, counted: { readonly step: number; readonly tokens: number }, actual: number): void
}

const windowMs = 60_000
const stepMs = 250
/** The one that is being filled, and those that are not yet wholly a minute old. */
const stepCount = windowMs / stepMs + 1

export function createTokenWindow(): TokenWindow {
  const tokens = new Float64Array(stepCount)
  let newest = 0
  let total = 0

  const countOf = (step: number) => tokens[step % stepCount] ?? 0
  const leavesAt = (step: number) => (step + stepCount) * stepMs
  const isKept = (step: number) => step <= newest && step > newest - stepCount

  function count(step: number, change: number): void {
    tokens[step % stepCount] = countOf(step) + change
    total += change
  }

  function advance(now: number): void {
    const step = Math.floor(now / stepMs)
    if (step <= newest) return
    for (let left = Math.min(step - newest, stepCount), at = step; left > 0; left--, at--) count(at, -countOf(at))
    newest = step
  }

  /** The step whose leaving makes room for so many. */
  function stepFreeing(wanted: number): number {
    let step = newest - stepCount + 1
    for (let freed = countOf(step); freed < wanted && step < newest; freed += countOf(step)) step++
    return step
  }

  function newestUsed(): number {
    let step = newest
    while (countOf(step) === 0) step--
    return step
  }

  return {
    look(now, limit, wanted) {
      advance(now)
      const excess = total + wanted - limit
      return {
        limit,
        remaining: Math.max(limit - total, 0),
        waitMs: excess <= 0 ? 0 : leavesAt(stepFreeing(excess)) - now,
        resetMs: total <= 0 ? 0 : leavesAt(newestUsed()) - now,
      }
    },
    add(now, wanted) {
      advance(now)
      count(newest, wanted)
      return newest
    },
    correct(now, { step, tokens: counted }, actual) {
      advance(now)
      if (actual > counted) count(newest, actual - counted)
      else if (isKept(step)) count(step, actual - counted)
    },
  }
}
