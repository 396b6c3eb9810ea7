/** What a call has used is known even where the upstream does not say it: counted, and told from what was guessed. */
import { describe, expect, test } from 'bun:test'
import type { UsageRecord } from '../../src/domain.ts'
import { countInput } from '../../src/formats/token-rules.ts'
import type { TokenCounter } from '../../src/gateway/token-counter.ts'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { createTestClock, dataOf, type Pair, startPair, statusOf, until } from '../helpers/start-pair.ts'
import { tokensOf } from '../helpers/token-encoders.ts'

const secret = 'sk-uncounted-credential-1'
const prices = { '*': { input: 1000, output: 1_000_000, cachedInput: null } }
const text = 'Zażółć gęślą jaźń: 世界 and "quotes",\nlines, emoji 👩‍👩‍👧 and the rest of it.'
const messages = [
  { role: 'system', content: 'Be brief. 简短。' },
  { role: 'user', name: 'ann', content: 'What is the weather like in Łódź?' },
]
const tools = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'Looks it up.',
      parameters: { type: 'object', properties: { city: { type: 'string', description: 'Where', enum: ['Łódź'] } } },
    },
  },
]

function inputOf(path: string, json: Record<string, unknown>): number {
  return countInput(path, json, { model: 'gpt-4o', countText: (one) => tokensOf(one) }) ?? -1
}

const chatInput = (json: Record<string, unknown> = { messages }) => inputOf('/chat/completions', json)

function pairWith(behaviour: Behaviour, counter?: TokenCounter): Promise<Pair> {
  return startPair({
    credentials: { [secret]: behaviour },
    config: { prices },
    ...(counter === undefined ? {} : { counter }),
  })
}

