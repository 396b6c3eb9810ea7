/** What an upstream's refusal means, and how long it lasts. */
import { describe, expect, test } from 'bun:test'
import type { FailureKind } from '../../src/domain.ts'
import { classifyRefusal, cutSecret, isWrittenIn, readRetryAfter } from '../../src/providers/classify-refusal.ts'
import { testCredential } from '../helpers/start-gateway.ts'

const now = Date.UTC(2026, 5, 1, 12, 0, 0)

function classify(status: number, body: unknown, isEchoed: (phrase: string) => boolean = () => false) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const headers = new Headers({ 'content-type': 'application/json' })
  return classifyRefusal({ status, headers, body: new Uint8Array(Buffer.from(text)), model: 'gpt-4o', now, isEchoed })
}

const openAi = (message: string, code: string | null = null, type = 'invalid_request_error') => ({
  error: { message, type, param: null, code },
})

const rows: readonly (readonly [number, unknown, FailureKind])[] = [
  [400, openAi('bad role', 'invalid_value'), 'bad_request'],
  [400, openAi('too long', 'context_length_exceeded'), 'bad_request'],
  [400, '', 'bad_request'],
  [400, '<html>', 'bad_request'],
  [404, openAi('no such model', 'model_not_found'), 'bad_request'],
  [405, '', 'bad_request'],
  [409, '', 'bad_request'],
  [413, '', 'bad_request'],
  [415, '', 'bad_request'],
  [422, { detail: [{ msg: 'field required' }] }, 'bad_request'],
  [401, openAi('Incorrect API key provided: sk-x', 'invalid_api_key'), 'invalid_credential'],
  [401, '', 'invalid_credential'],
  [401, openAi('deactivated', 'account_deactivated'), 'invalid_credential'],
  [403, openAi('x', 'account_deactivated'), 'invalid_credential'],
  [
    400,
    [{ error: { code: 400, message: 'API key not valid. Please pass a valid API key.', status: 'INVALID_ARGUMENT' } }],
    'invalid_credential',
  ],
  [
    400,
    [{ error: { code: 400, message: 'API key expired. Please renew the API key.', status: 'INVALID_ARGUMENT' } }],
    'invalid_credential',
  ],
  [
    400,
    { error: 'Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai.' },
    'invalid_credential',
  ],
  [403, { error: { message: 'Forbidden' } }, 'not_allowed'],
  [403, openAi('Country, region, or territory not supported', 'unsupported_country_region_territory'), 'not_allowed'],
  [403, openAi('blocked', 'content_filter'), 'bad_request'],
  [402, '', 'quota_exhausted'],
  [402, { error: { message: 'Insufficient credits', code: 402 } }, 'quota_exhausted'],
  [402, openAi('Insufficient Balance', 'invalid_request_error', 'unknown_error'), 'quota_exhausted'],
  [429, openAi('You exceeded your current quota', 'insufficient_quota', 'insufficient_quota'), 'quota_exhausted'],
  [429, openAi('x', 'billing_hard_limit_reached'), 'quota_exhausted'],
  [429, openAi('x', null, 'billing_not_active'), 'quota_exhausted'],
  [
    400,
    {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'Your credit balance is too low to access the API.' },
    },
    'quota_exhausted',
  ],
  [429, openAi('Rate limit reached for gpt-4o', 'rate_limit_exceeded', 'requests'), 'rate_limited'],
  [429, '', 'rate_limited'],
  [408, '', 'timeout'],
  [500, openAi('x', null, 'server_error'), 'server_error'],
  [500, openAi('invalid_api_key', 'invalid_api_key'), 'server_error'],
  [502, '<html>', 'server_error'],
  [503, '', 'server_error'],
  [529, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 'server_error'],
  [302, '', 'server_error'],
  [200, openAi('x', null, 'server_error'), 'server_error'],
  [200, { error: { message: 'Provider returned error', code: 502 } }, 'server_error'],
  [200, { error: { message: 'slow down', code: 429 } }, 'rate_limited'],
  [200, openAi('x', 'rate_limit_exceeded'), 'rate_limited'],
  [200, openAi('x', 'insufficient_quota'), 'quota_exhausted'],
  [200, openAi('x', 'invalid_api_key'), 'invalid_credential'],
  [200, openAi('too long', 'context_length_exceeded'), 'bad_request'],
  [200, { type: 'response.failed', response: { error: { code: 'server_error', message: 'x' } } }, 'server_error'],
  [200, { error: 'upstream busy' }, 'server_error'],
]

