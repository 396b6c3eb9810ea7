/** The error answers of the simulated upstream, and when each applies, seen with plain fetch. */
import { afterAll, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { askChat, askPath } from './simulator-client.ts'

const SECRET = 'sk-refused-secret-0123456789'
const simulator = startOpenAiSimulator({})
afterAll(simulator.stop)

async function statusesOf(behaviour: Behaviour, callCount: number, body = {}): Promise<number[]> {
  simulator.setBehaviour(SECRET, behaviour)
  const statuses: number[] = []
  for (let index = 0; index < callCount; index += 1) {
    const response = await askChat(simulator, SECRET, { body })
    await response.text()
    statuses.push(response.status)
  }
  return statuses
}

interface RefusalCase {
  readonly name: string
  readonly behaviour: Behaviour
  readonly status: number
  readonly body: object | string
}

const CASES: readonly RefusalCase[] = [
  {
    name: 'revoked',
    behaviour: { kind: 'revoked' },
    status: 401,
    body: { error: { code: 'invalid_api_key', type: 'invalid_request_error', param: null } },
  },
  {
    name: 'deactivated',
    behaviour: { kind: 'deactivated' },
    status: 401,
    body: { error: { code: 'account_deactivated' } },
  },
  {
    name: 'deactivated with 403',
    behaviour: { kind: 'deactivated', status: 403 },
    status: 403,
    body: { error: { code: 'account_deactivated' } },
  },
  {
    name: 'model forbidden',
    behaviour: { kind: 'forbidden' },
    status: 403,
    body: { error: { code: 'model_not_found' } },
  },
  {
    name: 'region forbidden',
    behaviour: { kind: 'forbidden', reason: 'region' },
    status: 403,
    body: { error: { code: 'unsupported_country_region_territory' } },
  },
  {
    name: 'rate limited',
    behaviour: { kind: 'rate_limited' },
    status: 429,
    body: { error: { code: 'rate_limit_exceeded', type: 'requests' } },
  },
  {
    name: 'exhausted',
    behaviour: { kind: 'exhausted' },
    status: 429,
    body: { error: { code: 'insufficient_quota', type: 'insufficient_quota' } },
  },
  { name: 'billing', behaviour: { kind: 'billing' }, status: 402, body: { error: { code: 402 } } },
  {
    name: 'billing as DeepSeek',
    behaviour: { kind: 'billing', style: 'deepseek' },
    status: 402,
    body: { error: { message: 'Insufficient Balance' } },
  },
  {
    name: 'server error 500',
    behaviour: { kind: 'server_error' },
    status: 500,
    body: { error: { type: 'server_error' } },
  },
  {
    name: 'server error 502',
    behaviour: { kind: 'server_error', status: 502 },
    status: 502,
    body: '<center><h1>502 Bad Gateway</h1></center>',
  },
  {
    name: 'overloaded 503',
    behaviour: { kind: 'overloaded' },
    status: 503,
    body: { error: { type: 'service_unavailable_error' } },
  },
  {
    name: 'overloaded 529',
    behaviour: { kind: 'overloaded', status: 529 },
    status: 529,
    body: { error: { type: 'overloaded_error' } },
  },
  {
    name: 'model not found',
    behaviour: { kind: 'model_not_found' },
    status: 404,
    body: { error: { code: 'model_not_found' } },
  },
  {
    name: 'context length',
    behaviour: { kind: 'context_length_exceeded' },
    status: 400,
    body: { error: { code: 'context_length_exceeded', param: 'messages' } },
  },
  { name: 'bad request', behaviour: { kind: 'bad_request' }, status: 400, body: { error: { code: 'invalid_value' } } },
  { name: 'error in 200', behaviour: { kind: 'error_in_200' }, status: 200, body: { error: { type: 'server_error' } } },
  {
    name: 'error in 200 as OpenRouter',
    behaviour: { kind: 'error_in_200', style: 'openrouter' },
    status: 200,
    body: { error: { code: 502 } },
  },
  { name: 'empty body', behaviour: { kind: 'empty_body' }, status: 200, body: '' },
]

test.each(CASES.map((each) => [each.name, each] as const))('%s', async (_name, { behaviour, status, body }) => {
  simulator.setBehaviour(SECRET, behaviour)
  for (const stream of [false, true]) {
    const response = await askChat(simulator, SECRET, { body: { stream } })
    const text = await response.text()
    expect(response.status).toBe(status)
    if (typeof body === 'string') expect(text).toContain(body)
    else expect(JSON.parse(text)).toMatchObject(body)
  }
})

test('a wrong key is repeated in part, as OpenAI does, and an absent one is told so', async () => {
  const wrong = await askChat(simulator, 'sk-unknown-0123456789-tail')
  expect(wrong.status).toBe(401)
  expect(await wrong.text()).toContain('Incorrect API key provided: sk-unkno**************tail.')
  const absent = await fetch(`${simulator.baseUrl}/models`)
  expect(absent.status).toBe(401)
  expect(await absent.text()).toContain("You didn't provide an API key")
})

test.each([
  ['revoked', { kind: 'revoked' }, 401, 401],
  ['revoked for calls only', { kind: 'revoked', covers: 'calls' }, 401, 200],
  ['exhausted', { kind: 'exhausted' }, 429, 200],
  ['a model list that fails alone', { kind: 'server_error', covers: 'model_list' }, 200, 500],
] as const)('%s: calls and model list', async (_name, behaviour, callStatus, listStatus) => {
  simulator.setBehaviour(SECRET, behaviour)
  expect((await askChat(simulator, SECRET)).status).toBe(callStatus)
  expect((await askPath(simulator, '/models', { secret: SECRET })).status).toBe(listStatus)
})

test('a stray 401 passes after the given number of times', async () => {
  expect(await statusesOf({ kind: 'revoked', covers: 'calls', times: 2 }, 4)).toEqual([401, 401, 200, 200])
})

test('flaky: every n-th call, or by a chance that the seed repeats', async () => {
  expect(await statusesOf({ kind: 'server_error', status: 502, everyNth: 3 }, 6)).toEqual([
    200, 200, 502, 200, 200, 502,
  ])
  const byChance: Behaviour = { kind: 'server_error', probability: 0.5, seed: 7 }
  const first = await statusesOf(byChance, 20)
  expect(await statusesOf(byChance, 20)).toEqual(first)
  expect(new Set(first)).toEqual(new Set([200, 500]))
})

test('a sequence takes a step for each call and stays with the last, or begins again', async () => {
  const steps: Behaviour[] = [{ kind: 'server_error' }, { kind: 'exhausted' }, { kind: 'good' }]
  expect(await statusesOf({ kind: 'sequence', steps }, 5)).toEqual([500, 429, 200, 200, 200])
  expect(await statusesOf({ kind: 'sequence', steps, isRepeated: true }, 5)).toEqual([500, 429, 200, 500, 429])
})

test('a fault may be limited to models and to paths', async () => {
  expect(await statusesOf({ kind: 'rate_limited', models: ['other'] }, 1)).toEqual([200])
  expect(await statusesOf({ kind: 'rate_limited', models: ['gpt-4o'] }, 1)).toEqual([429])
  expect(await statusesOf({ kind: 'forbidden', paths: ['/v1/embeddings'] }, 1)).toEqual([200])
})

test('a rate limit lasts as long as it says', async () => {
  const before = simulator.requests.length
  simulator.setBehaviour(SECRET, { kind: 'rate_limited', retryAfter: 'milliseconds', retryAfterMs: 120 })
  const refused = await askChat(simulator, SECRET)
  expect(refused.status).toBe(429)
  expect(refused.headers.get('retry-after-ms')).toBe('120')
  expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('0')
  for (let status = 429; status !== 200; ) {
    await Bun.sleep(30)
    status = (await askChat(simulator, SECRET)).status
  }
  // By the clock of the simulator, however late the requests came.
  const [first, ...later] = simulator.requests.slice(before)
  const endsAtMs = (first?.receivedAtMs ?? 0) + 120
  expect(later.map(({ status }) => status)).toEqual(later.map((one) => (one.receivedAtMs < endsAtMs ? 429 : 200)))
})

test('the wait is told as seconds, as a date, in the message alone, or not at all', async () => {
  const refusedWith = async (retryAfter: 'seconds' | 'date' | 'body' | 'none') => {
    simulator.setBehaviour(SECRET, { kind: 'rate_limited', retryAfter, retryAfterMs: 2_500, times: 1 })
    const response = await askChat(simulator, SECRET)
    return { header: response.headers.get('retry-after'), text: await response.text() }
  }
  expect((await refusedWith('seconds')).header).toBe('3')
  const waitMs = Date.parse((await refusedWith('date')).header ?? '') - Date.now()
  expect(waitMs).toBeGreaterThan(1_500)
  expect(waitMs).toBeLessThan(4_000)
  const inBody = await refusedWith('body')
  expect(inBody.header).toBeNull()
  expect(inBody.text).toContain('try again in 2.5s')
  const untold = await refusedWith('none')
  expect(untold.header).toBeNull()
  expect(untold.text).not.toContain('try again')
})

test('an allowance lets so many calls pass in each window', async () => {
  const behaviour: Behaviour = { kind: 'rate_limited', allowance: { callCount: 2, windowMs: 150 } }
  expect(await statusesOf(behaviour, 3)).toEqual([200, 200, 429])
  await Bun.sleep(170)
  expect((await askChat(simulator, SECRET)).status).toBe(200)
})

test.each([
  ['unrecognized', 400],
  ['unknown_parameter', 400],
  ['extra_forbidden', 422],
] as const)('stream_options are refused as %s, other calls are not', async (style, status) => {
  simulator.setBehaviour(SECRET, { kind: 'refuses_stream_options', style })
  const asking = await askChat(simulator, SECRET, { body: { stream: true, stream_options: { include_usage: true } } })
  expect(asking.status).toBe(status)
  expect(await asking.text()).toContain('stream_options')
  expect((await askChat(simulator, SECRET, { body: { stream: true } })).status).toBe(200)
})

test('a redirect points elsewhere', async () => {
  simulator.setBehaviour(SECRET, { kind: 'redirect', location: 'http://127.0.0.1:9/elsewhere' })
  const response = await askChat(simulator, SECRET)
  expect(response.status).toBe(302)
  expect(response.headers.get('location')).toBe('http://127.0.0.1:9/elsewhere')
})

test('a credential that is not listed has the default behaviour, each with a memory of its own', async () => {
  const open = startOpenAiSimulator({ defaultBehaviour: { kind: 'server_error', times: 1 } })
  const statuses = []
  for (const secret of ['a', 'a', 'b', 'b']) statuses.push((await askChat(open, secret)).status)
  open.stop()
  expect(statuses).toEqual([500, 200, 500, 200])
})
