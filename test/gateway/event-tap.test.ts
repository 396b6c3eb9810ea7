/** What the gateway does to a stream of events: the same, wherever the network cuts it. */
import { describe, expect, test } from 'bun:test'
import { createEventTap, type EventTapOptions, lastUsage, renameModel } from '../../src/gateway/event-tap.ts'
import { createChance } from '../helpers/random.ts'

const plain: EventTapOptions = {
  isEvents: true,
  family: 'chat',
  clientModel: null,
  choices: 1,
  isUsageStripped: false,
  cutSecret: (event) => event,
}

const chunkOf = (rest: string) => `{"id":"x","model":"up-1","choices":[{"index":0,${rest}}],"usage":null}`
const role = chunkOf('"delta":{"role":"assistant","content":""}')
const word = chunkOf('"delta":{"content":"déjà vu, 你好, 🙂 \\"model\\":\\"up-1\\" 1.0"}')
const finish = chunkOf('"delta":{},"finish_reason":"stop"')
const usage =
  '{"id":"x","model":"up-1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":2}}}'
const azure = '{"choices":[],"model":"","prompt_filter_results":[]}'

function streamOf(lineEnd: string, events: readonly string[]): string {
  return events.map((event) => `${event}${lineEnd}${lineEnd}`).join('')
}

const events = [
  ': comment',
  `data: ${azure}`,
  `data: ${role}`,
  `event: message\nid: 7\ndata: ${word}`,
  `data:${word}`,
  ': PROCESSING',
  `data: ${finish}`,
  `data: ${usage}`,
  'data: [DONE]',
]
const withoutUsage = events.filter((event) => event !== `data: ${usage}`)
const renamed = (list: readonly string[]) =>
  list.map((event) =>
    event.replaceAll('"model":"up-1",', '"model":"ü \\"q\\"",').replaceAll('"model":"",', '"model":"ü \\"q\\"",'),
  )

interface Passed {
  readonly pieces: string[]
  readonly text: string
  readonly ending: ReturnType<ReturnType<typeof createEventTap>['ending']>
}

function pass(options: EventTapOptions, pieces: readonly Uint8Array[]): Passed {
  const tap = createEventTap(options)
  const out: Uint8Array[] = []
  for (const piece of pieces) {
    for (const bytes of tap.push(piece)) out.push(new Uint8Array(bytes))
  }
  out.push(...tap.rest())
  return {
    pieces: out.map((bytes) => Buffer.from(bytes).toString('latin1')),
    text: Buffer.concat(out).toString(),
    ending: tap.ending(),
  }
}

function cutEvery(text: string, size: number): Uint8Array[] {
  const bytes = Buffer.from(text)
  return Array.from(
    { length: Math.ceil(bytes.length / size) },
    (_, index) => new Uint8Array(bytes.subarray(index * size, (index + 1) * size)),
  )
}

const modes: readonly (readonly [string, EventTapOptions, readonly string[]])[] = [
  ['passes it as it is', plain, events],
  ['takes the usage chunk out', { ...plain, isUsageStripped: true }, withoutUsage],
  ['names the model back', { ...plain, clientModel: 'ü "q"' }, renamed(events)],
  ['does both', { ...plain, clientModel: 'ü "q"', isUsageStripped: true }, renamed(withoutUsage)],
]
const lineEnds = { LF: '\n', CRLF: '\r\n', CR: '\r' }

for (const [name, lineEnd] of Object.entries(lineEnds)) {
  const source = streamOf('\n', events).replaceAll('\n', lineEnd)
  for (const [what, options, expectedEvents] of modes) {
    const expected = streamOf('\n', expectedEvents).replaceAll('\n', lineEnd)

    test(`a stream with ${name} cut at any one place ${what}`, () => {
      const bytes = Buffer.from(source)
      for (let cut = 0; cut <= bytes.length; cut++) {
        const pieces = [new Uint8Array(bytes.subarray(0, cut)), new Uint8Array(bytes.subarray(cut))]
        const { text, ending } = pass(options, pieces)
        if (text !== expected) expect(text, `cut at ${cut}`).toBe(expected)
        expect(ending.isComplete, `cut at ${cut}`).toBe(true)
        expect(ending.usage).toMatchObject({ inputTokens: 9, outputTokens: 4, cachedTokens: 2 })
      }
    })

    test(`a stream with ${name} cut into pieces of any size ${what}`, () => {
      for (const size of [1, 2, 3, 5, 7, 64, 1000]) {
        expect(pass(options, cutEvery(source, size)).text, `pieces of ${size}`).toBe(expected)
      }
    })

    test(`a stream with ${name}, wherever it is cut, leaves nothing but whole events (${what})`, () => {
      const blank = lineEnd + lineEnd
      for (let seed = 1; seed <= 200; seed++) {
        const chance = createChance(seed)
        const bytes = Buffer.from(source)
        const pieces: Uint8Array[] = []
        for (let start = 0; start < bytes.length; ) {
          const end = start + 1 + chance.below(90)
          pieces.push(new Uint8Array(bytes.subarray(start, end)))
          start = end
        }
        for (const piece of pass(options, pieces).pieces) {
          if (!piece.endsWith(blank)) expect(piece, `seed ${seed}`).toEndWith(blank)
        }
      }
    })
  }
}

