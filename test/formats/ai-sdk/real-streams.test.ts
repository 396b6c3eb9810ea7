/** Streams that the AI SDK itself writes: its version 4 (data stream) and the current one (UI message stream). */
import { describe, expect, test } from 'bun:test'
import { createUIMessageStream, createUIMessageStreamResponse, isStepCount, streamText, tool } from 'ai'
import { MockLanguageModelV4, simulateReadableStream } from 'ai/test'
import { type LanguageModelV1, streamText as streamTextV4, tool as toolV4 } from 'ai-v4'
import { MockLanguageModelV1, simulateReadableStream as simulateReadableStreamV4 } from 'ai-v4/test'
import { z } from 'zod'
import { encode, hear, hearAllWays } from './read-all.ts'

const said = ['Hello "you" \\ / \n\t', '你好 ', '🙂🇩🇪 é', '\u2028 end']
const text = said.join('')

type StreamOf<Model extends { doStream: unknown }> = Model['doStream'] extends (...all: never[]) => PromiseLike<{
  stream: ReadableStream<infer Part>
}>
  ? Part
  : never
type NewPart = StreamOf<MockLanguageModelV4>
type OldPart = StreamOf<MockLanguageModelV1>

const silent = { onError: () => {} }
const echo = { description: 'echoes', inputSchema: z.object({ text: z.string() }) }

function newModel(...steps: NewPart[][]): MockLanguageModelV4 {
  const waiting = [...steps]
  return new MockLanguageModelV4({
    doStream: async () => ({
      stream: simulateReadableStream({ chunks: waiting.shift() ?? [], chunkDelayInMs: null, initialDelayInMs: null }),
    }),
  })
}

/** As `LanguageModelV1` has it: the mock's own type leaves a member open. */
function oldModel(...steps: OldPart[][]): LanguageModelV1 {
  const waiting = [...steps]
  const model = new MockLanguageModelV1({
    doStream: async () => ({
      stream: simulateReadableStreamV4({ chunks: waiting.shift() ?? [], chunkDelayInMs: null, initialDelayInMs: null }),
      rawCall: { rawPrompt: null, rawSettings: {} },
    }),
  })
  return model as LanguageModelV1
}

function newFinish(
  unified: 'stop' | 'length' | 'content-filter' | 'tool-calls' | 'error' | 'interrupted' | 'other',
): NewPart {
  return {
    type: 'finish',
    finishReason: { unified, raw: undefined },
    usage: {
      inputTokens: { total: 9, noCache: 5, cacheRead: 4, cacheWrite: undefined },
      outputTokens: { total: 3, text: 1, reasoning: 2 },
    },
  }
}

function oldFinish(finishReason: Extract<OldPart, { type: 'finish' }>['finishReason']): OldPart {
  return { type: 'finish', finishReason, usage: { promptTokens: 9, completionTokens: 3 } }
}

const newText = (pieces = said): NewPart[] => [
  { type: 'text-start', id: 't' },
  ...pieces.map((delta): NewPart => ({ type: 'text-delta', id: 't', delta })),
  { type: 'text-end', id: 't' },
]
const oldText = (pieces = said): OldPart[] => pieces.map((textDelta) => ({ type: 'text-delta', textDelta }))

describe('version 4', () => {
  const usage = { inputTokens: 9, outputTokens: 3 }

  async function written(model: LanguageModelV1): Promise<string> {
    const result = streamTextV4({
      model,
      prompt: 'x',
      maxSteps: 3,
      maxRetries: 0,
      tools: { echo: toolV4({ description: 'echoes', parameters: echo.inputSchema, execute: async (given) => given }) },
      ...silent,
    })
    return result.toDataStreamResponse({ sendReasoning: true, sendSources: true, getErrorMessage: String }).text()
  }

  test('text and reasoning arrive whole, wherever the stream is cut', async () => {
    const model = oldModel([
      { type: 'reasoning', textDelta: 'Hm \u{1f914} ' },
      { type: 'reasoning', textDelta: '\n?' },
      { type: 'reasoning-signature', signature: 'x' },
      { type: 'source', source: { sourceType: 'url', id: '1', url: 'https://e.x' } },
      { type: 'file', mimeType: 'image/png', data: 'AA==' },
      ...oldText(),
      oldFinish('stop'),
    ])
    const stream = await written(model)
    expect(hearAllWays(stream)).toMatchObject({ text, reasoning: 'Hm 🤔 \n?', isComplete: true, reason: 'stop', usage })
    expect(hearAllWays(stream.replaceAll('\n', '\r\n'))).toMatchObject({ text, isComplete: true })
  })

  test('tools that ran there are no part of the answer; the counts are those of all steps', async () => {
    const model = oldModel(
      [
        ...oldText(['one ']),
        { type: 'tool-call', toolCallType: 'function', toolCallId: 'c', toolName: 'echo', args: '{"text":"not this"}' },
        oldFinish('tool-calls'),
      ],
      [...oldText(['two']), oldFinish('stop')],
    )
    expect(hearAllWays(await written(model))).toMatchObject({
      text: 'one two',
      isComplete: true,
      reason: 'stop',
      usage: { inputTokens: 18, outputTokens: 6 },
    })
  })

  test('every reason is understood', async () => {
    for (const [reason, word] of [
      ['stop', 'stop'],
      ['length', 'length'],
      ['content-filter', 'content_filter'],
      ['error', 'error'],
      ['other', 'stop'],
      ['unknown', 'stop'],
    ] as const) {
      expect(hear([encode(await written(oldModel([...oldText(['a']), oldFinish(reason)])))])).toMatchObject({
        reason: word,
        isComplete: true,
      })
    }
  })

  test('missing counts are none', async () => {
    const finish: OldPart = {
      type: 'finish',
      finishReason: 'stop',
      usage: { promptTokens: Number.NaN, completionTokens: Number.NaN },
    }
    expect(hear([encode(await written(oldModel([...oldText(), finish])))])).toMatchObject({ usage: null, text })
  })

  test('an error is told, before the first word and after it', async () => {
    for (const before of [[], oldText(['half'])]) {
      const heard = hearAllWays(await written(oldModel([...before, { type: 'error', error: new Error('overloaded') }])))
      expect(heard.errors.join()).toContain('overloaded')
      expect(heard.text).toBe(before.length === 0 ? '' : 'half')
    }
  })
})

