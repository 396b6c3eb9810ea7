/**
 * Tells an attempt to stop. As much of an AbortSignal as is used here, so that one of those will do, too; but each call has one, and the
 * runtime's costs it more than a microsecond, listeners included.
 */

export interface StopSignal {
  readonly aborted: boolean
  /** What it was aborted with. */
  readonly reason: unknown
  /** Called at most once, as it is aborted only once. */
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

export interface StopController {
  readonly signal: StopSignal
  /** Only the first reason counts. */
  abort(reason: unknown): void
}

export function createStopController(): StopController {
  let listeners: (() => void)[] = []
  const signal = {
    aborted: false,
    reason: undefined as unknown,
    addEventListener(_type: 'abort', listener: () => void) {
      if (!signal.aborted && !listeners.includes(listener)) listeners.push(listener)
    },
    removeEventListener(_type: 'abort', listener: () => void) {
      const index = listeners.indexOf(listener)
      if (index >= 0) listeners.splice(index, 1)
    },
  }
  return {
    signal,
    abort(reason) {
      if (signal.aborted) return
      signal.aborted = true
      signal.reason = reason
      const told = listeners
      listeners = []
      for (const listener of told) listener()
    },
  }
}

/** For what takes nothing else: `fetch`. */
export function toAbortSignal(signal: StopSignal): AbortSignal {
  if (signal instanceof AbortSignal) return signal
  const controller = new AbortController()
  const abort = () => controller.abort(signal.reason)
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()
  return controller.signal
}
