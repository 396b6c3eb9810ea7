/** Streams of the AI SDK as they are documented, and as they should not be. */
import { describe, expect, test } from 'bun:test'
import { UpstreamError } from '../../../src/errors.ts'
import { createAiSdkParser } from '../../../src/formats/ai-sdk/parser.ts'
import { encode, hear, hearAllWays } from './read-all.ts'

const lines = (...all: string[]) => `${all.join('\n')}\n`
const events = (...all: unknown[]) =>
  all.map((one) => `data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`).join('')

const v4 = lines(
  'f:{"messageId":"msg-1"}',
  'g:"Let me see"',
  'i:{"data":"x"}',
  'l:{}',
  '2:[{"text":"not this"}]',
  '8:["nor this"]',
  'h:{"sourceType":"url","id":"1","url":"https://e.x"}',
  'k:{"data":"AA==","mimeType":"image/png"}',
  'b:{"toolCallId":"c1","toolName":"web_search"}',
  '9:{"toolCallId":"c1","toolName":"web_search","args":{}}',
  'a:{"toolCallId":"c1","result":"nor that"}',
  '0:"Hel"',
  '0:"lo \\/ \\ud83d\\ude42 你好 \\u00e9\\n"',
  'z:"a code that nobody knows"',
  'e:{"finishReason":"stop","usage":{"promptTokens":9,"completionTokens":3},"isContinued":false}',
  'd:{"finishReason":"stop","usage":{"promptTokens":9,"completionTokens":3}}',
)

const v5 = events(
  { type: 'start', messageMetadata: { model: 'scira-default' } },
  { type: 'start-step' },
  { type: 'reasoning-start', id: 'r1' },
  { type: 'reasoning-delta', id: 'r1', delta: 'Think' },
  { type: 'reasoning-end', id: 'r1' },
  { type: 'tool-output-available', toolCallId: 'c', output: { text: 'not this' } },
  { type: 'data-search', data: { text: 'nor this' } },
  { type: 'of-the-future', delta: 'nor that' },
  { type: 'text-start', id: 't1' },
  { type: 'text-delta', id: 't1', delta: 'Hello 你好' },
  { type: 'text-delta', id: 't1', delta: ' 🙂\n' },
  { type: 'text-end', id: 't1' },
  { type: 'finish-step' },
  {
    type: 'finish',
    finishReason: 'length',
    messageMetadata: { inputTokens: 9, outputTokens: 3, totalTokens: 12, cachedInputTokens: 4, reasoningTokens: 2 },
  },
  '[DONE]',
)

const usage = (inputTokens: number, outputTokens: number, cachedTokens = 0, reasoningTokens = 0) => ({
  inputTokens,
  outputTokens,
  cachedTokens,
  reasoningTokens,
})

describe('a data stream (version 4)', () => {
  const expected = {
    text: 'Hello / 🙂 你好 é\n',
    reasoning: 'Let me see',
    errors: [],
    isComplete: true,
    reason: 'stop',
    usage: usage(9, 3),
  } as const

  test('is read alike wherever its bytes are cut, whatever its line breaks', () => {
    for (const [text, format] of [
      [v4, 'auto'],
      [v4, 'v4'],
      [v4.replaceAll('\n', '\r\n'), 'auto'],
      [`\ufeff\n${v4}`, 'auto'],
      [v4.trimEnd(), 'auto'],
      [v4.replaceAll('\n', '\n\n'), 'auto'],
    ] as const) {
      expect(hearAllWays(text, format)).toMatchObject(expected)
    }
  })

  test('counts are those of the last message, else the sum of the steps; null and NaN are no counts', () => {
    const step = (prompt: string, completion: string) =>
      `e:{"finishReason":"stop","usage":{"promptTokens":${prompt},"completionTokens":${completion}}}`
    const end = (counts: string) => `d:{"finishReason":"stop","usage":${counts}}`
    const cases: [string, ReturnType<typeof usage> | null][] = [
      [lines(step('9', '3'), step('10', '4'), end('{"promptTokens":20,"completionTokens":8}')), usage(20, 8)],
      [lines(step('9', '3'), step('10', '4'), end('{"promptTokens":null,"completionTokens":null}')), usage(19, 7)],
      [lines(step('9', '3'), step('null', '4'), 'd:{"finishReason":"stop"}'), usage(9, 7)],
      [lines(step('NaN', 'NaN'), end('{"promptTokens":NaN,"completionTokens":NaN}')), null],
      [lines(end('{"promptTokens":NaN,"completionTokens":7}')), usage(0, 7)],
      [lines('0:"a"', end('{}')), null],
    ]
    for (const [text, counts] of cases) expect(hear([encode(text)])).toMatchObject({ usage: counts, isComplete: true })
  })

  test('an error is told, and what has an error and no end is not complete', () => {
    expect(hearAllWays(lines('0:"a"', '3:"Something failed"'))).toMatchObject({
      errors: ['Something failed'],
      isComplete: false,
    })
  })
})