const post = (pair: Pair, path: string, body: Record<string, unknown>) =>
  statusOf(
    pair.gateway.call(`/v1${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o', ...body }),
    }),
  )

const json = (body: unknown): Behaviour => ({
  kind: 'script',
  headers: { 'content-type': 'application/json' },
  chunks: [JSON.stringify(body)],
})
const choice = (message: Record<string, unknown>) => ({ index: 0, message: { role: 'assistant', ...message } })
const chunk = (delta: Record<string, unknown>, rest: Record<string, unknown> = {}) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta }], ...rest })}\n\n`

function expectCounted(record: UsageRecord, inputTokens: number, outputTokens: number, reasoningTokens = 0): void {
  expect(record).toMatchObject({
    usage: { inputTokens, outputTokens, cachedTokens: 0, reasoningTokens },
    usageSource: 'counted',
    costMicroUsd: inputTokens * 1000 + outputTokens * 1_000_000,
  })
}

describe('an answer without usage is counted', () => {
  for (const stream of [false, true])
    test(`with its thoughts, ${stream ? 'streamed' : 'as JSON'}`, async () => {
      const reasoningText = 'Thinking of 世界…'
      await using pair = await pairWith({ kind: 'good', usage: 'never', text, reasoningText, cutEveryBytes: 7 })
      expect(await statusOf(pair.gateway.chat({ messages, stream }))).toBe(200)
      const thought = tokensOf(reasoningText)
      expectCounted(await pair.onlyRecord(), chatInput(), tokensOf(text) + thought, thought)
    })

  test('choice by choice', async () => {
    const choices = [choice({ content: text }), { ...choice({ content: 'Short.' }), index: 1 }]
    await using pair = await pairWith(json({ choices }))
    await statusOf(pair.gateway.chat({ messages, n: 2 }))
    expectCounted(await pair.onlyRecord(), chatInput(), tokensOf(text) + tokensOf('Short.'))
  })

  test('with tools: those that are offered, and those that are called', async () => {
    const called = { name: 'get_weather', arguments: '{"city":"Łódź"}' }
    const expected = tokensOf(called.name) + tokensOf(called.arguments)
    const whole = json({ choices: [choice({ content: null, tool_calls: [{ id: 'call_1', function: called }] })] })
    const part = (fields: object) => chunk({ tool_calls: [{ index: 0, function: fields }] })
    const chunks = [
      part({ name: called.name, arguments: '' }),
      part({ arguments: '{"city":' }),
      part({ arguments: '"Łódź"}' }),
    ]
    for (const [behaviour, stream] of [
      [whole, false],
      [{ kind: 'script', chunks: [...chunks, 'data: [DONE]\n\n'] }, true],
    ] as const) {
      await using pair = await pairWith(behaviour)
      await statusOf(pair.gateway.chat({ messages, tools, stream }))
      expectCounted(await pair.onlyRecord(), chatInput({ messages, tools }), expected)
    }
  })

  test('with pictures, by their size and not by their bytes', async () => {
    const bytes = Buffer.alloc(300_000)
    bytes.write('\x89PNG\r\n\x1a\n', 'latin1')
    bytes.writeUInt32BE(1024, 16)
    bytes.writeUInt32BE(512, 20)
    const url = `data:image/png;base64,${bytes.toString('base64')}`
    const content = [
      { type: 'text', text: 'What is it?' },
      { type: 'image_url', image_url: { url } },
    ]
    await using pair = await pairWith(json({ choices: [choice({ content: 'A cat.' })] }))
    await statusOf(pair.gateway.chat({ messages: [{ role: 'user', content }] }))
    const words = 3 + 3 + tokensOf('user') + tokensOf('What is it?')
    expectCounted(await pair.onlyRecord(), words + 85 + 2 * 170, tokensOf('A cat.'))
  })

  test('of the other kinds of calls', async () => {
    const item = { type: 'message', content: [{ type: 'output_text', text }] }
    const event = (fields: Record<string, unknown>) => `event: ${fields.type}\ndata: ${JSON.stringify(fields)}\n\n`
    const streamed = [
      event({ type: 'response.created', response: {} }),
      event({ type: 'response.reasoning_summary_text.delta', output_index: 0, summary_index: 0, delta: 'Hm' }),
      ...[text.slice(0, 10), text.slice(10)].map((delta) =>
        event({ type: 'response.output_text.delta', output_index: 1, content_index: 0, delta }),
      ),
      event({ type: 'response.output_text.done', output_index: 1, text }),
      event({ type: 'response.completed', response: { output: [item] } }),
    ]
    const rows: readonly (readonly [string, Record<string, unknown>, Behaviour, number, number])[] = [
      ['/completions', { prompt: text }, json({ choices: [{ index: 0, text }] }), tokensOf(text), 0],
      ['/responses', { instructions: 'Be brief', input: text }, json({ output: [item] }), tokensOf(text), 0],
      ['/responses', { input: text, stream: true }, { kind: 'script', chunks: streamed }, tokensOf(text) + 1, 1],
      ['/embeddings', { input: [text, 'b'] }, json({ object: 'list', data: [{ embedding: [0.25] }] }), 0, 0],
    ]
    for (const [path, body, behaviour, output, thought] of rows) {
      await using pair = await pairWith(behaviour)
      expect(await post(pair, path, body)).toBe(200)
      expectCounted(await pair.onlyRecord(), inputOf(path, body), output, thought)
    }
  })
})

describe('numbers of the upstream that are not all there', () => {
  const answered = [choice({ content: text })]
  const rows: readonly (readonly [string, Record<string, unknown>, readonly [number, number]])[] = [
    ['only the output', { completion_tokens: 7 }, [chatInput(), 7]],
    ['only the input', { prompt_tokens: 50, completion_tokens: null }, [50, tokensOf(text)]],
    ['zeros', { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }, [chatInput(), tokensOf(text)]],
    ['an input of zero', { prompt_tokens: 0, completion_tokens: 7 }, [chatInput(), 7]],
  ]
  for (const [what, usage, [input, output]] of rows)
    test(`are completed: ${what}`, async () => {
      await using pair = await pairWith(json({ choices: answered, usage }))
      await statusOf(pair.gateway.chat({ messages }))
      expectCounted(await pair.onlyRecord(), input, output)
    })

  test('are worked out where there is a total', async () => {
    await using pair = await pairWith(json({ choices: answered, usage: { completion_tokens: 7, total_tokens: 27 } }))
    await statusOf(pair.gateway.chat({ messages }))
    expect(await pair.onlyRecord()).toMatchObject({
      usage: { inputTokens: 20, outputTokens: 7 },
      usageSource: 'upstream',
    })
  })

  test('at the beginning of a stream that breaks off: their output is not what was written', async () => {
    const chunks = [
      chunk({ role: 'assistant' }, { usage: { prompt_tokens: 50, completion_tokens: 0 } }),
      chunk({ content: 'Three whole ' }),
      chunk({ content: 'words' }),
    ]
    await using pair = await pairWith({ kind: 'script', chunks, ending: 'clean' })
    await statusOf(pair.gateway.chat({ messages, stream: true }))
    const record = await pair.onlyRecord()
    expect(record.outcome).toBe('cut')
    expectCounted(record, 50, tokensOf('Three whole words'))
  })
})

const contentOf = (events: string) =>
  dataOf(events)
    .filter((data) => data.startsWith('{'))
    .map(
      (data) =>
        (JSON.parse(data) as { choices?: { delta?: { content?: string } }[] }).choices?.[0]?.delta?.content ?? '',
    )
    .join('')

describe('a call that does not come to its end', () => {
  for (const behaviour of [
    { kind: 'dying', afterChunks: 5, how: 'reset', delayMs: 20 },
    { kind: 'dying', afterChunks: 5, how: 'clean' },
    { kind: 'silent', after: 'content', afterChunks: 5 },
  ] as const)
    test(`because the upstream breaks off (${JSON.stringify(behaviour)}) costs what was sent`, async () => {
      await using pair = await startPair({
        credentials: { [secret]: { ...behaviour, text } },
        config: { prices },
        provider: { timeouts: { firstByteMs: 2000, answerMs: 2000, idleMs: 150 } },
      })
      const sent = contentOf(await (await pair.gateway.chat({ messages, stream: true })).text())
      expect(text.startsWith(sent)).toBe(true)
      const record = await pair.onlyRecord()
      expect(record.outcome).toBe('cut')
      expectCounted(record, chatInput(), tokensOf(sent))
      expect(tokensOf(sent)).toBeGreaterThan(2)
    })

  test('because the client leaves costs what had been written', async () => {
    await using pair = await pairWith({ kind: 'good', text: 'word '.repeat(1000).trim(), delayMs: 5 })
    const controller = new AbortController()
    const answer = await pair.gateway.chat({ messages, stream: true }, { signal: controller.signal })
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    let read = ''
    while (contentOf(read).length < 30) read += Buffer.from((await reader.read()).value ?? []).toString()
    controller.abort()
    const record = await pair.onlyRecord()
    expect(record).toMatchObject({ outcome: 'aborted', status: 499, usageSource: 'counted' })
    expect(record.usage.inputTokens).toBe(chatInput())
    expect(record.usage.outputTokens).toBeWithin(tokensOf(contentOf(read)) - 1, 900)
    expect(record.costMicroUsd).toBe(record.usage.inputTokens * 1000 + record.usage.outputTokens * 1_000_000)
  })

  for (const stream of [true, false])
    test(`because the client leaves before anything was written costs the input (${stream ? 'stream' : 'JSON'})`, async () => {
      await using pair = await pairWith({ kind: 'hanging' })
      const controller = new AbortController()
      pair.gateway.chat({ messages, stream }, { signal: controller.signal }).catch(() => {})
      await pair.upstream.waitFor(() => true, 2000)
      controller.abort()
      const record = await pair.onlyRecord()
      expect(record.outcome).toBe('aborted')
      expectCounted(record, chatInput(), 0)
    })

  test('because the client leaves while no upstream has it costs nothing', async () => {
    await using pair = await startPair({
      credentials: { [secret]: { kind: 'server_error' } },
      clock: {
        ...createTestClock(),
        sleep: (_, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
      },
    })
    const controller = new AbortController()
    pair.gateway.chat({ messages }, { signal: controller.signal }).catch(() => {})
    await until(() => pair.gateway.logged().includes('attempt failed'))
    controller.abort()
    expect(await pair.onlyRecord()).toMatchObject({ outcome: 'aborted', usageSource: 'none', costMicroUsd: 0 })
  })

  test('but whose upstream counts on every event is not counted here', async () => {
    const tokens = { prompt: 100, completion: 20 }
    await using pair = await pairWith({ kind: 'dying', afterChunks: 4, how: 'clean', usage: 'every_chunk', tokens })
    await statusOf(pair.gateway.chat({ messages, stream: true }))
    expect(await pair.onlyRecord()).toMatchObject({
      outcome: 'cut',
      usageSource: 'upstream',
      usage: { inputTokens: 100, outputTokens: 20 },
    })
  })

  test('because the upstream tells of an error costs nothing, unless it says what', async () => {
    const failing = `${chunk({ content: 'Some words' })}data: {"error":{"message":"down","type":"server_error"}}\n\n`
    const said = chunk({}, { usage: { prompt_tokens: 5, completion_tokens: 2 } })
    for (const [behaviour, expected] of [
      [
        { kind: 'error_in_stream', afterChunks: 4 },
        { usageSource: 'none', costMicroUsd: 0 },
      ],
      [
        { kind: 'script', chunks: [failing] },
        { usageSource: 'none', costMicroUsd: 0 },
      ],
      [
        { kind: 'script', chunks: [said + failing] },
        { usageSource: 'upstream', costMicroUsd: 2_005_000 },
      ],
      [{ kind: 'bad_request' }, { usageSource: 'none', costMicroUsd: 0 }],
    ] as const) {
      await using pair = await pairWith(behaviour)
      await statusOf(pair.gateway.chat({ messages, stream: true }))
      expect(await pair.onlyRecord()).toMatchObject(expected)
    }
  })
})

describe('where nothing can be counted', () => {
  const broken: TokenCounter = { count: (_, done) => done(null), close: async () => {} }

  test('the sizes are guessed from, and the record says so', async () => {
    const long = 'word '.repeat(400)
    const url = `data:image/png;base64,${'A'.repeat(400_000)}`
    const content = [
      { type: 'text', text: long },
      { type: 'image_url', image_url: { url } },
    ]
    for (const stream of [false, true]) {
      await using pair = await pairWith({ kind: 'good', usage: 'never' }, broken)
      await statusOf(pair.gateway.chat({ stream, messages: [{ role: 'user', content }] }))
      const record = await pair.onlyRecord()
      expect(record).toMatchObject({ usageSource: 'estimate', outcome: 'succeeded' })
      // A picture's bytes are not taken for text.
      expect(record.usage.inputTokens).toBeWithin(765 + 200, 765 + 800)
      expect(record.usage.outputTokens).toBeWithin(20, 400)
      expect(record.costMicroUsd).toBeGreaterThan(0)
    }
  })

  test('the record is written all the same, once, also when the answer comes late', async () => {
    const waiting: (() => void)[] = []
    const slow: TokenCounter = {
      count: (_, done) =>
        void waiting.push(() => done({ inputTokens: 1, outputTokens: 2, reasoningTokens: 0, isWhole: true })),
      close: async () => {},
    }
    await using pair = await pairWith({ kind: 'good', usage: 'never' }, slow)
    for (let call = 0; call < 5; call++) expect(await statusOf(pair.gateway.chat({ stream: call % 2 === 0 }))).toBe(200)
    expect(pair.gateway.records).toHaveLength(0)
    expect(pair.gateway.gateway.metrics.snapshot()).toMatchObject({ activeCalls: 0, calls: 0 })
    for (const answer of waiting) answer()
    expect(pair.gateway.records).toHaveLength(5)
    expect(new Set(pair.gateway.records.map((record) => record.id)).size).toBe(5)
    for (const record of pair.gateway.records) expect(record.durationMs).toBeLessThan(2000)
  })

  test('upstreams that count for themselves are not asked about', async () => {
    const never: TokenCounter = { count: () => expect.unreachable(), close: async () => {} }
    await using pair = await pairWith({ kind: 'good' }, never)
    for (const stream of [false, true]) await statusOf(pair.gateway.chat({ stream }))
    await post(pair, '/embeddings', { input: 'a' })
    for (const record of await pair.gateway.recorded(3)) expect(record.usageSource).toBe('upstream')
  })
})
