/** Scira through the front door: both generations, both formats, signed out and by cookie, failures, limits of what it can do. */
import { describe, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/scira/behaviours.ts'
import { clientSecret, until } from '../helpers/start-gateway.ts'
import { createJumpingClock } from '../helpers/start-ondemand.ts'
import { dataOf, readError, saidIn } from '../helpers/start-pair.ts'
import { model, startScira } from '../helpers/start-scira.ts'

interface Completion {
  readonly id: string
  readonly model: string
  readonly choices: readonly {
    readonly message: {
      readonly content: string | null
      readonly reasoning_content?: string
      readonly tool_calls?: readonly { readonly function: { readonly name: string; readonly arguments: string } }[]
    }
    readonly finish_reason: string
  }[]
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number }
}

async function completionOf(answer: Promise<Response>): Promise<Completion> {
  const response = await answer
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
  return (await response.json()) as Completion
}

async function saidBy(answer: Promise<Response>): Promise<string> {
  return (await completionOf(answer)).choices[0]?.message.content ?? ''
}

const user = (content: string) => ({ role: 'user', content })
const streamed = (content: string) => ({ stream: true, messages: [user(content)] })
const json = (body: Uint8Array) => JSON.parse(Buffer.from(body).toString('utf8')) as Record<string, unknown>
const good = { kind: 'good', text: 'Hello there' } as const
const cookie = 'better-auth.session_token=an-account-of-the-tests; theme=dark'
const other = 'better-auth.session_token=another-of-the-tests'

/** Each published state, and each of its formats by the setting that names it. */
const states = [
  ['2025-05', 'auto'],
  ['2025-06', 'auto'],
  ['2025-06', 'v4'],
  ['2026-03', 'auto'],
  ['2026-03', 'v5'],
] as const