describe('a UI message stream (version 5 and later)', () => {
  const expected = {
    text: 'Hello 你好 🙂\n',
    reasoning: 'Think',
    errors: [],
    isComplete: true,
    reason: 'length',
    usage: usage(9, 3, 4, 2),
  } as const

  test('is read alike wherever its bytes are cut, whatever its line breaks', () => {
    for (const [text, format] of [
      [v5, 'auto'],
      [v5, 'v5'],
      [v5.replaceAll('\n', '\r\n'), 'auto'],
      [v5.replaceAll('data: {', 'data:{'), 'auto'],
      [`\ufeff: a comment\n\n${v5}`, 'auto'],
      [v5.replace('data: [DONE]\n\n', '').trimEnd(), 'auto'],
      [v5.replaceAll('data: {', ': still there\n\nid: 7\nevent: message\ndata: {'), 'auto'],
      [v5.replaceAll('"text-delta"', '"text"'), 'auto'],
    ] as const) {
      expect(hearAllWays(text, format)).toMatchObject(expected)
    }
  })

  test('metadata may come on its own, in groups, without numbers, or not at all', () => {
    const finish = (messageMetadata: unknown) => ({ type: 'finish', messageMetadata })
    const counts = { inputTokens: 5, outputTokens: 6, totalTokens: 11 }
    const details = {
      ...counts,
      inputTokenDetails: { cacheReadTokens: 1 },
      outputTokenDetails: { reasoningTokens: 2 },
    }
    const cases: [unknown[], ReturnType<typeof usage> | null][] = [
      [[{ type: 'message-metadata', messageMetadata: counts }, finish(undefined)], usage(5, 6)],
      [[finish({ totalUsage: details })], usage(5, 6, 1, 2)],
      [[finish({ usage: { promptTokens: 5, completionTokens: 6 } })], usage(5, 6)],
      [[finish({ inputTokens: null, outputTokens: null, totalTokens: null })], null],
      [[finish({ inputTokens: null, outputTokens: 6, totalTokens: 11 })], usage(5, 6)],
      [[finish('words')], null],
    ]
    for (const [all, told] of cases) {
      expect(hear([encode(events({ type: 'text-delta', delta: 'a' }, ...all))])).toMatchObject({
        usage: told,
        isComplete: true,
      })
    }
  })

  test('a finish without a reason is one', () => {
    expect(hear([encode(events({ type: 'finish' }))])).toMatchObject({ isComplete: true, reason: null })
  })

  test('errors, aborts and interruptions are told, and complete nothing, whatever follows', () => {
    const text = { type: 'text-delta', id: 't', delta: 'a' }
    for (const [last, kind] of [
      [{ type: 'error', errorText: 'no' }, 'error'],
      [{ type: 'abort', reason: 'tired' }, 'abort'],
      [{ type: 'finish', finishReason: 'interrupted' }, 'abort'],
    ] as const) {
      const heard = hearAllWays(events(text, last, '[DONE]'))
      expect(heard.kinds).toContain(kind)
      expect(heard.isComplete).toBe(false)
    }
  })
})

