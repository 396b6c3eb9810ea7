/** Requests per minute: an exact window that slides, so that no minute anywhere holds more. Times are of a clock that never runs backwards. */
import type { Quota } from './quota.ts'

export interface RequestWindow {
  /** How it stands for one more request; takes nothing. */
  look(now: number, limit: number): Quota
  add(now: number): void
}

const windowMs = 60_000
/** So many forgotten ones are kept until they are cut off together: cutting off each would move all the others. */
const cutLength = 256

export function createRequestWindow(): RequestWindow {
  /** When the requests of the last minute began, oldest first: at most as many as the limit allows. */
  let times: number[] = []
  let first = 0

  function forget(time: number): void {
    while (first < times.length && (times[first] ?? 0) <= time) first++
    if (first < times.length && (first < cutLength || first * 2 < times.length)) return
    times = times.slice(first)
    first = 0
  }

  return {
    look(now, limit) {
      forget(now - windowMs)
      const used = times.length - first
      // The request after which one place is free again; further back where a reload has lowered the limit.
      const blocking = used - limit
      return {
        limit,
        remaining: Math.max(limit - used, 0),
        waitMs: blocking < 0 ? 0 : (times[first + blocking] ?? 0) + windowMs - now,
        resetMs: used === 0 ? 0 : (times.at(-1) ?? 0) + windowMs - now,
      }
    },
    add: (now) => void times.push(now),
  }
}
