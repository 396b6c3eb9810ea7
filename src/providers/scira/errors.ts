/**
 * What a refusal of Scira means, before the stream or inside it: one table. What follows from a kind is the gateway's business.
 *
 * JSON is `{"code":"<kind>:<surface>","message","cause"}` (zaidmukaddam/scira, lib/errors.ts and lib/rate-limit.ts @ 7215d53, 2026-03-20). The
 * edge in front of it answers with pages for browsers; what they ask for is a person, and nothing here tries to be one.
 */
import type { Credential, FailureKind } from '../../domain.ts'
import { UpstreamError } from '../../errors.ts'
import { isRecord } from '../../formats/is-record.ts'
import { readRetryAfter } from '../classify-refusal.ts'
import { refusalBody } from '../text-tools/refuse-request.ts'
import type { AnswerHeaders, UpstreamResponse } from '../upstream-response.ts'
import { readResetTime } from './reset-time.ts'

export interface Refusal {
  readonly status: number
  readonly headers: AnswerHeaders
  readonly text: string
  readonly credential: Credential
  /** Rest after a limit that names no time. */
  readonly rateLimitRestMs: number
  /** Unix milliseconds. */
  readonly now: number
}

/** An answer that is no stream, whatever its status. */
export function classifyRefusal(refusal: Refusal): UpstreamError {
  const { headers, now, status } = refusal
  const said = readWords(refusal.text)
  if (isChallenge(refusal, said)) return challenge(status)
  const [word = '', surface = ''] = cutSecrets(said?.code ?? '', refusal.credential).split(':')
  const isSignedIn = refusal.credential.kind === 'cookie'
  const row = rows.find((one) => (one.words.includes(word) || one.status === status) && fits(one, isSignedIn))
  const { kind, code, told = row?.status, isBlock } = row ?? otherwise(status)
  const message = cutSecrets(said?.message ?? '', refusal.credential) || `the upstream answered ${status}`
  const cause = said?.cause ?? ''
  const resetMs = readRetryAfter(headers, now) ?? readResetTime(`${cause} ${said?.message ?? ''}`, now)
  return failure(kind, {
    status: told ?? status,
    code: code ?? (word === '' ? kind : word.slice(0, maxCodeLength)),
    message: message.slice(0, maxMessageLength),
    isBlock: isBlock === true,
    retryAfterMs: kind === 'rate_limited' ? (resetMs ?? refusal.rateLimitRestMs) : null,
    isModelScoped: kind === 'rate_limited' && surface === 'model',
  })
}

/** A page where a stream was promised, or another kind of answer altogether. */
export function isRefusal(response: UpstreamResponse): boolean {
  return !response.ok || /\b(?:html|json)\b/i.test(response.headers.get('content-type') ?? '')
}

/** An error inside a stream: a sentence, and nothing else is known. */
export function classifyStreamError(text: string, credential: Credential): UpstreamError {
  const message =
    cutSecrets(text, credential).slice(0, maxMessageLength) || 'the upstream ended its answer with an error'
  if (/rate.?limit|too many requests/i.test(text)) {
    // Of the model's own service, as far as is known: other models are not concerned, and no time is told.
    return failure('rate_limited', { status: 429, code: 'rate_limit', message, isModelScoped: true })
  }
  if (/no ?such ?(?:language ?)?model|model.{0,60}not (?:found|available|exist)/i.test(text)) {
    return failure('model_unavailable', { status: 404, code: 'model_not_found', message })
  }
  return failure('server_error', { status: 502, code: 'upstream_error', message })
}

interface Row {
  readonly status: number
  /** What stands before the colon of Scira's code; it wins over the status. */
  readonly words: readonly string[]
  /** Default: whoever asked. */
  readonly isSignedIn?: boolean
  readonly kind: FailureKind
  /** Our word where Scira's is none that a client knows. */
  readonly code?: string
  /** The status a client is told, where it is not Scira's. */
  readonly told?: number
  readonly isBlock?: boolean
}

/** The first that fits counts. */
const rows: readonly Row[] = [
  { status: 400, words: ['bad_request'], kind: 'bad_request' },
  // The model, or the group, wants a sign-in. Whoever has sent a cookie and hears it has one that is not valid any more.
  { status: 401, words: ['unauthorized'], isSignedIn: true, kind: 'not_allowed', told: 403 },
  { status: 401, words: ['unauthorized'], kind: 'model_unavailable', code: 'model_not_found', told: 404 },
  { status: 402, words: ['upgrade_required'], kind: 'model_unavailable', code: 'model_not_found', told: 404 },
  { status: 0, words: ['model_restricted'], kind: 'model_unavailable', code: 'model_not_found', told: 404 },
  { status: 403, words: ['forbidden'], kind: 'server_error', code: 'upstream_refused', told: 502, isBlock: true },
  { status: 408, words: [], kind: 'timeout', told: 504 },
  { status: 413, words: [], kind: 'bad_request' },
  { status: 429, words: ['rate_limit'], kind: 'rate_limited' },
  { status: 503, words: ['offline'], kind: 'server_error' },
]

function fits(row: Row, isSignedIn: boolean): boolean {
  return row.isSignedIn === undefined || row.isSignedIn === isSignedIn
}

/** A path that is not there, a redirect, a method that is not allowed: wrong settings, or the web app has moved on. Not the client's doing. */
function otherwise(status: number): Pick<Row, 'kind' | 'code' | 'told' | 'isBlock'> {
  return { kind: 'server_error', told: status >= 500 ? status : 502, code: 'upstream_error' }
}

const challengeStatuses = new Set([403, 429, 503])

function isChallenge({ headers, status, text }: Refusal, said: Words | null): boolean {
  const isPage = /\bhtml\b/i.test(headers.get('content-type') ?? '') || /^\s*<(?:!doctype|html)/i.test(text)
  if (status < 300) return isPage
  return challengeStatuses.has(status) && said === null && (isPage || text.trim() !== '')
}

function challenge(status: number): UpstreamError {
  const message = `the upstream answered ${status} with a page for browsers, such as a check for bots; this gateway does not answer those`
  return failure('server_error', { status: 502, code: 'upstream_challenge', message, isBlock: true })
}

interface Words {
  readonly code: string
  readonly message: string
  readonly cause: string
}

/** Null: it is no JSON object. */
function readWords(text: string): Words | null {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return null
  }
  if (!isRecord(json)) return null
  const { code, message, cause, error } = json
  return { code: textOf(code), message: textOf(message) || textOf(error), cause: textOf(cause) }
}

const maxMessageLength = 2000
const maxCodeLength = 60
/** Shorter values are in every text, and no secrets. */
const leastSecretLength = 8

function cutSecrets(text: string, credential: Credential): string {
  const header = credential.reveal()
  const values = header.split(/;\s*/).map((pair) => pair.slice(pair.indexOf('=') + 1))
  return [header, ...values]
    .filter((secret) => secret.length >= leastSecretLength)
    .reduce((rest, secret) => rest.replaceAll(secret, '[credential]'), text)
}

interface Told {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly isBlock?: boolean
  readonly isModelScoped?: boolean
  readonly retryAfterMs?: number | null
}

function failure(kind: FailureKind, { message, ...told }: Told): UpstreamError {
  return new UpstreamError(kind, message, { ...told, body: refusalBody({ ...told, message }) })
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
