/** Equal calls at the same time make one upstream call, and nobody is worse off for having waited. */
import { describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/clock.ts'
import type { CacheConfig, Outcome } from '../../src/domain.ts'
import { readJsonRequest } from '../../src/formats/openai.ts'
import type { Plan, Served, Upstream } from '../../src/gateway/failover.ts'
import { createResponseCache } from '../../src/gateway/response-cache.ts'
import { noProgress } from '../../src/gateway/usage.ts'
import type { Call } from '../../src/providers/provider.ts'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { sendRaw } from '../helpers/raw-client.ts'
import { clientSecret, testClient, testConfig, testProvider } from '../helpers/start-gateway.ts'
import { createTestClock, type Pair, type PairOptions, saidIn, startPair, until } from '../helpers/start-pair.ts'

const secret = 'sk-shared-credential-0001'
const cache: CacheConfig = { ...testConfig([]).cache, isEnabled: true }

function startCached(behaviour: Behaviour, options: Partial<PairOptions> = {}): Promise<Pair> {
  return startPair({
    credentials: { [secret]: behaviour },
    ...options,
    config: { cache, ...options.config },
    provider: { timeouts: { firstByteMs: 15_000, answerMs: 15_000, idleMs: 15_000 }, ...options.provider },
  })
}

function posts(pair: Pair): number {
  return pair.upstream.requests.filter(({ method }) => method === 'POST').length
}

/** A call that needs no connection: the runtime holds at most 256 outgoing ones, and the gateway's own are among them. */
function chatInside(pair: Pair, body: Record<string, unknown>): Promise<Response> {
  const all = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }], ...body }
  const headers = { authorization: `Bearer ${clientSecret}`, 'content-type': 'application/json' }
  const request = new Request(`${pair.gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify(all),
  })
  return Promise.resolve(pair.gateway.app.handle(request))
}

/** Calls that wait for another one's answer. */
async function waiting(pair: Pair, count: number): Promise<void> {
  await until(() => pair.gateway.gateway.metrics.snapshot().activeCalls === count)
}

function expectQuiet(pair: Pair): void {
  expect(pair.gateway.gateway.metrics.snapshot().activeCalls).toBe(0)
  expect(pair.credential(secret).inFlight).toBe(0)
}

describe('1,000 equal calls at once make one upstream call', () => {
  for (const [what, isStream] of [
    ['plain', () => false],
    ['streamed', () => true],
    ['both', (index: number) => index % 2 === 0],
  ] as const) {
    test(what, async () => {
      await using pair = await startCached({ kind: 'good', text: 'once for all', firstTokenDelayMs: 400 })
      const answers = await Promise.all(
        Array.from({ length: 1000 }, async (_, index) => {
          const response = await chatInside(pair, { stream: isStream(index) })
          const text = await response.text()
          const said = isStream(index) ? saidIn(text) : JSON.parse(text).choices[0].message.content
          return `${response.status} ${said}`
        }),
      )
      expect(new Set(answers)).toEqual(new Set(['200 once for all']))
      expect(posts(pair)).toBe(1)
      const records = await pair.gateway.recorded(1000)
      expect(records.filter(({ usageSource }) => usageSource === 'upstream')).toHaveLength(1)
      expect(records.filter(({ usageSource }) => usageSource === 'cache')).toHaveLength(999)
      expect(pair.gateway.gateway.cache.status()).toMatchObject({ misses: 1, hits: 999 })
      expectQuiet(pair)
    }, 20_000)
  }
})

describe('the first one leaves', () => {
  for (const isStream of [false, true]) {
    for (const isBegun of isStream ? [false, true] : [false]) {
      const when = `${isStream ? 'streamed' : 'plain'}, ${isBegun ? 'in the middle' : 'before anything came'}`
      test(`others get its answer all the same: ${when}`, async () => {
        const slow: Behaviour = isBegun
          ? { kind: 'good', text: 'one two three four five six', delayMs: 40 }
          : { kind: 'good', text: 'one two three four five six', firstTokenDelayMs: 400 }
        await using pair = await startCached(slow)
        const controller = new AbortController()
        const first = pair.gateway.chat({ stream: isStream }, { signal: controller.signal })
        first.catch(() => {})
        await waiting(pair, 1)
        if (isBegun) await (await first).body?.getReader().read()
        const others = [pair.gateway.chat({ stream: true }), pair.gateway.chat({})]
        await waiting(pair, 3)
        controller.abort()
        const [streamed, plain] = await Promise.all(others.map(async (other) => (await other).text()))
        expect(saidIn(streamed ?? '')).toBe('one two three four five six')
        expect(JSON.parse(plain ?? '').choices[0].message.content).toBe('one two three four five six')
        expect(posts(pair)).toBe(1)
        expect(pair.upstream.requests.at(-1)).toMatchObject({ isFinished: true, isAborted: false })
        const records = await pair.gateway.recorded(3)
        expect(records.map(({ usageSource }) => usageSource).sort()).toEqual(['cache', 'cache', 'upstream'])
        expectQuiet(pair)
      })
    }
  }

  test('and when the last one who waits leaves too, the upstream is stopped', async () => {
    await using pair = await startCached({ kind: 'hanging' })
    const controllers = [new AbortController(), new AbortController(), new AbortController()]
    for (const [index, { signal }] of controllers.entries()) {
      pair.gateway.chat({ stream: index === 1 }, { signal }).catch(() => {})
      await waiting(pair, index + 1)
    }
    controllers[0]?.abort()
    controllers[1]?.abort()
    await waiting(pair, 2)
    expect(pair.upstream.requests[0]?.isAborted).toBe(false)
    controllers[2]?.abort()
    await pair.upstream.waitFor(({ isAborted }) => isAborted, 3000)
    const records = await pair.gateway.recorded(3)
    expect(records.map(({ outcome, status }) => `${outcome} ${status}`)).toEqual(Array(3).fill('aborted 499'))
    expect(posts(pair)).toBe(1)
    await until(() => pair.credential(secret).inFlight === 0)
    expect(pair.credential(secret)).toMatchObject({ failures: 0, state: 'healthy' })
    expectQuiet(pair)
  })

  test('one who waits may leave without a trace in the answer of the others', async () => {
    await using pair = await startCached({ kind: 'good', firstTokenDelayMs: 400 })
    const first = pair.gateway.chat({})
    await waiting(pair, 1)
    const controller = new AbortController()
    pair.gateway.chat({}, { signal: controller.signal }).catch(() => {})
    await waiting(pair, 2)
    controller.abort()
    expect((await first).status).toBe(200)
    const records = await pair.gateway.recorded(2)
    expect(records.map(({ outcome }) => outcome)).toEqual(['aborted', 'succeeded'])
    expectQuiet(pair)
  })

  test('a stream that is too long to be kept lets those who wait go on before it ends', async () => {
    const small = { ...cache, maxBytes: 64 * 1024 }
    await using pair = await startCached(
      { kind: 'good', text: 'word '.repeat(8000), deltaCount: 40, delayMs: 40 },
      { config: { cache: small } },
    )
    const first = (await pair.gateway.chat({ stream: true })).text()
    const other = pair.gateway.chat({ stream: true })
    await until(() => posts(pair) === 2)
    expect(pair.upstream.requests[0]?.isFinished).toBe(false)
    expect(saidIn(await first)).toBe(saidIn(await (await other).text()))
  })

  test('a client that does not read its stream does not hold up the others, and gets its own in the end', async () => {
    await using pair = await startCached({
      kind: 'good',
      text: 'word '.repeat(1_400_000),
      deltaCount: 400,
      firstTokenDelayMs: 400,
    })
    const body = JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }], stream: true })
    const headers = [`authorization: Bearer ${clientSecret}`, 'content-type: application/json']
    const lazy = await sendRaw(pair.gateway.url, { path: '/v1/chat/completions', headers, body })
    lazy.pause()
    await waiting(pair, 1)
    const other = pair.gateway.chat({})
    await waiting(pair, 2)
    const answer = (await (await other).json()) as { choices: { message: { content: string } }[] }
    expect(answer.choices[0]?.message.content).toHaveLength(7_000_000)
    expect(posts(pair)).toBe(1)
    lazy.resume()
    await until(() => lazy.received().includes('data: [DONE]'), 10_000)
  }, 20_000)

  test('a client that does not read its stream does not hold up the others when it leaves', async () => {
    await using pair = await startCached({
      kind: 'good',
      text: 'word '.repeat(1_400_000),
      deltaCount: 400,
      firstTokenDelayMs: 400,
    })
    const body = JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }], stream: true })
    const headers = [`authorization: Bearer ${clientSecret}`, 'content-type: application/json']
    const lazy = await sendRaw(pair.gateway.url, { path: '/v1/chat/completions', headers, body })
    lazy.pause()
    await waiting(pair, 1)
    const other = pair.gateway.chat({})
    await waiting(pair, 2)
    // Until the pipe is full.
    await pair.upstream.waitFor(({ status }) => status === 200, 3000)
    lazy.leave()
    const response = await other
    expect(response.status).toBe(200)
    expect(JSON.parse(await response.text()).choices[0].message.content).toHaveLength(7_000_000)
    expect(posts(pair)).toBe(1)
  }, 20_000)
})

describe('the first one fails', () => {
  const failures: Readonly<Record<string, readonly [Behaviour, number, string]>> = {
    'an overloaded upstream': [{ kind: 'overloaded', firstTokenDelayMs: 400 }, 503, 'server_error'],
    "the client's own mistake": [{ kind: 'bad_request', firstTokenDelayMs: 400 }, 400, 'invalid_value'],
    'a refused credential': [{ kind: 'revoked', firstTokenDelayMs: 400 }, 502, 'upstream_credentials_refused'],
  }
  for (const [what, [behaviour, status]] of Object.entries(failures)) {
    test(`all are told the same, and the upstream is asked once: ${what}`, async () => {
      await using pair = await startCached(behaviour, { provider: { maxAttempts: 1 }, clock: createTestClock() })
      const answers = await Promise.all(
        Array.from({ length: 200 }, async (_, index) => {
          const response = await pair.gateway.chat({ stream: index % 2 === 1 })
          return {
            status: response.status,
            text: await response.text(),
            cache: response.headers.get('x-any2api-cache'),
          }
        }),
      )
      for (const answer of answers) expect(answer).toEqual({ ...answers[0], status, cache: 'miss' } as typeof answer)
      expect(posts(pair)).toBe(1)
      const records = await pair.gateway.recorded(200)
      expect(new Set(records.map((one) => `${one.status} ${one.outcome} ${one.errorCode}`)).size).toBe(1)
      expect(pair.credential(secret).failures).toBeLessThanOrEqual(1)
      expect(pair.gateway.gateway.cache.status()).toMatchObject({ entries: 0, hits: 0, misses: 200 })
      expectQuiet(pair)
    })
  }

  test('a stream that breaks off is told to those who wait, and the next call is a new one', async () => {
    const cut: Behaviour = { kind: 'dying', afterChunks: 3, delayMs: 40, times: 1, text: 'one two three four' }
    await using pair = await startCached(cut)
    const first = pair.gateway.chat({ stream: true })
    await waiting(pair, 1)
    const others = [pair.gateway.chat({ stream: true }), pair.gateway.chat({})]
    expect(await (await first).text()).toContain('upstream_stream_cut')
    for (const other of others) {
      const response = await other
      expect(response.status).toBe(502)
      expect(await response.json()).toMatchObject({ error: { code: 'upstream_stream_cut' } })
    }
    expect(posts(pair)).toBe(1)
    expect((await pair.gateway.chat({})).headers.get('x-any2api-cache')).toBe('miss')
  })

  test('an answer that cannot be kept sends each on by itself', async () => {
    const weather = { type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } }
    const body = { tools: [weather], messages: [{ role: 'user', content: 'call the tool weather' }] }
    await using pair = await startCached({ kind: 'good', firstTokenDelayMs: 400 })
    const answers = await Promise.all(Array.from({ length: 5 }, async () => (await pair.gateway.chat(body)).text()))
    expect(new Set(answers.map((text) => JSON.parse(text).id)).size).toBe(5)
    expect(posts(pair)).toBe(5)
    expectQuiet(pair)
  })

  test('a wait that used up the time for all attempts does not count against the call that comes after it', async () => {
    const clock = createTestClock()
    const weather = { type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } }
    const body = { tools: [weather], messages: [{ role: 'user', content: 'call the tool weather' }] }
    await using pair = await startCached({ kind: 'good', firstTokenDelayMs: 400 }, { clock })
    const first = pair.gateway.chat(body)
    await waiting(pair, 1)
    const second = pair.gateway.chat(body)
    await waiting(pair, 2)
    await pair.upstream.waitFor(() => true, 2000)
    clock.advance(121_000)
    expect((await first).status).toBe(200)
    expect((await second).status).toBe(200)
  })
})

test('when the first one is given up for its own sake, the next in line calls once for all who wait', async () => {
  const shared = createResponseCache(systemClock)
  shared.configure(cache)
  const target = { provider: 'openai', model: 'gpt-4o' }
  const upstream = { config: testProvider('http://127.0.0.1:1/v1', [secret]) } as Upstream
  const plan = { targets: [target], upstreamOf: () => upstream, cached: null } as unknown as Plan
  const body = new Uint8Array(Buffer.from('{"model":"gpt-4o","messages":[]}'))
  const bytes = new Uint8Array(Buffer.from('{"choices":[{"index":0,"message":{"content":"Hi"}}]}'))
  const answer = { kind: 'whole', status: 200, headers: { 'content-type': 'application/json' }, bytes } as const
  const served = { answer, upstream, target, end: () => {} } as unknown as Served
  const endings: Outcome[] = ['aborted', 'succeeded']
  let fetches = 0
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => {
      const call = {
        client: testClient('alice', clientSecret),
        method: 'POST',
        path: '/chat/completions',
        query: '',
        headers: new Headers(),
        body,
        view: readJsonRequest(body),
        signal: new AbortController().signal,
        startedMs: systemClock.monotonic(),
      } as unknown as Call
      return shared.answer({
        call,
        plan,
        fetch: async () => {
          fetches++
          await Bun.sleep(20)
          return served
        },
        send: async (_, { cached }) => {
          const progress = noProgress()
          await cached?.serve(progress)
          cached?.ended(progress.isCached ? 'succeeded' : (endings.shift() ?? 'failed'))
          return new Response()
        },
      })
    }),
  )
  expect(fetches).toBe(2)
  expect(answers.map((one) => one.headers.get('x-any2api-cache'))).toEqual(['miss', 'miss', 'hit', 'hit', 'hit'])
  expect(shared.status()).toMatchObject({ hits: 3, misses: 2, coalesced: 3, entries: 1 })
})

test('when the first one leaves alone, the next in line calls once for all who come after', async () => {
  await using pair = await startCached({
    kind: 'sequence',
    steps: [{ kind: 'hanging' }, { kind: 'good', firstTokenDelayMs: 400 }],
  })
  const controller = new AbortController()
  pair.gateway.chat({}, { signal: controller.signal }).catch(() => {})
  await pair.upstream.waitFor(() => true, 2000)
  controller.abort()
  await pair.upstream.waitFor(({ isAborted }) => isAborted, 2000)
  const answers = await Promise.all(Array.from({ length: 20 }, async () => (await pair.gateway.chat({})).status))
  expect(new Set(answers)).toEqual(new Set([200]))
  expect(posts(pair)).toBe(2)
})

test('who waits for a stream gets comments meanwhile', async () => {
  const server = { ...testConfig([]).server, keepAliveMs: 30 }
  await using pair = await startCached(
    { kind: 'good', text: 'late words', firstTokenDelayMs: 400 },
    { config: { cache, server } },
  )
  const first = pair.gateway.chat({})
  await waiting(pair, 1)
  const text = await (await pair.gateway.chat({ stream: true })).text()
  expect(text.startsWith(': keep-alive\n\n')).toBe(true)
  expect(saidIn(text)).toBe('late words')
  expect((await first).status).toBe(200)
  expect(posts(pair)).toBe(1)
})

test('an error that comes after the comments is told in the stream of each who waits', async () => {
  const server = { ...testConfig([]).server, keepAliveMs: 30 }
  await using pair = await startCached(
    { kind: 'overloaded', firstTokenDelayMs: 400 },
    { config: { cache, server }, provider: { maxAttempts: 1 }, clock: createTestClock() },
  )
  const streams = await Promise.all(
    Array.from({ length: 3 }, async () => (await pair.gateway.chat({ stream: true })).text()),
  )
  for (const text of streams) {
    expect(text).toContain('"error"')
    expect(text).not.toContain('[DONE]')
  }
  expect(posts(pair)).toBe(1)
})

test('no-cache does not wait for an equal call that has begun already', async () => {
  await using pair = await startCached({ kind: 'good', firstTokenDelayMs: 400 })
  const first = pair.gateway.chat({})
  await waiting(pair, 1)
  const second = await pair.gateway.chat({}, { headers: { 'cache-control': 'no-cache' } })
  expect(second.headers.get('x-any2api-cache')).toBe('miss')
  expect(((await (await first).json()) as { id: string }).id).not.toBe(((await second.json()) as { id: string }).id)
  expect(posts(pair)).toBe(2)
})
