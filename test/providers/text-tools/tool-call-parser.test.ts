import { describe, expect, test } from 'bun:test'
import { createMarkers } from '../../../src/providers/text-tools/markers.ts'
import { createToolCallParser } from '../../../src/providers/text-tools/tool-call-parser.ts'
import { readToolPlan } from '../../../src/providers/text-tools/tool-plan.ts'
import { joinEvents, type ReadAnswer, readEveryCut, readPieces } from './every-cut.ts'
import { createSeededRandom } from './seeded-random.ts'

const nonce = 'k3f9x2a7bq'
const { callStart, callEnd, resultStart, resultEnd } = createMarkers(nonce)

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string' },
        days: { type: 'integer', minimum: 1 },
        unit: { type: 'string', enum: ['C', 'F'] },
        tags: { type: 'array', items: { type: 'string' } },
        place: { type: 'object', properties: { lat: { type: 'number' } } },
      },
      required: ['city'],
      additionalProperties: false,
    },
  },
}
const time = { type: 'function', function: { name: 'Time', parameters: { type: 'object' } } }

function parserOf(request: Readonly<Record<string, unknown>> = {}) {
  const plan = readToolPlan({ tools: [weather, time], ...request })
  return createToolCallParser({ plan, nonce })
}

const anyTag = new RegExp([callStart, callEnd, resultStart, resultEnd].join('|'))
const block = (body: string) => `${callStart}${body}${callEnd}`
const call = (name: string, argumentValue: unknown) =>
  block(`\n${JSON.stringify({ name, arguments: argumentValue })}\n`)
const paris = ['get_weather', '{"city":"Paris"}'] as const

