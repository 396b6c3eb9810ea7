/** What a page asks the gateway for, asked again as long as the page is shown. */
import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ApiError, askJson } from './api.ts'

export interface Remote<Answer> {
  /** The last good answer: a failed refresh leaves it. Null: none yet. */
  readonly value: Signal<Answer | null>
  readonly problem: Signal<string | null>
  readonly isLoading: Signal<boolean>
  /** Asks now; for after a change. */
  readonly refresh: () => Promise<void>
}

/** Asks `path` when it changes, and every so often while the page can be seen. */
export function useRemote<Answer>(path: string, everyMs: number | null = null): Remote<Answer> {
  const value = useSignal<Answer | null>(null)
  const problem = useSignal<string | null>(null)
  const isLoading = useSignal(true)
  const latest = useSignal('')

  async function refresh(): Promise<void> {
    latest.value = path
    isLoading.value = true
    try {
      const answer = await askJson<Answer>(path)
      // The answer to an older question must not replace that to the newer one.
      if (latest.value !== path) return
      value.value = answer
      problem.value = null
    } catch (error) {
      if (latest.value === path) problem.value = error instanceof ApiError ? error.message : String(error)
    } finally {
      if (latest.value === path) isLoading.value = false
    }
  }

  useEffect(() => {
    refresh()
    if (everyMs === null) return
    const timer = setInterval(() => {
      if (!document.hidden) refresh()
    }, everyMs)
    return () => clearInterval(timer)
  }, [path, everyMs])

  return { value, problem, isLoading, refresh }
}
