/** What reaches the client is what the upstream sent, and what reaches the upstream is what the client sent. */
import { describe, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { dataOf, startPair, statusOf } from '../helpers/start-pair.ts'

const secret = 'sk-streaming-credential-1'
const json = { 'content-type': 'application/json' }

function frame(rest: string, model = 'gpt-4o'): string {
  return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"${model}",${rest}}\n\n`
}

const source = [
  ': OPENROUTER PROCESSING\n\n',
  frame('"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]'),
  frame(
    '"choices":[{"index":0,"delta":{"content":"déjà vu 你好 🙂 \\"quoted\\" \\u00fc"},"finish_reason":null}],"x":1.0',
  ),
  frame('"choices":[{"index":0,"delta":{"content":" two"},"finish_reason":null}],"y":9007199254740993'),
  frame('"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]'),
  'data: [DONE]\n\n',
].join('')

function script(text: string, everyBytes: number): Behaviour {
  const bytes = Buffer.from(text)
  const chunks = Array.from(
    { length: Math.ceil(bytes.length / everyBytes) },
    (_, index) => new Uint8Array(bytes.subarray(index * everyBytes, (index + 1) * everyBytes)),
  )
  return { kind: 'script', covers: 'calls', chunks }
}

describe('the bytes of a stream arrive as they were sent', () => {
  for (const [name, lineEnd] of [
    ['LF', '\n'],
    ['CRLF', '\r\n'],
  ] as const) {
    for (const size of [1, 2, 3, 7, 1_000_000]) {
      test(`with ${name}, in pieces of ${size}`, async () => {
        const text = source.replaceAll('\n', lineEnd)
        await using pair = await startPair({ credentials: { [secret]: script(text, size) } })
        const response = await pair.gateway.chat({ stream: true })
        expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
        expect(Buffer.from(await response.arrayBuffer()).equals(Buffer.from(text))).toBe(true)
        expect(await pair.onlyRecord()).toMatchObject({ outcome: 'succeeded', status: 200 })
      })
    }
  }

  test('with lines of megabytes', async () => {
    const text = source.replace(' two', ' two'.repeat(1_000_000))
    await using pair = await startPair({ credentials: { [secret]: script(text, 60_000) } })
    expect(await (await pair.gateway.chat({ stream: true })).text()).toBe(text)
  })

  test('compressed though nobody asked: in plain', async () => {
    const shape = { kind: 'good', contentEncoding: 'gzip', cutEveryBytes: 100, text: 'plain words' } as const
    await using pair = await startPair({ credentials: { [secret]: shape } })
    const response = await pair.gateway.chat({ stream: true })
    expect(response.headers.get('content-encoding')).toBeNull()
    expect(await response.text()).toEndWith('data: [DONE]\n\n')
    expect(await (await pair.gateway.chat({})).json()).toMatchObject({
      choices: [{ message: { content: 'plain words' } }],
    })
  })

  test('without [DONE] but with a finish reason it is a whole answer', async () => {
    await using pair = await startPair({ credentials: { [secret]: { kind: 'good', isDoneSent: false } } })
    const text = await (await pair.gateway.chat({ stream: true })).text()
    expect(text).not.toContain('[DONE]')
    expect(text).not.toContain('"error"')
    expect(await pair.onlyRecord()).toMatchObject({ outcome: 'succeeded', usageSource: 'upstream' })
  })

  test('two choices, tool calls and reasoning pass', async () => {
    const shape = { kind: 'good', reasoningText: 'let me think' } as const
    await using pair = await startPair({ credentials: { [secret]: shape } })
    const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }]
    const text = await (await pair.gateway.chat({ stream: true, n: 2, tools, tool_choice: 'required' })).text()
    expect(text).toContain('tool_calls')
    expect(text).toContain('reasoning_content')
    expect(await pair.onlyRecord()).toMatchObject({ outcome: 'succeeded' })
  })
})

describe('usage of a stream', () => {
  const tokens = { prompt: 100, completion: 20, cached: 64, reasoning: 5 }
  const expected = { inputTokens: 100, outputTokens: 20, cachedTokens: 64, reasoningTokens: 5 }

  test('is asked for, and its chunk taken out again', async () => {
    for (const shape of [
      { lineEnd: '\r\n' },
      { cutEveryBytes: 3 },
      { isInOneChunk: true },
      { isAzure: true },
    ] as const) {
      await using pair = await startPair({ credentials: { [secret]: { kind: 'good', tokens, ...shape } } })
      const text = await (await pair.gateway.chat({ stream: true })).text()
      const chunks = dataOf(text)
      expect(chunks.at(-1)).toBe('[DONE]')
      const empty = chunks.filter((data) => data.includes('"choices":[]'))
      expect(empty).toHaveLength('isAzure' in shape ? 1 : 0)
      expect(text).not.toContain('prompt_tokens')
      expect(pair.upstream.requests[0]?.json()).toMatchObject({ stream_options: { include_usage: true } })
      expect(await pair.onlyRecord()).toMatchObject({ usage: expected, usageSource: 'upstream' })
    }
  })

  test('is left alone when the client asked for it itself', async () => {
    await using pair = await startPair({ credentials: { [secret]: { kind: 'good', tokens } } })
    const text = await (await pair.gateway.chat({ stream: true, stream_options: { include_usage: true } })).text()
    expect(dataOf(text).at(-2)).toContain('"prompt_tokens":100')
    expect(await pair.onlyRecord()).toMatchObject({ usage: expected })
  })

  test('is not asked for when the client declined it', async () => {
    await using pair = await startPair({ credentials: { [secret]: { kind: 'good' } } })
    await (await pair.gateway.chat({ stream: true, stream_options: { include_usage: false } })).text()
    expect(pair.upstream.requests[0]?.json()).toMatchObject({ stream_options: { include_usage: false } })
    expect(await pair.onlyRecord()).toMatchObject({ usageSource: 'counted' })
  })

  test('is not asked for when the operator forbids it, and is counted instead', async () => {
    await using pair = await startPair({
      credentials: { [secret]: { kind: 'good' } },
      provider: { streamUsage: 'never' },
    })
    await (await pair.gateway.chat({ stream: true })).text()
    expect(pair.upstream.requests[0]?.json()).not.toHaveProperty('stream_options')
    const record = await pair.onlyRecord()
    expect(record.usageSource).toBe('counted')
    expect(record.usage.outputTokens).toBeGreaterThan(0)
    expect(record.usage.inputTokens).toBeGreaterThan(0)
  })

  for (const usage of ['on_finish_chunk', 'every_chunk', 'x_groq', 'always'] as const) {
    test(`is read where the upstream puts it: ${usage}`, async () => {
      await using pair = await startPair({ credentials: { [secret]: { kind: 'good', tokens, usage } } })
      await (await pair.gateway.chat({ stream: true })).text()
      expect(await pair.onlyRecord()).toMatchObject({ usage: expected, usageSource: 'upstream' })
    })
  }

  const asked: readonly (readonly [string, string, string])[] = [
    [
      'no options',
      '{"model":"gpt-4o","messages":[],"stream":true}',
      '{"stream_options":{"include_usage":true},"model":"gpt-4o","messages":[],"stream":true}',
    ],
    ['null', '{"stream_options":null,"stream":true}', '{"stream_options":{"include_usage":true},"stream":true}'],
    [
      'no members',
      ' {"stream_options" : { } ,"stream":true}',
      ' {"stream_options" : {"include_usage":true } ,"stream":true}',
    ],
    [
      'other members',
      '{"stream_options":{"x":1.0},"stream":true}',
      '{"stream_options":{"include_usage":true,"x":1.0},"stream":true}',
    ],
    [
      'an escaped name',
      '{"stream_\\u006fptions":{},"stream":true}',
      '{"stream_\\u006fptions":{"include_usage":true},"stream":true}',
    ],
    [
      'two of which the last counts',
      '{"stream_options":null,"stream":true,"stream_options":{}}',
      '{"stream_options":null,"stream":true,"stream_options":{"include_usage":true}}',
    ],
  ]
  for (const [what, body, sent] of asked) {
    test(`is asked for in a request with ${what}, and nothing else changes`, async () => {
      const fields = '"model":"gpt-4o","messages":[{"role":"user","content":"x"}],'
      const whole = (text: string) =>
        text.includes('"model"')
          ? text.replace('[]', '[{"role":"user"}]')
          : text.replace('"stream":', `${fields}"stream":`)
      await using pair = await startPair({ credentials: { [secret]: { kind: 'good' } } })
      const init = { method: 'POST', headers: json, body: whole(body) }
      expect(await statusOf(pair.gateway.call('/v1/chat/completions', init))).toBe(200)
      expect(pair.upstream.requests[0]?.text()).toBe(whole(sent))
    })
  }

  for (const style of ['unrecognized', 'unknown_parameter', 'extra_forbidden'] as const) {
    test(`is asked only once of an upstream that refuses (${style})`, async () => {
      await using pair = await startPair({ credentials: { [secret]: { kind: 'refuses_stream_options', style } } })
      for (const _ of [1, 2, 3]) {
        const text = await (await pair.gateway.chat({ stream: true })).text()
        expect(text).toEndWith('data: [DONE]\n\n')
      }
      expect(pair.upstream.requests.map((request) => request.treatment)).toEqual([
        'refuses_stream_options',
        ...['good', 'good', 'good'],
      ])
      const records = await pair.gateway.recorded(3)
      expect(records.map(({ attempts, usageSource }) => [attempts, usageSource])).toEqual(Array(3).fill([1, 'counted']))
      expect(pair.exclusions(secret)).toEqual([])
    })
  }

  test("goes on being asked for after a client's mistake that only mentions it", async () => {
    const refusal = {
      message: "Invalid value: 'stream_options'",
      type: 'invalid_request_error',
      param: null,
      code: null,
    }
    const wrong = {
      kind: 'script',
      times: 2,
      status: 400,
      headers: json,
      chunks: [JSON.stringify({ error: refusal })],
    } as const
    await using pair = await startPair({ credentials: { [secret]: wrong } })
    const messages = [{ role: 'stream_options', content: 'x' }]
    expect(await statusOf(pair.gateway.chat({ stream: true, messages }))).toBe(400)
    expect(await statusOf(pair.gateway.chat({ stream: true }))).toBe(200)
    expect(pair.upstream.requests.at(-1)?.text()).toContain('stream_options')
  })
})

describe('a redirect', () => {
  const models = [
    { pattern: 'alias "ü"', targets: [{ provider: 'openai', model: 'gpt-4o' }], price: null },
    { pattern: 'alias', targets: [{ provider: 'openai', model: 'up "ü" \\ 🙂' }], price: null },
  ]

  const bodies = [
    '{"model":"alias","messages":[{"role":"user","content":"\\u00fc \\/ \\"model\\": \\"alias\\" é"}],"seed":9007199254740993,"top_p":1.0,"x":1e400,"y":-0.0,"z":1E2}',
    ' {\r\n\t"messages" : [ {"role":"user","content":"x"} ] , "a":1,"a":2, "meta":{"model":"alias"} , "mod\\u0065l"\n:\t"\\u0061lias" , "b":[1.10,{}] } \n',
    '{"x":"\\"model\\":\\"alias\\"","model":"alias","messages":[{"role":"user","content":"a","name":null}],"tools":[]}',
  ]
  for (const body of bodies) {
    test(`changes the model in the request and nothing else: ${JSON.stringify(body.slice(0, 40))}`, async () => {
      await using pair = await startPair({ credentials: { [secret]: { kind: 'good' } }, config: { models } })
      const init = { method: 'POST', headers: json, body }
      expect(await statusOf(pair.gateway.call('/v1/chat/completions', init))).toBe(200)
      const sent = JSON.stringify('up "ü" \\ 🙂')
      const expected = body.includes('\\u0061lias')
        ? body.replace('"\\u0061lias"', () => sent)
        : body.replace(/"model":"alias"(?=,"messages")/, () => `"model":${sent}`)
      expect(pair.upstream.requests[0]?.text()).toBe(expected)
      expect(await pair.onlyRecord()).toMatchObject({ model: 'alias', targetModel: 'up "ü" \\ 🙂' })
    })
  }

  test('none: the request arrives byte by byte', async () => {
    const body = ` ${bodies[1]?.replace('\\u0061lias', 'gpt-4o')}`
    await using pair = await startPair({ credentials: { [secret]: { kind: 'good' } } })
    await statusOf(pair.gateway.call('/v1/chat/completions', { method: 'POST', headers: json, body }))
    expect(pair.upstream.requests[0]?.text()).toBe(body)
  })

  test('is named back in a JSON answer, where nothing else changes', async () => {
    const answer =
      '{ "id":"x", "n":1.0,"choices":[{"message":{"content":"\\u00fc \\"model\\":\\"gpt-4o\\" 🙂"}}] ,\n"model" : "gpt-4o-2024-08-06","big":9007199254740993 }\n'
    const behaviour: Behaviour = { kind: 'script', covers: 'calls', headers: json, chunks: [answer] }
    await using pair = await startPair({ credentials: { [secret]: behaviour }, config: { models } })
    const response = await pair.gateway.chat({ model: 'alias "ü"' })
    expect(await response.text()).toBe(answer.replace('"gpt-4o-2024-08-06"', '"alias \\"ü\\""'))
  })

  for (const size of [1, 3, 7, 1_000_000]) {
    test(`is named back in each chunk of a stream in pieces of ${size}, where nothing else changes`, async () => {
      await using pair = await startPair({ credentials: { [secret]: script(source, size) }, config: { models } })
      const text = await (await pair.gateway.chat({ model: 'alias "ü"', stream: true })).text()
      expect(text).toBe(source.replaceAll('"model":"gpt-4o"', '"model":"alias \\"ü\\""'))
    })
  }

  test('none: the name of a dated snapshot is not touched', async () => {
    const shape = { kind: 'good', answeredModel: 'gpt-4o-2024-08-06' } as const
    await using pair = await startPair({ credentials: { [secret]: shape } })
    expect(await (await pair.gateway.chat({})).json()).toMatchObject({ model: 'gpt-4o-2024-08-06' })
  })

  test('by a pattern puts the whole name asked for in place of the star', async () => {
    const routes = [{ pattern: 'my-*', targets: [{ provider: 'openai', model: 'org/*' }], price: null }]
    await using pair = await startPair({ credentials: { [secret]: { kind: 'good' } }, config: { models: routes } })
    expect(await (await pair.gateway.chat({ model: 'my-$&-1' })).json()).toMatchObject({ model: 'my-$&-1' })
    expect(pair.upstream.requests[0]?.json()).toMatchObject({ model: 'org/my-$&-1' })
  })
})
