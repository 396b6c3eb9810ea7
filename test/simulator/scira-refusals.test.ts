/** What the simulated Scira refuses: requests that its generation would not take, callers without the right, and what it is told to. */
import { afterEach, expect, test } from 'bun:test'
import type { Refusal } from '../../src/simulator/scira/behaviours.ts'
import type { GenerationName } from '../../src/simulator/scira/generations.ts'
import { type SciraSimulator, type SciraSimulatorOptions, startSciraSimulator } from '../../src/simulator/scira.ts'
import { ask, BODIES, linesOf, partsOf } from './scira-client.ts'

let simulator: SciraSimulator | null = null
afterEach(() => simulator?.stop())

function start(options: SciraSimulatorOptions): SciraSimulator {
  simulator = startSciraSimulator(options)
  return simulator
}

interface ErrorBody {
  readonly code: string
  readonly message: string
  readonly cause?: string
}

async function errorOf(response: Response): Promise<ErrorBody & { readonly status: number }> {
  return { status: response.status, ...((await response.json()) as ErrorBody) }
}

test.each(Object.keys(BODIES) as GenerationName[])(
  '%s: its own request is answered, no field can be left out',
  async (generation) => {
    const upstream = start({ generation })
    const headers = { origin: upstream.origin, 'user-agent': 'Mozilla/5.0' }
    expect((await ask(upstream, { generation, headers })).status).toBe(200)
    const optional = ['isCustomInstructionsEnabled', 'isTemporaryChat']
    for (const field of Object.keys(BODIES[generation])) {
      const refused = await errorOf(
        await ask(upstream, { generation, headers, fields: { [field]: undefined } }).then((response) =>
          response.status === 200 ? new Response('{"code":"none"}') : response,
        ),
      )
      expect([field, refused.code]).toEqual([field, optional.includes(field) ? 'none' : 'bad_request:api'])
    }
  },
)

const TEXT_PART = { type: 'text', text: 'Hi' }

test.each([
  ['2026-03', 'no messages', { messages: [] }],
  ['2026-03', 'no user message', { messages: [{ id: 'a', role: 'assistant', parts: [TEXT_PART] }] }],
  ['2026-03', 'no id in a message', { messages: [{ role: 'user', parts: [TEXT_PART] }] }],
  ['2026-03', 'content in place of parts', { messages: [{ id: 'a', role: 'user', content: 'Hi' }] }],
  ['2026-03', 'no parts', { messages: [{ id: 'a', role: 'user', content: 'Hi', parts: [] }] }],
  ['2026-03', 'a part without text', { messages: [{ id: 'a', role: 'user', parts: [{ type: 'text' }] }] }],
  ['2026-03', 'a system message', { messages: [{ id: 'a', role: 'system', parts: [TEXT_PART] }] }],
  ['2026-03', 'a role of another protocol', { messages: [{ id: 'a', role: 'developer', parts: [TEXT_PART] }] }],
  ['2026-03', 'an unknown group', { group: 'buddy' }],
  ['2026-03', 'a visibility that is none', { selectedVisibilityType: 'secret' }],
  ['2026-03', 'a time zone that is none', { timezone: 'Asia/Nowhere' }],
  ['2026-03', 'a flag that is a text', { isTemporaryChat: 'true' }],
  ['2025-05', 'no messages', { messages: [] }],
  ['2025-05', 'no user message', { messages: [{ role: 'assistant', content: 'Hi' }] }],
  ['2025-05', 'parts alone', { messages: [{ role: 'user', parts: [TEXT_PART] }] }],
  ['2025-05', 'content of another protocol', { messages: [{ role: 'user', content: [TEXT_PART] }] }],
  ['2025-05', 'a group of later', { group: 'stocks' }],
] as const)('%s: %s is a bad request', async (generation, _, fields) => {
  const upstream = start({ generation })
  expect(await errorOf(await ask(upstream, { generation, fields }))).toMatchObject({
    status: 400,
    code: 'bad_request:api',
  })
  expect(upstream.requests[0]).toMatchObject({ treatment: 'invalid request', status: 400, isFinished: true })
})

