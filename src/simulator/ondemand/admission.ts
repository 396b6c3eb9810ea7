/** Who sends a request, by key or by an account's token, and whether they may; undocumented for accounts, so as clients were seen to do it. */
import type { HttpExchange } from '../http-listener.ts'
import type { HeaderLine } from '../http-request-parser.ts'
import { isJsonObject, type JsonObject, textOrNull } from '../json.ts'
import { headerValue } from '../recording.ts'
import type { AccountState, Accounts } from './accounts.ts'
import type { BehaviourMemory } from './behaviours.ts'
import { REQUEST_ERRORS, type WholeAnswer } from './refusals.ts'
import type { Operation, Route, readRoute } from './routes.ts'
import type { ServedCall } from './service.ts'

/** Who calls, or with what they are refused. A use of the token is spent. */
export function admit(call: ServedCall, route: Route): Admission | Rejection {
  const { headers } = call.request
  const key = headerValue(headers, 'apikey')
  const isByToken = route.operation === 'catalogue' && key === null && call.service.isCatalogueOpenToTokens
  if (route.door === 'account' || isByToken) return admitAccount(call, route)
  if (key === null) return { treatment: 'no credential', refusal: REQUEST_ERRORS.noKey() }
  if (key === '') return { treatment: 'empty key', refusal: REQUEST_ERRORS.emptyKey() }
  const memory = call.service.memoryOfKey(key)
  if (memory !== null) return { credential: key, credentialKind: 'key', memory }
  return {
    treatment: 'unknown credential',
    refusal: REQUEST_ERRORS.unauthenticated('Invalid API Key', route.operation),
  }
}

export interface Admission {
  readonly credential: string
  readonly credentialKind: 'key' | 'account'
  readonly memory: BehaviourMemory
}

export interface Rejection {
  /** What is recorded of it. */
  readonly treatment: string
  readonly refusal: WholeAnswer
}

function admitAccount(call: ServedCall, route: Route): Admission | Rejection {
  const { headers } = call.request
  const { accounts } = call.service
  if (headerValue(headers, 'authorization') === null) {
    return { treatment: 'no credential', refusal: REQUEST_ERRORS.noAuthorization() }
  }
  const token = bearerOf(headers)
  if (token === null) return { treatment: 'no credential', refusal: REQUEST_ERRORS.noToken() }
  const account = accounts.use(token, call.nowMs)
  if (account === null) {
    const treatment = accounts.ownerOf(token) === null ? 'unknown credential' : 'expired token'
    return { treatment, refusal: REQUEST_ERRORS.unauthenticated('Invalid Token', route.operation) }
  }
  if (!hasAccountHeaders(account, headers, route.operation)) {
    const refusal = REQUEST_ERRORS.invalid('x-company-id or x-user-id is missing or wrong')
    return { treatment: 'invalid request', refusal }
  }
  return { credential: account.email, credentialKind: 'account', memory: account.calls }
}

/** The company with every call, the user when a session is made. What the service says without them is recorded nowhere. */
function hasAccountHeaders(account: AccountState, headers: readonly HeaderLine[], operation: Operation): boolean {
  if (operation === 'catalogue') return true
  if (headerValue(headers, 'x-company-id') !== account.companyId) return false
  return operation !== 'session' || headerValue(headers, 'x-user-id') === account.userId
}

/** Under which name a request is recorded: the key, the account's address, or a token that belongs to nobody. */
export function credentialOf({ exchange, route, json, accounts }: Caller): string | null {
  if (typeof route !== 'string' && route.operation === 'sign_in') return basicOf(exchange.headers)?.email ?? null
  if (typeof route !== 'string' && route.operation === 'refresh') {
    const { token, refreshToken } = offeredTokens(json)
    return accounts.ownerOfRefresh(token, refreshToken)
  }
  const key = headerValue(exchange.headers, 'apikey')
  if (key !== null) return key
  const token = bearerOf(exchange.headers)
  return token === null ? null : (accounts.ownerOf(token) ?? token)
}

interface Caller {
  readonly exchange: HttpExchange
  readonly route: ReturnType<typeof readRoute>
  readonly json: JsonObject | null
  readonly accounts: Accounts
}

function bearerOf(headers: readonly HeaderLine[]): string | null {
  const match = /^bearer\s+(\S.*)$/i.exec(headerValue(headers, 'authorization') ?? '')
  return match?.[1] ?? null
}

export function basicOf(headers: readonly HeaderLine[]): { readonly email: string; readonly password: string } | null {
  const match = /^basic\s+(\S+)$/i.exec(headerValue(headers, 'authorization') ?? '')
  if (match?.[1] === undefined) return null
  const text = Buffer.from(match[1], 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? null : { email: text.slice(0, colon), password: text.slice(colon + 1) }
}

export function offeredTokens(json: JsonObject | null): { readonly token: string; readonly refreshToken: string } {
  const offered = isJsonObject(json?.data) ? json.data : {}
  return { token: textOrNull(offered.token) ?? '', refreshToken: textOrNull(offered.refreshToken) ?? '' }
}