describe('either format', () => {
  test('every reason of the SDK has its word', () => {
    const cases = {
      stop: 'stop',
      length: 'length',
      'content-filter': 'content_filter',
      'tool-calls': 'tool_calls',
      error: 'error',
      other: 'stop',
      unknown: 'stop',
      constructor: 'stop',
    } as const
    for (const [reason, word] of Object.entries(cases)) {
      const ends = [lines(`d:{"finishReason":"${reason}"}`), events({ type: 'finish', finishReason: reason })]
      for (const text of ends) expect(hear([encode(text)]).reason).toBe(word)
    }
  })

  test('cut anywhere before its end it never looks finished', () => {
    for (const [text, end] of [
      [v4, '\nd:{'],
      [v5, 'data: {"type":"finish",'],
    ] as const) {
      const bytes = encode(text)
      const endAt = Buffer.from(text).indexOf(end)
      const lastByte = Buffer.from(text).indexOf('}', Buffer.from(text).lastIndexOf('}') - 1)
      for (let at = 0; at < bytes.byteLength; at++) {
        const { isComplete } = hear([bytes.slice(0, at)])
        if (at <= endAt || at < lastByte) expect([at, isComplete]).toEqual([at, false])
      }
    }
  })

  test('what goes on after an end is not over', () => {
    const again = [
      lines('0:"a"', 'd:{"finishReason":"stop"}', 'f:{"messageId":"m2"}'),
      lines('0:"a"', 'd:{"finishReason":"stop"}', '0:"b"'),
      events({ type: 'finish' }, { type: 'start-step' }),
      events({ type: 'finish' }, { type: 'text-delta', delta: 'b' }),
    ]
    for (const text of again) expect(hear([encode(text)]).isComplete).toBe(false)
  })

  test('a character whose halves come in two pieces is told in one', () => {
    const halves = [
      lines('0:"a\\ud83d"', '2:[1]', '0:"\\ude42b"', 'd:{"finishReason":"stop"}'),
      events(
        { type: 'text-delta', delta: 'a\ud83d' },
        { type: 'data-x', data: 1 },
        { type: 'text-delta', delta: '\ude42b' },
        { type: 'finish' },
      ),
    ]
    for (const text of halves) {
      const parser = createAiSdkParser()
      const told = [...parser.push(encode(text)), ...parser.end()].flatMap((part) =>
        part.kind === 'text' ? [part.text] : [],
      )
      expect(told).toEqual(['a', '🙂b'])
    }
    expect(hear([encode(lines('0:"a\\ud83d"'))]).text).toBe('a\ud83d')
  })

  test('broken JSON of a part that counts is an error, a bare word or a foreign line is none', () => {
    for (const text of [lines('0:"a'), lines('0:{}'), lines('g:'), 'data: {"type":"text-delta"\n\n']) {
      expect(() => hear([encode(text)])).toThrow(UpstreamError)
    }
    expect(hear([encode(lines('0:"a"', 'PING', '<!-- -->', '{"a":1}', '0:"b"'))]).text).toBe('ab')
    expect(hear([encode(events({ type: 'text-delta', delta: 'a' }, 'ping', '[1]', '{"type":7}'))]).text).toBe('a')
  })

  test('a line of megabytes is read, one without end is refused in clear words', () => {
    const long = 'x'.repeat(3_000_000)
    const [first, ...rest] = [lines(`0:"${long}"`), events({ type: 'text-delta', delta: long })]
    for (const text of [first ?? '', ...rest]) {
      const bytes = encode(text)
      const chunks = Array.from({ length: 100 }, (_, at) => bytes.slice(at * 31_000, (at + 1) * 31_000))
      expect(hear(chunks).text.length).toBe(3_000_000)
      expect(() => hear(chunks, 'auto', 1_000_000)).toThrow('a line without end')
    }
    expect(() => hear([encode('x'.repeat(100_000))])).toThrow('unknown kind')
  })

  test('one format, set by hand, does not take the other for its own', () => {
    expect(hear([encode(v5)], 'v4')).toMatchObject({ text: '', isComplete: false })
    expect(hear([encode(v4)], 'v5')).toMatchObject({ text: '', isComplete: false })
  })
})
