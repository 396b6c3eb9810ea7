/** What a healthy simulated upstream answers to chat calls, seen with plain fetch. */
import { afterAll, expect, test } from 'bun:test'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { askChat, askPath, chunksOf, contentOf, payloadsOf } from './simulator-client.ts'

const SECRET = 'sk-good-secret-0123456789'
const simulator = startOpenAiSimulator({ credentials: { [SECRET]: { kind: 'good' } } })
afterAll(simulator.stop)

const WEATHER_TOOL = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string' },
        unit: { type: 'string', enum: ['celsius', 'kelvin'] },
        days: { type: 'integer' },
      },
    },
  },
}

interface CompletionView {
  readonly model: string
  readonly choices: readonly {
    readonly message: {
      readonly content: string | null
      readonly tool_calls?: readonly { readonly function: { readonly arguments: string } }[]
    }
    readonly finish_reason: string
  }[]
  readonly usage: Readonly<Record<string, unknown>>
}

async function completionOf(body: Readonly<Record<string, unknown>>): Promise<CompletionView> {
  const response = await askChat(simulator, SECRET, { body })
  expect(response.status).toBe(200)
  return (await response.json()) as CompletionView
}

test('a JSON answer tells the model, the number of messages and the last one, and counts words', async () => {
  const messages = [
    { role: 'system', content: 'be brief' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'what is this' },
        { type: 'image_url', image_url: { url: 'data:,' } },
      ],
    },
  ]
  const answer = await completionOf({ model: 'my-model', messages })
  const content = answer.choices[0]?.message.content ?? ''
  expect(answer.model).toBe('my-model')
  expect(content).toContain('You asked for model my-model, I got 2 messages; the last said: “what is this”')
  expect(content).toContain('Images, which I cannot see: 1.')
  expect(answer.choices[0]?.finish_reason).toBe('stop')
  const promptTokens = 2 + 3 + 2 * 4 + 85
  const completionTokens = content.split(/\s+/).length
  expect(answer.usage).toMatchObject({
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  })
})

test('a stream has a role chunk, content, a finish chunk and [DONE], and the same text as the JSON answer', async () => {
  const whole = await completionOf({})
  const response = await askChat(simulator, SECRET, { body: { stream: true } })
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  const text = await response.text()
  const chunks = chunksOf(text)
  expect(payloadsOf(text).at(-1)).toBe('[DONE]')
  expect(chunks[0]?.choices[0]?.delta).toMatchObject({ role: 'assistant', content: '' })
  expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop')
  expect(contentOf(text)).toBe(whole.choices[0]?.message.content ?? '')
  expect(text).not.toContain('"usage"')
})

test('usage comes in a chunk of its own when asked for, and is null on all others', async () => {
  const response = await askChat(simulator, SECRET, { body: { stream: true, stream_options: { include_usage: true } } })
  const chunks = chunksOf(await response.text())
  const last = chunks.at(-1)
  expect(last?.choices).toEqual([])
  expect(last?.usage).toMatchObject({ prompt_tokens: 6 })
  expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true)
})

test('a long prompt is partly cached and a reasoning model reports what it thought', async () => {
  const messages = [{ role: 'user', content: 'word '.repeat(1_100) }]
  const { usage } = await completionOf({ model: 'o3-mini', messages })
  expect(usage).toMatchObject({
    prompt_tokens: 1_104,
    prompt_tokens_details: { cached_tokens: 1_024 },
    completion_tokens_details: { reasoning_tokens: 16 },
  })
})

test('a tool is called when it is named in the prompt, with arguments that fit its schema, whole or in pieces', async () => {
  const body = { messages: [{ role: 'user', content: 'please call get_weather' }], tools: [WEATHER_TOOL] }
  const expected = { city: 'simulated city', unit: 'celsius', days: 1 }
  const whole = await completionOf(body)
  expect(whole.choices[0]?.finish_reason).toBe('tool_calls')
  expect(whole.choices[0]?.message.content).toBeNull()
  expect(JSON.parse(whole.choices[0]?.message.tool_calls?.[0]?.function.arguments ?? '')).toEqual(expected)

  const response = await askChat(simulator, SECRET, { body: { ...body, stream: true } })
  const deltas = chunksOf(await response.text()).flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? [])
  expect(deltas[0]).toMatchObject({ index: 0, function: { name: 'get_weather', arguments: '' } })
  expect(deltas.length).toBeGreaterThan(4)
  expect(JSON.parse(deltas.map((delta) => delta.function.arguments).join(''))).toEqual(expected)
})

