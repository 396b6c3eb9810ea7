/** What the answer cache gives again, to whom, how long, and what it never keeps. */
import { describe, expect, test } from 'bun:test'
import OpenAI from 'openai'
import type { CacheConfig, Config } from '../../src/domain.ts'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { clientSecret, testClient, testConfig, testProvider } from '../helpers/start-gateway.ts'
import {
  createTestClock,
  dataOf,
  type Pair,
  type PairOptions,
  saidIn,
  startPair,
  statusOf,
} from '../helpers/start-pair.ts'

const secret = 'sk-cached-credential-0001'
const otherSecret = 'sk-client-of-the-tests-0002'

const cacheOn: CacheConfig = { ...testConfig([]).cache, isEnabled: true }

function startCached(
  behaviour: Behaviour = { kind: 'good' },
  cache: Partial<CacheConfig> = {},
  options: Partial<PairOptions> = {},
): Promise<Pair> {
  return startPair({
    credentials: { [secret]: behaviour },
    ...options,
    config: { ...options.config, cache: { ...cacheOn, ...cache } },
  })
}

interface Answered {
  readonly status: number
  readonly cache: string | null
  readonly text: string
}

async function readAnswer(answer: Promise<Response>): Promise<Answered> {
  const response = await answer
  return { status: response.status, cache: response.headers.get('x-any2api-cache'), text: await response.text() }
}

function ask(pair: Pair, body: Record<string, unknown> = {}, headers: Record<string, string> = {}): Promise<Answered> {
  return readAnswer(pair.gateway.chat(body, { headers }))
}

function post(pair: Pair, path: string, body: unknown): Promise<Answered> {
  const headers = { 'content-type': 'application/json' }
  return readAnswer(pair.gateway.call(path, { method: 'POST', headers, body: JSON.stringify(body) }))
}

function posts(pair: Pair): number {
  return pair.upstream.requests.filter(({ method }) => method === 'POST').length
}

describe('a kept answer', () => {
  test('is given again as it was, and costs nothing', async () => {
    await using pair = await startCached()
    const first = await ask(pair)
    const second = await ask(pair)
    expect([first.cache, second.cache]).toEqual(['miss', 'hit'])
    expect(second.text).toBe(first.text)
    expect(posts(pair)).toBe(1)
    const [paid, free] = await pair.gateway.recorded(2)
    expect(paid).toMatchObject({ usageSource: 'upstream', attempts: 1 })
    expect(free).toMatchObject({
      status: 200,
      outcome: 'succeeded',
      provider: 'openai',
      targetModel: 'gpt-4o',
      credential: '',
      attempts: 0,
      usageSource: 'cache',
      usage: { inputTokens: 0, outputTokens: 0, cachedTokens: 0, reasoningTokens: 0 },
      costMicroUsd: 0,
    })
    expect(pair.gateway.gateway.metrics.snapshot().activeCalls).toBe(0)
  })

  test('is not kept unless the operator switches that on', async () => {
    await using pair = await startCached({ kind: 'good' }, { isEnabled: false })
    expect([(await ask(pair)).cache, (await ask(pair)).cache]).toEqual([null, null])
    expect(posts(pair)).toBe(2)
  })

  test('has the name that the client asked for, streamed or not', async () => {
    const models = [{ pattern: 'mine', targets: [{ provider: 'openai', model: 'gpt-4o' }], price: null }]
    await using pair = await startCached({ kind: 'good' }, {}, { config: { models } })
    await ask(pair, { model: 'mine', stream: true })
    const plain = await ask(pair, { model: 'mine' })
    expect(JSON.parse(plain.text).model).toBe('mine')
    const stream = await ask(pair, { model: 'mine', stream: true })
    for (const data of dataOf(stream.text).slice(0, -1)) expect(JSON.parse(data).model).toBe('mine')
    expect([plain.cache, stream.cache, posts(pair)]).toEqual(['hit', 'hit', 1])
  })

  test('is one of completions or of embeddings, too', async () => {
    await using pair = await startCached()
    const body = { model: 'gpt-3.5-turbo-instruct', prompt: 'Say hello' }
    const first = await post(pair, '/v1/completions', body)
    expect(first.cache).toBe('miss')
    expect(await post(pair, '/v1/completions', body)).toEqual({ ...first, cache: 'hit' })
    const streamed = await post(pair, '/v1/completions', { ...body, stream: true })
    expect(streamed.cache).toBe('hit')
    const said = dataOf(streamed.text)
    expect(said.at(-1)).toBe('[DONE]')
    expect(JSON.parse(said[0] ?? '').choices[0].text).toBe(JSON.parse(first.text).choices[0].text)
    const embeddings = { model: 'text-embedding-3-small', input: 'words' }
    const vector = await post(pair, '/v1/embeddings', embeddings)
    expect(await post(pair, '/v1/embeddings', embeddings)).toEqual({ ...vector, cache: 'hit' })
    expect(posts(pair)).toBe(2)
  })
})