test('events that begin unlike one another have their model named back all the same', () => {
  const models = ['a', 'up-1', 'up-1', 'up-1-long', 'up-1']
  const list = models.map((model, index) => `data: {"id":"${index % 2}","model":"${model}","choices":[]}`)
  const expected = list.map((event) => event.replace(/"model":"[^"]*"/, '"model":"neu"'))
  for (const size of [1, 50, 5000])
    expect(pass({ ...plain, clientModel: 'neu' }, cutEvery(streamOf('\n', list), size)).text).toBe(
      streamOf('\n', expected),
    )
})

test('a cut inside an event leaves nothing of that event', () => {
  const bytes = Buffer.from(streamOf('\n', events.slice(0, 4)))
  const whole = streamOf('\n', events.slice(0, 3))
  for (const options of [plain, { ...plain, clientModel: 'x' }]) {
    const length = Buffer.byteLength(whole)
    for (let cut = length; cut < bytes.length - 2; cut++) {
      const { text } = pass(options, [new Uint8Array(bytes.subarray(0, cut))])
      expect(dataCount(text), `cut at ${cut}`).toBe(2)
      expect(text, `cut at ${cut}`).toEndWith('\n\n')
    }
  }
})

function dataCount(text: string): number {
  return text.match(/^data:/gm)?.length ?? 0
}

test('the last event of a stream may lack its blank line', () => {
  for (const end of ['', '\n', '\r', '\r\n']) {
    const { text, ending } = pass({ ...plain, clientModel: 'x' }, [Buffer.from(`data: ${word}\n\ndata: [DONE]${end}`)])
    expect(text).toContain('data: [DONE]')
    expect(ending.isComplete).toBe(true)
  }
})

test('an event of two megabytes in small pieces passes, in linear time', () => {
  const huge = `data: ${chunkOf(`"delta":{"content":"${'x'.repeat(2_000_000)}"}`)}\n\n`
  const startedMs = performance.now()
  const { text } = pass({ ...plain, clientModel: 'neu' }, cutEvery(huge, 1000))
  expect(text).toBe(huge.replace('"up-1"', '"neu"'))
  expect(performance.now() - startedMs).toBeLessThan(2000)
})

test('an event without end is given up at last, not kept for ever', () => {
  const piece = new Uint8Array(1024 * 1024).fill(0x78)
  const tap = createEventTap({ ...plain, clientModel: 'neu' })
  let passed = 0
  for (let count = 0; count < 20; count++) for (const bytes of tap.push(piece)) passed += bytes.byteLength
  expect(passed).toBeGreaterThan(15 * 1024 * 1024)
})

describe('how a stream ended', () => {
  const chat: readonly (readonly [string, readonly string[], { isComplete: boolean; hasError: boolean }])[] = [
    ['with [DONE]', [`data: ${word}`, 'data: [DONE]'], { isComplete: true, hasError: false }],
    ['with a finish reason alone', [`data: ${word}`, `data: ${finish}`], { isComplete: true, hasError: false }],
    ['with neither', [`data: ${word}`], { isComplete: false, hasError: false }],
    [
      'with a text that says [DONE]',
      [`data: ${chunkOf('"delta":{"content":"data: [DONE]"}')}`],
      { isComplete: false, hasError: false },
    ],
    [
      'with a text that says finish_reason',
      [`data: ${chunkOf('"delta":{"content":"\\"finish_reason\\":\\"stop\\""}')}`],
      { isComplete: false, hasError: false },
    ],
    [
      'with an empty finish reason in every event',
      [`data: ${chunkOf('"delta":{"content":"a"},"finish_reason":""')}`],
      { isComplete: false, hasError: false },
    ],
    [
      'that goes on for long after a finish reason',
      [`data: ${finish}`, ...Array.from({ length: 200 }, () => `data: ${word}`)],
      { isComplete: false, hasError: false },
    ],
    [
      'with a null finish reason',
      [`data: ${chunkOf('"delta":{"content":"a"},"finish_reason":null')}`],
      { isComplete: false, hasError: false },
    ],
    ['with an error', [`data: ${word}`, 'data: {"error":{"message":"x"}}'], { isComplete: false, hasError: true }],
    [
      'with a named error',
      [`data: ${word}`, 'event: error\ndata: {"error":{"message":"x"}}'],
      { isComplete: false, hasError: true },
    ],
    [
      'with an error and [DONE]',
      ['data: {"error":{"message":"x"}}', 'data: [DONE]'],
      { isComplete: true, hasError: true },
    ],
    [
      'with a text about an error',
      [`data: ${chunkOf('"delta":{"content":"{\\"error\\":{}}"}')}`, 'data: [DONE]'],
      { isComplete: true, hasError: false },
    ],
  ]
  for (const [what, list, expected] of chat) {
    test(`${what}`, () => {
      for (const size of [1, 7, 5000]) {
        expect(pass(plain, cutEvery(streamOf('\n', list), size)).ending).toMatchObject(expected)
      }
    })
  }

  test('with one of two choices finished is not complete', () => {
    const { ending } = pass({ ...plain, choices: 2 }, [Buffer.from(streamOf('\n', [`data: ${finish}`]))])
    expect(ending.isComplete).toBe(false)
  })

  test('of the Responses API with a failure, and with [DONE] alone', () => {
    const failed = streamOf('\n', ['data: {"type":"response.failed","response":{"status":"failed"}}'])
    expect(pass({ ...plain, family: 'responses' }, cutEvery(failed, 9)).ending.hasError).toBe(true)
    const done = streamOf('\n', ['data: {"type":"response.output_text.delta"}', 'data: [DONE]'])
    expect(pass({ ...plain, family: 'responses' }, cutEvery(done, 9)).ending.isComplete).toBe(true)
  })

  const responses: readonly (readonly [string, boolean])[] = [
    ['response.completed', true],
    ['response.incomplete', true],
    ['response.failed', true],
    ['response.output_text.delta', false],
  ]
  for (const [type, isComplete] of responses) {
    test(`of the Responses API with ${type}`, () => {
      const long = `data: {"type":"${type}","response":{"output":"${'x'.repeat(20_000)}","usage":{"input_tokens":3,"output_tokens":2}}}\n\n`
      for (const size of [7, 100_000]) {
        const { ending } = pass({ ...plain, family: 'responses' }, cutEvery(long, size))
        expect(ending).toMatchObject({ isComplete, usage: { inputTokens: 3, outputTokens: 2 } })
      }
    })
  }

  test('is not judged where no end is known', () => {
    expect(pass({ ...plain, family: 'other' }, [Buffer.from('data: x\n\n')]).ending.isComplete).toBeNull()
    expect(pass({ ...plain, isEvents: false }, [Buffer.from('RIFF')]).ending.isComplete).toBeNull()
  })
})

describe('the last usage of an answer', () => {
  const rows: readonly (readonly [string, readonly [number, number] | null])[] = [
    ['{"usage":{"prompt_tokens":1,"completion_tokens":2}}', [1, 2]],
    ['{"usage":{"prompt_tokens":1,"completion_tokens":2},"x":{"usage":null}}', [1, 2]],
    ['{"x_groq":{"id":"a","usage":{"prompt_tokens":3,"completion_tokens":4}}}', [3, 4]],
    [
      '{"content":"\\"usage\\":{\\"prompt_tokens\\":99,\\"completion_tokens\\":99}","usage":{"prompt_tokens":1,"completion_tokens":2}}',
      [1, 2],
    ],
    ['{"usage" : {"prompt_tokens" : 1 , "completion_tokens" : 2 } }', [1, 2]],
    ['s":1},"usage":{"prompt_tokens":1,"completion_tokens":2}}', [1, 2]],
    ['{"usage":null}', null],
    ['{"usage":"x"}', null],
    ['"usage"', null],
    ['', null],
  ]
  for (const [text, expected] of rows) {
    test(text || '(empty)', () => {
      const usageOf = lastUsage(Buffer.from(text))
      expect(usageOf && [usageOf.inputTokens, usageOf.outputTokens]).toEqual(expected === null ? null : [...expected])
    })
  }
})

describe('naming the model back', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['{"model":"a","n":1.0,"x":9007199254740993}', '{"model":"neu","n":1.0,"x":9007199254740993}'],
    ['{"x":{"model":"a"},"model":"b"}', '{"x":{"model":"a"},"model":"neu"}'],
    [
      '{"type":"response.created","response":{"id":"r","model":"a"}}',
      '{"type":"response.created","response":{"id":"r","model":"neu"}}',
    ],
    ['{"choices":[{"model":"a"}]}', '{"choices":[{"model":"a"}]}'],
    ['{"model":null}', '{"model":null}'],
    ['[1]', '[1]'],
    ['{"content":"\\"model\\":\\"a\\""}', '{"content":"\\"model\\":\\"a\\""}'],
  ]
  for (const [json, expected] of rows) test(json, () => expect(renameModel(json, 'neu')).toBe(expected))
})
