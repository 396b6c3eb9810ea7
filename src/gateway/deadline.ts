/** One timer per attempt that is moved by remembering a time, not by setting it anew for every chunk. */
import type { Clock } from '../clock.ts'

export interface Deadline {
  /** Something arrived: the time starts again. */
  touch(): void
  /** From now on this much silence is allowed. */
  allow(silenceMs: number): void
  stop(): void
}

export function createDeadline(clock: Clock, silenceMs: number, expire: () => void): Deadline {
  let allowedMs = silenceMs
  let lastMs = clock.monotonic()
  let firesAtMs = lastMs + silenceMs
  let timer: Timer | null = setTimeout(check, silenceMs)

  function check(): void {
    const dueMs = lastMs + allowedMs
    const nowMs = clock.monotonic()
    if (nowMs >= dueMs - 1) {
      timer = null
      expire()
      return
    }
    firesAtMs = dueMs
    timer = setTimeout(check, dueMs - nowMs)
  }

  return {
    touch() {
      lastMs = clock.monotonic()
    },
    allow(nextMs) {
      lastMs = clock.monotonic()
      allowedMs = nextMs
      if (timer === null || lastMs + nextMs >= firesAtMs) return
      clearTimeout(timer)
      firesAtMs = lastMs + nextMs
      timer = setTimeout(check, nextMs)
    },
    stop() {
      if (timer !== null) clearTimeout(timer)
      timer = null
    },
  }
}