describe('an answer', () => {
  test.each(states)(
    'of %s, read as %s: words, thoughts, reason, counts; streamed and not',
    async (generation, streamFormat) => {
      await using pair = await startScira({
        generation,
        provider: { streamFormat },
        signedOut: { ...good, reasoningText: 'I think so', tokens: { input: 120, output: 3 }, finishReason: 'length' },
      })
      const whole = await completionOf(pair.chat('hi'))
      expect(whole).toMatchObject({
        model,
        choices: [{ message: { content: 'Hello there', reasoning_content: 'I think so' }, finish_reason: 'length' }],
        usage: { prompt_tokens: 120, completion_tokens: 3, total_tokens: 123 },
      })
      const plain = await (await pair.chat(streamed('hi'))).text()
      expect(saidIn(plain)).toBe('Hello there')
      expect(plain).toContain('"reasoning_content"')
      expect(plain).not.toContain('"usage"')
      expect(plain).toContain('"finish_reason":"length"')
      expect(plain.endsWith('data: [DONE]\n\n')).toBe(true)
      const asked = await (await pair.chat({ ...streamed('hi'), stream_options: { include_usage: true } })).text()
      expect(asked).toContain('"prompt_tokens":120')
      const ids = dataOf(asked)
        .filter((data) => data.startsWith('{'))
        .map((data) => (JSON.parse(data) as Completion).id)
      expect(new Set(ids).size).toBe(1)
      const records = await pair.gateway.recorded(3)
      expect(records.map((record) => [record.usageSource, record.usage.inputTokens])).toEqual([
        ['upstream', 120],
        ['upstream', 120],
        ['upstream', 120],
      ])
    },
  )

  test.each(states)(
    'of %s, with everything that is no answer, cut anywhere, says no more than the answer',
    async (generation) => {
      for (const cutEveryBytes of [1, 2, 3, 7, 64]) {
        await using pair = await startScira({
          generation,
          signedOut: {
            kind: 'good',
            text: 'Déjà vu, 你好 🙂',
            reasoningText: 'hm',
            escapes: cutEveryBytes % 2 === 0 ? 'few' : 'all',
            lineEnd: cutEveryBytes === 7 ? '\r\n' : '\n',
            toolStepCount: 2,
            sourceCount: 2,
            hasDataParts: true,
            hasUnknownParts: true,
            hasGarbageLines: true,
            isDoneSent: cutEveryBytes !== 3,
            cutEveryBytes,
          },
        })
        expect(saidIn(await (await pair.chat(streamed('hi'))).text())).toBe('Déjà vu, 你好 🙂')
        expect(await completionOf(pair.chat('hi'))).toMatchObject({
          choices: [{ message: { content: 'Déjà vu, 你好 🙂', reasoning_content: 'hm' }, finish_reason: 'stop' }],
        })
      }
    },
  )

  test.each([
    { textStyle: 'bare_text' },
    { textStyle: 'bare_delta' },
    { usagePlace: 'message_metadata' },
    { isFinishReasonSent: false },
    { hasPartBounds: false, isDataSpaced: false },
    { hasProtocolHeaders: true },
  ] as const)('in another spelling of the newer format: %p', async (spelling) => {
    await using pair = await startScira({ signedOut: { ...good, ...spelling } })
    expect(await completionOf(pair.chat('hi'))).toMatchObject({
      choices: [{ message: { content: 'Hello there' }, finish_reason: 'stop' }],
    })
    expect(saidIn(await (await pair.chat(streamed('hi'))).text())).toBe('Hello there')
  })

  test('without counts has none; those of the record are counted', async () => {
    for (const usage of ['null', 'none'] as const) {
      await using pair = await startScira({ signedOut: { ...good, usage } })
      expect(await completionOf(pair.chat('hi'))).not.toHaveProperty('usage')
      const [record] = await pair.gateway.recorded(1)
      expect(record?.usageSource).toBe('counted')
      expect(record?.usage.outputTokens).toBeWithin(1, 1000)
    }
  })

  test('of megabytes in one line comes whole', async () => {
    for (const generation of ['2025-06', '2026-03'] as const) {
      await using pair = await startScira({ generation, signedOut: { ...good, hugePieceBytes: 3_000_000 } })
      expect((await saidBy(pair.chat('hi'))).length).toBeGreaterThan(2_999_999)
    }
  })

  test('thoughts can be hidden', async () => {
    await using pair = await startScira({
      signedOut: { ...good, reasoningText: 'secret thoughts' },
      provider: { reasoning: 'hidden' },
    })
    expect(await (await pair.chat(streamed('hi'))).text()).not.toContain('secret')
    expect(JSON.stringify(await completionOf(pair.chat('hi')))).not.toContain('secret')
  })

  test('that the service’s filter left empty says so', async () => {
    await using pair = await startScira({ signedOut: { kind: 'empty', finishReason: 'content-filter' } })
    expect(await completionOf(pair.chat('hi'))).toMatchObject({
      choices: [{ message: { content: '' }, finish_reason: 'content_filter' }],
    })
  })

  test('of which the connection stays open after its end is not waited for', async () => {
    await using pair = await startScira({
      generation: '2025-06',
      signedOut: {
        kind: 'script',
        chunks: ['0:"Hello there"\n', 'd:{"finishReason":"stop"}\n'],
        ending: 'silent',
      },
      provider: { timeouts: { firstByteMs: 20_000, answerMs: 20_000, idleMs: 20_000 } },
    })
    expect(await saidBy(pair.chat('hi'))).toBe('Hello there')
  })

  test('leaves its connection for the next call', async () => {
    await using pair = await startScira({ signedOut: good })
    for (let call = 0; call < 10; call++) await (await pair.chat(call % 2 === 0 ? streamed('hi') : 'hi')).text()
    expect(pair.upstream.connections()).toBeLessThan(6)
  })
})

