/** What a client is told when no answer came: the table from causes to statuses, in OpenAI's shape. */
import type { FailureKind } from '../domain.ts'
import { GatewayError, UpstreamError } from '../errors.ts'
import type { Allowance, Refusal } from './client-limits.ts'
import { NothingLeftError } from './failover.ts'
import type { Quota } from './quota.ts'

/** The GatewayError for anything the attempt loop throws. Upstream's own refusals of a bad request are not for here. */
export function tellClient(cause: unknown, now: number): GatewayError {
  if (cause instanceof GatewayError) return cause
  if (cause instanceof NothingLeftError) return nothingLeft(cause, now)
  if (cause instanceof UpstreamError) return fromUpstream(cause, null, now)
  return new GatewayError('internal_error', 'the gateway failed; the log has the cause under this x-request-id', {
    status: 500,
    cause,
  })
}

interface Row {
  readonly status: number
  readonly code: string
  readonly message: string
}

/** When upstream said nothing better. */
const rows: Readonly<Record<FailureKind | 'breaker_open' | 'paused', Row>> = {
  client_gone: { status: 499, code: 'client_closed_request', message: 'the client closed the connection' },
  bad_request: { status: 400, code: 'invalid_request', message: 'the upstream refused the request' },
  invalid_credential: {
    status: 502,
    code: 'upstream_credentials_refused',
    message: 'the upstream refuses the credentials of this gateway',
  },
  not_allowed: {
    status: 403,
    code: 'upstream_forbidden',
    message: 'the upstream does not allow this model or path to the credentials of this gateway',
  },
  model_unavailable: {
    status: 404,
    code: 'model_not_found',
    message: 'the upstream has no such model for the credentials of this gateway',
  },
  quota_exhausted: {
    status: 429,
    code: 'insufficient_quota',
    message: 'the quota of all credentials for this model is used up',
  },
  rate_limited: {
    status: 429,
    code: 'rate_limit_exceeded',
    message: 'all credentials for this model are rate limited upstream',
  },
  server_error: { status: 502, code: 'upstream_error', message: 'the upstream failed' },
  timeout: { status: 504, code: 'upstream_timeout', message: 'the upstream did not answer in time' },
  unreachable: { status: 502, code: 'upstream_unreachable', message: 'the upstream cannot be reached' },
  proxy_failed: { status: 502, code: 'proxy_failed', message: 'the proxy towards the upstream failed' },
  breaker_open: {
    status: 503,
    code: 'upstream_unavailable',
    message: 'the upstream has failed repeatedly and is given a rest',
  },
  paused: {
    status: 503,
    code: 'credentials_paused',
    message: 'the operator has paused the credentials for this model',
  },
}

function nothingLeft(error: NothingLeftError, now: number): GatewayError {
  if (error.last !== null) return fromUpstream(error.last, error.recoveryAt, now)
  const why = error.why ?? 'server_error'
  const row = rows[why]
  // Nothing was tried because all are resting: what the client can do is to come back.
  const isResting = error.recoveryAt !== null && why !== 'breaker_open'
  const isKeyTrouble = why === 'invalid_credential' || why === 'quota_exhausted' || why === 'rate_limited'
  const restingStatus = isKeyTrouble ? 429 : 503
  const message = error.trippedBy === null ? row.message : `${row.message}: ${rows[error.trippedBy].message}`
  return new GatewayError(row.code, message, {
    status: isResting ? restingStatus : row.status,
    headers: retryAfter(error.recoveryAt, now),
    cause: error,
  })
}

function fromUpstream(error: UpstreamError, recoveryAt: number | null, now: number): GatewayError {
  const row = rows[error.kind]
  const keepsStatus = (error.kind === 'server_error' && error.status >= 500) || error.kind === 'bad_request'
  const isProxy = error.kind === 'proxy_failed'
  // About the proxy the words are our own.
  const said = isProxy ? error.message : messageOf(error)
  return new GatewayError(keepsStatus || isProxy ? error.code : row.code, said ?? row.message, {
    status: keepsStatus && error.status >= 400 ? error.status : row.status,
    headers: error.kind === 'bad_request' || error.kind === 'model_unavailable' ? {} : retryAfter(recoveryAt, now),
    ...(error.kind === 'model_unavailable' ? { param: 'model' } : {}),
    cause: error,
  })
}

const kindsInTheirWords: ReadonlySet<FailureKind> = new Set(['bad_request', 'server_error', 'not_allowed'])

/** Upstream's own words, secrets cut out; null when it sent a page or nothing. */
function messageOf(error: UpstreamError): string | null {
  if (!kindsInTheirWords.has(error.kind)) return null
  return error.body === null || !error.body.contentType.includes('json') || error.message === '' ? null : error.message
}

/** A client that has used up one of its limits. */
export function limitReached(allowance: Allowance, refusal: Refusal): GatewayError {
  const isBudget = refusal.kind === 'budget'
  const when = refusal.isGuess ? waitsForCalls : 'Retry-After says when the next one is possible'
  const message = `this key may ${refusal.allowed}; ${when}`
  return new GatewayError(isBudget ? 'insufficient_quota' : 'rate_limit_exceeded', message, {
    status: 429,
    ...(isBudget ? { type: 'insufficient_quota' } : {}),
    headers: { ...limitHeaders(allowance), ...retryAfterMs(refusal.waitMs) },
  })
}

const waitsForCalls = 'others of its calls have to end first, and when they do is not known: Retry-After is a guess'

/** As OpenAI names and spells them. */
export function limitHeaders({ requests, tokens }: Allowance): Record<string, string> {
  const headers: Record<string, string> = {}
  if (requests !== null) addQuota(headers, 'requests', requests)
  if (tokens !== null) addQuota(headers, 'tokens', tokens)
  return headers
}

function addQuota(headers: Record<string, string>, of: string, { limit, remaining, resetMs }: Quota): void {
  const wholeMs = Math.ceil(resetMs)
  headers[`x-ratelimit-limit-${of}`] = String(limit)
  headers[`x-ratelimit-remaining-${of}`] = String(remaining)
  headers[`x-ratelimit-reset-${of}`] = wholeMs < 1000 ? `${wholeMs}ms` : `${wholeMs / 1000}s`
}

function retryAfter(recoveryAt: number | null, now: number): Record<string, string> {
  return recoveryAt === null ? {} : retryAfterMs(Math.max(recoveryAt - now, 0))
}

function retryAfterMs(waitMs: number): Record<string, string> {
  return { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))), 'retry-after-ms': String(Math.ceil(waitMs)) }
}