describe('a stream and a JSON answer are kept as one', () => {
  const shapes: readonly (readonly [string, Behaviour])[] = [
    ['plain text', { kind: 'good', text: 'Zażółć gęślą jaźń, 日本語 👋 "quoted" \\ and\nmore' }],
    ['thinking first', { kind: 'good', text: 'so it is', reasoningText: 'let me see' }],
    ['pieces cut through characters', { kind: 'good', text: '日本語 👋 ążź', cutEveryBytes: 7 }],
    ["Azure's first event", { kind: 'good', text: 'from Azure', isAzure: true }],
    ['lines that end as on Windows', { kind: 'good', text: 'two words', lineEnd: '\r\n' }],
    ['no [DONE]', { kind: 'good', text: 'two words', isDoneSent: false }],
  ]
  for (const [what, behaviour] of shapes) {
    test(`a stream answers who does not stream: ${what}`, async () => {
      await using pair = await startCached(behaviour)
      await using plainPair = await startCached(behaviour)
      const streamed = await ask(pair, { stream: true })
      const answer = JSON.parse((await ask(pair)).text)
      const wanted = JSON.parse((await ask(plainPair)).text)
      const chunk = JSON.parse(dataOf(streamed.text).find((data) => data.includes('"content"')) ?? '{}')
      expect(answer.id).toBe(chunk.id)
      expect(answer.created).toBe(chunk.created)
      expect(answer.object).toBe('chat.completion')
      expect(answer.usage).toEqual(wanted.usage)
      expect(answer.choices).toHaveLength(1)
      const { content, reasoning_content: thought } = answer.choices[0].message
      const message = wanted.choices[0].message
      expect([content, thought]).toEqual([message.content, message.reasoning_content])
      expect(answer.choices[0].finish_reason).toBe(wanted.choices[0].finish_reason)
      expect(posts(pair)).toBe(1)
    })
  }

  test('the openai package reads both ways, with usage and several choices', async () => {
    await using pair = await startCached({ kind: 'good', text: 'five words are in here' })
    const client = new OpenAI({ baseURL: `${pair.gateway.url}/v1`, apiKey: clientSecret, maxRetries: 0 })
    for (const [isStreamFirst, content] of [
      [true, 'one'],
      [false, 'two'],
    ] as const) {
      const body = { model: 'gpt-4o', n: 2, messages: [{ role: 'user' as const, content }] }
      const plain = () => client.chat.completions.create(body)
      const streamed = async () => {
        const stream = client.chat.completions.stream({ ...body, stream_options: { include_usage: true } })
        return stream.finalChatCompletion()
      }
      const first = isStreamFirst ? await streamed() : await plain()
      const second = isStreamFirst ? await plain() : await streamed()
      const third = isStreamFirst ? await streamed() : await plain()
      for (const one of [second, third]) {
        expect(one.id).toBe(first.id)
        expect(one.created).toBe(first.created)
        expect(one.usage).toEqual(first.usage)
        expect(one.choices.map(({ message }) => message.content)).toEqual(Array(2).fill('five words are in here'))
        expect(one.choices.map(({ finish_reason: end }) => end)).toEqual(['stop', 'stop'])
      }
    }
    expect(posts(pair)).toBe(2)
  })

  test('usage is told in a stream only when it is asked for', async () => {
    await using pair = await startCached()
    await ask(pair)
    const usages = (text: string) => dataOf(text).filter((data) => data.includes('"prompt_tokens"'))
    const asked = await ask(pair, { stream: true, stream_options: { include_usage: true } })
    expect(usages(asked.text)).toHaveLength(1)
    const unasked = await ask(pair, { stream: true })
    expect(usages(unasked.text)).toHaveLength(0)
    expect([asked.cache, unasked.cache]).toEqual(['hit', 'hit'])
  })

  test('a stream without usage does not answer who needs it', async () => {
    await using pair = await startCached({ kind: 'good', usage: 'never' })
    await ask(pair, { stream: true })
    expect((await ask(pair, { stream: true })).cache).toBe('hit')
    expect((await ask(pair, { stream: true, stream_options: { include_usage: true } })).cache).toBe('miss')
    expect((await ask(pair)).cache).toBe('miss')
    expect((await ask(pair, { stream: true, stream_options: { include_usage: true } })).cache).toBe('hit')
  })

  test('a stream with something unknown in it serves streams only, and whole', async () => {
    const strange =
      '{"id":"c1","choices":[{"index":0,"delta":{"content":"Hi","audio":{"data":"x"}},"finish_reason":null}]}'
    const end = '{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
    const usage = '{"id":"c1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}'
    const chunks = [...[strange, end, usage].map((data) => `data: ${data}\n\n`), 'data: [DONE]\n\n']
    await using pair = await startCached({ kind: 'script', chunks, covers: 'calls', times: 1 })
    const first = await ask(pair, { stream: true })
    expect(dataOf(first.text)).toEqual([strange, end, '[DONE]'])
    expect(await ask(pair, { stream: true })).toEqual({ ...first, cache: 'hit' })
    const withUsage = await ask(pair, { stream: true, stream_options: { include_usage: true } })
    expect(dataOf(withUsage.text)).toEqual([strange, end, usage, '[DONE]'])
    expect(withUsage.cache).toBe('hit')
    expect(posts(pair)).toBe(1)
    expect((await ask(pair)).cache).toBe('miss')
    const records = await pair.gateway.recorded(4)
    expect(records.map(({ usageSource }) => usageSource)).toEqual(['upstream', 'cache', 'cache', 'upstream'])
  })
})

