/** What a refusal in OpenAI's shape means, as a status or inside a 200. Decisions are the two tables; what follows from them is not decided here. */
import type { Credential, FailureKind } from '../domain.ts'
import { UpstreamError } from '../errors.ts'
import type { Call } from './provider.ts'
import type { AnswerHeaders } from './upstream-response.ts'

export interface Refusal {
  readonly status: number
  readonly headers: AnswerHeaders
  /** With our secrets already cut out. */
  readonly body: Uint8Array<ArrayBuffer>
  /** The model asked for: a limit whose text names it is that model's limit. Empty when none was. */
  readonly model: string
  /** Unix milliseconds, for dates in `retry-after`. */
  readonly now: number
  /** Whether the client wrote this phrase (in lower case) itself: an upstream that repeats it says nothing of a credential. */
  readonly isEchoed?: (phrase: string) => boolean
}

/** Names a refusal. A body that speaks clearly wins over the status. */
export function classifyRefusal(refusal: Refusal): UpstreamError {
  const text = Buffer.from(refusal.body).toString('utf8')
  const words = readErrorWords(text)
  const status = words.status ?? (refusal.status < 300 ? statusOfWords(words) : refusal.status)
  const said = { codes: `${words.code} ${words.type}`.toLowerCase(), message: words.message.toLowerCase() }
  const isEchoed = refusal.isEchoed ?? (() => false)
  const row = bodyTable.find((entry) => entry.statuses.includes(status) && isSaid(entry.pattern, said, isEchoed))
  const kind = row?.kind ?? kindOfStatus(status)
  const contentType = refusal.headers.get('content-type') ?? 'text/plain'
  return new UpstreamError(kind, words.message || `upstream answered ${refusal.status}`, {
    status: refusal.status >= 400 ? refusal.status : Math.max(status, 400),
    code: words.code || words.type || kind,
    retryAfterMs: readRetryAfter(refusal.headers, refusal.now),
    body: { contentType, bytes: refusal.body },
    isModelScoped:
      kind === 'rate_limited' && refusal.model !== '' && said.message.includes(refusal.model.toLowerCase()),
  })
}

/** A code is the upstream's own word; of a message that can be the client's, only what the client did not write counts. */
function isSaid(
  pattern: RegExp,
  said: { codes: string; message: string },
  isEchoed: (phrase: string) => boolean,
): boolean {
  if (pattern.test(said.codes)) return true
  return [...said.message.matchAll(new RegExp(pattern, 'g'))].some(([phrase]) => !isEchoed(phrase))
}

/** Whether a call's own text holds a phrase, which is in lower case. */
export function isWrittenIn(call: Pick<Call, 'body' | 'headers' | 'path' | 'query' | 'view'>, phrase: string): boolean {
  const { body, headers, path, query, view } = call
  const content = view.json === null ? Buffer.from(body).toString('utf8') : JSON.stringify(view.json)
  return [content, path, query, decodedText(path + query), ...headers.values()].some((text) =>
    text.toLowerCase().includes(phrase),
  )
}

function decodedText(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

/** `retry-after-ms`, `retry-after` (seconds or a date, RFC 9110 10.2.3), then OpenAI's reset headers when their remainder is 0. */
export function readRetryAfter(headers: AnswerHeaders, now: number): number | null {
  const milliseconds = readNumber(headers.get('retry-after-ms'))
  if (milliseconds !== null) return bounded(milliseconds)
  const value = headers.get('retry-after')
  const seconds = readNumber(value)
  if (seconds !== null) return bounded(seconds * 1000)
  // A date begins with the day of the week; what else the runtime takes for a date is none.
  const date = value !== null && /^\s*[a-z]/i.test(value) ? Date.parse(value) : Number.NaN
  if (!Number.isNaN(date)) return bounded(date - now)
  const resets = ['requests', 'tokens'].flatMap((unit) => {
    if (headers.get(`x-ratelimit-remaining-${unit}`) !== '0') return []
    return readGoDuration(headers.get(`x-ratelimit-reset-${unit}`)) ?? []
  })
  return resets.length > 0 ? bounded(Math.max(...resets)) : null
}

/** An upstream may repeat the key it was given. */
export function cutSecret(body: Uint8Array<ArrayBuffer>, credential: Credential): Uint8Array<ArrayBuffer> {
  const secret = credential.reveal()
  if (secret === '') return body
  const text = Buffer.from(body).toString('utf8')
  const cut = text.replaceAll(spellingsOf(secret), '[credential]')
  return cut === text ? body : new Uint8Array(Buffer.from(cut))
}

/** The secret as it is, or with characters escaped as JSON may escape them. */
function spellingsOf(secret: string): RegExp {
  const characters = secret.split('').map((character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, '0')
    return `(?:\\\\?\\u${code}|\\\\u${code})`
  })
  return new RegExp(characters.join(''), 'gi')
}