test('what is not JSON is a bad request; other paths and methods are pages of no interest', async () => {
  const upstream = start({})
  expect((await fetch(upstream.url, { method: 'POST', body: '{"messages":' })).status).toBe(400)
  expect((await fetch(upstream.url)).status).toBe(405)
  const lost = await fetch(`${upstream.origin}/v1/chat/completions`, { method: 'POST', body: '{}' })
  expect([lost.status, lost.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8'])
})

test('system messages are taken in 2025, and later where that is said', async () => {
  const messages = [
    { id: 'a', role: 'system', content: 'Be brief', parts: [TEXT_PART] },
    { id: 'b', role: 'user', content: 'Hi', parts: [TEXT_PART] },
  ]
  const older = start({ generation: '2025-05' })
  expect((await ask(older, { generation: '2025-05', fields: { messages } })).status).toBe(200)
  older.stop()
  const newer = start({ overrides: { areSystemMessagesAccepted: true } })
  expect((await ask(newer, { fields: { messages } })).status).toBe(200)
})

test.each([
  ['its own origin', (own: string) => ({ origin: own }), 200],
  ['its origin with a slash', (own: string) => ({ origin: `${own}/` }), 403],
  ['a referer of it', (own: string) => ({ referer: `${own}/search/1` }), 200],
  ['a slash at the origin, but a referer', (own: string) => ({ origin: `${own}/`, referer: `${own}/` }), 200],
  ['another origin', () => ({ origin: 'https://example.com', referer: 'https://example.com/' }), 403],
  ['no origin', () => ({}), 403],
  ['the real service as its origin', () => ({ origin: 'https://scira.ai' }), 200],
  ['a program', (own: string) => ({ origin: own, 'user-agent': 'curl/8.5.0' }), 403],
  ['another program', (own: string) => ({ origin: own, 'user-agent': 'PostmanRuntime/7.43' }), 403],
] as const)('2025-06: %s', async (_, headers, status) => {
  const upstream = start({ generation: '2025-06' })
  const response = await ask(upstream, {
    generation: '2025-06',
    headers: { 'user-agent': 'Mozilla/5.0', ...headers(upstream.origin) },
  })
  expect(response.status).toBe(status)
  if (status === 403) expect(await response.json()).toMatchObject({ code: 'forbidden:api' })
})

test('who may use which model and group', async () => {
  const upstream = start({
    accounts: { 'session=free': { kind: 'good' }, 'session=pro': { kind: 'good', plan: 'pro' } },
  })
  const outcome = async (fields: object, cookie?: string) => {
    const response = await ask(upstream, {
      fields: { ...fields },
      ...(cookie === undefined ? {} : { headers: { cookie } }),
    })
    return response.ok ? 200 : `${response.status} ${((await response.json()) as ErrorBody).code}`
  }
  const cases = [
    { model: 'scira-default' },
    { model: 'scira-gpt5-nano' },
    { model: 'scira-anthropic' },
    { group: 'extreme' },
  ]
  const table: unknown[] = []
  for (const fields of cases) {
    const row: unknown[] = []
    for (const cookie of [undefined, 'session=nobody', 'session=free', 'session=pro'])
      row.push(await outcome(fields, cookie))
    table.push(row)
  }
  const model = '401 unauthorized:model'
  const group = '401 unauthorized:auth'
  expect(table).toEqual([
    [200, 200, 200, 200],
    [model, model, 200, 200],
    [model, model, '402 upgrade_required:model', 200],
    [group, group, 200, 200],
  ])
})

test('a model that does not exist is an error inside the stream, or a 500', async () => {
  const fields = { model: 'scira-nonsense' }
  const upstream = start({})
  const parts = partsOf(await (await ask(upstream, { fields })).text())
  expect(parts.map((part) => (part === '[DONE]' ? part : part.type))).toEqual([
    'start',
    'start-step',
    'error',
    '[DONE]',
  ])
  upstream.stop()
  const older = start({ generation: '2025-05' })
  const lines = linesOf(await (await ask(older, { generation: '2025-05', fields })).text())
  expect(lines.map(([code]) => code)).toEqual(['f', '3'])
  older.stop()
  const strict = start({ unknownModel: 'status_500' })
  expect(await errorOf(await ask(strict, { fields }))).toMatchObject({ status: 500, code: '' })
})

test('chats of the signed-in are stored unless temporary, and are closed to others', async () => {
  const upstream = start({ accounts: { 'session=a': { kind: 'good' }, 'session=b': { kind: 'good' } } })
  const status = async (cookie: string | null, fields: object) =>
    (await ask(upstream, { headers: cookie === null ? {} : { cookie }, fields: { ...fields } })).status
  expect(await status('session=a', { id: 'chat-1' })).toBe(200)
  expect(await status(null, { id: 'chat-2', isTemporaryChat: false })).toBe(200)
  expect(upstream.storedChats.size).toBe(0)
  expect(await status('session=a', { id: 'chat-3', isTemporaryChat: false })).toBe(200)
  expect([...upstream.storedChats]).toEqual([['chat-3', 'session=a']])
  expect(await status('session=a', { id: 'chat-3', isTemporaryChat: false })).toBe(200)
  const foreign = { id: 'chat-3', isTemporaryChat: false }
  expect(await errorOf(await ask(upstream, { headers: { cookie: 'session=b' }, fields: foreign }))).toMatchObject({
    status: 403,
    code: 'forbidden:chat',
  })
})

const JSON_REFUSALS: [refusal: Refusal, status: number, code: string][] = [
  [{ kind: 'rate_limited' }, 429, 'rate_limit:api'],
  [{ kind: 'rate_limited', surface: 'chat' }, 429, 'rate_limit:chat'],
  [{ kind: 'rate_limited', surface: 'model' }, 429, 'rate_limit:model'],
  [{ kind: 'unauthorized' }, 401, 'unauthorized:model'],
  [{ kind: 'unauthorized', surface: 'auth' }, 401, 'unauthorized:auth'],
  [{ kind: 'upgrade_required' }, 402, 'upgrade_required:model'],
  [{ kind: 'forbidden' }, 403, 'forbidden:api'],
  [{ kind: 'model_restricted' }, 403, 'model_restricted:model'],
  [{ kind: 'bad_request' }, 400, 'bad_request:api'],
  [{ kind: 'not_found' }, 404, 'not_found:chat'],
  [{ kind: 'offline' }, 503, 'offline:chat'],
  [{ kind: 'server_error' }, 500, ''],
]

test.each(JSON_REFUSALS)('told to refuse: %j', async (refusal, status, code) => {
  const upstream = start({ signedOut: refusal })
  const error = await errorOf(await ask(upstream))
  expect(error).toMatchObject({ status, code })
  expect(error.message).not.toBe('')
  expect(upstream.requests[0]).toMatchObject({ treatment: refusal.kind, status, isFinished: true })
})

test.each([
  [{ kind: 'challenge' }, 403],
  [{ kind: 'challenge', status: 429 }, 429],
  [{ kind: 'challenge', status: 503 }, 503],
  [{ kind: 'page_in_200' }, 200],
  [{ kind: 'server_error', status: 502 }, 502],
] as const)('pages: %j', async (refusal, status) => {
  const upstream = start({ signedOut: refusal })
  const response = await ask(upstream)
  expect([response.status, response.headers.get('content-type')]).toEqual([status, 'text/html; charset=utf-8'])
  expect(await response.text()).toStartWith('<!DOCTYPE html>')
})

test('a redirect points elsewhere', async () => {
  const upstream = start({ signedOut: { kind: 'redirect', location: 'https://example.com/' } })
  const response = await ask(upstream)
  expect([response.status, response.headers.get('location')]).toEqual([307, 'https://example.com/'])
})

test('the signed-out limit: so many calls in each window, then 429 that tells the limit and its reset; accounts have their own', async () => {
  const upstream = start({
    signedOut: { kind: 'rate_limited', allowance: { callCount: 2, windowMs: 60_000 } },
    accounts: { 'session=a': { kind: 'good' } },
  })
  const statuses: number[] = []
  for (let index = 0; index < 2; index += 1) statuses.push((await ask(upstream)).status)
  // What is refused for other reasons costs nothing.
  statuses.push((await ask(upstream, { fields: { messages: [] } })).status)
  const refused = await errorOf(await ask(upstream))
  expect([...statuses, refused.status]).toEqual([200, 200, 400, 429])
  const [, limit, reset] = /^Limit of (\d+) requests reached\. Resets at (\S+Z)$/.exec(refused.cause ?? '') ?? []
  expect(limit).toBe('2')
  const leftMs = Date.parse(reset ?? '') - (upstream.requests[0]?.receivedAtMs ?? 0)
  expect(leftMs).toBe(60_000)
  expect((await ask(upstream, { headers: { cookie: 'session=a' } })).status).toBe(200)
})

test.each([
  [{ reset: 'epoch_ms', resetMs: 5_000 }, /^Limit of 25 requests reached\. Resets at \d{13}$/],
  [{ reset: 'words', resetMs: 3_600_000 }, /^Limit of 25 requests reached\. Resets in 1 hours$/],
  [{ reset: 'none' }, /^Limit of 25 requests reached\.$/],
  [{ cause: 'Later' }, /^Later$/],
] as const)('how a limit tells its reset: %j', async (style, pattern) => {
  const upstream = start({ signedOut: { kind: 'rate_limited', ...style } })
  expect((await errorOf(await ask(upstream))).cause).toMatch(pattern)
})

test('a cause may be missing', async () => {
  const upstream = start({ signedOut: { kind: 'rate_limited', cause: null } })
  expect(await (await ask(upstream)).json()).not.toHaveProperty('cause')
})
