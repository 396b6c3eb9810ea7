/** A stream that the upstream breaks off must end, in each client library, in a way that no code can take for a finished answer. */
import { describe, expect, test } from 'bun:test'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { streamText } from 'ai'
import OpenAI, { APIError } from 'openai'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { testConfig } from '../helpers/start-gateway.ts'
import { chatClients, receive } from './chat-clients.ts'
import { chatModel, question, rejectionOf } from './client-check.ts'
import { patience, startScriptedGateway } from './scripted-gateway.ts'

interface CutCase {
  readonly name: string
  readonly behaviour: Behaviour
}

const text = 'one two three four five six'

/** In pieces, as a real upstream sends them: the gateway has passed the first ones on when the end comes. */
const paced = { text, delayMs: 10 } as const

const cutCases: readonly CutCase[] = [
  { name: 'reset', behaviour: { kind: 'dying', how: 'reset', ...paced } },
  { name: 'closed', behaviour: { kind: 'dying', how: 'close', ...paced } },
  { name: 'ended in the ordinary way but too early', behaviour: { kind: 'dying', how: 'clean', ...paced } },
  { name: 'ended early in one piece', behaviour: { kind: 'dying', how: 'clean', text } },
  { name: 'ended in the middle of a character', behaviour: scriptedCut() },
  { name: 'fallen silent', behaviour: { kind: 'silent', after: 'content', afterChunks: 3, text } },
  { name: 'ended by an error event', behaviour: { kind: 'error_in_stream', afterChunks: 3, ...paced } },
  {
    name: 'ended by an error event and [DONE]',
    behaviour: { kind: 'error_in_stream', afterChunks: 3, ...paced, isDoneSent: true },
  },
  {
    name: 'ended by an error event of a gateway',
    behaviour: { kind: 'error_in_stream', afterChunks: 3, ...paced, style: 'openrouter' },
  },
  {
    name: 'ended by a named error event',
    behaviour: { kind: 'error_in_stream', afterChunks: 3, ...paced, style: 'named_event' },
  },
]

const asked = { model: chatModel, prompt: question }
/** With a redirect each event is edited on its way, which is another path through the gateway. */
const redirected = { models: [{ pattern: chatModel, targets: [{ provider: 'openai', model: 'other' }], price: null }] }

describe.each(chatClients)('$library', (client) => {
  describe.each([
    { passage: 'as it is', config: {} },
    { passage: 'renamed', config: redirected },
  ])('passed on $passage', ({ config }) => {
    test.concurrent.each(cutCases)('a stream $name throws after the text that came', async ({ behaviour }) => {
      const timeouts = behaviour.kind === 'silent' ? { ...patience, idleMs: 500 } : patience
      await using running = await startScriptedGateway({ credentials: [behaviour], provider: { timeouts }, config })
      const received = await receive(client.stream(running.endpoint, asked))
      expect(received.cause).not.toBeNull()
      // A reset may overtake what was sent before it.
      expect('one two three').toStartWith(received.text)
      expect(received.text).not.toBe('')
      const [record] = await running.gateway.recorded(1)
      expect(record).toMatchObject({ isStream: true, attempts: 1 })
      expect(record?.outcome).not.toBe('succeeded')
      expect(running.upstream.totalCalls()).toBe(1)
    })
  })

  test.concurrent('a stream that fails after comments kept it alive throws', async () => {
    await using running = await startScriptedGateway({
      credentials: [{ kind: 'hanging' }],
      provider: { maxAttempts: 1, timeouts: { ...patience, firstByteMs: 200 } },
      config: shortKeepAlive(),
    })
    const received = await receive(client.stream(running.endpoint, asked))
    expect(received.cause).not.toBeNull()
    expect(received.text).toBe('')
  })

  test.concurrent('comments that keep a slow stream alive are not seen in its text', async () => {
    await using running = await startScriptedGateway({
      credentials: [{ kind: 'good', text, firstTokenDelayMs: 200, heartbeatMs: 30, isHeadSentEarly: true }],
      config: shortKeepAlive(),
    })
    expect(await receive(client.stream(running.endpoint, asked))).toMatchObject({ text, cause: null })
  })

  test.concurrent('a whole answer that is cut is asked for again', async () => {
    await using running = await startScriptedGateway({
      credentials: [
        { kind: 'dying', text },
        { kind: 'good', text },
      ],
    })
    expect(await client.answer(running.endpoint, asked)).toMatchObject({ text })
    expect(running.upstream.totalCalls()).toBe(2)
  })
})