describe('answers with calls, however they are cut', () => {
  const cases: readonly (readonly [string, string, string, readonly (readonly [string, string])[]])[] = [
    ['one call', call('get_weather', { city: 'Paris' }), '', [paris]],
    ['text first', `Let me look.\n\n${call('get_weather', { city: 'Paris' })}`, 'Let me look.', [paris]],
    ['only white space first', `\n\n  ${call('get_weather', { city: 'Paris' })}\n`, '', [paris]],
    [
      'two calls in two blocks',
      `${call('get_weather', { city: 'Paris' })}\n${call('Time', {})}`,
      '',
      [paris, ['Time', '{}']],
    ],
    [
      'a list of calls in one block',
      block('[{"name":"get_weather","arguments":{"city":"Paris"}},{"name":"Time","arguments":{"zone":1}}]'),
      '',
      [paris, ['Time', '{"zone":1}']],
    ],
    [
      'calls in one block, line after line',
      block('\n{"name":"get_weather","arguments":{"city":"Paris"}}\n{"name":"Time","arguments":{}}\n'),
      '',
      [paris, ['Time', '{}']],
    ],
    ['text after the call is dropped', `${call('get_weather', { city: 'Paris' })}\nIt is 20 degrees.`, '', [paris]],
    [
      'text between calls is dropped',
      `${call('Time', {})} and ${call('Time', {})}`,
      '',
      [
        ['Time', '{}'],
        ['Time', '{}'],
      ],
    ],
    [
      'an invented result is dropped',
      `${call('Time', {})}${resultStart}\n{"name":"Time"}\nnoon\n${resultEnd}It is noon.`,
      '',
      [['Time', '{}']],
    ],
    ['no closing tag', `${callStart}{"name":"Time","arguments":{}}`, '', [['Time', '{}']]],
    ['half a closing tag', `${callStart}{"name":"Time","arguments":{}}${callEnd.slice(0, 9)}`, '', [['Time', '{}']]],
    [
      'the next call instead of a closing tag',
      `${callStart}{"name":"Time","arguments":{}}\n${call('get_weather', { city: 'Paris' })}`,
      '',
      [['Time', '{}'], paris],
    ],
    ['a result instead of a closing tag', `${callStart}{"name":"Time"}${resultStart}noon`, '', [['Time', '{}']]],
    ['a closing tag without the nonce', `${callStart}{"name":"Time"}</tool_call>`, '', [['Time', '{}']]],
    ['a code fence in the block', block('\n```json\n{"name":"Time","arguments":{}}\n```\n'), '', [['Time', '{}']]],
    ['a code fence around the block', `Now:\n\`\`\`xml\n${call('Time', {})}\n\`\`\``, 'Now:', [['Time', '{}']]],
    ['trailing commas', block('{"name":"get_weather","arguments":{"city":"Paris",},}'), '', [paris]],
    ['single quotes', block("{'name': 'get_weather', 'arguments': {'city': 'Paris'}}"), '', [paris]],
    [
      'apostrophes in single quotes',
      block("{'name': 'get_weather', 'arguments': {'city': 'L'Aquila'}}"),
      '',
      [['get_weather', '{"city":"L\'Aquila"}']],
    ],
    ['typographic quotes', block('{“name”: “get_weather”, “arguments”: {“city”: “Paris”}}'), '', [paris]],
    [
      'typographic quotes in a string stay',
      block('{"name":"get_weather","arguments":{"city":"“Paris”"}}'),
      '',
      [['get_weather', '{"city":"“Paris”"}']],
    ],
    ['bare names', block('{name: "get_weather", arguments: {city: "Paris"}}'), '', [paris]],
    ['python', block("{'name': 'Time', 'arguments': {'a': True, 'b': None}}"), '', [['Time', '{"a":true,"b":null}']]],
    ['a bracket too many', block('{"name":"Time","arguments":{}}}'), '', [['Time', '{}']]],
    ['a bracket missing', block('{"name":"get_weather","arguments":{"city":"Paris"}'), '', [paris]],
    ['a line break in a string', block('{"name":"Time","arguments":{"a":"1\n2"}}'), '', [['Time', '{"a":"1\\n2"}']]],
    ['an unknown escape', block('{"name":"Time","arguments":{"a":"\\d"}}'), '', [['Time', '{"a":"\\\\d"}']]],
    ['arguments in a string', block('{"name":"get_weather","arguments":"{\\"city\\":\\"Paris\\"}"}'), '', [paris]],
    ['empty string of arguments', block('{"name":"Time","arguments":""}'), '', [['Time', '{}']]],
    ['parameters', block('{"name":"get_weather","parameters":{"city":"Paris"}}'), '', [paris]],
    ['input', block('{"name":"get_weather","input":{"city":"Paris"}}'), '', [paris]],
    ['no arguments', block('{"name":"Time"}'), '', [['Time', '{}']]],
    ['another case', block('{"name":"GET_WEATHER","arguments":{"city":"Paris"}}'), '', [paris]],
    ['a prefix', block('{"name":"functions.get_weather","arguments":{"city":"Paris"}}'), '', [paris]],
    [
      'the wire format',
      block('{"tool_calls":[{"type":"function","function":{"name":"Time","arguments":"{}"}}]}'),
      '',
      [['Time', '{}']],
    ],
    [
      'types that can only mean one thing',
      block('{"name":"get_weather","arguments":{"city":75001,"days":"5","tags":"[\\"a\\"]","unit":null}}'),
      '',
      [['get_weather', '{"city":"75001","days":5,"tags":["a"]}']],
    ],
    [
      'long numbers keep their digits',
      block('{"name":"Time","arguments":{"id":12345678901234567890,"x":1.10}}'),
      '',
      [['Time', '{"id":12345678901234567890,"x":1.10}']],
    ],
    [
      'unicode',
      `Voilà 🎉 ${call('get_weather', { city: '東京 👩‍👩‍👧' })}`,
      'Voilà 🎉',
      [['get_weather', '{"city":"東京 👩‍👩‍👧"}']],
    ],
    [
      'a valid call next to an invalid one, which stays text',
      block('{"name":"Time"} {"name":"nothing","arguments":{}}'),
      '{"name":"nothing","arguments":{}}',
      [['Time', '{}']],
    ],
    ['an invalid block after a call stays text', `${call('Time', {})}${block('{oops')}`, '{oops', [['Time', '{}']]],
  ]

  test.each(cases)('%s', (_, text, content, calls) => {
    expect(readEveryCut(text, () => parserOf())).toEqual({ content, calls })
  })
})

