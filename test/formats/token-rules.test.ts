/** What counts as input, with the published values of OpenAI's notebook as the measure. */
import { describe, expect, test } from 'bun:test'
import { countInput, encodingOf } from '../../src/formats/token-rules.ts'
import { tokensOf } from '../helpers/token-encoders.ts'

const count = (path: string, json: Record<string, unknown>, model = 'gpt-4o') =>
  countInput(path, json, { model, countText: (text) => tokensOf(text, model) })

const chat = (json: Record<string, unknown>, model = 'gpt-4o') => count('/chat/completions', json, model) ?? -1

const said = (role: string, content: unknown, name?: string) => ({
  role,
  ...(name === undefined ? {} : { name }),
  content,
})

/** Six messages and one tool: the samples of the notebook "How to count tokens with tiktoken". */
const sampleMessages = [
  said('system', 'You are a helpful, pattern-following assistant that translates corporate jargon into plain English.'),
  said('system', 'New synergies will help drive top-line growth.', 'example_user'),
  said('system', 'Things working well together will increase revenue.', 'example_assistant'),
  said(
    'system',
    "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
    'example_user',
  ),
  said('system', "Let's talk later when we're less busy about how to do better.", 'example_assistant'),
  said('user', "This late pivot means we don't have time to boil the ocean for the client deliverable."),
]
const weatherMessages = [
  said('system', 'You are a helpful assistant that can answer to questions about the weather.'),
  said('user', "What's the weather like in San Francisco?"),
]
const weather = {
  name: 'get_current_weather',
  description: 'Get the current weather in a given location',
  parameters: {
    type: 'object',
    properties: {
      location: { type: 'string', description: 'The city and state, e.g. San Francisco, CA' },
      unit: { type: 'string', description: 'The unit of temperature to return', enum: ['celsius', 'fahrenheit'] },
    },
    required: ['location'],
  },
}

describe('the published value', () => {
  for (const [model, messages, tools] of [
    ['gpt-3.5-turbo', 129, 105],
    ['gpt-4-0613', 129, 105],
    ['gpt-4', 129, 105],
    ['gpt-4o', 124, 101],
    ['gpt-4o-mini', 124, 101],
    ['openai/gpt-4o-mini-2024-07-18', 124, 101],
  ] as const) {
    test(`of messages and of a tool is met for ${model}`, () => {
      expect(chat({ messages: sampleMessages }, model)).toBe(messages)
      expect(chat({ messages: weatherMessages, tools: [{ type: 'function', function: weather }] }, model)).toBe(tools)
      // The older spelling.
      expect(chat({ messages: weatherMessages, functions: [weather] }, model)).toBe(tools)
    })
  }
})

test('each model has its encoding', () => {
  const rows: Readonly<Record<string, readonly string[]>> = {
    o200k_base: [
      ...[
        'gpt-4o',
        'gpt-4o-mini-2024-07-18',
        'chatgpt-4o-latest',
        'gpt-4.1',
        'gpt-4.1-nano',
        'gpt-4.5-preview',
        'gpt-5',
      ],
      ...[
        'o1',
        'o1-mini',
        'o3',
        'o4-mini',
        'ft:gpt-4o-2024-08-06:org::id',
        'openai/gpt-4o',
        'claude-4-sonnet',
        'llama',
        '',
      ],
    ],
    cl100k_base: [
      ...['gpt-4', 'gpt-4-turbo', 'gpt-4-32k', 'gpt-3.5-turbo', 'gpt-35-turbo', 'ft:gpt-3.5-turbo:org::id'],
      ...['text-embedding-3-small', 'text-embedding-ada-002', 'azure/gpt-4-turbo'],
    ],
  }
  for (const [encoding, models] of Object.entries(rows))
    for (const model of models) expect([model, encodingOf(model)]).toEqual([model, encoding as 'o200k_base'])
})

describe('a message counts', () => {
  const base = chat({ messages: [said('user', '')] })
  test('its text in parts as it counts the text', () => {
    const parts = [
      { type: 'text', text: 'Two ' },
      { type: 'refusal', refusal: 'words' },
    ]
    expect(chat({ messages: [said('user', parts)] })).toBe(base + tokensOf('Two ') + tokensOf('words'))
  })

  test('the tools it called, and the answer of a tool', () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":"stars"}' } }
    const asked = { role: 'assistant', content: null, tool_calls: [call] }
    const told = { role: 'tool', tool_call_id: 'call_1', content: 'many' }
    const expected = ['assistant', 'look', '{"at":"stars"}', 'tool', 'call_1', 'many'].map((text) => tokensOf(text))
    expect(chat({ messages: [asked, told] })).toBe(3 + 2 * 3 + expected.reduce((sum, one) => sum + one))
  })

  test('nothing of what is not there, whatever the client wrote in its place', () => {
    for (const messages of [null, 'text', [null, 5, 'text']]) expect(chat({ messages })).toBeLessThan(4)
    const odd = { role: 7, content: 5, name: null, tool_calls: [null, {}], function_call: 'x' }
    expect(chat({ messages: [odd] })).toBe(3 + 3 + tokensOf('x'))
    expect(chat({ messages: [said('user', [null, 5, { type: 'image_url' }])] })).toBeGreaterThan(base)
    expect(chat({ messages: [], tools: [null, 'x', {}], response_format: 'json' })).toBeGreaterThan(0)
  })
})