describe('the current version', () => {
  async function written(model: MockLanguageModelV4, isCounted = true): Promise<string> {
    const result = streamText({
      model,
      prompt: 'x',
      maxRetries: 0,
      stopWhen: isStepCount(3),
      tools: { echo: tool({ ...echo, execute: async (given) => given }) },
      ...silent,
    })
    return result
      .toUIMessageStreamResponse({
        sendReasoning: true,
        sendSources: true,
        onError: String,
        messageMetadata: ({ part }) => (isCounted && part.type === 'finish' ? { ...part.totalUsage } : undefined),
      })
      .text()
  }

  test('text, reasoning and metadata arrive whole, wherever the stream is cut', async () => {
    const model = newModel([
      { type: 'stream-start', warnings: [] },
      { type: 'reasoning-start', id: 'r' },
      { type: 'reasoning-delta', id: 'r', delta: 'Hm \u{1f914} ' },
      { type: 'reasoning-delta', id: 'r', delta: '\n?' },
      { type: 'reasoning-end', id: 'r' },
      { type: 'source', sourceType: 'url', id: '1', url: 'https://e.x' },
      ...newText(),
      newFinish('stop'),
    ])
    const stream = await written(model)
    const expected = {
      text,
      reasoning: 'Hm 🤔 \n?',
      isComplete: true,
      reason: 'stop',
      usage: { inputTokens: 9, outputTokens: 3, cachedTokens: 4, reasoningTokens: 2 },
    }
    expect(hearAllWays(stream)).toMatchObject(expected)
    expect(hearAllWays(stream.replaceAll('\n', '\r\n'))).toMatchObject(expected)
  })

  test('tools that ran there are no part of the answer; the counts are those of all steps', async () => {
    const model = newModel(
      [
        ...newText(['one ']),
        { type: 'tool-input-start', id: 'c', toolName: 'echo' },
        { type: 'tool-input-delta', id: 'c', delta: '{"text":"not this"}' },
        { type: 'tool-input-end', id: 'c' },
        { type: 'tool-call', toolCallId: 'c', toolName: 'echo', input: '{"text":"not this"}' },
        newFinish('tool-calls'),
      ],
      [...newText(['two']), newFinish('stop')],
    )
    expect(hearAllWays(await written(model))).toMatchObject({
      text: 'one two',
      isComplete: true,
      reason: 'stop',
      usage: { inputTokens: 18, outputTokens: 6 },
    })
  })

  test('every reason is understood; without metadata there are no counts', async () => {
    for (const [reason, word] of [
      ['stop', 'stop'],
      ['length', 'length'],
      ['content-filter', 'content_filter'],
      ['error', 'error'],
      ['other', 'stop'],
    ] as const) {
      const stream = await written(newModel([...newText(['a']), newFinish(reason)]), false)
      expect(hear([encode(stream)])).toMatchObject({ reason: word, isComplete: true, usage: null })
    }
  })

  test('an error is told, before the first word and after it', async () => {
    for (const before of [[], newText(['half'])]) {
      const heard = hearAllWays(await written(newModel([...before, { type: 'error', error: new Error('overloaded') }])))
      expect(heard.errors.join()).toContain('overloaded')
      expect(heard.text).toBe(before.length === 0 ? '' : 'half')
    }
  })

  test('a model that was interrupted has not finished', async () => {
    const stream = await written(newModel([...newText(['half']), newFinish('interrupted')]))
    const { isComplete, text: half, kinds } = hearAllWays(stream)
    expect([isComplete, half, kinds.includes('abort')]).toEqual([false, 'half', true])
  })

  test('a stream that an application puts together from parts of its own is read', async () => {
    const stream = createUIMessageStream({
      execute: ({ writer }) => {
        writer.write({ type: 'data-chat_title', data: { text: 'not this' }, transient: true })
        const result = streamText({ model: newModel([...newText(), newFinish('stop')]), prompt: 'x', ...silent })
        writer.merge(result.toUIMessageStream())
      },
    })
    const written = await createUIMessageStreamResponse({ stream }).text()
    expect(hearAllWays(written)).toMatchObject({ text, isComplete: true, reason: 'stop' })
  })
})
