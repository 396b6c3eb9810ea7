/** Changes to the part of the address that says how a page looks: filters, range, what is opened. */
import type { QueryChanges } from './query-changes.ts'
import { linkTo, route } from './route.ts'

/** The page's own address with these changes. */
export function linkWith(changes: QueryChanges): string {
  const query = new URLSearchParams(route.value.query)
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === '') query.delete(name)
    else query.set(name, value)
  }
  return linkTo(route.value.page, Object.fromEntries(query))
}

export function changeQuery(changes: QueryChanges): void {
  location.hash = linkWith(changes)
}
