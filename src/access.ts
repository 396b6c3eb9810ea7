/** Who may call what. Closed by default: a path that is not listed here as open needs a key. */
import { type ClientKey, type Config, noLimits } from './domain.ts'
import { GatewayError } from './errors.ts'
import { anonymousClient, type ClientKeys } from './gateway/client-keys.ts'
import type { OperatorSessions } from './gateway/operator-sessions.ts'

/** Who is asking, decided before a byte of the body is read. */
export interface Visitor {
  /** Goes out as `x-request-id`, into the log and into the record. */
  readonly id: string
  readonly client: ClientKey | null
  readonly isAdmin: boolean
}

/** Open to everybody. Everything under `/v1/` needs a client key, everything else the admin key. */
export const openPaths = [
  '/',
  '/health',
  '/health/ready',
  '/favicon.ico',
  '/swagger',
  '/swagger/*',
  '/dashboard/*',
  '/admin/session',
] as const

const modelPaths = /^\/v1\/models(?:\/|$)/

export interface AccessQuestion {
  readonly request: Request
  readonly path: string
  readonly config: Config
  readonly clientKeys: ClientKeys
  readonly sessions: OperatorSessions
}

/** Throws GatewayError 401. `id` is the request's. */
export function checkAccess(question: AccessQuestion, id: string): Visitor {
  const { request, path, config, clientKeys } = question
  const secret = secretOf(request.headers)
  if (path.startsWith('/v1/')) {
    const client = secret === null ? null : clientKeys.find(secret)
    if (client !== null) return { id, client, isAdmin: false }
    if (config.access.isAnonymousAllowed) return { id, client: anonymousClient, isAdmin: false }
    const isOpenList = config.access.areModelsPublic && modelPaths.test(path) && isRead(request.method)
    if (isOpenList) return { id, client: null, isAdmin: false }
    throw noClientKey(secret !== null && clientKeys.isAdmin(secret), secret !== null)
  }
  const isAdmin = secret === null ? isSignedIn(question) : clientKeys.isAdmin(secret)
  const isPublicMetrics = config.server.areMetricsPublic && path === '/metrics' && isRead(request.method)
  if (isAdmin || isOpen(path) || isPublicMetrics) return { id, client: null, isAdmin }
  throw noAdminKey(secret !== null)
}

/** Throws GatewayError 401 unless the admin key was given. */
export function requireAdmin(visitor: Visitor): void {
  if (!visitor.isAdmin) throw noAdminKey(false)
}

export const sessionPath = '/admin/session'
export const sessionCookie = 'any2api_session'

/** From the `Cookie` header; null when there is none. */
export function sessionTokenOf(headers: Headers): string | null {
  const cookies = headers.get('cookie')
  return cookies === null ? null : (/(?:^|;\s*)any2api_session=([\w-]{20,100})(?:;|$)/.exec(cookies)?.[1] ?? null)
}

/** A cookie goes out by itself, so it only counts for reading, or for a page of our own. */
function isSignedIn({ request, sessions }: AccessQuestion): boolean {
  const token = sessionTokenOf(request.headers)
  return token !== null && sessions.isOpen(token) && (isRead(request.method) || isSameOrigin(request))
}

/** Whether the request comes from a page of ours. Browsers say so in one of two headers; without either it is not a page's. */
export function isSameOrigin({ headers }: Request): boolean {
  const site = headers.get('sec-fetch-site')
  if (site !== null) return site === 'same-origin'
  const origin = headers.get('origin')
  return origin === null || (URL.canParse(origin) && new URL(origin).host === headers.get('host'))
}

/** The operator trying a model from the dashboard. */
export const dashboardClient: ClientKey = {
  name: 'dashboard',
  hash: 'dashboard',
  label: 'dashboard',
  models: null,
  limits: noLimits,
  isStateful: null,
}

/** `Authorization`, with or without `Bearer` (OnDemand2API took both), else `x-api-key`, else `api-key`; null when none is given. */
function secretOf(headers: Headers): string | null {
  const authorization = headers.get('authorization')
  if (authorization !== null) {
    const bearer = /^(?:bearer +)?(?!bearer *$)(\S+) *$/i.exec(authorization)
    if (bearer?.[1] !== undefined) return bearer[1]
  }
  const key = headers.get('x-api-key') ?? headers.get('api-key')
  return key === null || key === '' ? null : key
}

function isOpen(path: string): boolean {
  return openPaths.some((open) => (open.endsWith('*') ? path.startsWith(open.slice(0, -1)) : path === open))
}

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

function noClientKey(isAdminKey: boolean, isGiven: boolean): GatewayError {
  if (isAdminKey) return denied('this is the admin key; paths under /v1 need a client key', 'wrong_key_kind')
  if (isGiven) return denied('this client key is not valid', 'invalid_api_key')
  return denied('no client key was given; send it as `Authorization: Bearer <key>`', 'missing_api_key')
}

function noAdminKey(isGiven: boolean): GatewayError {
  if (isGiven) return denied('this path needs the admin key, and this is not it', 'invalid_admin_key')
  return denied('this path needs the admin key; send it as `Authorization: Bearer <key>`', 'missing_admin_key')
}

function denied(message: string, code: string): GatewayError {
  return new GatewayError(code, message, { status: 401, headers: { 'www-authenticate': 'Bearer' } })
}
