/** Which of OnDemand's paths a request means, at which of its two front doors; not who sent it. */

/**
 * Both doors have the same two calls, sessions and queries, under different bases: `/chat/v1` with an API key
 * (docs.on-demand.io/reference/createchatsession, /reference/submitquery) and `/chat/v1/client` with the token of an account, as the web
 * application does, which is undocumented.
 */
export function readRoute(method: string, path: string): Route | 'unknown' | 'wrong_method' {
  const matching = ROUTES.filter(({ pattern }) => pattern.test(path))
  const row = matching.find((each) => each.method === method)
  if (matching.length === 0) return 'unknown'
  if (row === undefined) return 'wrong_method'
  const sessionId = row.pattern.exec(path)?.[1] ?? ''
  return { operation: row.operation, door: row.door, sessionId }
}

export interface Route {
  readonly operation: Operation
  readonly door: Door
  /** Empty where the path names none. */
  readonly sessionId: string
}

export type Operation = 'catalogue' | 'sign_in' | 'refresh' | 'session' | 'query' | 'delete'

/** `sign_in` is the authentication service in front of the account door: its calls carry their own proof. */
export type Door = 'key' | 'account' | 'sign_in'

interface RouteRow {
  readonly method: string
  readonly pattern: RegExp
  readonly operation: Operation
  readonly door: Door
}

const ROUTES: readonly RouteRow[] = [
  { method: 'POST', pattern: /^\/v1\/auth\/user\/signin$/, operation: 'sign_in', door: 'sign_in' },
  { method: 'POST', pattern: /^\/v1\/auth\/user\/refresh_token$/, operation: 'refresh', door: 'sign_in' },
  { method: 'GET', pattern: /^\/config\/v1\/public\/endpoints$/, operation: 'catalogue', door: 'key' },
  { method: 'POST', pattern: /^\/chat\/v1\/sessions$/, operation: 'session', door: 'key' },
  { method: 'POST', pattern: /^\/chat\/v1\/sessions\/([^/]+)\/query$/, operation: 'query', door: 'key' },
  { method: 'DELETE', pattern: /^\/chat\/v1\/sessions\/([^/]+)$/, operation: 'delete', door: 'key' },
  { method: 'POST', pattern: /^\/chat\/v1\/client\/sessions$/, operation: 'session', door: 'account' },
  { method: 'POST', pattern: /^\/chat\/v1\/client\/sessions\/([^/]+)\/query$/, operation: 'query', door: 'account' },
  { method: 'DELETE', pattern: /^\/chat\/v1\/client\/sessions\/([^/]+)$/, operation: 'delete', door: 'account' },
]