describe('what is no valid call is text without tags, however it is cut', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['nothing', '', ''],
    ['plain text', 'Hello, world.\n', 'Hello, world.\n'],
    [
      'false starts',
      '< <t <tool_call <tool_call_ <<tool_call_k3 </tool',
      '< <t <tool_call <tool_call_ <<tool_call_k3 </tool',
    ],
    ['a tag with another nonce', '<tool_call_aaaaaaaaaa>{"name":"Time"}</tool_call_aaaaaaaaaa>', '='],
    ['a tag without a nonce', '<tool_call>{"name":"Time","arguments":{}}</tool_call>', '='],
    ['a code fence that is none of ours', 'See:\n```js\nlet a = 1\n```\n', '='],
    ['ticks', '` `` ``` ```` ```json', '='],
    ['an unknown tool', `A ${block('{"name":"rm","arguments":{}}')} B`, 'A {"name":"rm","arguments":{}} B'],
    [
      'the example of the instructions',
      block('{"name": "tool name", "arguments": {}}'),
      '{"name": "tool name", "arguments": {}}',
    ],
    [
      'a required argument missing',
      block('{"name":"get_weather","arguments":{}}'),
      '{"name":"get_weather","arguments":{}}',
    ],
    [
      'an argument too many',
      block('{"name":"get_weather","arguments":{"city":"P","x":1}}'),
      '{"name":"get_weather","arguments":{"city":"P","x":1}}',
    ],
    [
      'a value outside the enum',
      block('{"name":"get_weather","arguments":{"city":"P","unit":"K"}}'),
      '{"name":"get_weather","arguments":{"city":"P","unit":"K"}}',
    ],
    [
      'a type that may mean several things',
      block('{"name":"get_weather","arguments":{"city":"P","days":"five"}}'),
      '{"name":"get_weather","arguments":{"city":"P","days":"five"}}',
    ],
    ['arguments that are a list', block('{"name":"Time","arguments":[1]}'), '{"name":"Time","arguments":[1]}'],
    ['prose in the block', `Well ${block('I would call Time.')}`, 'Well I would call Time.'],
    ['an empty block', `a ${block('')} b`, 'a  b'],
    ['only an opening tag', `a ${callStart}`, 'a '],
    ['only a closing tag', `a ${callEnd} b`, 'a  b'],
    ['an opening tag that is cut off', `a ${callStart.slice(0, -3)}`, 'a '],
    ['an opening tag in an opening tag', `${callStart}${callStart}`, ''],
    ['result tags', `${resultStart}noon${resultEnd}`, 'noon'],
    [
      'arguments cut off by the end',
      `${callStart}{"name":"Time","arguments":{"a":12`,
      '{"name":"Time","arguments":{"a":12',
    ],
    [
      'a string cut off by the end',
      `${callStart}{"name":"Time","arguments":{"a":"x`,
      '{"name":"Time","arguments":{"a":"x',
    ],
    ['a fence around an invalid block', `\n\`\`\`\n${block('oops')}\n\`\`\`\n`, '\n```\noops\n```\n'],
    [
      'nesting without end',
      block(`{"name":"Time","arguments":{"a":${'['.repeat(300)}`),
      `{"name":"Time","arguments":{"a":${'['.repeat(300)}`,
    ],
    ['a tag inside a tag', `</tool_${callEnd}call_${nonce}>`, `</tool_ call_${nonce}>`],
    [
      'a tag inside a tag inside a tag',
      `<${callEnd}${callEnd}tool_call_${nonce.slice(0, 2)}${callEnd}${nonce.slice(2)}>`,
      `< tool_call_${nonce}>`,
    ],
    ['white space only', ' \n\t '.repeat(40), '='],
    ['a lone surrogate', `a\ud83d${block('\udc00')}\ud83d`, 'a\ud83d\udc00\ud83d'],
  ]

  test.each(cases)('%s', (_, text, content) => {
    expect(readEveryCut(text, () => parserOf())).toEqual({ content: content === '=' ? text : content, calls: [] })
  })
})

