/** What Scira's refusals mean. */
import { describe, expect, test } from 'bun:test'
import { createAnonymous, createCookie } from '../../../src/config/credential.ts'
import { classifyRefusal, classifyStreamError, isRefusal } from '../../../src/providers/scira/errors.ts'
import { readResetTime } from '../../../src/providers/scira/reset-time.ts'

const now = Date.UTC(2030, 0, 1)
const signedOut = createAnonymous('scira')
const cookie = createCookie('scira', 'session=a-value-that-is-secret; theme=dark')

function refusal(
  status: number,
  body: unknown,
  options: { credential?: typeof cookie; headers?: Record<string, string> } = {},
) {
  return classifyRefusal({
    status,
    headers: new Headers(options.headers),
    text: typeof body === 'string' ? body : JSON.stringify(body),
    credential: options.credential ?? signedOut,
    rateLimitRestMs: 3_600_000,
    now,
  })
}

describe('a status and a code', () => {
  test.each([
    [400, 'bad_request:api', 'bad_request', 400, false],
    [401, 'unauthorized:model', 'model_unavailable', 404, false],
    [401, 'unauthorized:auth', 'model_unavailable', 404, false],
    [402, 'upgrade_required:model', 'model_unavailable', 404, false],
    [403, 'model_restricted:chat', 'model_unavailable', 404, false],
    [403, 'forbidden:api', 'server_error', 502, true],
    [403, 'a_new_word:api', 'server_error', 502, true],
    [404, 'not_found:chat', 'server_error', 502, false],
    [405, '', 'server_error', 502, false],
    [408, '', 'timeout', 504, false],
    [413, '', 'bad_request', 413, false],
    [429, 'rate_limit:api', 'rate_limited', 429, false],
    [500, '', 'server_error', 500, false],
    [503, 'offline:chat', 'server_error', 503, false],
    [307, '', 'server_error', 502, false],
    // An error that came with a status of 200.
    [200, 'rate_limit:chat', 'rate_limited', 429, false],
    [500, 'bad_request:api', 'bad_request', 400, false],
  ] as const)('%i %s is %s', (status, code, kind, told, isBlock) => {
    expect(refusal(status, { code, message: 'words' })).toMatchObject({ kind, status: told, isBlock, message: 'words' })
  })

  test('a sign-in that is wanted of a cookie speaks of the cookie', () => {
    expect(refusal(401, { code: 'unauthorized:model', message: '' }, { credential: cookie }).kind).toBe('not_allowed')
    expect(refusal(402, { code: 'upgrade_required:model' }, { credential: cookie }).kind).toBe('model_unavailable')
  })

  test('only a limit of a model is one', () => {
    expect(refusal(429, { code: 'rate_limit:model' }).isModelScoped).toBe(true)
    expect(refusal(429, { code: 'rate_limit:api' }).isModelScoped).toBe(false)
  })
})

describe('a page for browsers', () => {
  const page = '<!DOCTYPE html><html><body>Checking your browser</body></html>'

  test.each([
    [403, page, true],
    [429, page, true],
    [503, page, true],
    [200, page, true],
    [403, 'Forbidden', true],
    [429, 'Too many requests', true],
    [500, page, false],
    [502, page, false],
    [404, page, false],
    [503, '', false],
  ])('%i %s', (status, text, isChallenge) => {
    const error = refusal(status, text)
    expect([error.isBlock, error.code === 'upstream_challenge']).toEqual([isChallenge, isChallenge])
    expect(error.message).not.toContain('browser</')
    if (isChallenge) expect(error).toMatchObject({ kind: 'server_error', status: 502 })
  })

  test('where a stream was promised is none; whatever else a good answer calls itself is one', () => {
    const typed = (type: string | null, status = 200) =>
      new Response('x', { status, headers: type === null ? {} : { 'content-type': type } })
    expect(isRefusal(typed('text/html; charset=utf-8'))).toBe(true)
    expect(isRefusal(typed('application/json'))).toBe(true)
    expect(isRefusal(typed('text/event-stream', 500))).toBe(true)
    for (const type of ['text/event-stream', 'text/plain; charset=utf-8', 'application/octet-stream', null]) {
      expect(isRefusal(typed(type))).toBe(false)
    }
  })
})

