/** Time and randomness as a value, so that tests decide both. */
import type { StopSignal } from './stop-signal.ts'
export interface Clock {
  /** Unix milliseconds. */
  readonly now: () => number
  /** Milliseconds that never run backwards, for durations. */
  readonly monotonic: () => number
  /** 0 to 1. */
  readonly random: () => number
  /** Resolves after so many milliseconds, or at once when the signal fires. */
  readonly sleep: (durationMs: number, signal?: StopSignal) => Promise<void>
}

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  random: Math.random,
  sleep: (durationMs, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const finish = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', finish)
        resolve()
      }
      const timer = setTimeout(finish, durationMs)
      signal?.addEventListener('abort', finish, { once: true })
    }),
}