describe('all that shapes an answer makes another call of it', () => {
  const base = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }], temperature: 0 }
  const different: Readonly<Record<string, { body?: unknown; headers?: Record<string, string>; query?: string }>> = {
    model: { body: { ...base, model: 'gpt-4o-mini' } },
    'a message': { body: { ...base, messages: [{ role: 'user', content: 'Hello!' }] } },
    'a role': { body: { ...base, messages: [{ role: 'system', content: 'Hello' }] } },
    'a parameter': { body: { ...base, temperature: 1 } },
    'a parameter more': { body: { ...base, seed: 1 } },
    'a parameter less': { body: { model: base.model, messages: base.messages } },
    'an unknown parameter': { body: { ...base, vendor_option: { deep: [1] } } },
    'a doubled parameter': {
      body: '{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}],"temperature":1,"temperature":0}',
    },
    'how a number is written': {
      body: '{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}],"temperature":0.0}',
    },
    'a header for the upstream': { headers: { 'openai-beta': 'assistants=v2' } },
    'a query': { query: '?api-version=2' },
  }
  const send = (pair: Pair, { body = base, headers = {}, query = '' }: (typeof different)[string]) =>
    readAnswer(
      pair.gateway.call(`/v1/chat/completions${query}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    )
  test.each(Object.keys(different))('%s', async (what) => {
    await using pair = await startCached()
    await send(pair, {})
    expect((await send(pair, different[what] ?? {})).cache).toBe('miss')
    expect((await send(pair, {})).cache).toBe('hit')
    expect((await send(pair, different[what] ?? {})).cache).toBe('hit')
    expect(posts(pair)).toBe(2)
  })

  const equal: Readonly<Record<string, { body?: unknown; headers?: Record<string, string> }>> = {
    'members in another order': { body: { temperature: 0, messages: base.messages, model: base.model } },
    'space between members': {
      body: '{ "model" : "gpt-4o",\n"messages":[{"role":"user","content":"Hello"}], "temperature":0 }',
    },
    'stream and its options': { body: { ...base, stream: false, stream_options: null } },
    'another client program': { headers: { 'user-agent': 'other/1', 'x-stainless-lang': 'js', traceparent: '00-1' } },
  }
  test.each(Object.keys(equal))('but not %s', async (what) => {
    await using pair = await startCached()
    await send(pair, {})
    expect((await send(pair, equal[what] ?? {})).cache).toBe('hit')
  })

  test('completions and chat do not answer for one another', async () => {
    await using pair = await startCached()
    const body = { ...base, prompt: 'Hello' }
    await post(pair, '/v1/chat/completions', body)
    expect((await post(pair, '/v1/completions', body)).cache).toBe('miss')
  })

  test('a doubled `stream` is not answered from the cache', async () => {
    await using pair = await startCached()
    const body = '{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}],"stream":true,"stream":false}'
    expect((await send(pair, { body })).cache).toBeNull()
    expect((await send(pair, { body })).cache).toBeNull()
  })
})

describe('whose answers they are', () => {
  const clientKeys = [testClient('alice', clientSecret), testClient('bob', otherSecret)]
  const access: Config['access'] = { ...testConfig([]).access, clientKeys }
  const asBob = { authorization: `Bearer ${otherSecret}` }

  test('another client never gets them, while they are under way or later', async () => {
    await using pair = await startCached({ kind: 'good', firstTokenDelayMs: 30 }, {}, { config: { access } })
    const both = await Promise.all([ask(pair), ask(pair, {}, asBob)])
    expect(both.map(({ cache }) => cache)).toEqual(['miss', 'miss'])
    expect(posts(pair)).toBe(2)
    expect((await ask(pair, {}, asBob)).cache).toBe('hit')
    expect((await ask(pair, {}, asBob)).text).not.toBe((await ask(pair)).text)
  })

  test('unless the operator says so', async () => {
    await using pair = await startCached({ kind: 'good' }, { isShared: true }, { config: { access } })
    const first = await ask(pair)
    expect(await ask(pair, {}, asBob)).toEqual({ ...first, cache: 'hit' })
  })
})

describe('what is never kept', () => {
  const weather = { type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } }
  const withTools = { tools: [weather], messages: [{ role: 'user', content: 'call the tool weather' }] }
  const bodies: Readonly<Record<string, readonly [Behaviour, Record<string, unknown>]>> = {
    'a tool call': [{ kind: 'good' }, withTools],
    'a streamed tool call': [{ kind: 'good' }, { ...withTools, stream: true }],
    'a refusal': [{ kind: 'bad_request' }, {}],
    'a failure': [{ kind: 'overloaded' }, {}],
    'an error in a 200': [{ kind: 'error_in_200' }, {}],
    'a stream that breaks off': [{ kind: 'dying', afterChunks: 2 }, { stream: true }],
    'a stream that ends early': [{ kind: 'dying', afterChunks: 2, how: 'clean' }, { stream: true }],
    'a stream that tells of an error': [{ kind: 'error_in_stream', afterChunks: 2 }, { stream: true }],
    'an answer that breaks off': [{ kind: 'dying', afterChunks: 2 }, {}],
    'an answer that is kept upstream': [{ kind: 'good' }, { store: true }],
  }
  test.each(Object.keys(bodies))('%s', async (what) => {
    const [behaviour, body] = bodies[what] ?? [{ kind: 'good' }, {}]
    await using pair = await startCached(behaviour, {}, { provider: { maxAttempts: 1 }, clock: createTestClock() })
    await ask(pair, body)
    expect(pair.gateway.gateway.cache.status()).toMatchObject({ entries: 0, hits: 0, bytes: 0 })
    pair.upstream.setBehaviour(secret, { kind: 'good' })
    expect((await ask(pair, body)).cache).not.toBe('hit')
  })

  test('a stream whose client leaves', async () => {
    await using pair = await startCached({ kind: 'good', deltaCount: 100, text: 'x'.repeat(1000), delayMs: 5 })
    const controller = new AbortController()
    const response = await pair.gateway.chat({ stream: true }, { signal: controller.signal })
    await response.body?.getReader().read()
    controller.abort()
    await pair.upstream.waitFor((one) => one.isAborted, 3000)
    expect(await pair.onlyRecord()).toMatchObject({ outcome: 'aborted' })
    expect(pair.gateway.gateway.cache.status()).toMatchObject({ entries: 0, bytes: 0 })
  })

  test('the Responses API, forms, and what is only read', async () => {
    await using pair = await startCached()
    for (let times = 0; times < 2; times++) {
      const answer = await post(pair, '/v1/responses', { model: 'gpt-4o', input: 'Hello', store: false })
      expect(answer.cache).toBeNull()
    }
    const form = new FormData()
    form.set('model', 'whisper-1')
    form.set('file', new File(['sound'], 'a.wav'))
    for (let times = 0; times < 2; times++) {
      const answer = await readAnswer(pair.gateway.call('/v1/audio/transcriptions', { method: 'POST', body: form }))
      expect(answer.cache).toBeNull()
    }
    expect(posts(pair)).toBe(4)
  })

  test('more than an eighth of the room in one answer, streamed or not: it passes whole', async () => {
    const text = 'word '.repeat(4000)
    await using pair = await startCached({ kind: 'good', text, deltaCount: 50 }, { maxBytes: 64 * 1024 })
    for (const stream of [false, true]) {
      const first = await ask(pair, { stream })
      expect(stream ? saidIn(first.text) : JSON.parse(first.text).choices[0].message.content).toBe(text)
      expect((await ask(pair, { stream })).cache).toBe('miss')
    }
    expect(pair.gateway.gateway.cache.status()).toMatchObject({ entries: 0, bytes: 0 })
  })
})

describe('what the client says of it', () => {
  test('no-cache wants a new answer, which is kept', async () => {
    await using pair = await startCached()
    const first = await ask(pair)
    const second = await ask(pair, {}, { 'cache-control': 'no-cache' })
    expect(second.cache).toBe('miss')
    expect(second.text).not.toBe(first.text)
    expect((await ask(pair)).text).toBe(second.text)
  })

  test('no-store neither reads nor keeps', async () => {
    await using pair = await startCached()
    expect((await ask(pair, {}, { 'cache-control': 'no-store' })).cache).toBeNull()
    expect((await ask(pair)).cache).toBe('miss')
    expect((await ask(pair, {}, { 'cache-control': 'No-Store' })).cache).toBeNull()
    expect(posts(pair)).toBe(3)
  })

  test('max-age says how old it may be', async () => {
    const clock = createTestClock()
    await using pair = await startCached({ kind: 'good' }, {}, { clock })
    await ask(pair)
    clock.advance(10_000)
    expect((await ask(pair, {}, { 'cache-control': 'max-age=60' })).cache).toBe('hit')
    expect((await ask(pair, {}, { 'cache-control': 'max-age=5' })).cache).toBe('miss')
  })
})

describe('how long and how much', () => {
  test('an answer is kept for the time set and no longer', async () => {
    const clock = createTestClock()
    await using pair = await startCached({ kind: 'good' }, { ttlMs: 60_000 }, { clock })
    await ask(pair)
    clock.advance(59_000)
    expect((await ask(pair)).cache).toBe('hit')
    clock.advance(1500)
    expect((await ask(pair)).cache).toBe('miss')
  })

  test('old answers that nobody asks for are freed as others come', async () => {
    const clock = createTestClock()
    await using pair = await startCached({ kind: 'good' }, { ttlMs: 60_000 }, { clock })
    for (let user = 0; user < 12; user++) await ask(pair, { user: `old ${user}` })
    clock.advance(61_000)
    for (let user = 0; user < 4; user++) await ask(pair, { user: `new ${user}` })
    expect(pair.gateway.gateway.cache.status().entries).toBe(4)
  })

  test('the bytes stay below the bound, and what was asked for last stays', async () => {
    const maxBytes = 64 * 1024
    await using pair = await startCached({ kind: 'good', text: 'x'.repeat(4000) }, { maxBytes })
    const { status } = pair.gateway.gateway.cache
    for (let user = 0; user < 40; user++) {
      await ask(pair, { user: `${user}` })
      await ask(pair, { user: '0' })
      expect(status().bytes).toBeLessThanOrEqual(maxBytes)
    }
    expect(status().bytes).toBeGreaterThan(maxBytes / 2)
    expect(status().bytes).toBeGreaterThan(status().entries * 4000)
    expect(status().evictions).toBe(40 - status().entries)
    expect((await ask(pair, { user: '0' })).cache).toBe('hit')
    expect((await ask(pair, { user: '1' })).cache).toBe('miss')
  })
})

describe('a reload', () => {
  test('keeps the answers, and never gives an old one for a new target, address or header', async () => {
    await using pair = await startCached()
    const { gateway } = pair.gateway
    const config = gateway.config()
    await ask(pair)
    gateway.reload({ ...config, defaultModelPrice: { input: 9, output: 9, cachedInput: null } })
    expect((await ask(pair)).cache).toBe('hit')
    const toOther = [{ pattern: 'gpt-4o', targets: [{ provider: 'openai', model: 'gpt-4o-mini' }], price: null }]
    gateway.reload({ ...config, models: toOther })
    expect((await ask(pair)).cache).toBe('miss')
    const named = testProvider(pair.upstream.baseUrl, [secret], { headers: { 'x-team': 'red' } })
    gateway.reload({ ...config, providers: [named] })
    expect((await ask(pair)).cache).toBe('miss')
    gateway.reload(config)
    expect((await ask(pair)).cache).toBe('hit')
  })

  test('that switches it off frees it, and a smaller bound holds at once', async () => {
    await using pair = await startCached({ kind: 'good', text: 'x'.repeat(4000) })
    const { gateway } = pair.gateway
    const config = gateway.config()
    for (let user = 0; user < 20; user++) await ask(pair, { user: `${user}` })
    gateway.reload({ ...config, cache: { ...config.cache, maxBytes: 32 * 1024 } })
    expect(gateway.cache.status().bytes).toBeLessThanOrEqual(32 * 1024)
    expect(gateway.cache.status().entries).toBeGreaterThan(0)
    gateway.reload({ ...config, cache: { ...config.cache, isEnabled: false } })
    expect(gateway.cache.status()).toMatchObject({ entries: 0, bytes: 0, isEnabled: false })
    gateway.reload(config)
    expect((await ask(pair, { user: '19' })).cache).toBe('miss')
  })
})

test('POST /admin/cache/clear forgets all, answers under way included, and needs the admin key', async () => {
  await using pair = await startCached({ kind: 'good', firstTokenDelayMs: 60 })
  await ask(pair, { user: 'a' })
  const underWay = ask(pair, { user: 'b' })
  await pair.upstream.waitFor(({ isFinished }) => !isFinished, 2000)
  expect(await statusOf(pair.gateway.call('/admin/cache/clear', { method: 'POST' }))).toBe(401)
  expect(pair.gateway.gateway.cache.status().entries).toBe(1)
  const response = await pair.gateway.admin('/admin/cache/clear', { method: 'POST' })
  expect(await response.json()).toEqual({ ok: true, cleared: 1 })
  expect((await underWay).status).toBe(200)
  expect((await ask(pair, { user: 'a' })).cache).toBe('miss')
  expect((await ask(pair, { user: 'b' })).cache).toBe('miss')
})

test('statistics and metrics count hits, misses, evictions and bytes', async () => {
  await using pair = await startCached()
  await ask(pair)
  await ask(pair)
  await ask(pair)
  await statusOf(pair.gateway.call('/v1/models'))
  await statusOf(pair.gateway.call('/v1/models'))
  const stats = (await (await pair.gateway.admin('/stats')).json()) as { cache: { bytes: number } }
  expect(stats.cache).toMatchObject({ enabled: true, hits: 2, misses: 1, coalesced: 0, evictions: 0, entries: 1 })
  expect(stats.cache.bytes).toBeGreaterThan(500)
  const text = await (await pair.gateway.admin('/metrics')).text()
  expect(text).toMatch(/^any2api_cache_hits_total 2$/m)
  expect(text).toMatch(/^any2api_cache_misses_total 1$/m)
  expect(text).toMatch(/^any2api_cache_evictions_total 0$/m)
  expect(text).toMatch(/^any2api_cache_entries 1$/m)
  expect(text).toMatch(new RegExp(`^any2api_cache_bytes ${stats.cache.bytes}$`, 'm'))
  const json = await (await pair.gateway.admin('/metrics', { headers: { accept: 'application/json' } })).json()
  expect(json).toMatchObject({
    cache_stats: {
      enabled: true,
      model_cache: { hits: 1, misses: 1, size: 1, hit_rate: 0.5 },
      response_cache: { hits: 2, misses: 1, size: 1, hit_rate: 2 / 3, uptime_seconds: expect.any(Number) },
      requestCount: 3,
      cacheHitCount: 2,
    },
  })
})
