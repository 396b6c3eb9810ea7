/** The list of calls: a page at a time, and new ones in front while somebody looks at its top. */
import { type ReadonlySignal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ApiError, askJson } from './api.ts'
import { joinPages } from './join-calls.ts'
import type { CallPage, CallReport } from './reports.ts'

export interface Calls {
  /** Null: none read yet. */
  readonly value: ReadonlySignal<readonly CallReport[] | null>
  /** Where the next page begins; null: there is none. */
  readonly cursor: ReadonlySignal<string | null>
  readonly isLoading: ReadonlySignal<boolean>
  readonly problem: ReadonlySignal<string | null>
  readonly refresh: () => Promise<void>
  readonly loadMore: () => Promise<void>
}

const pageSize = 100
/** The browser need not hold more rows than anybody reads; a filter or a download helps further. */
const maxRows = 3000
const refreshMs = 4000
/** Scrolled further than this somebody reads, and what is read must not move. */
const topPixels = 160

/** `parameters`: the filter. `isLive`: new calls can come. */
export function useCalls(parameters: string, isLive: boolean): Calls {
  const value = useSignal<readonly CallReport[] | null>(null)
  const cursor = useSignal<string | null>(null)
  const isLoading = useSignal(true)
  const problem = useSignal<string | null>(null)
  const latest = useSignal('')

  async function read(at: string | null, onPage: (page: CallPage) => void): Promise<void> {
    const query = new URLSearchParams(parameters)
    query.set('limit', String(pageSize))
    if (at !== null) query.set('cursor', at)
    latest.value = parameters
    isLoading.value = true
    try {
      const page = await askJson<CallPage>(`admin/requests?${query}`)
      if (latest.value !== parameters) return
      problem.value = null
      onPage(page)
    } catch (error) {
      if (latest.value === parameters) problem.value = error instanceof ApiError ? error.message : String(error)
    } finally {
      if (latest.value === parameters) isLoading.value = false
    }
  }

  const begin = () =>
    read(null, (page) => {
      value.value = page.data
      cursor.value = page.next_cursor
    })

  const renew = () =>
    read(null, (page) => {
      const joined = joinPages(page.data, value.value ?? [], page.next_cursor !== null)
      if (joined === null || value.value === null) cursor.value = page.next_cursor
      value.value = (joined ?? page.data).slice(0, maxRows)
    })

  const loadMore = () =>
    read(cursor.value, (page) => {
      value.value = joinPages(value.value ?? [], page.data, false) ?? page.data
      cursor.value = value.value.length < maxRows ? page.next_cursor : null
    })

  useEffect(() => {
    begin()
    if (!isLive) return
    const timer = setInterval(() => {
      if (!document.hidden && scrollY < topPixels && !isLoading.value) renew()
    }, refreshMs)
    return () => clearInterval(timer)
  }, [parameters, isLive])

  return { value, cursor, isLoading, problem, refresh: begin, loadMore }
}
