/** The table of failures, row by row: what is tried next, what happens to the credential, what the client is told. */
import { describe, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { createTestClock, readError, startPair, statusOf, until } from '../helpers/start-pair.ts'

const bad = 'sk-bad-credential-000001'
const good = 'sk-good-credential-00002'

function said(status: number, body: unknown): Behaviour {
  return {
    kind: 'script',
    covers: 'calls',
    status,
    headers: { 'content-type': 'application/json' },
    chunks: [JSON.stringify(body)],
  }
}

interface Row {
  readonly seen: string
  readonly behaviour: Behaviour
  /** What `exclusions` says of it after one call. */
  readonly exclusions: readonly string[]
}

const nextCredentialRows: readonly Row[] = [
  {
    seen: '401 of a good key',
    behaviour: { kind: 'revoked', covers: 'calls' },
    exclusions: ['invalid_credential'],
  },
  {
    seen: '400 that says "API key not valid" (Gemini)',
    behaviour: said(400, [
      {
        error: {
          code: 400,
          message: 'API key not valid. Please pass a valid API key.',
          status: 'INVALID_ARGUMENT',
        },
      },
    ]),
    exclusions: ['invalid_credential'],
  },
  {
    seen: '403 account_deactivated',
    behaviour: { kind: 'deactivated', status: 403, covers: 'calls' },
    exclusions: ['invalid_credential'],
  },
  {
    seen: '401 account_deactivated',
    behaviour: { kind: 'deactivated', covers: 'calls' },
    exclusions: ['invalid_credential'],
  },
  {
    seen: '403 for the model',
    behaviour: { kind: 'forbidden' },
    exclusions: ['not_allowed@gpt-4o /chat/completions'],
  },
  {
    seen: '403 without words',
    behaviour: {
      kind: 'script',
      covers: 'calls',
      status: 403,
      headers: { 'content-type': 'text/html' },
      chunks: ['<html>'],
    },
    exclusions: ['not_allowed@gpt-4o /chat/completions'],
  },
  { seen: '402', behaviour: { kind: 'billing' }, exclusions: ['quota_exhausted!'] },
  { seen: '402 (DeepSeek)', behaviour: { kind: 'billing', style: 'deepseek' }, exclusions: ['quota_exhausted!'] },
  { seen: '429 insufficient_quota', behaviour: { kind: 'exhausted' }, exclusions: ['quota_exhausted!'] },
  {
    seen: '429 billing_hard_limit_reached',
    behaviour: { kind: 'exhausted', code: 'billing_hard_limit_reached' },
    exclusions: ['quota_exhausted!'],
  },
  {
    seen: '429 billing_not_active',
    behaviour: { kind: 'exhausted', code: 'billing_not_active' },
    exclusions: ['quota_exhausted!'],
  },
  {
    seen: '400 credit balance too low (Anthropic)',
    behaviour: said(400, {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'Your credit balance is too low to access the Anthropic API.' },
    }),
    exclusions: ['quota_exhausted!'],
  },
  {
    seen: '429 that names no model',
    behaviour: said(429, { error: { message: 'Rate limit reached', type: 'requests', code: 'rate_limit_exceeded' } }),
    exclusions: ['rate_limited'],
  },
  {
    seen: '429 that names the model',
    behaviour: { kind: 'rate_limited', retryAfterMs: 5000 },
    exclusions: ['rate_limited@gpt-4o /chat/completions'],
  },
  { seen: '500', behaviour: { kind: 'server_error' }, exclusions: [] },
  { seen: '502 with a page', behaviour: { kind: 'server_error', status: 502 }, exclusions: [] },
  { seen: '529', behaviour: { kind: 'server_error', status: 529 }, exclusions: [] },
  { seen: '503', behaviour: { kind: 'overloaded' }, exclusions: [] },
  { seen: 'a redirect', behaviour: { kind: 'redirect', location: 'http://127.0.0.1:1/' }, exclusions: [] },
  { seen: 'a connection that is reset', behaviour: { kind: 'no_answer' }, exclusions: [] },
  { seen: 'a connection that is closed', behaviour: { kind: 'no_answer', how: 'close' }, exclusions: [] },
  { seen: 'an error inside a 200', behaviour: { kind: 'error_in_200' }, exclusions: [] },
  {
    seen: 'an error with a status inside a 200',
    behaviour: { kind: 'error_in_200', style: 'openrouter' },
    exclusions: [],
  },
  { seen: 'text in a 200', behaviour: { kind: 'error_in_200', style: 'text' }, exclusions: [] },
  { seen: 'an empty 200', behaviour: { kind: 'empty_body' }, exclusions: [] },
]