describe('a request', () => {
  async function sent(
    asked: Record<string, unknown>,
    options: Parameters<typeof startScira>[0] = {},
  ): Promise<{ body: Record<string, unknown>; headers: Headers }> {
    await using pair = await startScira({ ...options, signedOut: good, overrides: { areSystemMessagesAccepted: true } })
    await completionOf(pair.chat(asked))
    const [request] = pair.upstream.requests
    if (request === undefined) throw new Error('nothing was sent')
    return { body: json(request.body), headers: new Headers(request.headers as [string, string][]) }
  }

  const uuid = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)

  test('of the current generation', async () => {
    const { body } = await sent({ messages: [user('one'), { role: 'assistant', content: 'two' }, user('three')] })
    const message = (role: string, text: string) => ({ id: uuid, role, parts: [{ type: 'text', text }] })
    expect(body).toEqual({
      id: uuid,
      messages: [message('user', 'one'), message('assistant', 'two'), message('user', 'three')],
      model,
      group: 'chat',
      timezone: 'UTC',
      selectedVisibilityType: 'private',
      isTemporaryChat: true,
      isCustomInstructionsEnabled: false,
    })
  })

  test('of the middle of 2025', async () => {
    const { body } = await sent({ model: 'gpt-4o', messages: [user('Hi')] }, { generation: '2025-06' })
    expect(body).toEqual({
      id: expect.stringMatching(/^chat_\d{10}_[0-9a-f]{16}$/),
      group: 'chat',
      messages: [{ role: 'user', content: 'Hi', parts: [{ type: 'text', text: 'Hi' }] }],
      model: 'scira-4o',
      timezone: 'UTC',
      selectedVisibilityType: 'private',
      user_id: expect.stringMatching(/^user-[0-9a-z]{10}$/),
    })
  })

  test('says where it comes from, and what the operator sets replaces it', async () => {
    await using pair = await startScira({ signedOut: good })
    await completionOf(pair.chat('hi', { headers: { origin: 'https://elsewhere.example', cookie: 'a=b' } }))
    const [request] = pair.upstream.requests
    const { origin } = pair.upstream
    const headers = new Headers(request?.headers as [string, string][])
    expect([headers.get('origin'), headers.get('referer')]).toEqual([origin, `${origin}/`])
    expect(headers.get('user-agent')).toBe('Mozilla/5.0 (compatible; any2api)')
    expect(headers.get('cookie')).toBeNull()
    expect(headers.get('authorization')).toBeNull()
    const own = await sent(
      { messages: [user('hi')] },
      { provider: { headers: { 'User-Agent': 'mine', 'X-Own': '1' } } },
    )
    expect([own.headers.get('user-agent'), own.headers.get('x-own')]).toEqual(['mine', '1'])
  })

  test('goes as the settings say', async () => {
    const { body } = await sent(
      { messages: [user('hi')] },
      { provider: { group: 'web', timezone: 'Asia/Shanghai', visibility: 'public', isTemporary: false } },
    )
    expect(body).toMatchObject({
      group: 'web',
      timezone: 'Asia/Shanghai',
      selectedVisibilityType: 'public',
      isTemporaryChat: false,
    })
    const elsewhere = await sent({ messages: [user('hi')] }, { path: '/other', provider: { path: '/other' } })
    expect(elsewhere.body.model).toBe(model)
  })

  test('system text stands in the first message of the user, or in one of its own', async () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      user('one'),
      { role: 'developer', content: 'Be kind.' },
      user('two'),
    ]
    const told = async (options: Parameters<typeof startScira>[0]) => {
      const { body } = await sent({ messages }, options)
      return (body.messages as { role: string; parts: { text: string }[] }[]).map(({ role, parts }) => [
        role,
        parts[0]?.text,
      ])
    }
    expect(await told({})).toEqual([
      ['user', 'Be brief.\n\nBe kind.\n\none'],
      ['user', 'two'],
    ])
    expect(await told({ provider: { systemPlacement: 'message' } })).toEqual([
      ['system', 'Be brief.\n\nBe kind.'],
      ['user', 'one'],
      ['user', 'two'],
    ])
  })

  test('with parts of text has them joined; one with images is refused by name', async () => {
    const parts = [
      { type: 'text', text: 'one' },
      { type: 'text', text: 'two' },
    ]
    const { body } = await sent({ messages: [{ role: 'user', content: parts }] })
    expect(JSON.stringify(body)).toContain('"text":"one\\ntwo"')
    await using pair = await startScira()
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }
    const response = await pair.chat({ messages: [{ role: 'user', content: [...parts, image] }] })
    expect(response.status).toBe(400)
    expect(await readError(response)).toMatchObject({ code: 'unsupported_content', param: 'messages.0.content.2' })
    expect(pair.upstream.totalCalls()).toBe(0)
  })

  test('of what Scira cannot honour is dropped and named, or refused', async () => {
    const asked = { messages: [user('hi')], temperature: 0, max_tokens: 5, seed: 1, user: 'me' }
    await using pair = await startScira({ signedOut: good })
    const response = await pair.chat(asked)
    expect(response.headers.get('x-any2api-dropped')).toBe('temperature, max_tokens, seed, user')
    await using strict = await startScira({ signedOut: good, provider: { unsupported: 'refuse' } })
    const refused = await strict.chat(asked)
    expect([refused.status, (await readError(refused)).param]).toEqual([400, 'temperature'])
    expect(strict.upstream.totalCalls()).toBe(0)
    expect((await strict.chat({ messages: [user('hi')], user: 'me', n: 1 })).status).toBe(200)
  })

  test('tools are described in words, and calls of them read back; a JSON answer loses its fence', async () => {
    const tools = [
      {
        type: 'function',
        function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
      },
    ]
    await using pair = await startScira({ signedOut: { kind: 'good', text: '```json\n{"a":1}\n```' } })
    expect(await saidBy(pair.chat({ messages: [user('hi')], response_format: { type: 'json_object' } }))).toBe(
      '{"a":1}',
    )
    await completionOf(pair.chat({ messages: [user('hi')], tools, tool_choice: 'required' }))
    const { messages } = json(pair.upstream.requests[1]?.body ?? new Uint8Array()) as {
      messages: { parts: { text: string }[] }[]
    }
    const told = messages[0]?.parts[0]?.text ?? ''
    expect(told).toContain('weather')
    expect(told.endsWith('hi')).toBe(true)
  })
})

