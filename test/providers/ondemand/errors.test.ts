/** The table of refusals, row by row. */
import { describe, expect, test } from 'bun:test'
import type { FailureKind } from '../../../src/domain.ts'
import { classifyRefusal } from '../../../src/providers/ondemand/errors.ts'

function classify(status: number, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return classifyRefusal({
    status,
    headers: new Headers(headers),
    text,
    secrets: ['sk-secret-1'],
    rateLimitRestMs: 300_000,
    now: Date.now(),
  })
}

interface Row {
  readonly name: string
  readonly status: number
  readonly body: unknown
  readonly kind: FailureKind
  readonly told: number
  readonly code: string
}

const inactive = { errorCode: 'invalid_request', message: 'The endpointId predefined-x is not active' }

const rows: readonly Row[] = [
  {
    name: '400 invalid_request',
    status: 400,
    body: { errorCode: 'invalid_request', message: 'bad field' },
    kind: 'bad_request',
    told: 400,
    code: 'invalid_request',
  },
  {
    name: '400 endpointId not active',
    status: 400,
    body: inactive,
    kind: 'model_unavailable',
    told: 404,
    code: 'model_not_found',
  },
  {
    name: '400 agents invalid',
    status: 400,
    body: { errorCode: 'invalid_request', message: 'invalid agents', details: { invalidAgentIds: ['a'] } },
    kind: 'bad_request',
    told: 400,
    code: 'invalid_request',
  },
  {
    name: '400 context_length_exceeded',
    status: 400,
    body: { errorCode: 'context_length_exceeded', message: 'long' },
    kind: 'bad_request',
    told: 400,
    code: 'context_length_exceeded',
  },
  {
    name: '401 unauthenticated',
    status: 401,
    body: { errorCode: 'unauthenticated', message: 'Invalid API Key' },
    kind: 'invalid_credential',
    told: 401,
    code: 'unauthenticated',
  },
  {
    name: '403 unauthorized',
    status: 403,
    body: { errorCode: 'unauthorized', message: 'no' },
    kind: 'invalid_credential',
    told: 403,
    code: 'unauthorized',
  },
  {
    name: '403 content_policy_violation',
    status: 403,
    body: { errorCode: 'content_policy_violation', message: 'no' },
    kind: 'bad_request',
    told: 400,
    code: 'content_filter',
  },
  {
    name: '404 not_found',
    status: 404,
    body: { errorCode: 'not_found', message: 'gone' },
    kind: 'server_error',
    told: 502,
    code: 'not_found',
  },
  {
    name: '404 of the edge, Route Not Found',
    status: 404,
    body: { error_msg: '404 Route Not Found' },
    kind: 'server_error',
    told: 502,
    code: 'route_miss',
  },
  {
    name: '404 of the edge, no Route matched',
    status: 404,
    body: { message: 'no Route matched with those values', request_id: '1' },
    kind: 'server_error',
    told: 502,
    code: 'route_miss',
  },
  {
    name: '405 method_not_allowed',
    status: 405,
    body: { errorCode: 'method_not_allowed', message: 'no' },
    kind: 'server_error',
    told: 502,
    code: 'method_not_allowed',
  },
  { name: '402', status: 402, body: '', kind: 'quota_exhausted', told: 402, code: 'quota_exhausted' },
  { name: '408', status: 408, body: '', kind: 'timeout', told: 408, code: 'timeout' },
  { name: '413', status: 413, body: '', kind: 'bad_request', told: 413, code: 'bad_request' },
  {
    name: '429 rate_limit_exceeded',
    status: 429,
    body: { errorCode: 'rate_limit_exceeded', message: 'slow' },
    kind: 'rate_limited',
    told: 429,
    code: 'rate_limit_exceeded',
  },
  {
    name: '500 server_error',
    status: 500,
    body: { errorCode: 'server_error', message: 'oops' },
    kind: 'server_error',
    told: 502,
    code: 'server_error',
  },
  {
    name: '500 model_error',
    status: 500,
    body: { errorCode: 'model_error', message: 'oops' },
    kind: 'server_error',
    told: 502,
    code: 'model_error',
  },
  {
    name: '502 bad_gateway',
    status: 502,
    body: { errorCode: 'bad_gateway', message: 'oops' },
    kind: 'server_error',
    told: 502,
    code: 'bad_gateway',
  },
  {
    name: '503 resource_unavailable',
    status: 503,
    body: { errorCode: 'resource_unavailable', message: 'oops' },
    kind: 'server_error',
    told: 502,
    code: 'resource_unavailable',
  },
  {
    name: '504 plugin_execution_timeout',
    status: 504,
    body: { errorCode: 'plugin_execution_timeout', message: 'oops' },
    kind: 'server_error',
    told: 502,
    code: 'plugin_execution_timeout',
  },
  {
    name: '520 with a page',
    status: 520,
    body: '<html><h1>520</h1></html>',
    kind: 'server_error',
    told: 502,
    code: 'server_error',
  },
  { name: '502 without a body', status: 502, body: '', kind: 'server_error', told: 502, code: 'server_error' },
  { name: '302', status: 302, body: '', kind: 'server_error', told: 502, code: 'server_error' },
]

test.each(rows.map((row) => [row.name, row] as const))('%s', (_, row) => {
  const error = classify(row.status, row.body)
  expect({ kind: error.kind, told: error.status, code: error.code }).toEqual({
    kind: row.kind,
    told: row.told,
    code: row.code,
  })
})

describe('inside a stream the code says what the status would have been', () => {
  test.each<[string, FailureKind, number]>([
    ['context_length_exceeded', 'bad_request', 400],
    ['content_policy_violation', 'bad_request', 400],
    ['rate_limit_exceeded', 'rate_limited', 429],
    ['unauthenticated', 'invalid_credential', 401],
    ['model_error', 'server_error', 502],
    ['a_new_word', 'server_error', 502],
  ])('[ERROR]: %s', (errorCode, kind, status) => {
    const error = classify(200, { errorCode, message: 'words' })
    expect([error.kind, error.status]).toEqual([kind, status])
  })

  test('[ERROR]: without JSON', () => {
    const error = classify(200, 'broken pipe')
    expect([error.kind, error.status, error.message]).toEqual(['server_error', 502, 'broken pipe'])
  })
})

test('a limit that names no time rests as long as the settings say, else as upstream says', () => {
  expect(classify(429, '').retryAfterMs).toBe(300_000)
  expect(classify(429, '', { 'retry-after': '7' }).retryAfterMs).toBe(7000)
})

test('a secret that upstream repeats is cut out, a page is not told', () => {
  const error = classify(400, { errorCode: 'invalid_request', message: 'key sk-secret-1 is odd' })
  expect(error.message).toBe('key [credential] is odd')
  expect(Buffer.from(error.body?.bytes ?? new Uint8Array()).toString()).not.toContain('sk-secret-1')
  expect(classify(502, '<html>hello</html>').message).toBe('the upstream answered 502')
  const long = classify(400, { errorCode: 'invalid_request', message: `${'x'.repeat(1995)}sk-secret-1` })
  expect(long.message).not.toContain('sk-')
})