describe('tool_choice and bounds', () => {
  const two = `${call('get_weather', { city: 'Paris' })}${call('Time', {})}`

  test('with none nothing is parsed, and no tag is shown', () => {
    const { content, calls } = readEveryCut(`a${two}`, () => parserOf({ tool_choice: 'none' }))
    expect(calls).toEqual([])
    expect(content).not.toContain(nonce)
    expect(content).toContain('{"name":"Time","arguments":{}}')
  })

  test('with a named tool only that one is called', () => {
    const request = { tool_choice: { type: 'function', function: { name: 'Time' } } }
    expect(readEveryCut(two, () => parserOf(request))).toEqual({
      content: '\n{"name":"get_weather","arguments":{"city":"Paris"}}\n',
      calls: [['Time', '{}']],
    })
  })

  test('required and not obeyed: the text as it is', () => {
    expect(readEveryCut('I would rather not.', () => parserOf({ tool_choice: 'required' }))).toEqual({
      content: 'I would rather not.',
      calls: [],
    })
  })

  test('without parallel calls the first one ends the answer', () => {
    expect(readEveryCut(two, () => parserOf({ parallel_tool_calls: false }))).toEqual({ content: '', calls: [paris] })
    const list = block('[{"name":"Time","arguments":{}},{"name":"Time","arguments":{}}]')
    expect(readEveryCut(list, () => parserOf({ parallel_tool_calls: false })).calls).toHaveLength(1)
  })

  test('the 129th call is text', () => {
    const { content, calls } = readPieces([call('Time', {}).repeat(130)], parserOf())
    expect(calls).toHaveLength(128)
    expect(content).toBe('\n{"name":"Time","arguments":{}}\n'.repeat(2))
    const list = readPieces([block(`[${'{"name":"Time"},'.repeat(130)}]`)], parserOf())
    expect(list.calls).toHaveLength(128)
    expect(list.content).toBe('{"name":"Time"}\n{"name":"Time"}')
  })

  test('a call beyond one mebibyte is text, and what comes after it is read again', () => {
    const long = `{"name":"Time","arguments":{"a":"${'x'.repeat(1024 * 1024)}"}}`
    const text = `a ${block(long)} b ${call('Time', {})}`
    const expected: ReadAnswer = { content: `a ${long} b`, calls: [['Time', '{}']] }
    expect(readPieces([text], parserOf())).toEqual(expected)
    expect(readPieces(text.split(''), parserOf())).toEqual(expected)
  })

  test('every call has an id of its own', () => {
    const events = parserOf().push(two)
    const ids = events.map((event) => (event.type === 'tool_call' ? event.id : ''))
    expect(new Set(ids).size).toBe(2)
    for (const id of ids) expect(id).toMatch(/^call_[A-Za-z0-9]{24}$/)
  })
})

describe('streaming', () => {
  test('text passes at once; only what may begin a call is held back', () => {
    const parser = parserOf()
    expect(parser.push('Hello')).toEqual([{ type: 'text', text: 'Hello' }])
    expect(parser.push(' world <b')).toEqual([{ type: 'text', text: ' world <b' }])
    expect(parser.push('> 1 <')).toEqual([{ type: 'text', text: '> 1' }])
    expect(parser.push('tool_call_')).toEqual([])
    expect(parser.push('x')).toEqual([{ type: 'text', text: ' <tool_call_x' }])
    expect(parser.end()).toEqual([])
  })

  test('a call is told when its closing tag is complete', () => {
    const parser = parserOf()
    expect(parser.push(call('Time', {}).slice(0, -1))).toEqual([])
    expect(parser.push('>')).toMatchObject([{ type: 'tool_call', name: 'Time', arguments: '{}' }])
  })

  test('bytes cut inside a character make no difference', () => {
    const text = `Voilà 🎉 ${call('get_weather', { city: '東京' })}`
    const bytes = new TextEncoder().encode(text)
    const decoder = new TextDecoder()
    const pieces = [...bytes].map((byte) => decoder.decode(Uint8Array.of(byte), { stream: true }))
    expect(readPieces(pieces, parserOf())).toEqual({ content: 'Voilà 🎉', calls: [['get_weather', '{"city":"東京"}']] })
  })

  // The work of one push depends on the piece and on what is held back, so a bound on the latter makes the whole linear.
  test('outside a call no more is held back than a lead and a tag', () => {
    const random = createSeededRandom(7)
    const longest = 64 + resultEnd.length
    for (let round = 0; round < 50; round++) {
      const parser = parserOf()
      let pushed = 0
      let shown = 0
      for (let count = 0; count < 400; count++) {
        const piece = random.pick(['<', '<tool_call_', '\n', '   ', '```', 'json', 'x', callStart.slice(0, -1), '`'])
        pushed += piece.length
        shown += joinEvents(parser.push(piece)).content.length
        expect(pushed - shown).toBeLessThanOrEqual(longest)
      }
      expect(shown + joinEvents(parser.end()).content.length).toBeGreaterThanOrEqual(pushed - longest)
    }
  })

  test.each([
    ['opening angle brackets', '<'],
    ['beginnings of a tag', '<tool_call_'],
    ['tags but for the last character', callStart.slice(0, -1)],
    ['white space', ' '],
    ['ticks', '`'],
    ['letters', 'x'],
  ])('a long run of %s passes unchanged, a character at a time', (_, part) => {
    const text = part.repeat(Math.ceil(300_000 / part.length))
    const parser = parserOf()
    let shown = 0
    for (const character of text)
      for (const event of parser.push(character)) shown += joinEvents([event]).content.length
    const rest = joinEvents(parser.end()).content
    // The end of a tag that shows its nonce is kept from the client.
    expect(text.length - shown - rest.length).toBe(part.includes(nonce) ? part.length : 0)
  })

  test.each([
    ['quotes', `'" `],
    ['apostrophes before space', `'      `],
    ['brackets', '[{'],
    ['escapes', '\\'],
    ['fences', '```x '],
    ['numbers', '1'],
    ['tags of other formats', '<a:'],
  ])('a megabyte of %s inside a call becomes text', (_, part) => {
    for (const begin of ['', '{"a":', '{"a":"', "{'a':'", '{']) {
      const body = begin + part.repeat(Math.floor(1_000_000 / part.length))
      const { content, calls } = readPieces([block(body)], parserOf())
      expect(content.length).toBe(body.length)
      expect(calls).toEqual([])
    }
  })
})

