/** What the gateway does at this moment: its stream of events, kept open while it is looked at. */
import { type ReadonlySignal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ApiError, isSignedIn, readEvents } from './api.ts'
import { joinCalls } from './join-calls.ts'
import { pauseMs } from './pause.ts'
import type { CallReport, LiveReport } from './reports.ts'

/** `paused`: the tab cannot be seen. */
export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'paused'

export interface Live {
  /** The last one that came; null: none yet. */
  readonly report: ReadonlySignal<LiveReport | null>
  /** The last calls that ended, newest first. */
  readonly calls: ReadonlySignal<readonly CallReport[]>
  readonly state: ReadonlySignal<LiveState>
  /** Why it is reconnecting; null: the connection just ended. */
  readonly problem: ReadonlySignal<string | null>
}

/** An event comes each second: such a silence is a dead connection. */
const silenceMs = 8000

export function useLive(): Live {
  const report = useSignal<LiveReport | null>(null)
  const calls = useSignal<readonly CallReport[]>([])
  const state = useSignal<LiveState>('connecting')
  const problem = useSignal<string | null>(null)

  useEffect(() => {
    const leaving = new AbortController()
    const follow = async (): Promise<void> => {
      let failures = 0
      while (!leaving.signal.aborted && isSignedIn.value === true) {
        if (document.hidden) {
          state.value = 'paused'
          await seen(leaving.signal)
          failures = 0
          continue
        }
        const cause = await readUntilEnd(leaving.signal, (text) => {
          const event = JSON.parse(text) as LiveReport
          failures = 0
          state.value = 'live'
          problem.value = null
          report.value = event
          if (event.calls.length > 0) calls.value = joinCalls(event.calls, calls.value)
        })
        if (leaving.signal.aborted || document.hidden) continue
        problem.value = cause
        state.value = 'reconnecting'
        await seen(leaving.signal, pauseMs(failures++))
      }
    }
    follow()
    return () => leaving.abort()
  }, [])

  return { report, calls, state, problem }
}

/** Until the gateway ends the stream, it falls silent, the tab is hidden or the page left. What went wrong; null: nothing. */
async function readUntilEnd(leaving: AbortSignal, onEvent: (text: string) => void): Promise<string | null> {
  const ending = new AbortController()
  const end = () => ending.abort()
  const endWhenHidden = () => {
    if (document.hidden) end()
  }
  let watch = setTimeout(end, silenceMs)
  leaving.addEventListener('abort', end)
  document.addEventListener('visibilitychange', endWhenHidden)
  try {
    await readEvents('admin/live', { signal: ending.signal }, (text) => {
      clearTimeout(watch)
      watch = setTimeout(end, silenceMs)
      onEvent(text)
    })
    return null
  } catch (error) {
    return error instanceof ApiError ? error.message : null
  } finally {
    clearTimeout(watch)
    leaving.removeEventListener('abort', end)
    document.removeEventListener('visibilitychange', endWhenHidden)
  }
}

/** Resolves after the pause, if one is given, or when the tab comes to be seen, or when the page is left. */
function seen(leaving: AbortSignal, afterMs: number | null = null): Promise<void> {
  return new Promise((resolve) => {
    const timer = afterMs === null ? null : setTimeout(end, afterMs)
    function end(): void {
      if (timer !== null) clearTimeout(timer)
      document.removeEventListener('visibilitychange', onVisible)
      leaving.removeEventListener('abort', end)
      resolve()
    }
    function onVisible(): void {
      if (!document.hidden) end()
    }
    document.addEventListener('visibilitychange', onVisible)
    leaving.addEventListener('abort', end)
  })
}
