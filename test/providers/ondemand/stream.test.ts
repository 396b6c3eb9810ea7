/** What OnDemand's stream of events becomes, event type by event type, however the bytes are cut. */
import { describe, expect, test } from 'bun:test'
import { UpstreamError } from '../../../src/errors.ts'
import { createEventSource } from '../../../src/providers/ondemand/event-source.ts'
import type { StreamEnd } from '../../../src/providers/ondemand/read-events.ts'
import type { Step } from '../../../src/providers/text-tools/answer-source.ts'
import { readToolPlan } from '../../../src/providers/text-tools/tool-plan.ts'
import {
  type AnswerFacts,
  createAnswerAssembler,
  createAnswerWriter,
} from '../../../src/providers/text-tools/write-answer.ts'

const ids = '"sessionId":"s1","messageId":"m1"'
const heartbeat = `event:heartbeat\ndata:{${ids},"time":"2030-01-01T00:00:01Z"}\n\n`
const fulfilling = `event:message\ndata:{${ids},"eventIndex":1,"eventType":"statusLog","status":"processing","currentStatusLog":{"statusType":"fulfilling","statusMessage":"working"}}\n\n`
const done = 'event:message\ndata:[DONE]\n\n'

function piece(text: string): string {
  return `event:message\ndata: {${ids}, "answer": ${JSON.stringify(text)}, "eventType": "fulfillment"}\n\n`
}

function thought(text: string, type = 'fulfillment_thinking'): string {
  return `event:thinking\ndata:{${ids},"eventType":"${type}","thinking":{"delta":${JSON.stringify(text)}}}\n\n`
}

function output(text: string, type: string): string {
  return `event:thinking\ndata:{${ids},"eventType":"${type}","output":{"delta":${JSON.stringify(text)}}}\n\n`
}

function completed(answer: string): string {
  return `event:message\ndata:{${ids},"eventType":"statusLog","currentStatusLog":{"statusType":"fulfillment_completed","answer":${JSON.stringify(answer)}}}\n\n`
}

function metrics(input: number, outputTokens: number): string {
  return `event:message\ndata:{${ids},"eventType":"metricsLog","publicMetrics":{"inputTokens":${input},"outputTokens":${outputTokens},"totalTokens":${input + outputTokens},"ragTimeSec":0}}\n\n`
}

interface Heard {
  readonly steps: readonly Step[]
  readonly end: StreamEnd
}

const options = {
  signal: new AbortController().signal,
  maxTokens: null,
  readError: (words: string) => new UpstreamError('server_error', words),
}

/** Each chunk is one read of the network. */
async function hear(chunks: readonly Uint8Array<ArrayBuffer>[], ending: 'clean' | 'broken' = 'clean'): Promise<Heard> {
  const waiting = [...chunks]
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const next = waiting.shift()
        if (next !== undefined) return controller.enqueue(next)
        if (ending === 'broken') controller.error(new Error('reset'))
        else controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  const source = createEventSource(new Response(body), options)
  const steps: Step[] = []
  for (;;) {
    const next = await source.next()
    if (next === null) {
      const { reason: _, ...end } = source.end()
      return { steps: merged(steps), end }
    }
    steps.push(...next)
  }
}

/** Signs of life and the seams between pieces are no part of what is said. */
function merged(steps: readonly Step[]): Step[] {
  const told: Step[] = []
  for (const step of steps) {
    const last = told.at(-1)
    if (step.kind === 'alive') continue
    if (last?.kind === 'text' && step.kind === 'text') told.splice(-1, 1, { kind: 'text', text: last.text + step.text })
    else told.push(step)
  }
  return told
}

const encode = (text: string) => new Uint8Array(Buffer.from(text))

/** Whole, byte by byte, and in two at every boundary: it must always be heard alike. */
async function hearAllWays(text: string): Promise<Heard> {
  const bytes = encode(text)
  const whole = await hear([bytes])
  expect(await hear([...bytes].map((byte) => new Uint8Array([byte])))).toEqual(whole)
  for (let cut = 1; cut < bytes.length; cut++) {
    const halves = await hear([bytes.slice(0, cut), bytes.slice(cut)])
    if (!Bun.deepEquals(halves, whole)) expect({ cut, ...halves }).toEqual({ cut, ...whole })
  }
  return whole
}

const usage = (inputTokens: number, outputTokens: number) => ({
  inputTokens,
  outputTokens,
  cachedTokens: 0,
  reasoningTokens: 0,
})
const nothing: StreamEnd = { isComplete: false, text: '', usage: null }
const isDone: Step = { kind: 'done' }
const text = (words: string): Step => ({ kind: 'text', text: words })

