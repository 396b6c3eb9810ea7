/**
 * What a refusal of OnDemand means, as a status or as `[ERROR]:` inside a stream: one table. What follows from a kind is the
 * gateway's business.
 *
 * Envelope of 4xx and 5xx: `{"errorCode","message"}` (https://docs.on-demand.io/reference/errors). The edge in front of it
 * answers `{"error_msg":"404 Route Not Found"}` or `{"message":"no Route matched with those values"}`, or an HTML page.
 */
import type { FailureKind } from '../../domain.ts'
import { UpstreamError } from '../../errors.ts'
import { readRetryAfter } from '../classify-refusal.ts'
import { refusalBody } from '../text-tools/refuse-request.ts'
import type { AnswerHeaders } from '../upstream-response.ts'

export interface Refusal {
  /** Of the answer, or 200 when the error came inside a stream. */
  readonly status: number
  readonly headers: AnswerHeaders
  readonly text: string
  /** What must not be shown: key, password, tokens. */
  readonly secrets: readonly string[]
  /** Rest after a limit that names no time. */
  readonly rateLimitRestMs: number
  /** Unix milliseconds, for dates in `retry-after`. */
  readonly now: number
}

/** Names a refusal. `code` `route_miss` and `not_found` are what callers may try again. */
export function classifyRefusal(refusal: Refusal): UpstreamError {
  const said = readWords(refusal.text)
  // Secrets first: what is cut short could end in a piece of one.
  const words = {
    code: cut(said.code, refusal.secrets).slice(0, maxCodeLength),
    message: cut(said.message, refusal.secrets).slice(0, maxMessageLength),
  }
  const status = refusal.status < 400 ? (statusOfCode[said.code] ?? 500) : refusal.status
  const row = rows.find((one) => isRow(one, status, said)) ?? otherwise(status)
  const message = words.message || `the upstream answered ${status}`
  const code = row.code ?? (words.code || row.kind)
  const told = row.told ?? status
  return new UpstreamError(row.kind, message, {
    status: told,
    code,
    retryAfterMs:
      row.kind === 'rate_limited' ? (readRetryAfter(refusal.headers, refusal.now) ?? refusal.rateLimitRestMs) : null,
    body: refusalBody({ status: told, code, message }),
  })
}

/** Without these words nothing would be known of a refusal but its status. */
interface Words {
  readonly code: string
  readonly message: string
}

interface Row {
  readonly statuses: readonly number[]
  /** Upstream's `errorCode`. */
  readonly codes?: readonly string[]
  readonly message?: RegExp
  readonly kind: FailureKind
  /** Our word where upstream's is none that a client knows. */
  readonly code?: string
  /** The status a client is told, where it is not upstream's. */
  readonly told?: number
}

/** The first that fits counts. Codes of https://docs.on-demand.io/reference/errors unless marked. */
const rows: readonly Row[] = [
  { statuses: [400, 413, 422], codes: ['context_length_exceeded'], kind: 'bad_request', told: 400 },
  // Seen live: one model refused a neutral prompt with 403.
  {
    statuses: [400, 403],
    codes: ['content_policy_violation'],
    kind: 'bad_request',
    code: 'content_filter',
    told: 400,
  },
  // Seen live: `invalid_request` and a message that the endpointId "is not active". The lists differ by account.
  {
    statuses: [400, 404],
    message: /endpoint.{0,120}\bis not active\b/is,
    kind: 'model_unavailable',
    code: 'model_not_found',
    told: 404,
  },
  // Seen live: the edge misses a route now and then; at once it is there again.
  {
    statuses: [404],
    message: /route not found|no route matched/i,
    kind: 'server_error',
    code: 'route_miss',
    told: 502,
  },
  { statuses: [404], kind: 'server_error', code: 'not_found', told: 502 },
  { statuses: [405], kind: 'server_error', told: 502 },
  { statuses: [401], kind: 'invalid_credential' },
  { statuses: [403], kind: 'invalid_credential' },
  // Nobody has seen how a used-up account answers; these are the words it would most likely use.
  {
    statuses: [400, 402, 429],
    codes: ['quota_exceeded', 'insufficient_quota', 'insufficient_credits', 'payment_required'],
    kind: 'quota_exhausted',
  },
  { statuses: [402], kind: 'quota_exhausted' },
  { statuses: [408], kind: 'timeout' },
  { statuses: [429], kind: 'rate_limited' },
]

/** The status an error inside a stream should have had. */
const statusOfCode: Readonly<Record<string, number>> = {
  invalid_request: 400,
  context_length_exceeded: 400,
  unauthenticated: 401,
  unauthorized: 403,
  content_policy_violation: 403,
  not_found: 404,
  method_not_allowed: 405,
  rate_limit_exceeded: 429,
  quota_exceeded: 429,
  insufficient_quota: 429,
  insufficient_credits: 402,
  payment_required: 402,
  server_error: 500,
  model_error: 500,
  bad_gateway: 502,
  resource_unavailable: 503,
  plugin_execution_timeout: 504,
}

function isRow(row: Row, status: number, words: Words): boolean {
  if (!row.statuses.includes(status)) return false
  if (row.codes !== undefined && !row.codes.includes(words.code)) return false
  return row.message === undefined || row.message.test(words.message)
}

/** A redirect means a wrong address in the settings: the upstream's trouble, not the client's. */
function otherwise(status: number): Row {
  if (status >= 500 || status < 400) return { statuses: [], kind: 'server_error', told: 502 }
  return { statuses: [], kind: 'bad_request' }
}

const maxMessageLength = 2000
const maxCodeLength = 100

function readWords(text: string): Words {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // A page is no message for a client; a short line is.
    const isPage = /<\w/.test(text)
    return { code: '', message: isPage ? '' : text.trim() }
  }
  if (typeof json === 'string') return { code: '', message: json }
  if (typeof json !== 'object' || json === null) return { code: '', message: '' }
  const outer = json as Record<string, unknown>
  const nested = typeof outer.error === 'object' && outer.error !== null ? outer.error : outer
  const { errorCode, code, message, error_msg } = nested as Record<string, unknown>
  return {
    code: textOf(errorCode ?? code),
    message: textOf(message) || textOf(error_msg) || textOf(outer.error),
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** Shorter than this it is in every text, and no secret. */
const leastSecretLength = 4

function cut(text: string, secrets: readonly string[]): string {
  const worthCutting = secrets.filter((secret) => secret.length >= leastSecretLength)
  return worthCutting.reduce((rest, secret) => rest.replaceAll(secret, '[credential]'), text)
}