describe('another credential answers, and the client notices nothing', () => {
  for (const isStream of [false, true]) {
    for (const { seen, behaviour, exclusions } of nextCredentialRows) {
      test(`after ${seen}${isStream ? ', streamed' : ''}`, async () => {
        await using pair = await startPair({
          credentials: { [bad]: behaviour, [good]: { kind: 'good' } },
          clock: createTestClock(),
        })
        const response = await pair.gateway.chat({ stream: isStream })
        expect(response.status).toBe(200)
        expect(await response.text()).toContain(isStream ? '[DONE]' : '"chat.completion"')
        expect(pair.order()).toEqual([bad, good])
        const record = await pair.onlyRecord()
        expect(record).toMatchObject({ status: 200, outcome: 'succeeded', attempts: 2 })
        expect(pair.exclusions(bad)).toEqual([...exclusions])
        expect(pair.exclusions(good)).toEqual([])
        await until(() => pair.credential(bad).inFlight + pair.credential(good).inFlight === 0)
      })
    }
  }
})

interface ToldRow {
  readonly behaviour: Behaviour
  readonly status: number
  readonly code: string
  readonly retryAfter?: string
  readonly provider?: Parameters<typeof startPair>[0]['provider']
}

const toldRows: Readonly<Record<string, ToldRow>> = {
  '401': { behaviour: { kind: 'revoked' }, status: 502, code: 'upstream_credentials_refused' },
  '403': { behaviour: { kind: 'forbidden' }, status: 403, code: 'upstream_forbidden' },
  '402': { behaviour: { kind: 'billing' }, status: 429, code: 'insufficient_quota' },
  '429 quota': { behaviour: { kind: 'exhausted' }, status: 429, code: 'insufficient_quota' },
  '429': {
    behaviour: { kind: 'rate_limited', retryAfterMs: 7000 },
    status: 429,
    code: 'rate_limit_exceeded',
    retryAfter: '7',
  },
  '500': { behaviour: { kind: 'server_error' }, status: 500, code: 'server_error' },
  '502 page': { behaviour: { kind: 'server_error', status: 502 }, status: 502, code: 'server_error' },
  '503': { behaviour: { kind: 'overloaded' }, status: 503, code: 'service_unavailable_error' },
  '504': { behaviour: { kind: 'server_error', status: 504 }, status: 504, code: 'server_error' },
  reset: { behaviour: { kind: 'no_answer' }, status: 502, code: 'upstream_unreachable' },
  'no answer in time': {
    behaviour: { kind: 'hanging' },
    status: 504,
    code: 'upstream_timeout',
    provider: { timeouts: { firstByteMs: 40, answerMs: 40, idleMs: 40 }, maxAttempts: 2 },
  },
  'empty 200': { behaviour: { kind: 'empty_body' }, status: 502, code: 'no_json' },
}

describe('with one credential the client is told, in one shape', () => {
  for (const isStream of [false, true]) {
    for (const [seen, row] of Object.entries(toldRows)) {
      test(`of ${seen}${isStream ? ', streamed' : ''}`, async () => {
        await using pair = await startPair({
          credentials: { [bad]: row.behaviour },
          clock: createTestClock(),
          ...(row.provider === undefined ? {} : { provider: row.provider }),
        })
        const response = await pair.gateway.chat({ stream: isStream })
        expect(response.headers.get('content-type')).toStartWith('application/json')
        expect(response.status).toBe(row.status)
        const error = await readError(response)
        expect(error.code).toBe(row.code)
        if (row.retryAfter !== undefined) expect(response.headers.get('retry-after')).toBe(row.retryAfter)
        expect(await pair.onlyRecord()).toMatchObject({ status: row.status, outcome: 'failed', errorCode: row.code })
        expect(pair.credential(bad).inFlight).toBe(0)
      })
    }
  }
})

describe('an answer whose JSON ends early, while its HTTP body ends in order', () => {
  const cut: Behaviour = { kind: 'dying', afterChunks: 2, how: 'clean' }

  test('is none: another credential answers', async () => {
    await using pair = await startPair({
      credentials: { [bad]: cut, [good]: { kind: 'good' } },
      clock: createTestClock(),
    })
    const response = await pair.gateway.chat({})
    expect(await response.json()).toMatchObject({ object: 'chat.completion' })
    expect(pair.order()).toEqual([bad, good])
    expect(await pair.onlyRecord()).toMatchObject({ status: 200, outcome: 'succeeded', attempts: 2 })
  })

  test('is told as the failure it is', async () => {
    await using pair = await startPair({ credentials: { [bad]: cut }, clock: createTestClock() })
    const response = await pair.gateway.chat({})
    expect(response.status).toBe(502)
    expect((await readError(response)).code).toBe('cut_json')
    expect(await pair.onlyRecord()).toMatchObject({ status: 502, outcome: 'failed', errorCode: 'cut_json' })
  })
})

const clientsOwn: readonly (readonly [string, Behaviour, number])[] = [
  ['400', { kind: 'bad_request' }, 400],
  ['404', { kind: 'model_not_found' }, 404],
  ['400 for the length', { kind: 'context_length_exceeded' }, 400],
  ['413', said(413, { error: { message: 'too large', type: 'invalid_request_error', param: null, code: null } }), 413],
  ['415', said(415, { error: { message: 'no such type', type: 'invalid_request_error' } }), 415],
  ['422 in a foreign shape', said(422, { detail: [{ loc: ['body', 'messages'], msg: 'field required' }] }), 422],
  [
    '400 that is text',
    { kind: 'script', covers: 'calls', status: 400, headers: { 'content-type': 'text/plain' }, chunks: ['nein'] },
    400,
  ],
]