interface EventCase {
  readonly name: string
  readonly stream: string
  readonly steps: readonly Step[]
  readonly end: StreamEnd
}

const cases: readonly EventCase[] = [
  {
    name: 'fulfillment: the next piece of the answer, characters of many bytes and line ends in it',
    stream: piece('Déjà ') + piece('你好\n\ndata: 🙂') + done,
    steps: [text('Déjà 你好\n\ndata: 🙂'), isDone],
    end: { ...nothing, isComplete: true },
  },
  {
    name: 'heartbeat: a sign of life and no more',
    stream: heartbeat + piece('a') + heartbeat + heartbeat + piece('b') + done,
    steps: [text('ab'), isDone],
    end: { ...nothing, isComplete: true },
  },
  {
    name: 'statusLog: progress is not told',
    stream: fulfilling + piece('a') + done,
    steps: [text('a'), isDone],
    end: { ...nothing, isComplete: true },
  },
  {
    name: 'statusLog fulfillment_completed: the repeated answer is never appended',
    stream: piece('Hello') + completed('Hello') + done,
    steps: [text('Hello'), isDone],
    end: { ...nothing, isComplete: true },
  },
  {
    name: 'statusLog fulfillment_completed: where no piece came, the repetition is the answer',
    stream: fulfilling + completed('Hello') + done,
    steps: [isDone],
    end: { isComplete: true, text: 'Hello', usage: null },
  },
  {
    name: 'metricsLog: the numbers of the last one',
    stream: piece('a') + metrics(1, 2) + metrics(120, 3) + done,
    steps: [text('a'), isDone],
    end: { isComplete: true, text: '', usage: usage(120, 3) },
  },
  {
    name: 'fulfillment_thinking: the reasoning of the model',
    stream: thought('First') + piece('a') + done,
    steps: [{ kind: 'thinking', text: 'First' }, text('a'), isDone],
    end: { ...nothing, isComplete: true },
  },
  ...['planning_thinking', 'step_thinking'].map((type) => ({
    name: `${type}: the planner's notes are no part of the answer`,
    stream: thought('a plan', type) + piece('a') + done,
    steps: [text('a'), isDone],
    end: { ...nothing, isComplete: true },
  })),
  ...['planning_output', 'step_output'].map((type) => ({
    name: `${type}: the planner's JSON is no part of the answer`,
    stream: output('{"plugins":[', type) + piece('a') + done,
    steps: [text('a'), isDone],
    end: { ...nothing, isComplete: true },
  })),
  {
    name: 'unknown types are ignored, whatever fields they have',
    stream: `data:{"eventType":"novelty","answer":"NO","text":"NO","thoughts":"NO"}\n\n${piece('a')}data: no json\n\ndata:"NO"\n\n${done}`,
    steps: [text('a'), isDone],
    end: { ...nothing, isComplete: true },
  },
  {
    name: '[ERROR]: has upstream’s words',
    stream: `${heartbeat}event:message\ndata:[ERROR]:{"message":"too long","errorCode":"context_length_exceeded"}\n\n`,
    steps: [{ kind: 'error', text: '{"message":"too long","errorCode":"context_length_exceeded"}' }],
    end: nothing,
  },
  {
    name: 'eventType error, never seen, is an error all the same',
    stream: 'data:{"eventType":"error","errorCode":"model_error","message":"broken"}\n\n',
    steps: [{ kind: 'error', text: '{"eventType":"error","errorCode":"model_error","message":"broken"}' }],
    end: nothing,
  },
  {
    name: '[DONE] alone is no answer',
    stream: heartbeat + done,
    steps: [isDone],
    end: nothing,
  },
  {
    name: 'an end without [DONE] is one after fulfillment_completed',
    stream: piece('a') + completed('a'),
    steps: [text('a')],
    end: { ...nothing, isComplete: true },
  },
  {
    name: 'an end without [DONE] is one after metricsLog',
    stream: piece('a') + metrics(1, 1),
    steps: [text('a')],
    end: { isComplete: true, text: '', usage: usage(1, 1) },
  },
  {
    name: 'an end without [DONE] is a cut otherwise',
    stream: piece('a'),
    steps: [text('a')],
    end: nothing,
  },
  {
    name: 'a last event without its blank line counts',
    stream: piece('a') + done.trimEnd(),
    steps: [text('a'), isDone],
    end: { ...nothing, isComplete: true },
  },
  {
    name: 'lines may end in CR LF',
    stream: (piece('a') + heartbeat + piece('b') + done).replaceAll('\n', '\r\n'),
    steps: [text('ab'), isDone],
    end: { ...nothing, isComplete: true },
  },
]

test.each(cases.map((one) => [one.name, one] as const))('%s', async (_, { stream, steps, end }) => {
  expect(await hearAllWays(stream)).toEqual({ steps: [...steps], end })
})

