/** Requests per minute of each client: an exact window that slides, so that no minute anywhere holds more. Who has which limit is not its business. */
import type { Clock } from '../clock.ts'

export interface RateLimiter {
  /** Counts the call, or refuses it; a refused one costs nothing. In one step: of calls at once no two take the last place. */
  take(client: string, limit: number): Allowance
}

export interface Allowance {
  readonly isAllowed: boolean
  readonly limit: number
  /** Further calls that would be allowed now. */
  readonly remaining: number
  /** Until the next call is allowed; 0 where one is now. */
  readonly retryAfterMs: number
  /** Until none counts any more and the whole limit is there again. */
  readonly resetMs: number
}

const windowMs = 60_000

export function createRateLimiter(clock: Pick<Clock, 'monotonic'>): RateLimiter {
  const windows = new Map<string, Window>()
  let sweepAt = 0

  function windowOf(client: string, now: number): Window {
    const known = windows.get(client)
    if (known !== undefined) return known
    if (now >= sweepAt) {
      sweepAt = now + windowMs
      for (const [name, window] of windows) if (window.newest() + windowMs <= now) windows.delete(name)
    }
    const created = createWindow()
    windows.set(client, created)
    return created
  }

  return {
    take(client, limit) {
      const now = clock.monotonic()
      const window = windowOf(client, now)
      window.forget(now - windowMs)
      const isAllowed = window.count() < limit
      if (isAllowed) window.add(now)
      const used = window.count()
      // The call after which one place is free again; further back where a reload has lowered the limit.
      const blocking = used - limit
      return {
        isAllowed,
        limit,
        remaining: Math.max(limit - used, 0),
        retryAfterMs: blocking < 0 ? 0 : window.at(blocking) + windowMs - now,
        resetMs: used === 0 ? 0 : window.newest() + windowMs - now,
      }
    },
  }
}

/** When the calls of the last minute began, oldest first: at most as many as the limit allows. */
interface Window {
  count(): number
  at(index: number): number
  newest(): number
  add(time: number): void
  /** Those that began at this time or before. */
  forget(time: number): void
}

/** So many forgotten ones are kept until they are cut off together: cutting off each would move all the others. */
const cutLength = 256

function createWindow(): Window {
  let times: number[] = []
  let first = 0
  return {
    count: () => times.length - first,
    at: (index) => times[first + index] ?? 0,
    newest: () => times.at(-1) ?? Number.NEGATIVE_INFINITY,
    add: (time) => void times.push(time),
    forget(time) {
      while (first < times.length && (times[first] ?? 0) <= time) first++
      if (first < cutLength || first * 2 < times.length) return
      times = times.slice(first)
      first = 0
    },
  }
}