describe('random answers', () => {
  const fragments = [
    callStart,
    callEnd,
    resultStart,
    resultEnd,
    callStart.slice(0, 5),
    callStart.slice(0, -2),
    callEnd.slice(0, -1),
    nonce.slice(0, 4),
    '<',
    '>',
    '</',
    '<tool_call>',
    '<tool_call_other>',
    '{"name":"Time","arguments":{}}',
    '{"name":"get_weather","arguments":{"city":"Paris"}}',
    '{"name":"nothing"}',
    "{'name': 'Time',}",
    '[',
    ']',
    '{',
    '}',
    ',',
    '"',
    '```',
    '```json\n',
    '`',
    '\n\n',
    ' ',
    'text',
    'é',
    '👩‍👩‍👧',
    '\ud83d',
    '\udc00',
    '\\',
    '\u0000',
    'long '.repeat(50),
  ] as const

  test('no tag is ever shown, and cuts make no difference', () => {
    const random = createSeededRandom(20250811)
    for (let round = 0; round < 1500; round++) {
      const text = Array.from({ length: random.below(14) }, () => random.pick(fragments)).join('')
      const whole = readPieces([text], parserOf())
      for (const tag of [callStart, callEnd, resultStart, resultEnd]) expect(whole.content).not.toContain(tag)
      const pieces: string[] = []
      for (let at = 0; at < text.length; ) {
        const length = 1 + random.below(9)
        pieces.push(text.slice(at, at + length))
        at += length
      }
      expect(readPieces(pieces, parserOf())).toEqual(whole)
      expect(readPieces(text.split(''), parserOf())).toEqual(whole)
      for (const [, json] of whole.calls) expect(() => JSON.parse(json)).not.toThrow()
    }
  })

  test('without a tag of ours the content is the answer', () => {
    const random = createSeededRandom(42)
    const harmless = fragments.filter((fragment) => !fragment.includes(nonce.slice(0, 4)))
    for (let round = 0; round < 1500; round++) {
      const text = Array.from({ length: random.below(20) }, () => random.pick(['a', ...harmless])).join('')
      expect(readPieces(text.split(''), parserOf())).toEqual({ content: text, calls: [] })
    }
  })

  test('where nothing is a valid call, nothing but tags is lost', () => {
    const random = createSeededRandom(43)
    const parts = [
      callStart,
      callEnd,
      resultStart,
      resultEnd,
      'a',
      ' ',
      '\n',
      '```',
      '{"name":"nothing"}',
      '[',
      '{',
      '"',
    ] as const
    for (let round = 0; round < 1500; round++) {
      const text = Array.from({ length: random.below(20) }, () => random.pick(parts)).join('')
      const bare = text.split(anyTag).join('')
      expect(readPieces([text], parserOf())).toEqual({ content: bare, calls: [] })
    }
  })
})
