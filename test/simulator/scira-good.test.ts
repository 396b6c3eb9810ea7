/** Good answers of the simulated Scira, line by line, and read with the readers that the AI SDK itself has. */
import { afterEach, expect, test } from 'bun:test'
import {
  parseJsonEventStream,
  readUIMessageStream,
  type UIMessage,
  type UIMessageChunk,
  uiMessageChunkSchema,
} from 'ai'
import { processDataStream } from 'ai-v4'
import type { Behaviour } from '../../src/simulator/scira/behaviours.ts'
import { type SciraSimulator, type SciraSimulatorOptions, startSciraSimulator } from '../../src/simulator/scira.ts'
import { ask, askBare, linesOf, type Part, partsOf } from './scira-client.ts'

let simulator: SciraSimulator | null = null
afterEach(() => simulator?.stop())

function start(options: SciraSimulatorOptions): SciraSimulator {
  simulator = startSciraSimulator(options)
  return simulator
}

const RICH: Behaviour = {
  kind: 'good',
  text: ['Hel', 'lo'],
  reasoningText: 'Let me see',
  toolStepCount: 1,
  sourceCount: 1,
}

test('data stream: the least there is', async () => {
  const upstream = start({ generation: '2025-05', signedOut: { kind: 'good', text: 'Hello you', usage: 'counted' } })
  const response = await ask(upstream, { generation: '2025-05' })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBeNull()
  expect(response.headers.get('x-vercel-ai-data-stream')).toBeNull()
  const usage = { promptTokens: 902, completionTokens: 2 }
  expect(linesOf(await response.text())).toEqual([
    ['f', { messageId: 'msg-1' }],
    ['0', 'Hello'],
    ['0', ' you'],
    ['e', { finishReason: 'stop', usage, isContinued: false }],
    ['d', { finishReason: 'stop', usage }],
  ])
})

test('data stream: thoughts, steps, tools and sources, and counts that add up', async () => {
  const upstream = start({ generation: '2025-05', signedOut: RICH })
  const lines = linesOf(await (await ask(upstream, { generation: '2025-05' })).text())
  expect(lines.map(([code]) => code).join('')).toBe('fbcc9aefhgggj00ed')
  const withEnd = { ...RICH, isReasoningEndSent: true }
  upstream.setSignedOut(withEnd)
  expect(await (await ask(upstream, { generation: '2025-05' })).text()).toContain('\nl:{}\n0:')
  const byCode = (code: string) => lines.filter((line) => line[0] === code).map(([, value]) => value as Part)
  const [first, last] = byCode('e')
  expect(first).toMatchObject({ finishReason: 'tool-calls', isContinued: false })
  expect(last).toMatchObject({ finishReason: 'stop', usage: { promptTokens: 902, completionTokens: 4 } })
  expect(byCode('d')).toEqual([{ finishReason: 'stop', usage: { promptTokens: 942, completionTokens: 16 } }])
  const [call] = byCode('9')
  const args = byCode('c').map((delta) => delta.argsTextDelta)
  expect(JSON.parse(args.join(''))).toEqual(call?.args)
})

test('UI message stream: the least there is', async () => {
  const upstream = start({ signedOut: { kind: 'good', text: 'Hello you' } })
  const response = await ask(upstream)
  expect(response.headers.get('content-type')).toBeNull()
  expect(response.headers.get('x-vercel-ai-ui-message-stream')).toBeNull()
  expect(partsOf(await response.text())).toEqual([
    {
      type: 'start',
      messageId: 'msg-1',
      messageMetadata: {
        model: 'scira-default',
        createdAt: new Date(upstream.requests[0]?.receivedAtMs ?? 0).toISOString(),
      },
    },
    { type: 'start-step' },
    { type: 'text-start', id: 'text-1' },
    { type: 'text-delta', id: 'text-1', delta: 'Hello' },
    { type: 'text-delta', id: 'text-1', delta: ' you' },
    { type: 'text-end', id: 'text-1' },
    { type: 'finish-step' },
    {
      type: 'finish',
      finishReason: 'stop',
      messageMetadata: { completionTime: 1.2, inputTokens: 902, outputTokens: 2, totalTokens: 904 },
    },
    '[DONE]',
  ])
})

test('UI message stream: thoughts, steps, tools and sources', async () => {
  const upstream = start({ signedOut: RICH })
  const types = partsOf(await (await ask(upstream)).text()).map((part) => (part === '[DONE]' ? part : part.type))
  expect(types).toEqual([
    ...['start', 'start-step', 'tool-input-start', 'tool-input-delta', 'tool-input-delta', 'tool-input-available'],
    ...['tool-output-available', 'finish-step', 'start-step', 'source-url'],
    ...['reasoning-start', 'reasoning-delta', 'reasoning-delta', 'reasoning-delta', 'reasoning-end'],
    ...['text-start', 'text-delta', 'text-delta', 'text-end', 'finish-step', 'finish', '[DONE]'],
  ])
})

