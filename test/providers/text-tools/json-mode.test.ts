import { describe, expect, test } from 'bun:test'
import { createAnswerParser, parseAnswer } from '../../../src/providers/text-tools/answer-parser.ts'
import { jsonInstructions, jsonModeNote, readJsonMode } from '../../../src/providers/text-tools/json-mode.ts'
import { createMarkers } from '../../../src/providers/text-tools/markers.ts'
import { readToolPlan } from '../../../src/providers/text-tools/tool-plan.ts'
import { readEveryCut } from './every-cut.ts'

const nonce = 'k3f9x2a7bq'
const plan = readToolPlan({ tools: [{ type: 'function', function: { name: 'search' } }] })
const jsonMode = readJsonMode({ response_format: { type: 'json_object' } })
const createParser = () => createAnswerParser({ plan, jsonMode, nonce })

describe('the request', () => {
  test.each([
    [undefined, 'text', null],
    [null, 'text', null],
    [{ type: 'text' }, 'text', null],
    [{ type: 'json_object' }, 'json_object', null],
    [
      { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object' } } },
      'json_schema',
      { type: 'object' },
    ],
    [{ type: 'json_schema', json_schema: { name: 'a' } }, 'json_schema', null],
  ])('%j', (format, kind, schema) => {
    expect(readJsonMode({ response_format: format })).toEqual({ kind, schema } as never)
  })

  test.each([['json'], [5], [{}], [{ type: 'grammar' }], [{ type: 'json_schema' }]])('%j is refused', (format) => {
    expect(() => readJsonMode({ response_format: format })).toThrow(
      expect.objectContaining({ status: 400, param: 'response_format' }),
    )
  })

  test('becomes an instruction, and that is said', () => {
    const mode = readJsonMode({ response_format: { type: 'json_schema', json_schema: { schema: { type: 'array' } } } })
    expect(jsonInstructions(mode)).toContain('{"type":"array"}')
    expect(jsonInstructions(jsonMode)).toContain('one valid JSON document')
    expect(jsonInstructions(readJsonMode({}))).toBe('')
    expect(jsonModeNote(mode)).toBe('response_format=json_schema;by=instruction')
    expect(jsonModeNote(readJsonMode({}))).toBeNull()
  })
})

describe('the fence is taken off, however the answer is cut', () => {
  test.each([
    ['{"a":1}', '='],
    ['  [1]\n', '='],
    ['```json\n{"a":1}\n```', '{"a":1}'],
    ['\n```JSON\n{"a":1}\n```\n\n', '{"a":1}'],
    ['```\n[1,\n 2]\n```', '[1,\n 2]'],
    ['```{"a":1}```', '{"a":1}'],
    ['```json\n{"a":1}\n```\nHope this helps!', '{"a":1}'],
    ['```json\n{"a":"```js\\nx\\n```","b":"\\"```"}\n```', '{"a":"```js\\nx\\n```","b":"\\"```"}'],
    ['```json\n{"a":"unbalanced\n```', '{"a":"unbalanced'],
    ['```json\n{"a":1}', '{"a":1}'],
    ['```json\n{"a":1}\n``', '{"a":1}'],
    ['```json\n{"a":"cut off  ', '{"a":"cut off  '],
    [`\`\`\`json\n{"a":1}${' '.repeat(100)}}\n\`\`\``, `{"a":1}${' '.repeat(100)}}`],
    ['```python\nprint()\n```', '='],
    ['```json\nnothing\n```', '='],
    ['Here it is:\n```json\n{}\n```', '='],
    ['````', '='],
    ['```', '='],
    ['', ''],
  ])('%j', (text, content) => {
    expect(readEveryCut(text, createParser)).toEqual({ content: content === '=' ? text : content, calls: [] })
  })

  test('together with calls', () => {
    const { callStart, callEnd } = createMarkers(nonce)
    const text = `\`\`\`json\n{"a":1}\n\`\`\`\n${callStart}{"name":"search"}${callEnd}`
    expect(readEveryCut(text, createParser)).toEqual({ content: '{"a":1}', calls: [['search', '{}']] })
  })

  test('without JSON mode it stays', () => {
    const text = '```json\n{"a":1}\n```'
    const parser = () => createAnswerParser({ plan, jsonMode: readJsonMode({}), nonce })
    expect(readEveryCut(text, parser).content).toBe(text)
  })

  test('a long answer, a character at a time', () => {
    for (const part of ['"', '`', ' ', '\\', '{']) {
      const parser = createParser()
      let length = 0
      for (const character of `\`\`\`json\n{${part.repeat(200_000)}`) {
        for (const event of parser.push(character)) if (event.type === 'text') length += event.text.length
      }
      expect(length).toBeLessThanOrEqual(200_001)
    }
  })
})

test('a whole answer at once', () => {
  const { callStart, callEnd } = createMarkers(nonce)
  const { content, calls } = parseAnswer(`{}\n${callStart}{"name":"search"}${callEnd}`, createParser())
  expect(content).toBe('{}')
  expect(calls).toEqual([{ id: expect.stringMatching(/^call_\w{24}$/), name: 'search', arguments: '{}' }])
})
