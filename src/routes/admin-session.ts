/** `/admin/session`: a browser signs in with the admin key and gets a cookie in its place. */
import { isSameOrigin, sessionCookie, sessionTokenOf } from '../access.ts'
import type { Clock } from '../clock.ts'
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { createRequestWindow, type RequestWindow } from '../gateway/request-window.ts'
import { documentRoute } from './documentation.ts'
import type { OperatorContext } from './operator.ts'
import { readBody } from './read-body.ts'

interface Parts {
  readonly gateway: Gateway
  readonly clock: Clock
}

export interface SignInContext extends OperatorContext {
  readonly server: { requestIP(request: Request): { address: string } | null } | null
}

const maxBodyBytes = 4096
const attemptsPerMinute = 10
/** Of all addresses together: whoever has many is not let try more. A key in a header and open sessions are not touched by it. */
const attemptsPerMinuteOfAll = 60

/** `POST`: `{"admin_key": "…"}`. */
export function signIn({ gateway, clock }: Parts) {
  const ofAll = createRequestWindow()
  const byAddress = new Map<string, RequestWindow>()
  return async ({ request, server }: SignInContext): Promise<Response> => {
    if (!isSameOrigin(request)) throw foreignOrigin()
    const ofOne = windowOf(byAddress, server?.requestIP(request)?.address ?? 'unknown')
    const now = clock.monotonic()
    const waitMs = Math.max(ofOne.look(now, attemptsPerMinute).waitMs, ofAll.look(now, attemptsPerMinuteOfAll).waitMs)
    if (waitMs > 0) throw tooManySignIns(waitMs)
    ofOne.add(now)
    ofAll.add(now)
    const key = readKey(await readBody(request, maxBodyBytes))
    if (!gateway.clientKeys.isAdmin(key))
      throw new GatewayError('invalid_admin_key', 'this is not the admin key', { status: 401, param: 'admin_key' })
    const { token, maxAgeMs } = gateway.sessions.open(key)
    return new Response(null, {
      status: 204,
      headers: { 'set-cookie': cookieOf(request, token, Math.floor(maxAgeMs / 1000)), 'cache-control': 'no-store' },
    })
  }
}

/** `GET`: whether the visitor is signed in. Open, because a page asks before it knows. */
export function showSession() {
  return ({ visitor }: OperatorContext): Response =>
    Response.json({ signed_in: visitor.isAdmin }, { headers: { 'cache-control': 'no-store' } })
}

/** `DELETE`: signs out. */
export function signOut({ gateway }: Parts) {
  return ({ request }: OperatorContext): Response => {
    const token = sessionTokenOf(request.headers)
    if (token !== null) gateway.sessions.close(token)
    return new Response(null, { status: 204, headers: { 'set-cookie': cookieOf(request, '', 0) } })
  }
}

function readKey(body: Uint8Array): string {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body))
    const key = typeof value === 'object' && value !== null && 'admin_key' in value ? value.admin_key : null
    if (typeof key === 'string' && key.trim() !== '') return key.trim()
  } catch {
    // Said below, without repeating what was sent.
  }
  const message = 'the body must be JSON such as {"admin_key": "…"}'
  throw new GatewayError('invalid_json', message, { status: 400, param: 'admin_key' })
}

/** `Secure` where the browser came by https, be it to a proxy in front: over plain http it would be thrown away. */
function cookieOf(request: Request, token: string, maxAgeSeconds: number): string {
  const isHttps = request.url.startsWith('https:') || request.headers.get('x-forwarded-proto') === 'https'
  const parts = [`${sessionCookie}=${token}`, 'Path=/', 'HttpOnly', 'SameSite=Strict', `Max-Age=${maxAgeSeconds}`]
  return [...parts, ...(isHttps ? ['Secure'] : [])].join('; ')
}

const mostAddresses = 1000

/** With too many addresses the one that came first is forgotten: the limit of all together still holds. */
function windowOf(windows: Map<string, RequestWindow>, address: string): RequestWindow {
  const known = windows.get(address)
  if (known !== undefined) return known
  const [first] = windows.keys()
  if (windows.size >= mostAddresses && first !== undefined) windows.delete(first)
  const created = createRequestWindow()
  windows.set(address, created)
  return created
}

function tooManySignIns(waitMs: number): GatewayError {
  const message = 'too many sign-ins; Retry-After says when the next one is possible'
  const headers = { 'retry-after': String(Math.ceil(waitMs / 1000)), 'retry-after-ms': String(Math.ceil(waitMs)) }
  return new GatewayError('too_many_sign_ins', message, { status: 429, headers })
}

function foreignOrigin(): GatewayError {
  return new GatewayError('foreign_origin', 'a page of another origin must not do this', { status: 403 })
}

export const signInDocumentation = documentRoute({
  tag: 'Operation',
  key: 'none',
  summary: 'Sign in with a browser',
  description: 'Answers with a cookie that opens the operator’s paths for 12 hours. Attempts are limited.',
  request: {
    'application/json': {
      schema: { type: 'object', required: ['admin_key'], properties: { admin_key: { type: 'string' } } },
    },
  },
  answer: { description: 'Not used' },
  otherAnswers: { 204: { description: 'Signed in' } },
  errors: [400, 401, 403, 429],
})

export const showSessionDocumentation = documentRoute({
  tag: 'Operation',
  key: 'none',
  summary: 'Whether this visitor is signed in',
  answer: { description: 'Yes or no', example: { signed_in: true } },
})

export const signOutDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'Sign out',
  answer: { description: 'Not used' },
  otherAnswers: { 204: { description: 'Signed out' } },
})