describe('tools', () => {
  const withTool = (parameters: unknown) =>
    chat({ messages: [], tools: [{ type: 'function', function: { name: 'f', parameters } }] })
  const bare = withTool(undefined)

  test('without parameters or description are counted', () => {
    expect(bare).toBe(3 + 12 + 7 + tokensOf('f:'))
    expect(withTool({ type: 'object', properties: {} })).toBe(bare)
  })

  test('count nested parameters by the rule of flat ones', () => {
    const inner = { type: 'object', properties: { a: { type: 'string', description: 'An A.' } } }
    const innerTokens = 3 + 3 + tokensOf('a:string:An A')
    expect(withTool(inner)).toBe(bare + innerTokens)
    const outer = (type: string, rest: object) => ({ type: 'object', properties: { b: { ...rest, type } } })
    expect(withTool(outer('object', inner))).toBe(bare + 3 + 3 + tokensOf('b:object:') + innerTokens)
    expect(withTool(outer('array', { items: inner }))).toBe(bare + 3 + 3 + tokensOf('b:array:') + innerTokens)
  })

  test('nested beyond all measure do not break anything', () => {
    let schema: object = { type: 'object' }
    for (let depth = 0; depth < 5000; depth++) schema = { type: 'object', properties: { a: schema } }
    expect(withTool(schema)).toBeGreaterThan(bare)
  })

  test('and a demanded form of the answer are input', () => {
    const schema = { name: 'answer', schema: { type: 'object' } }
    expect(chat({ messages: [], response_format: { type: 'json_schema', json_schema: schema } })).toBe(
      3 + tokensOf(JSON.stringify(schema)),
    )
  })
})

describe('other paths', () => {
  test('completions count their prompt: text, texts, or tokens', () => {
    const of = (prompt: unknown) => count('/completions', { prompt })
    expect(of('Once upon')).toBe(tokensOf('Once upon'))
    expect(of(['Once', 'upon'])).toBe(tokensOf('Once') + tokensOf('upon'))
    expect(of([1, 2, 3])).toBe(3)
    expect(of([[1, 2, 3], [4]])).toBe(4)
    expect(of(undefined)).toBe(0)
  })

  test('embeddings count their input in their own encoding', () => {
    const text = 'Zażółć gęślą jaźń, 世界'
    expect(tokensOf(text, 'text-embedding-3-small')).not.toBe(tokensOf(text))
    for (const [input, tokens] of [
      [text, 1],
      [[text, text], 2],
    ] as const)
      expect(count('/embeddings', { input }, 'text-embedding-3-small')).toBe(
        tokens * tokensOf(text, 'text-embedding-3-small'),
      )
    expect(count('/embeddings', { input: [[5, 6], [7]] })).toBe(3)
  })

  test('responses count instructions, input in either form, and tools', () => {
    const of = (json: Record<string, unknown>) => count('/responses', json)
    expect(of({ input: 'Hello' })).toBe(3 + 3 + tokensOf('Hello'))
    expect(of({ instructions: 'Be brief', input: 'Hello' })).toBe(9 + tokensOf('Be brief') + tokensOf('Hello'))
    const items = [
      { role: 'user', content: [{ type: 'input_text', text: 'Hello' }] },
      { type: 'function_call', call_id: 'c', name: 'look', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: 'stars' },
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm' }] },
    ]
    const texts = ['user', 'Hello', 'look', '{}', 'stars', 'Hm'].map((text) => tokensOf(text))
    expect(of({ input: items })).toBe(3 + 4 * 3 + texts.reduce((sum, one) => sum + one))
    const tools = (chat({ messages: [], tools: [{ function: weather }] }) ?? 0) - 3
    expect(of({ input: '', tools: [{ type: 'function', ...weather }] })).toBe(3 + 3 + tools)
  })

  test('of an unknown kind count nothing', () => expect(count('/images/generations', { prompt: 'a cat' })).toBeNull())
})