interface BodyRow {
  readonly statuses: readonly number[]
  readonly pattern: RegExp
  readonly kind: FailureKind
}

const refusals = [400, 401, 402, 403, 404, 429]

/** Words of real bodies (OpenAI, Azure, Anthropic, Gemini, OpenRouter, DeepSeek, Groq, Mistral). */
const bodyTable: readonly BodyRow[] = [
  {
    statuses: refusals,
    pattern:
      /insufficient_quota|insufficient[ _]balance|insufficient credits|billing_hard_limit|billing_not_active|exceeded your current quota|credit balance is too low|quota[ _]exhausted|payment required/,
    kind: 'quota_exhausted',
  },
  {
    statuses: [400, 401, 403],
    pattern:
      /invalid_api_key|incorrect api key|invalid api key|api key not valid|api_key_invalid|api key not found|account_deactivated|account_disabled|deactivated|key (?:has been )?(?:revoked|disabled|expired)|api key expired|authentication_error/,
    kind: 'invalid_credential',
  },
  { statuses: [400, 403], pattern: /content_policy|content_filter|moderation/, kind: 'bad_request' },
  { statuses: [400], pattern: /rate_limit_exceeded|too many requests/, kind: 'rate_limited' },
]

function kindOfStatus(status: number): FailureKind {
  switch (status) {
    case 401:
      return 'invalid_credential'
    case 402:
      return 'quota_exhausted'
    case 403:
      return 'not_allowed'
    case 408:
      return 'timeout'
    case 429:
      return 'rate_limited'
    default:
      // A redirect means a wrong base_url; it is the upstream's trouble, not the client's.
      return status >= 500 || status < 400 ? 'server_error' : 'bad_request'
  }
}

/** The status an error inside a 200 should have had, by the words of its code and type. */
function statusOfWords({ code, type }: ErrorWords): number {
  const said = `${code} ${type}`.toLowerCase()
  if (/rate_limit|insufficient_quota|too_many|resource_exhausted/.test(said)) return 429
  if (/invalid_api_key|authentication|unauthenticated/.test(said)) return 401
  if (/permission/.test(said)) return 403
  if (/invalid_request|context_length|invalid_argument|content_filter|content_policy/.test(said)) return 400
  return 500
}

interface ErrorWords {
  readonly code: string
  readonly type: string
  readonly message: string
  /** Status that a 200 body says it should have been (OpenRouter: `error.code` 502). */
  readonly status: number | null
}

function readErrorWords(text: string): ErrorWords {
  const nothing = { code: '', type: '', message: '', status: null }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return nothing
  }
  // Gemini's compatible endpoint wraps its error in a list.
  const outer = Array.isArray(body) ? body[0] : body
  if (typeof outer !== 'object' || outer === null) return nothing
  const nested = (outer as Record<string, unknown>).error ?? (outer as Record<string, unknown>).response ?? outer
  if (typeof nested === 'string') return { ...nothing, message: nested.slice(0, maxMessageLength) }
  if (typeof nested !== 'object' || nested === null) return nothing
  const error = ((nested as Record<string, unknown>).error ?? nested) as Record<string, unknown>
  const { code, type, status, message } = error
  return {
    code: typeof code === 'string' ? code.slice(0, 100) : '',
    type: [type, status]
      .filter((word) => typeof word === 'string')
      .join(' ')
      .slice(0, 100),
    message: typeof message === 'string' ? message.slice(0, maxMessageLength) : '',
    status: typeof code === 'number' && code >= 400 && code < 600 ? code : null,
  }
}

const maxMessageLength = 2000
const maxRetryAfterMs = 7 * 24 * 3_600_000

function readNumber(text: string | null): number | null {
  return text !== null && /^\s*\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : null
}

function bounded(durationMs: number): number {
  return Math.min(Math.max(durationMs, 0), maxRetryAfterMs)
}

/** OpenAI spells resets as Go durations: `1s`, `6m0s`, `120ms`. Null when it is none. */
function readGoDuration(text: string | null): number | null {
  if (text === null || !/^(?:[\d.]+(?:ms|h|m|s))+$/.test(text)) return null
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
  let durationMs = 0
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|h|m|s)/g))
    durationMs += Number(amount) * (units[unit ?? ''] ?? 0)
  return durationMs
}