describe('a refusal', () => {
  for (const [status, body, kind] of rows) {
    test(`${status} ${JSON.stringify(body).slice(0, 90)} is ${kind}`, () =>
      expect(classify(status, body).kind).toBe(kind))
  }

  test('keeps its status, and one inside a 200 is given one', () => {
    expect(classify(404, openAi('x')).status).toBe(404)
    expect(classify(200, { error: { message: 'x', code: 502 } }).status).toBe(502)
    expect(classify(200, openAi('x', 'context_length_exceeded')).status).toBe(400)
    expect(classify(200, openAi('x')).status).toBeGreaterThanOrEqual(400)
  })

  test('of a limit is that of a model only when it names it', () => {
    expect(classify(429, openAi('Rate limit reached for GPT-4o in organization')).isModelScoped).toBe(true)
    expect(classify(429, openAi('Rate limit reached')).isModelScoped).toBe(false)
  })

  test('in words the client wrote itself is not believed; a code always is', () => {
    const quoted = openAi("Invalid value: 'insufficient_quota'")
    expect(classify(400, quoted, (phrase) => phrase === 'insufficient_quota').kind).toBe('bad_request')
    expect(classify(400, quoted, () => false).kind).toBe('quota_exhausted')
    expect(classify(429, openAi('x', 'insufficient_quota'), () => true).kind).toBe('quota_exhausted')
    const both = openAi("In 'too many requests': API key not valid")
    expect(classify(400, both, (phrase) => phrase === 'too many requests').kind).toBe('invalid_credential')
  })

  const odd = [
    'null',
    '[]',
    '[null]',
    '"x"',
    '5',
    '{"error":5}',
    '{"error":[]}',
    '{"error":{"message":{},"code":[]}}',
    '{"error":{"error":"x"}}',
    '\u0000',
    '{"error":null}',
  ]
  for (const body of odd) {
    test(`with the body ${JSON.stringify(body)} is read without harm`, () =>
      expect(classify(500, body).kind).toBe('server_error'))
  }
})

describe('what the client wrote is found', () => {
  const call = {
    body: new Uint8Array(),
    headers: new Headers(),
    path: '/x',
    query: '',
    view: { model: '', modelSpan: null, isModelQuoted: true, isStream: false, json: null, outline: null },
  }
  const bytes = (text: string) => new Uint8Array(Buffer.from(text))
  test('in a JSON body, however it is spelt', () => {
    const json = JSON.parse('{"a":{"b":["Too\\u0020Many requests"]}}') as Record<string, unknown>
    expect(isWrittenIn({ ...call, view: { ...call.view, json } }, 'too many requests')).toBe(true)
  })
  test('in another body, a path, a query, a header', () => {
    expect(isWrittenIn({ ...call, body: bytes('x Too Many Requests y') }, 'too many requests')).toBe(true)
    expect(isWrittenIn({ ...call, path: '/Too%20Many%20Requests' }, 'too many requests')).toBe(true)
    expect(isWrittenIn({ ...call, query: '?a=too+many+requests' }, 'too many requests')).toBe(true)
    expect(
      isWrittenIn({ ...call, headers: new Headers({ 'openai-beta': 'too many requests' }) }, 'too many requests'),
    ).toBe(true)
    expect(isWrittenIn({ ...call, path: '/%zz' }, 'too many requests')).toBe(false)
  })
})

describe('the wait', () => {
  const cases: readonly (readonly [Record<string, string>, number | null])[] = [
    [{}, null],
    [{ 'retry-after': '7' }, 7000],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': '1.5' }, 1500],
    [{ 'retry-after': ' 7 ' }, 7000],
    [{ 'retry-after': '' }, null],
    [{ 'retry-after': 'soon' }, null],
    [{ 'retry-after': '-5' }, null],
    [{ 'retry-after': 'Mon, 01 Jun 2026 12:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Mon, 01 Jun 2026 11:00:00 GMT' }, 0],
    [{ 'retry-after-ms': '250', 'retry-after': '1' }, 250],
    [{ 'retry-after-ms': '', 'retry-after': '1' }, 1000],
    [{ 'retry-after-ms': 'x', 'retry-after': '1' }, 1000],
    [{ 'retry-after-ms': '-1', 'retry-after': '1' }, 1000],
    [{ 'retry-after': '99999999999' }, 7 * 24 * 3_600_000],
    [{ 'retry-after': 'Infinity' }, null],
    [{ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '6m0s' }, 360_000],
    [{ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '1h2m3.5s' }, 3_723_500],
    [{ 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '120ms' }, 120],
    [{ 'x-ratelimit-remaining-requests': '5', 'x-ratelimit-reset-requests': '6m0s' }, null],
    [{ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': 'soon' }, null],
    [
      {
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': '1s',
        'x-ratelimit-remaining-tokens': '0',
        'x-ratelimit-reset-tokens': '3s',
      },
      3000,
    ],
  ]
  for (const [headers, expected] of cases) {
    test(JSON.stringify(headers), () => expect(readRetryAfter(new Headers(headers), now)).toBe(expected))
  }
})

describe('a secret is cut out', () => {
  const secret = 'sk-a/b+c$&.*0123456789'
  const cut = (text: string) =>
    Buffer.from(cutSecret(new Uint8Array(Buffer.from(text)), testCredential(secret))).toString()
  const unicode = [...secret].map((character) => `\\u00${character.charCodeAt(0).toString(16).toUpperCase()}`).join('')
  const spellings = [secret, secret.replaceAll('/', '\\/'), secret.replaceAll('+', '\\u002b'), unicode]
  for (const spelling of spellings) {
    test(spelling, () => expect(cut(`{"a":"ü ${spelling} ${spelling}"}`)).toBe('{"a":"ü [credential] [credential]"}'))
  }

  test('and nothing else', () => {
    const text = '{"a":"sk-a/b","b":"sk-aXb+cX"}'
    expect(cut(text)).toBe(text)
    const body = new Uint8Array([0xff, 0xfe])
    expect(cutSecret(body, testCredential(secret))).toBe(body)
    expect(cutSecret(body, testCredential(''))).toBe(body)
  })
})