describe('when a limit ends', () => {
  const hour = 3_600_000

  test.each([
    ['Limit reached. Resets at 2030-01-02T00:00:00.000Z', 24 * hour],
    ['resets 2030-01-01T02:00:00+01:00.', hour],
    [`reset: ${now + 5 * hour}`, 5 * hour],
    [`reset: ${now / 1000 + 5 * 3600}`, 5 * hour],
    ['Resets at Wed Jan 02 2030 00:00:00 GMT+0000 (Coordinated Universal Time)', 24 * hour],
    ['Resets at Wed, 02 Jan 2030 00:00:00 GMT', 24 * hour],
    ['Resets in 168 hours', 168 * hour],
    ['You can go on in about 3 days, 4 hours and 30 minutes.', 76.5 * hour],
    ['Try again in 90s', 90_000],
    ['Try again after 1 week', 168 * hour],
    ['Resets at 2999-01-01T00:00:00Z', 31 * 24 * hour],
    ['Resets at 2029-12-31T00:00:00Z', null],
    ['Limit of 25 requests per 7 days reached', null],
    ['Chat 1234567890123456 is over', null],
    ['', null],
    ['2030-99-99T99:99:99Z', null],
  ] as const)('%s', (text, waitMs) => {
    expect(readResetTime(text, now)).toBe(waitMs)
  })

  test('is told by the header, else by the words, else by the settings', () => {
    const said = { code: 'rate_limit:api', message: 'no', cause: 'Resets in 2 hours' }
    expect(refusal(429, said, { headers: { 'retry-after': '60' } }).retryAfterMs).toBe(60_000)
    expect(refusal(429, said).retryAfterMs).toBe(2 * hour)
    expect(refusal(429, { code: 'rate_limit:api' }).retryAfterMs).toBe(hour)
    expect(refusal(500, { ...said, code: 'a_new_word' }).retryAfterMs).toBeNull()
  })

  test('a sentence made to be slow is read in no time', () => {
    const startedMs = performance.now()
    for (const piece of ['in 1 a ', 'Mon a', '1 ', '9'.repeat(9), 'in and ']) readResetTime(piece.repeat(20_000), now)
    expect(performance.now() - startedMs).toBeLessThan(1000)
  })
})

describe('an error inside a stream', () => {
  test.each([
    ['Oops, an error occurred!', 'server_error', false],
    ['', 'server_error', false],
    ['Rate Limit exceeded, try later', 'rate_limited', true],
    ['No such languageModel: scira-4o', 'model_unavailable', false],
    ['The model scira-4o was not found', 'model_unavailable', false],
  ] as const)('%s', (text, kind, isModelScoped) => {
    expect(classifyStreamError(text, signedOut)).toMatchObject({ kind, isModelScoped })
  })
})

test('a cookie, and each of its values, that Scira repeats is cut out', () => {
  const echoed = 'session=a-value-that-is-secret; theme=dark, or a-value-that-is-secret'
  const errors = [
    refusal(500, { code: 'x', message: echoed }, { credential: cookie }),
    refusal(400, { code: echoed, message: '' }, { credential: cookie }),
    refusal(400, { code: 'bad_request:api', message: echoed, cause: echoed }, { credential: cookie }),
    classifyStreamError(echoed, cookie),
  ]
  for (const error of errors) {
    const shown = error.message + error.code + Buffer.from(error.body?.bytes ?? []).toString()
    expect(shown).toContain('[credential]')
    expect(shown).not.toContain('a-value-that-is-secret')
  }
})