test.concurrent('openai throws an APIError that names the cut', async () => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'dying', ...paced }] })
  const client = new OpenAI({ ...running.endpoint, maxRetries: 0 })
  const messages = [{ role: 'user' as const, content: question }]
  const cause = await rejectionOf(client.chat.completions.stream({ model: chatModel, messages }).finalContent())
  expect(cause).toBeInstanceOf(APIError)
  expect(cause).toMatchObject({ code: 'upstream_stream_cut', type: 'server_error' })
})

test.concurrent('the AI SDK has an error part that names the cut, and no finish of a finished answer', async () => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'dying', ...paced }] })
  const provider = createOpenAICompatible({ name: 'gateway', ...running.endpoint })
  const model = provider.chatModel(chatModel)
  const result = streamText({ model, prompt: question, maxRetries: 0, onError: () => {} })
  const parts = await Array.fromAsync(result.fullStream)
  expect(parts.filter((part) => part.type === 'error')).toMatchObject([{ error: { code: 'upstream_stream_cut' } }])
  expect(parts.flatMap((part) => (part.type === 'finish-step' ? [part.finishReason] : []))).not.toContain('stop')
})

// The library leaves as soon as it reads the error, and the gateway puts the failure down to the client.
test('an upstream that fails in its stream is not recorded as a client that left', async () => {
  const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`
  const chunks = [
    event({ id: 'c', model: chatModel, choices: [{ index: 0, delta: { content: 'one' }, finish_reason: null }] }),
    event({ error: { message: 'overloaded', type: 'server_error', param: null, code: null } }),
    'data: [DONE]\n\n',
  ]
  await using running = await startScriptedGateway({ credentials: [{ kind: 'script', chunks, delayMs: 200 }] })
  const client = new OpenAI({ ...running.endpoint, maxRetries: 0 })
  const messages = [{ role: 'user' as const, content: question }]
  await rejectionOf(client.chat.completions.stream({ model: chatModel, messages }).finalContent())
  expect(await running.gateway.recorded(1)).toMatchObject([{ outcome: 'failed', status: 200 }])
})

test.concurrent('a cut stream of the Responses API throws', async () => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'dying', ...paced }] })
  const client = new OpenAI({ ...running.endpoint, maxRetries: 0 })
  const stream = client.responses.stream({ model: chatModel, input: question })
  expect(await rejectionOf(stream.finalResponse())).toBeInstanceOf(Error)
  const events = await client.responses.create({ model: chatModel, input: question, stream: true })
  expect(await rejectionOf(Array.fromAsync(events))).toBeInstanceOf(APIError)
})

test.concurrent('a cut legacy completion throws', async () => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'dying', ...paced }] })
  const client = new OpenAI({ ...running.endpoint, maxRetries: 0 })
  const chunks = await client.completions.create({ model: chatModel, prompt: question, stream: true })
  expect(await rejectionOf(Array.fromAsync(chunks))).toBeInstanceOf(APIError)
})

test.concurrent('speech that is cut cannot be read to its end', async () => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'dying', delayMs: 10 }] })
  const client = new OpenAI({ ...running.endpoint, maxRetries: 0 })
  const response = await client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: question })
  expect(await rejectionOf(response.arrayBuffer())).toBeInstanceOf(Error)
  const [record] = await running.gateway.recorded(1)
  expect(record).toMatchObject({ outcome: 'cut' })
})

/** The last event stops between the bytes of an é. */
function scriptedCut(): Behaviour {
  const event = (content: string) =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: chatModel, choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`
  const half = Buffer.from(event('é'))
  const end = half.indexOf(Buffer.from('é')) + 1
  return { kind: 'script', chunks: [event('one two'), event(' three'), half.subarray(0, end)], ending: 'clean' }
}

function shortKeepAlive() {
  return { server: { ...testConfig([]).server, keepAliveMs: 40 } }
}
