import { describe, expect, test } from 'bun:test'
import { outlineJson, placeInWhole } from '../../src/formats/json-outline.ts'
import { readChatRequest, readJsonRequest } from '../../src/formats/openai.ts'

const bytes = (text: string) => new Uint8Array(Buffer.from(text))
const textOf = (part: Uint8Array) => Buffer.from(part).toString('utf8')
const filler = 'some text '.repeat(60)

function isValid(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('an outline', () => {
  const broken = ['\n', '\t', '\0', '\x1f', '\\x', '\\u12', '\\u12g4', '\\', '"', '"x', '\\U0041', "\\'"]
  const whole = [
    '\\n',
    '\\"',
    '\\\\',
    '\\/',
    '\\u00e9',
    '\\uD83D',
    '\\\\\\"',
    '\x7f',
    '\u2028',
    'é',
    '漢',
    '😀',
    '{',
    '}',
    ',',
  ]
  for (const [pieces, valid] of [
    [broken, false],
    [whole, true],
  ] as const) {
    for (const piece of pieces) {
      test(`tells that ${JSON.stringify(piece)} in a long text is ${valid ? 'valid' : 'broken'}, wherever it stands`, () => {
        // Each place in a word of four bytes, and the end.
        for (let shift = 0; shift < 9; shift++) {
          const before = filler + 'x'.repeat(shift)
          for (const content of [`${before}${piece}${filler}`, `${before}${piece}`]) {
            const text = `{"a":"${content}","b":1}`
            expect(isValid(text)).toBe(valid)
            const outline = outlineJson(bytes(text))
            expect(outline === null ? isValid(text) : isValid(textOf(outline.bytes))).toBe(valid)
            if (valid) expect(outline?.cuts).toHaveLength(1)
          }
        }
      })
    }
  }

  test('of a text that ends anywhere is as broken as the text', () => {
    const text = `{"a":"${filler}\\u00e9","b":["${filler}"]}`
    for (let end = 0; end < text.length; end++) {
      const cut = text.slice(0, end)
      const outline = outlineJson(bytes(cut))
      expect(isValid(outline === null ? cut : textOf(outline.bytes))).toBe(false)
    }
  })

  test('leaves short texts as they are, and knows where they stood', () => {
    const text = `{"a":"${filler}", "b" : "é", "c":[1.0,"${filler}ü"],"d":"short"}`
    const body = bytes(text)
    const outline = outlineJson(body)
    if (outline === null) throw new Error('no outline')
    expect(textOf(outline.bytes)).toBe('{"a":"~", "b" : "é", "c":[1.0,"~"],"d":"short"}')
    for (const piece of ['{', '"b"', '"é"', '1.0', '"d"', '"short"', '}']) {
      const start = Buffer.from(outline.bytes).lastIndexOf(piece)
      const place = placeInWhole(outline, { start, end: start + Buffer.byteLength(piece) })
      expect(textOf(body.subarray(place.start, place.end))).toBe(piece)
    }
  })

  test('is the same wherever in memory the bytes begin', () => {
    const text = bytes(`{"a":"${filler}\\n${filler}"}`)
    for (let offset = 0; offset < 4; offset++) {
      const shifted = new Uint8Array(text.length + offset)
      shifted.set(text, offset)
      expect(textOf(outlineJson(shifted.subarray(offset))?.bytes ?? text)).toBe('{"a":"~"}')
    }
  })
})

describe('a long request', () => {
  const long = `${filler}\\"model\\":\\"x\\" é\\n`.repeat(10)
  const messages = `"messages":[{"role":"user","content":"${long}"}]`

  for (const text of [
    `{"model":"gpt-4o",${messages},"stream":true}`,
    `{${messages},"stream":true,"model" : "gpt-4o"}`,
  ]) {
    test(`is read as a short one is: ${text.slice(0, 18)}…`, () => {
      const body = bytes(text)
      const view = readChatRequest(body)
      expect(view).toMatchObject({ model: 'gpt-4o', isStream: true })
      expect(textOf(body.subarray(view.modelSpan?.start, view.modelSpan?.end))).toBe('"gpt-4o"')
      expect(view.json).toEqual(JSON.parse(text))
      expect(view.json).toBe(view.json)
    })
  }

  test('may have a name for its model that is long, too', () => {
    const body = bytes(`{"model":"${filler}",${'"x":1,'.repeat(300)}${messages}}`)
    const view = readChatRequest(body)
    expect(view.model).toBe(filler)
    expect(textOf(body.subarray(view.modelSpan?.start, view.modelSpan?.end))).toBe(`"${filler}"`)
    expect(readJsonRequest(bytes(`{"model":"~",${messages}}`)).model).toBe('~')
  })

  const refused = [
    [`{"model":"a",${messages}`, 'the request body is not valid JSON'],
    [`{"model":"a",${messages.replace('é', '\n')}}`, 'the request body is not valid JSON'],
    [`{"model":"a",${messages.replace('é', '\\é')}}`, 'the request body is not valid JSON'],
    [`{"model":"a",${messages},"model":"b"}`, "'model' is given more than once"],
    [`{"model":"a",${messages},"\\u006dodel":"b"}`, "'model' is given more than once"],
    [`{"model":"a",${messages},"MODEL":"b"}`, "'model' is given more than once"],
    [`["${long}"]`, 'the request body must be a JSON object'],
    [`{"model":"a","messages":"${long}"}`, "invalid value for 'messages': Expected array"],
    [`{${messages}}`, 'you must provide a model parameter'],
  ] as const
  for (const [text, message] of refused) {
    test(`is refused as a short one is: ${message}, ${text.slice(-12)}`, () => {
      expect(() => readChatRequest(bytes(text))).toThrow(message)
    })
  }
})