test('a connection that breaks after the last word takes nothing away', async () => {
  const heard = await hear([encode(piece('a') + metrics(1, 1))], 'broken')
  expect(heard).toEqual({ steps: [text('a')], end: { isComplete: true, text: '', usage: usage(1, 1) } })
  expect(hear([encode(piece('a'))], 'broken')).rejects.toThrow('no connection')
})

test('a line of several megabytes is read in time', async () => {
  const answer = 'x'.repeat(8 * 1024 * 1024)
  const bytes = encode(piece('short') + completed(answer) + done)
  const chunks: Uint8Array<ArrayBuffer>[] = []
  for (let at = 0; at < bytes.length; at += 4096) chunks.push(bytes.slice(at, at + 4096))
  const startedMs = performance.now()
  expect((await hear(chunks)).steps).toEqual([text('short'), isDone])
  expect(performance.now() - startedMs).toBeLessThan(3000)
})

test('a limit that was sent and reached is the reason of the end', async () => {
  for (const [maxTokens, reason] of [
    [2, 'length'],
    [3, 'stop'],
    [null, 'stop'],
  ] as const) {
    const source = createEventSource(new Response(piece('a') + metrics(5, 2) + done), { ...options, maxTokens })
    while ((await source.next()) !== null);
    expect(source.end().reason).toBe(reason)
  }
})

describe('an answer in OpenAI’s format', () => {
  const facts: AnswerFacts = {
    id: 'chatcmpl-1',
    created: 1,
    model: 'glm-5.3',
    plan: readToolPlan({}),
    parser: { push: (words) => [{ type: 'text', text: words }], end: () => [] },
    isThinkingShown: true,
  }
  const chunksOf = (stream: string) =>
    [...stream.matchAll(/^data: (\{.*)$/gm)].map((match) => JSON.parse(match[1] ?? '') as Record<string, unknown>)

  test('streamed: the role first, one id, the reason, usage, [DONE]', () => {
    const writer = createAnswerWriter(facts)
    const stream =
      writer.thinking('hm') + writer.text('Hel') + writer.alive() + writer.text('lo') + writer.end(usage(5, 2), 'stop')
    const chunks = chunksOf(stream)
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1)
    expect(chunks.map((chunk) => chunk.choices)).toEqual([
      [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
      [{ index: 0, delta: { reasoning_content: 'hm' }, finish_reason: null }],
      [{ index: 0, delta: { content: 'Hel' }, finish_reason: null }],
      [{ index: 0, delta: { content: 'lo' }, finish_reason: null }],
      [{ index: 0, delta: {}, finish_reason: 'stop' }],
      [],
    ])
    expect(chunks.at(-1)?.usage).toEqual({ prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 })
    expect(stream.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  test('whole: the same words, thoughts apart', () => {
    const assembler = createAnswerAssembler(facts)
    assembler.thinking('hm')
    assembler.text('Hel')
    assembler.text('lo')
    expect(assembler.end(usage(5, 2), 'stop')).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { role: 'assistant', content: 'Hello', reasoning_content: 'hm' }, finish_reason: 'stop' }],
      usage: { total_tokens: 7 },
    })
  })

  test('thinking can be hidden', () => {
    const writer = createAnswerWriter({ ...facts, isThinkingShown: false })
    expect(writer.thinking('secret') + writer.thinking('secret') + writer.end(null, 'stop')).not.toContain('secret')
    const assembler = createAnswerAssembler({ ...facts, isThinkingShown: false })
    assembler.thinking('secret')
    expect(JSON.stringify(assembler.end(null, 'stop'))).not.toContain('secret')
  })

  test('the reason and the details of the usage are told', () => {
    const counts = { ...usage(5, 2), cachedTokens: 4, reasoningTokens: 1 }
    const told = createAnswerWriter(facts).end(counts, 'length')
    expect(told).toContain('"finish_reason":"length"')
    expect(told).toContain('"prompt_tokens_details":{"cached_tokens":4}')
    expect(told).toContain('"completion_tokens_details":{"reasoning_tokens":1}')
  })

  test('no line ends where only Unicode has one', () => {
    const text = 'a\u0085b\u2028c\u2029d'
    const told = createAnswerWriter(facts).text(text)
    expect(told).not.toMatch(/[\u0085\u2028\u2029]/)
    expect(JSON.stringify(chunksOf(told))).toContain(text)
  })

  test('without numbers from upstream there is no usage', () => {
    expect(createAnswerWriter(facts).end(null, 'stop')).not.toContain('usage')
    expect(createAnswerAssembler(facts).end(null, 'stop')).not.toHaveProperty('usage')
  })
})