test.each([
  ['usage null', { usage: 'null' }, { inputTokens: null, outputTokens: null, totalTokens: null, completionTime: 1.2 }],
  ['no usage, as in August 2025', { usage: 'none' }, undefined],
  [
    'told counts',
    { tokens: { input: 7, output: 5 } },
    { inputTokens: 7, outputTokens: 5, totalTokens: 12, completionTime: 1.2 },
  ],
] as const)('UI message stream, %s', async (_, shape, messageMetadata) => {
  const upstream = start({ signedOut: { kind: 'good', text: 'a', ...shape } })
  const finish = partsOf(await (await ask(upstream)).text()).at(-2)
  expect(finish).toEqual({ type: 'finish', finishReason: 'stop', ...(messageMetadata && { messageMetadata }) })
})

test.each([
  ['usage null', { usage: 'null' }, { usage: { promptTokens: null, completionTokens: null } }],
  ['no usage', { usage: 'none' }, {}],
  ['told counts', { tokens: { input: 7, output: 5 } }, { usage: { promptTokens: 7, completionTokens: 5 } }],
] as const)('data stream, %s', async (_, shape, usage) => {
  const upstream = start({ format: 'data_stream', signedOut: { kind: 'good', text: 'a', ...shape } })
  const lines = linesOf(await (await ask(upstream)).text())
  expect(lines.at(-1)).toEqual(['d', { finishReason: 'stop', ...usage }])
})

test('UI message stream: counts in a part of their own, no finish reason, no bounds, bare types, no space, no end mark', async () => {
  const upstream = start({})
  const read = async (shape: Omit<Behaviour, 'kind'>) => {
    upstream.setSignedOut({ kind: 'good', text: ['a'], reasoningText: 'b', tokens: { input: 1, output: 2 }, ...shape })
    return (await ask(upstream)).text()
  }
  expect(partsOf(await read({ usagePlace: 'message_metadata', isFinishReasonSent: false })).slice(-3)).toEqual([
    { type: 'message-metadata', messageMetadata: { inputTokens: 1, outputTokens: 2, totalTokens: 3 } },
    { type: 'finish' },
    '[DONE]',
  ])
  expect(partsOf(await read({ hasPartBounds: false, textStyle: 'bare_text' })).slice(2, -3)).toEqual([
    { type: 'reasoning', text: 'b' },
    { type: 'text', text: 'a' },
  ])
  expect(partsOf(await read({ hasPartBounds: false, textStyle: 'bare_delta' })).slice(2, -3)).toEqual([
    { type: 'reasoning', delta: 'b' },
    { type: 'text', delta: 'a' },
  ])
  const last = await read({ isDataSpaced: false, isDoneSent: false, finishReason: 'length' })
  expect(last).toContain('data:{"type":"text-delta","id":"text-1","delta":"a"}\n\n')
  expect(last).toEndWith(
    '"finishReason":"length","messageMetadata":{"completionTime":1.2,"inputTokens":1,"outputTokens":2,"totalTokens":3}}\n\n',
  )
})

test('the headers of the helpers come when they are wanted', async () => {
  const upstream = start({ signedOut: { kind: 'good', hasProtocolHeaders: true } })
  const { headers } = await ask(upstream)
  expect([headers.get('content-type'), headers.get('x-vercel-ai-ui-message-stream')]).toEqual([
    'text/event-stream',
    'v1',
  ])
  upstream.stop()
  const older = start({ format: 'data_stream', signedOut: { kind: 'good', hasProtocolHeaders: true } })
  const old = (await ask(older)).headers
  expect([old.get('content-type'), old.get('x-vercel-ai-data-stream')]).toEqual(['text/plain; charset=utf-8', 'v1'])
})

test('in a group other than chat there are tools, sources and parts of the application', async () => {
  const upstream = start({ signedOut: { kind: 'good', text: 'a' } })
  const text = await (await ask(upstream, { fields: { group: 'web' } })).text()
  const types = new Set(partsOf(text).map((part) => (part === '[DONE]' ? part : part.type)))
  for (const type of ['data-chat_title', 'tool-output-available', 'source-url', 'source-document', 'file']) {
    expect(types).toContain(type)
  }
})

test('the text tells what was asked, is the same each time, and has what is hard to decode', async () => {
  const upstream = start({})
  const read = async () => {
    const parts = partsOf(await (await ask(upstream)).text())
    return parts.map((part) => (part !== '[DONE]' && part.type === 'text-delta' ? part.delta : '')).join('')
  }
  const text = await read()
  expect(text).toContain(
    'model scira-default in the group chat, I got 1 message; the last of a user said: “Hello there”',
  )
  for (const each of ['déjà vu, 你好, 🙂', '"Escapes"', 'C:\\temp\\new', 'a/b', '\u2028', '\n', '\t'])
    expect(text).toContain(each)
  expect(await read()).toBe(text)
})