test.each([
  ['auto without a word of tools', { tool_choice: 'auto' }, 'stop', false],
  ['required', { tool_choice: 'required' }, 'tool_calls', true],
  ['named', { tool_choice: { type: 'function', function: { name: 'get_weather' } } }, 'stop', true],
  ['none', { tool_choice: 'none' }, 'stop', false],
] as const)('tool_choice %s', async (_name, choice, reason, isCalled) => {
  const { choices } = await completionOf({ tools: [WEATHER_TOOL], ...choice })
  expect(choices[0]?.finish_reason).toBe(reason)
  expect(choices[0]?.message.tool_calls !== undefined).toBe(isCalled)
})

test('JSON mode and a JSON schema give valid JSON', async () => {
  const plain = await completionOf({ response_format: { type: 'json_object' } })
  expect(JSON.parse(plain.choices[0]?.message.content ?? '')).toMatchObject({
    model: 'gpt-4o',
    messages: 1,
    last: 'Hello there',
  })
  const schema = { type: 'object', properties: { tags: { type: 'array', items: { type: 'string' } } } }
  const shaped = await completionOf({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } })
  expect(JSON.parse(shaped.choices[0]?.message.content ?? '')).toEqual({ tags: ['simulated tags'] })
})

test('n gives as many choices, in a stream too, and a token limit cuts the text', async () => {
  const { choices } = await completionOf({ n: 3, max_tokens: 5 })
  expect(choices.map((choice) => choice.finish_reason)).toEqual(['length', 'length', 'length'])
  expect(choices[0]?.message.content).toBe('This is the simulated upstream:')
  const response = await askChat(simulator, SECRET, { body: { n: 2, stream: true } })
  const indexes = chunksOf(await response.text()).map((chunk) => chunk.choices[0]?.index)
  expect(new Set(indexes)).toEqual(new Set([0, 1]))
})

test('answers carry the headers of the real service, two cookies among them', async () => {
  const response = await askChat(simulator, SECRET)
  expect(response.headers.get('x-request-id')).toMatch(/^req_\d{32}$/)
  expect(response.headers.get('openai-processing-ms')).toBe('12')
  expect(response.headers.get('openai-organization')).toBe('org-simulated')
  expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('9999')
  expect(response.headers.getSetCookie()).toHaveLength(2)
})

test.each([
  ['no model', { model: undefined }, 400, null],
  ['no messages', { messages: undefined }, 400, 'missing_required_parameter'],
  ['stream_options without stream', { stream_options: { include_usage: true } }, 400, null],
] as const)('a request with %s is refused as OpenAI does', async (_name, body, status, code) => {
  const response = await askChat(simulator, SECRET, { body })
  expect(response.status).toBe(status)
  expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', code } })
})

test('a body that is not JSON, one of another type and one of no type are told apart', async () => {
  const post = (body: string, contentType: string) =>
    askPath(simulator, '/chat/completions', {
      secret: SECRET,
      method: 'POST',
      body,
      headers: { 'content-type': contentType },
    })
  expect(await (await post('{"model"', 'application/json')).text()).toContain('could not parse the JSON body')
  expect(await (await post('{}', 'text/plain')).text()).toContain("Unsupported content type: 'text/plain'")
})

test('paths and methods that do not exist are refused in the words of OpenAI', async () => {
  const unknown = await askPath(simulator, '/nothing/here', { secret: SECRET })
  expect(unknown.status).toBe(404)
  expect(await unknown.json()).toMatchObject({ error: { message: 'Invalid URL (GET /v1/nothing/here)' } })
  expect((await askPath(simulator, '/chat/completions', { secret: SECRET })).status).toBe(405)
})
