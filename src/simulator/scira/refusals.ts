/** The error answers of Scira, and of the edge in front of it; pure functions. */
import type { AnswerHead } from '../http-listener.ts'
import type { Refusal } from './behaviours.ts'

/**
 * The whole answer to a refused call. The form is `{"code":"<kind>:<surface>","message","cause"}` (zaidmukaddam/scira, lib/errors.ts @ 7215d53,
 * 2026-03-20); messages and causes are in our words.
 */
export function refusalAnswer(refusal: Refusal, nowMs: number): WholeAnswer {
  switch (refusal.kind) {
    case 'rate_limited':
      return rateLimitAnswer(refusal, nowMs)
    case 'unauthorized':
      return REFUSALS.unauthorized(refusal.surface ?? 'model')
    case 'upgrade_required':
      return REFUSALS.upgradeRequired()
    case 'forbidden':
      return REFUSALS.forbidden(refusal.surface ?? 'api')
    case 'model_restricted':
      return errorAnswer(403, 'model_restricted:model', 'This model is restricted.')
    case 'bad_request':
      return REFUSALS.badRequest(refusal.cause)
    case 'not_found':
      return errorAnswer(404, 'not_found:chat', 'The chat was not found.')
    case 'offline':
      return errorAnswer(503, 'offline:chat', 'The service cannot be reached at the moment.')
    case 'server_error':
      return serverErrorAnswer(refusal.status ?? 500, refusal.body)
    case 'challenge': {
      const { retryAfterSeconds } = refusal
      const page = pageAnswer(refusal.status ?? 403, 'Just a moment...')
      return retryAfterSeconds === undefined
        ? page
        : {
            ...page,
            head: {
              ...page.head,
              headers: [...page.head.headers, ['retry-after', String(retryAfterSeconds)]],
            },
          }
    }
    case 'page_in_200':
      return pageAnswer(200, 'Scira')
    case 'redirect':
      return {
        head: { status: refusal.status ?? 307, headers: [['location', refusal.location]] },
        body: '',
      }
  }
}

/** An answer whose length is known before it is sent. */
export interface WholeAnswer {
  readonly head: AnswerHead
  readonly body: string
}

export const REFUSALS = {
  badRequest: (cause: string | undefined) =>
    errorAnswer(400, 'bad_request:api', 'The request could not be processed.', cause),
  unauthorized: (surface: 'model' | 'auth') =>
    errorAnswer(401, `unauthorized:${surface}`, 'You need to sign in for this.'),
  upgradeRequired: () => errorAnswer(402, 'upgrade_required:model', 'This model needs a paid plan.'),
  forbidden: (surface: 'api' | 'chat') => errorAnswer(403, `forbidden:${surface}`, 'You have no access to this.'),
  /** Database errors, and others that are not its own, have an empty code and say nothing. */
  hidden: () => errorAnswer(500, '', 'Something went wrong. Please try again later.'),
  noRoute: () => pageAnswer(404, '404: This page could not be found.'),
  wrongMethod: (): WholeAnswer => ({ head: { status: 405, headers: [['allow', 'POST']] }, body: '' }),
}

function errorAnswer(status: number, code: string, message: string, cause?: string): WholeAnswer {
  return {
    head: { status, headers: [['content-type', 'application/json']] },
    body: JSON.stringify({ code, message, ...(cause === undefined ? {} : { cause }) }),
  }
}

const WEEK_MS = 7 * 24 * 60 * 60 * 1000
const SIGNED_OUT_LIMIT = 25
const ACCOUNT_LIMIT = 100

function rateLimitAnswer(refusal: Extract<Refusal, { kind: 'rate_limited' }>, nowMs: number): WholeAnswer {
  const surface = refusal.surface ?? 'api'
  const resetMs = refusal.resetMs ?? WEEK_MS
  const limit = refusal.allowance?.callCount ?? (surface === 'api' ? SIGNED_OUT_LIMIT : ACCOUNT_LIMIT)
  // Of the other surfaces no cause is known.
  const style = refusal.reset ?? (surface === 'api' ? 'iso' : null)
  const usual = style === null ? undefined : limitCause(limit, resetText(style, nowMs + resetMs, resetMs))
  const cause = refusal.cause === undefined ? usual : refusal.cause
  return errorAnswer(429, `rate_limit:${surface}`, 'You have used up your requests.', cause ?? undefined)
}

function limitCause(limit: number, reset: string): string {
  return `Limit of ${limit} requests reached.${reset}`
}

type ResetStyle = NonNullable<Extract<Refusal, { kind: 'rate_limited' }>['reset']>

function resetText(style: ResetStyle, resetAtMs: number, resetMs: number): string {
  switch (style) {
    case 'iso':
      return ` Resets at ${new Date(resetAtMs).toISOString()}`
    case 'epoch_ms':
      return ` Resets at ${resetAtMs}`
    case 'words':
      return ` Resets in ${Math.ceil(resetMs / 3_600_000)} hours`
    case 'none':
      return ''
  }
}

function serverErrorAnswer(status: 500 | 502 | 504, body: 'json' | 'html' | 'empty' | undefined): WholeAnswer {
  switch (body ?? (status === 500 ? 'json' : 'html')) {
    case 'json':
      return { ...REFUSALS.hidden(), head: { ...REFUSALS.hidden().head, status } }
    case 'html':
      return pageAnswer(status, `${status}`)
    case 'empty':
      return { head: { status, headers: [] }, body: '' }
  }
}

/** What such pages say is not known; only that they are HTML and may come with any of these statuses. */
function pageAnswer(status: number, title: string): WholeAnswer {
  return {
    head: { status, headers: [['content-type', 'text/html; charset=utf-8']] },
    body: `<!DOCTYPE html>\n<html lang="en"><head><title>${title}</title></head>\n<body><h1>${title}</h1><noscript>Enable JavaScript and cookies to continue</noscript></body></html>\n`,
  }
}