describe('models', () => {
  test('by the built-in table, by the settings, by their own names, or by the default; others are refused', async () => {
    const all = Object.fromEntries(
      ['scira-default', 'scira-x', 'scira-of-tomorrow'].map((name) => [name, 'signed_out' as const]),
    )
    await using pair = await startScira({
      signedOut: good,
      models: all,
      provider: { models: { mine: 'scira-x', 'gpt-4o': 'scira-default' } },
    })
    for (const name of ['grok-3-mini', 'mine', 'gpt-4o', 'scira-of-tomorrow']) {
      expect((await completionOf(pair.chat({ model: name, messages: [user('hi')] }))).model).toBe(name)
    }
    expect(pair.upstream.requests.map(({ body }) => json(body).model)).toEqual([
      'scira-default',
      'scira-x',
      'scira-default',
      'scira-of-tomorrow',
    ])
    const refused = await pair.chat({ model: 'constructor', messages: [user('hi')] })
    expect(refused.status).toBe(404)
    expect(await readError(refused)).toMatchObject({ code: 'model_not_found', param: 'model' })
    expect(pair.upstream.totalCalls()).toBe(4)
    await using open = await startScira({ signedOut: good, provider: { defaultModel: 'grok-3-mini' } })
    expect(await saidBy(open.chat({ model: 'whatever', messages: [user('hi')] }))).toBe('Hello there')
  })

  test('are listed without asking anybody: what this kind of caller can use', async () => {
    const listed = async (options: Parameters<typeof startScira>[0]) => {
      await using pair = await startScira({
        ...options,
        provider: { models: { mine: 'scira-x' }, ...options?.provider },
      })
      const { data } = (await (
        await pair.gateway.call('/v1/models', { headers: { authorization: `Bearer ${clientSecret}` } })
      ).json()) as { data: { id: string }[] }
      expect(pair.upstream.totalCalls()).toBe(0)
      return data.map(({ id }) => id)
    }
    const signedOut = await listed({})
    expect(signedOut).toContain('mine')
    expect(signedOut).toContain('scira-default')
    expect(signedOut).not.toContain('scira-gpt-oss-20')
    expect(await listed({ accounts: { [cookie]: good } })).toContain('scira-gpt-oss-20')
    expect(await listed({ generation: '2025-06' })).toContain('claude-4-sonnet')
  })

  test('that need a sign-in or money are a 404, and nobody is blamed', async () => {
    await using pair = await startScira({ signedOut: good })
    for (const name of ['scira-gpt-oss-20', 'scira-anthropic']) {
      const response = await pair.chat({ model: name, messages: [user('hi')] })
      expect([response.status, (await readError(response)).code]).toEqual([404, 'model_not_found'])
    }
    expect(pair.status(null).entries).toEqual([])
    expect(await saidBy(pair.chat('hi'))).toBe('Hello there')
    await using signedIn = await startScira({ accounts: { [cookie]: good, [other]: { ...good, plan: 'pro' } } })
    expect(await saidBy(signedIn.chat({ model: 'scira-anthropic', messages: [user('hi')] }))).toBe('Hello there')
    expect(signedIn.status(cookie).entries).toEqual([])
  })
})