test('every way of spelling and cutting gives the same text to the readers of the SDK', async () => {
  const text = 'a/b "c" \\ \u2028 你好 🙂\nend'
  const shapes: Omit<Behaviour, 'kind'>[] = [
    { escapes: 'all' },
    { pieceSizes: [1] },
    { pieceCount: 2, cutEveryBytes: 1 },
    { cutEveryBytes: 7, escapes: 'all' },
    { framesPerWrite: Number.POSITIVE_INFINITY },
    { lineEnd: '\r\n' },
    // Halves of a surrogate pair in two pieces, as a text cut by UTF-16 units has them.
    { text: ['a/b "c" \\ \u2028 你好 \ud83d', '\ude42\nend'] },
  ]
  const upstream = start({})
  const older = startSciraSimulator({ generation: '2025-05' })
  for (const shape of shapes) {
    upstream.setSignedOut({ kind: 'good', text, ...shape } as Behaviour)
    expect((await readUiMessage(await ask(upstream))).text).toBe(text)
    // The old reader cuts its lines at `\n` alone: what is left of `\r\n` is white space to JSON.
    older.setSignedOut({ kind: 'good', text, ...shape } as Behaviour)
    expect((await readDataStream(await ask(older, { generation: '2025-05' }))).text).toBe(text)
  }
  older.stop()
})

test('escapes: as few as JSON needs, or all that it allows', async () => {
  const upstream = start({ format: 'data_stream', signedOut: { kind: 'good', text: ['a/b 🙂'] } })
  expect(await (await ask(upstream)).text()).toContain('0:"a/b 🙂"\n')
  upstream.setSignedOut({ kind: 'good', text: ['a/b 🙂'], escapes: 'all' })
  expect(await (await ask(upstream)).text()).toContain('0:"a\\/b \\ud83d\\ude42"\n')
})

test('cut into single bytes: each is an HTTP chunk of its own', async () => {
  const upstream = start({ format: 'data_stream', signedOut: { kind: 'good', text: 'é', cutEveryBytes: 1 } })
  const answer = await askBare(upstream, '2026-03', 1_000)
  expect(answer.text).toStartWith('HTTP/1.1 200 OK\r\n')
  const body = answer.text.slice(answer.text.indexOf('\r\n\r\n') + 4)
  expect(body).toStartWith('1\r\nf\r\n1\r\n:\r\n1\r\n{\r\n')
})

test('one line may be giant', async () => {
  const upstream = start({ signedOut: { kind: 'good', text: 'a', hugePieceBytes: 3_000_000 } })
  expect((await readUiMessage(await ask(upstream))).text).toHaveLength(3_000_001)
})

test("the SDK's reader of UI message streams takes rich answers without a complaint", async () => {
  const upstream = start({ signedOut: { ...RICH, hasDataParts: true } })
  const { text, message, chunks } = await readUiMessage(await ask(upstream))
  expect(text).toBe('Hello')
  expect(chunks.at(-1)).toMatchObject({ type: 'finish', finishReason: 'stop' })
  expect(message.metadata).toMatchObject({
    model: 'scira-default',
    inputTokens: 942,
    outputTokens: 16,
    totalTokens: 958,
  })
  const reasoning = message.parts.filter((part) => part.type === 'reasoning').map((part) => part.text)
  expect(reasoning).toEqual(['Let me see'])
  expect(message.parts.map((part) => part.type)).toContain('tool-web_search')
})

test("the SDK's reader of data streams takes rich answers without a complaint", async () => {
  const upstream = start({ generation: '2025-05', signedOut: { ...RICH, hasDataParts: true } })
  const read = await readDataStream(await ask(upstream, { generation: '2025-05' }))
  expect(read).toMatchObject({ text: 'Hello', reasoning: 'Let me see', stepCount: 2, toolCallCount: 1, errors: [] })
  expect(read.finish).toEqual({ finishReason: 'stop', usage: { promptTokens: 942, completionTokens: 16 } })
})

async function readUiMessage(response: Response) {
  if (response.body === null) throw new Error('No body')
  const chunks: UIMessageChunk[] = []
  const parsed = parseJsonEventStream({ stream: response.body, schema: uiMessageChunkSchema }).pipeThrough(
    new TransformStream({
      transform(result, controller) {
        if (!result.success) throw result.error
        chunks.push(result.value)
        controller.enqueue(result.value)
      },
    }),
  )
  let message: UIMessage | undefined
  const reading = readUIMessageStream({ stream: parsed, terminateOnError: true })
  for await (const each of reading) message = each
  if (message === undefined) throw new Error('No message')
  const text = message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
  return { text, message, chunks }
}

async function readDataStream(response: Response) {
  if (response.body === null) throw new Error('No body')
  const read = {
    text: '',
    reasoning: '',
    stepCount: 0,
    toolCallCount: 0,
    errors: [] as string[],
    finish: null as unknown,
  }
  await processDataStream({
    stream: response.body,
    onTextPart(value) {
      read.text += value
    },
    onReasoningPart(value) {
      read.reasoning += value
    },
    onStartStepPart() {
      read.stepCount += 1
    },
    onToolCallPart() {
      read.toolCallCount += 1
    },
    onErrorPart: (value) => void read.errors.push(value),
    onFinishMessagePart(value) {
      read.finish = value
    },
  })
  return read
}