describe("the client's own mistake", () => {
  for (const isStream of [false, true]) {
    for (const [seen, behaviour, status] of clientsOwn) {
      test(`${seen} is passed on as it is, tried once and blamed on nobody${isStream ? ', streamed' : ''}`, async () => {
        await using pair = await startPair({
          credentials: { [bad]: behaviour, [good]: { kind: 'good' } },
          provider: {
            breaker: { failures: 1, ratio: 0.5, minCalls: 1, windowMs: 1000, openMs: 1000, maxOpenMs: 1000 },
          },
        })
        const response = await pair.gateway.chat({ stream: isStream })
        const direct = await fetch(`${pair.upstream.baseUrl}/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${bad}`, 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }], stream: isStream }),
        })
        expect(response.status).toBe(status)
        expect(response.headers.get('content-type')).toBe(direct.headers.get('content-type'))
        expect(response.headers.get('x-request-id')).toStartWith('req_')
        expect(await response.text()).toBe(await direct.text())
        expect(pair.order()).toEqual([bad, bad])
        expect(pair.credential(bad)).toMatchObject({ state: 'healthy', failures: 0, entries: [] })
        expect(pair.gateway.gateway.status().breakers).toEqual([])
        expect(await pair.onlyRecord()).toMatchObject({ status, outcome: 'refused', attempts: 1 })
      })
    }
  }

  const echoes: readonly (readonly [string, Record<string, unknown>, string])[] = [
    ['a role', { messages: [{ role: 'insufficient_quota', content: 'x' }] }, "Invalid value: 'insufficient_quota'."],
    ['a field', { 'incorrect api key': 1 }, 'Unrecognized request argument supplied: incorrect api key'],
    ['a model', { model: 'API key not valid' }, 'API key not valid is not a valid model ID'],
    [
      'text',
      { messages: [{ role: 'user', content: 'exceeded your current quota' }] },
      'I cannot: exceeded your current quota',
    ],
    ['a model, otherwise spelt', { model: 'Too Many Requests' }, 'too many requests is not a valid model ID'],
  ]
  for (const [what, fields, message] of echoes) {
    test(`repeated by the upstream (${what}) is not taken for the upstream's own words`, async () => {
      const refusal = said(400, { error: { message, type: 'invalid_request_error', param: null, code: null } })
      await using pair = await startPair({ credentials: { [bad]: refusal, [good]: refusal } })
      const response = await pair.gateway.chat(fields)
      expect(response.status).toBe(400)
      expect((await readError(response)).message).toBe(message)
      expect(pair.upstream.totalCalls()).toBe(1)
      expect(pair.exclusions(bad)).toEqual([])
    })
  }

  test('inside a 200 is told as a 400', async () => {
    const body = {
      error: { message: 'too long', type: 'invalid_request_error', param: null, code: 'context_length_exceeded' },
    }
    await using pair = await startPair({ credentials: { [bad]: said(200, body), [good]: { kind: 'good' } } })
    const response = await pair.gateway.chat({})
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual(body)
    expect(pair.order()).toEqual([bad])
  })
})

describe('when all are tried', () => {
  test('a client is told the soonest recovery of all, not that of the last one tried', async () => {
    const limits = { 'sk-a-0000000000000001': 60_000, 'sk-b-0000000000000001': 9000, 'sk-c-0000000000000001': 30_000 }
    await using pair = await startPair({
      credentials: Object.fromEntries(
        Object.entries(limits).map(([secret, retryAfterMs]) => [
          secret,
          { kind: 'rate_limited', retryAfterMs } as const,
        ]),
      ),
    })
    const first = await pair.gateway.chat({})
    expect([first.status, first.headers.get('retry-after')]).toEqual([429, '9'])
    await readError(first)
    const second = await pair.gateway.chat({})
    expect([second.status, second.headers.get('retry-after')]).toEqual([429, '9'])
    expect((await readError(second)).type).toBe('rate_limit_error')
    expect(pair.upstream.totalCalls()).toBe(3)
    expect(pair.gateway.records.at(-1)).toMatchObject({ attempts: 0, credential: '', status: 429, outcome: 'failed' })
  })

  test('a client that comes back at the told time is served', async () => {
    const clock = createTestClock()
    await using pair = await startPair({
      credentials: { [bad]: { kind: 'rate_limited', retryAfterMs: 3000, times: 1 } },
      clock,
    })
    const refused = await pair.gateway.chat({})
    await refused.text()
    const waitMs = Number(refused.headers.get('retry-after-ms'))
    expect(waitMs).toBeWithin(2500, 3001)
    clock.advance(waitMs)
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
  })

  test('a pool without any credential is an error, not a hang', async () => {
    await using pair = await startPair({ credentials: {} })
    const response = await pair.gateway.chat({})
    expect(response.status).toBeGreaterThanOrEqual(500)
    await readError(response)
  })
})