describe('what fails', () => {
  const table: readonly (readonly [string, Behaviour, number, string])[] = [
    ['bad_request', { kind: 'bad_request' }, 400, 'bad_request'],
    ['unauthorized', { kind: 'unauthorized' }, 404, 'model_not_found'],
    ['unauthorized for a group', { kind: 'unauthorized', surface: 'auth' }, 404, 'model_not_found'],
    ['upgrade_required', { kind: 'upgrade_required' }, 404, 'model_not_found'],
    ['model_restricted', { kind: 'model_restricted' }, 404, 'model_not_found'],
    ['forbidden', { kind: 'forbidden' }, 502, 'upstream_refused'],
    ['not_found', { kind: 'not_found' }, 502, 'upstream_error'],
    ['rate_limited', { kind: 'rate_limited' }, 429, 'rate_limit_exceeded'],
    ['offline', { kind: 'offline' }, 503, 'offline'],
    ['500', { kind: 'server_error' }, 500, 'upstream_error'],
    ['500 with nothing', { kind: 'server_error', body: 'empty' }, 500, 'upstream_error'],
    ['502 with a page', { kind: 'server_error', status: 502 }, 502, 'upstream_error'],
    ['a challenge, 403', { kind: 'challenge' }, 502, 'upstream_challenge'],
    ['a challenge, 429', { kind: 'challenge', status: 429 }, 502, 'upstream_challenge'],
    ['a challenge, 503', { kind: 'challenge', status: 503 }, 502, 'upstream_challenge'],
    ['a page in a 200', { kind: 'page_in_200' }, 502, 'upstream_challenge'],
    ['a redirect', { kind: 'redirect', location: 'https://elsewhere.example/' }, 502, 'upstream_error'],
    ['an error in the stream', { kind: 'error_in_stream' }, 502, 'upstream_error'],
    ['an error and an end', { kind: 'error_in_stream', isFinishSent: true }, 502, 'upstream_error'],
    ['an end by error', { kind: 'empty', finishReason: 'error' }, 502, 'upstream_error'],
    ['a limit in the stream', { kind: 'error_in_stream', about: 'rate_limit' }, 429, 'rate_limit_exceeded'],
    ['no such model', { kind: 'error_in_stream', errorText: 'No such languageModel: scira-x' }, 404, 'model_not_found'],
    ['nothing said', { kind: 'empty' }, 502, 'empty_answer'],
    ['a 200 and not a byte', { kind: 'empty', what: 'body' }, 502, 'upstream_unreachable'],
    ['an abort before any word', { kind: 'aborted', after: 'opening' }, 502, 'upstream_unreachable'],
    ['a cut before any word', { kind: 'cut', after: 'opening' }, 502, 'upstream_unreachable'],
    ['no answer', { kind: 'no_answer' }, 502, 'upstream_unreachable'],
    ['hanging', { kind: 'hanging' }, 504, 'upstream_timeout'],
    ['silence', { kind: 'silent', after: 'opening' }, 504, 'upstream_timeout'],
  ]

  /** Short only for those that are waited for. */
  function timeoutsFor({ kind }: Behaviour) {
    const waitMs = kind === 'hanging' || kind === 'silent' ? 300 : 10_000
    return { firstByteMs: waitMs, answerMs: waitMs, idleMs: waitMs }
  }

  test.each(table)('%s, in both formats, streamed and not', async (_, behaviour, status, code) => {
    for (const generation of ['2025-06', '2026-03'] as const) {
      for (const stream of [true, false]) {
        await using pair = await startScira({
          generation,
          signedOut: behaviour,
          provider: { maxAttempts: 1, timeouts: timeoutsFor(behaviour) },
        })
        const response = await pair.chat({ stream, messages: [user('hi')] })
        const said = { status: response.status, code: (await readError(response)).code }
        expect({ generation, stream, ...said }).toEqual({ generation, stream, status, code })
      }
    }
  })

  // A block is everybody's: whoever tries on makes it worse.
  const everybodys = ['challenge', 'forbidden', 'page_in_200']
  const ofOne = table.filter(([, { kind }, status]) => status !== 400 && !everybodys.includes(kind))

  test.concurrent.each(ofOne)('another cookie takes over after %s', async (_, behaviour) => {
    await using pair = await startScira({
      accounts: { [cookie]: behaviour, [other]: good },
      provider: { timeouts: timeoutsFor(behaviour) },
    })
    expect(saidIn(await (await pair.chat(streamed('hi'))).text())).toBe('Hello there')
  })

  test('after words were told: an error event, no [DONE], and the record says so', async () => {
    for (const generation of ['2025-06', '2026-03'] as const) {
      await using pair = await startScira({
        generation,
        signedOut: { kind: 'error_in_stream', after: 2, errorText: 'the model broke' },
      })
      const stream = await (await pair.chat(streamed('hi'))).text()
      expect(saidIn(stream)).not.toBe('')
      expect(stream).toContain('the model broke')
      expect(stream).not.toContain('[DONE]')
      const [record] = await pair.gateway.recorded(1)
      expect(record?.outcome).toBe('failed')
    }
  })

  test.each(['reset', 'close', 'clean', 'abort'] as const)(
    'a stream that is cut (%s) does not look finished',
    async (how) => {
      for (const generation of ['2025-06', '2026-03'] as const) {
        const fault: Behaviour =
          how === 'abort'
            ? { kind: 'aborted', after: 2, text: 'a b c d' }
            : { kind: 'cut', after: 2, how, text: 'a b c d', delayMs: 10 }
        await using pair = await startScira({ generation, signedOut: fault, provider: { maxAttempts: 1 } })
        const stream = await (await pair.chat(streamed('hi'))).text()
        expect(stream).toContain('upstream_stream_cut')
        expect(stream).not.toContain('[DONE]')
        expect((await pair.chat('hi')).status).toBe(502)
      }
    },
  )

  test('a passing failure is tried again before the first word, once words were told nothing is', async () => {
    await using pair = await startScira({ signedOut: { ...good, kind: 'server_error', times: 2 } })
    expect(await saidBy(pair.chat('hi'))).toBe('Hello there')
    expect(pair.upstream.totalCalls()).toBe(3)
  })

  test.each([
    ['a challenge', { kind: 'challenge' }],
    ['a refusal', { kind: 'forbidden' }],
  ] as const)('%s opens the breaker at once: nothing is tried again, by no credential', async (_, behaviour) => {
    await using pair = await startScira({ accounts: { [cookie]: { ...behaviour, times: 1 }, [other]: good } })
    expect((await pair.chat('hi')).status).toBe(502)
    const refused = await pair.chat('hi')
    expect([refused.status, (await readError(refused)).code]).toEqual([503, 'upstream_unavailable'])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(20)
    expect(pair.upstream.totalCalls()).toBe(1)
  })

  test.each([
    ['iso', 7 * 86_400],
    ['epoch_ms', 7 * 86_400],
    ['words', 7 * 86_400],
    ['none', 3600],
  ] as const)('a limit whose reset is told as %s rests that long', async (reset, seconds) => {
    await using pair = await startScira({ signedOut: { kind: 'rate_limited', reset } })
    const response = await pair.chat('hi')
    expect(response.status).toBe(429)
    expect(Math.abs(Number(response.headers.get('retry-after')) - seconds)).toBeLessThan(10)
    expect(await (await pair.chat('hi')).text()).toContain('rate_limit_exceeded')
    expect(pair.upstream.totalCalls()).toBe(1)
  })

  test('a limited caller is let in again when the reset has passed', async () => {
    const clock = createJumpingClock()
    await using pair = await startScira({
      signedOut: { ...good, kind: 'rate_limited', reset: 'none', times: 1 },
      clock,
    })
    expect((await pair.chat('hi')).status).toBe(429)
    clock.jump(3_590_000)
    expect((await pair.chat('hi')).status).toBe(429)
    clock.jump(20_000)
    expect(await saidBy(pair.chat('hi'))).toBe('Hello there')
  })

  test('a limit of one model leaves the others alone', async () => {
    await using pair = await startScira({
      signedOut: { ...good, kind: 'rate_limited', surface: 'model', models: [model] },
    })
    expect((await pair.chat('hi')).status).toBe(429)
    expect(await saidBy(pair.chat({ model: 'scira-qwen-4b', messages: [user('hi')] }))).toBe('Hello there')
  })

  test('a cookie that is not valid any more rests for the models that want one, and is named nowhere', async () => {
    await using pair = await startScira({ accounts: { [other]: good }, cookies: [cookie, other], signedOut: good })
    const wanted = { model: 'scira-gpt-oss-20', messages: [user('hi')] }
    for (let call = 0; call < 3; call++) expect(await saidBy(pair.chat(wanted))).toBe('Hello there')
    expect(pair.upstream.calls(cookie)).toBe(1)
    expect(pair.status(cookie).entries.map(({ reason }) => reason)).toEqual(['not_allowed'])
    const shown = pair.gateway.logged() + JSON.stringify(pair.gateway.records)
    expect(shown).not.toContain('an-account-of-the-tests')
  })
})

