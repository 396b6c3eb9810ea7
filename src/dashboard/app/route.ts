/** Which page is shown: the part of the address after `#`, so that a page can be linked to and no server need know of it. */
import { signal } from '@preact/signals'

export const pageNames = ['overview', 'usage', 'requests', 'credentials', 'clients', 'try', 'settings'] as const
export type PageName = (typeof pageNames)[number]

export interface Route {
  readonly page: PageName
  /** What follows `?`: filters, the request that is looked at. */
  readonly query: URLSearchParams
}

export const route = signal<Route>(readRoute())

addEventListener('hashchange', () => {
  route.value = readRoute()
})

export function linkTo(page: PageName, query: Readonly<Record<string, string>> = {}): string {
  const text = new URLSearchParams(query).toString()
  return `#${page}${text === '' ? '' : `?${text}`}`
}

function readRoute(): Route {
  const [name = '', query = ''] = location.hash.slice(1).split('?', 2)
  return { page: pageNames.find((page) => page === name) ?? 'overview', query: new URLSearchParams(query) }
}
