/** Lists of calls that were read one after the other, made one. */
import type { CallReport } from './reports.ts'

const rememberedCalls = 50

/** Newest first, each once, a bounded number. */
export function joinCalls(fresh: readonly CallReport[], known: readonly CallReport[]): readonly CallReport[] {
  const ids = new Set(fresh.map(({ id }) => id))
  return [...fresh, ...known.filter(({ id }) => !ids.has(id))].slice(0, rememberedCalls)
}

/**
 * The newest page put before what is known. Null: nothing of it is known, so there may be calls between the two.
 * Calls are listed by their start, so one that took long may come to stand in the middle.
 */
export function joinPages(
  newest: readonly CallReport[],
  known: readonly CallReport[],
  isPageFull: boolean,
): readonly CallReport[] | null {
  const knownIds = new Set(known.map(({ id }) => id))
  if (isPageFull && known.length > 0 && !newest.some(({ id }) => knownIds.has(id))) return null
  const newestIds = new Set(newest.map(({ id }) => id))
  const all = [...newest, ...known.filter(({ id }) => !newestIds.has(id))]
  return all.toSorted((left, right) => Date.parse(right.time) - Date.parse(left.time))
}