describe('credentials', () => {
  test('cookies are sent as they are, in turn', async () => {
    await using pair = await startScira({ accounts: { [cookie]: good, [other]: good } })
    for (let call = 0; call < 4; call++) await completionOf(pair.chat('hi'))
    expect([pair.upstream.calls(cookie), pair.upstream.calls(other), pair.upstream.calls(null)]).toEqual([2, 2, 0])
    expect(pair.upstream.storedChats.size).toBe(0)
  })

  test('without cookies the one credential is called signed out', async () => {
    await using pair = await startScira({ signedOut: good })
    await completionOf(pair.chat('hi'))
    expect(pair.upstream.calls(null)).toBe(1)
    expect(pair.status(null).label).toBe('signed out')
  })
})

describe('a client that leaves', () => {
  test('stops its call at Scira, streamed or not, and nobody is blamed', async () => {
    for (const stream of [true, false]) {
      await using pair = await startScira({ signedOut: { kind: 'silent', text: 'a b c d', after: 1 } })
      const leaving = new AbortController()
      const answer = pair.chat({ stream, messages: [user('hi')] }, { signal: leaving.signal })
      await pair.upstream.waitFor(() => true, 2000)
      const response = stream ? await answer : null
      leaving.abort()
      await response?.text().catch(() => {})
      await answer.catch(() => {})
      await until(() => pair.upstream.inFlight() === 0)
      const [record] = await pair.gateway.recorded(1)
      expect(record?.outcome).toBe('aborted')
      expect(pair.status(null)).toMatchObject({ inFlight: 0, failuresInRow: 0, entries: [] })
    }
  })
})

test('two hundred at once get each its own answer', async () => {
  await using pair = await startScira()
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, call) => {
      const word = `word-${call}-of-many`
      const asked = pair.chat(call % 2 === 0 ? word : streamed(word))
      const text = call % 2 === 0 ? await saidBy(asked) : saidIn(await (await asked).text())
      return text.includes(word)
    }),
  )
  expect(answers.filter((own) => own).length).toBe(200)
  expect((await pair.gateway.recorded(200)).every(({ outcome }) => outcome === 'succeeded')).toBe(true)
})
