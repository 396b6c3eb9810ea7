/** What a client library sends arrives as it was sent, and a redirect changes the name of the model and nothing else. */
import { describe, expect, test } from 'bun:test'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { HumanMessage } from '@langchain/core/messages'
import { ChatOpenAI } from '@langchain/openai'
import { generateText, streamText } from 'ai'
import OpenAI from 'openai'
import type { AnswerShape } from '../../src/simulator/openai/behaviours.ts'
import { chatClients, receive } from './chat-clients.ts'
import { type ClientEndpoint, chatModel, imageBase64, imageUrl, question } from './client-check.ts'
import { type ScriptedGateway, secretOf, startScriptedGateway } from './scripted-gateway.ts'

const redirected = {
  models: [{ pattern: 'gpt-4', targets: [{ provider: 'openai', model: 'gpt-4-turbo' }], price: null }],
}

describe.each(chatClients)('$library', (client) => {
  test('a redirect is seen by the upstream alone, whole and streamed', async () => {
    // The upstream's text quotes the name it was asked for: text must not be renamed.
    await using running = await startScriptedGateway({ credentials: [{ kind: 'good' }], config: redirected })
    const asked = { model: 'gpt-4', prompt: question }
    const whole = await client.answer(running.endpoint, asked)
    const streamed = await receive(client.stream(running.endpoint, asked))
    expect(whole.model).toBe('gpt-4')
    expect([...streamed.models]).toEqual(['gpt-4'])
    expect(streamed.text).toBe(whole.text)
    expect(whole.text).toContain('You asked for model gpt-4-turbo,')
    expect(running.upstream.requests.map((request) => modelOf(request.json()))).toEqual(['gpt-4-turbo', 'gpt-4-turbo'])
  })

  test('a redirect renames each chunk of a stream that comes in pieces of any size', async () => {
    for (const cutEveryBytes of [1, 7, 64, 1000]) {
      await using running = await startScriptedGateway({
        credentials: [
          { kind: 'good', cutEveryBytes, text: 'déjà vu, 你好 🙂', answeredModel: 'gpt-4-turbo-2024-04-09' },
        ],
        config: redirected,
      })
      const streamed = await receive(client.stream(running.endpoint, { model: 'gpt-4', prompt: question }))
      expect(streamed).toEqual({ text: 'déjà vu, 你好 🙂', models: new Set(['gpt-4']), cause: null })
    }
  })

  test('an answer of a dated snapshot keeps its name where nothing was redirected', async () => {
    const answeredModel = 'gpt-4o-2024-08-06'
    await using running = await startScriptedGateway({ credentials: [{ kind: 'good', answeredModel }] })
    const asked = { model: chatModel, prompt: question }
    expect((await client.answer(running.endpoint, asked)).model).toBe(answeredModel)
    expect([...(await receive(client.stream(running.endpoint, asked))).models]).toEqual([answeredModel])
  })
})

interface ShapeCase {
  readonly name: string
  readonly shape: AnswerShape
}

const shapeText = 'déjà vu, 你好 🙂'
const tokens = { prompt: 11, completion: 22 }

/** Answers as upstreams give them that are not quite OpenAI. */
const shapeCases: readonly ShapeCase[] = [
  { name: 'in one piece', shape: { isInOneChunk: true } },
  { name: 'cut through characters and line ends', shape: { cutEveryBytes: 3 } },
  { name: 'with line ends of two characters', shape: { lineEnd: '\r\n' } },
  { name: 'compressed unasked', shape: { contentEncoding: 'gzip' } },
  { name: 'with a first event of a content filter', shape: { isAzure: true } },
  { name: 'without [DONE]', shape: { isDoneSent: false } },
  { name: 'with comments before it', shape: { firstTokenDelayMs: 60, heartbeatMs: 15 } },
  { name: 'with usage that nobody asked for', shape: { usage: 'always', tokens } },
  { name: 'with usage on its last chunk', shape: { usage: 'on_finish_chunk', tokens } },
  { name: 'with usage on every chunk', shape: { usage: 'every_chunk', tokens } },
  { name: 'with usage in a field of its own', shape: { usage: 'x_groq', tokens } },
  { name: 'with no usage at all', shape: { usage: 'never' } },
]

describe.each(chatClients)('$library', (client) => {
  test.each(shapeCases)('a stream $name is read whole, renamed or not', async ({ shape }) => {
    await using running = await startScriptedGateway({
      credentials: [{ kind: 'good', text: shapeText, ...shape }],
      config: redirected,
    })
    for (const model of [chatModel, 'gpt-4']) {
      const received = await receive(client.stream(running.endpoint, { model, prompt: question }))
      expect(received).toMatchObject({ text: shapeText, cause: null })
      expect([...received.models].filter((name) => name !== '')).toEqual([model])
    }
    const records = await running.gateway.recorded(2)
    expect(records.map((record) => record.outcome)).toEqual(['succeeded', 'succeeded'])
  })

  test('an event of megabytes passes', async () => {
    const hugeFrameBytes = 3 * 1024 * 1024
    await using running = await startScriptedGateway({ credentials: [{ kind: 'good', text: 'a', hugeFrameBytes }] })
    const { text, cause } = await receive(client.stream(running.endpoint, { model: chatModel, prompt: question }))
    expect(cause).toBeNull()
    expect(text).toHaveLength(hugeFrameBytes + 1)
  })
})

test('the AI SDK sees the thoughts of a model apart from its text', async () => {
  await using running = await startScriptedGateway({
    credentials: [{ kind: 'good', text: 'the answer', reasoningText: 'a thought of some words' }],
  })
  const model = createOpenAICompatible({ name: 'gateway', ...running.endpoint }).chatModel(chatModel)
  const result = streamText({ model, prompt: question, maxRetries: 0 })
  expect(await result.text).toBe('the answer')
  expect(await result.reasoningText).toBe('a thought of some words')
})

test('a redirect is unseen in responses, embeddings and audio too', async () => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'good' }], config: redirected })
  const client = openaiOf(running.endpoint)
  const whole = await client.responses.create({ model: 'gpt-4', input: question, store: false })
  expect(whole.model).toBe('gpt-4')
  const names = new Set<string>()
  for await (const event of client.responses.stream({ model: 'gpt-4', input: question, store: false }))
    if ('response' in event) names.add(event.response.model)
  expect([...names]).toEqual(['gpt-4'])
  expect((await client.embeddings.create({ model: 'gpt-4', input: question })).model).toBe('gpt-4')
  const file = new File([new Uint8Array(9)], 'a.wav')
  const heard = await client.audio.transcriptions.create({ file, model: 'gpt-4' })
  // Its text names the model that the upstream was asked for.
  expect(heard.text).toContain('a.wav has 9 bytes, for model gpt-4-turbo')
  const asked = running.upstream.requests.filter((request) => !request.path.endsWith('/transcriptions'))
  expect(asked.map((request) => modelOf(request.json()))).toEqual(['gpt-4-turbo', 'gpt-4-turbo', 'gpt-4-turbo'])
})

test('a model whose name has a slash is retrieved by it', async () => {
  const targets = [{ provider: 'openai', model: 'gpt-4o' }]
  await using running = await startScriptedGateway({
    credentials: [{ kind: 'good' }],
    config: { models: [{ pattern: 'org/model', targets, price: null }] },
  })
  expect(await openaiOf(running.endpoint).models.retrieve('org/model')).toMatchObject({ id: 'org/model' })
})

test('what the upstream says of its own account does not reach the client', async () => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'good' }] })
  const messages = [{ role: 'user' as const, content: question }]
  const { response } = await openaiOf(running.endpoint)
    .chat.completions.create({ model: chatModel, messages })
    .withResponse()
  expect(response.headers.get('set-cookie')).toBeNull()
  expect(response.headers.get('openai-organization')).toBeNull()
})

interface ImageCase {
  readonly library: string
  readonly send: (endpoint: ClientEndpoint) => Promise<unknown>
}

const imageCases: readonly ImageCase[] = [
  {
    library: 'openai',
    send: (endpoint) =>
      openaiOf(endpoint).chat.completions.create({
        model: chatModel,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: question },
              { type: 'image_url', image_url: { url: imageUrl, detail: 'high' } },
            ],
          },
        ],
      }),
  },
  {
    library: '@ai-sdk/openai-compatible',
    send: (endpoint) =>
      generateText({
        model: createOpenAICompatible({ name: 'gateway', ...endpoint }).chatModel(chatModel),
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: question },
              { type: 'file', mediaType: 'image/png', data: imageBase64 },
            ],
          },
        ],
      }),
  },
  {
    library: '@langchain/openai',
    send({ baseURL, apiKey }) {
      const content = [
        { type: 'text', text: question },
        { type: 'image_url', image_url: { url: imageUrl } },
      ]
      const model = new ChatOpenAI({ model: chatModel, apiKey, configuration: { baseURL } })
      return model.invoke([new HumanMessage({ content })])
    },
  },
]

test.each(imageCases)('an image sent by $library reaches the upstream unchanged', async ({ send }) => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'good' }] })
  await send(running.endpoint)
  expect(running.upstream.requests[0]?.json()).toMatchObject({
    model: chatModel,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: question },
          { type: 'image_url', image_url: { url: imageUrl } },
        ],
      },
    ],
  })
})

/** What the library sent, byte for byte, is what the upstream got. */
test.each(chatClients)('the body that $library sends is the body that the upstream gets', async (client) => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'good' }] })
  const sent: string[] = []
  const spy = Bun.serve({
    port: 0,
    async fetch(request) {
      const body = await request.text()
      sent.push(body)
      const target = running.gateway.url + new URL(request.url).pathname
      return fetch(target, { method: request.method, headers: request.headers, body })
    },
  })
  try {
    const endpoint = { ...running.endpoint, baseURL: `http://127.0.0.1:${spy.port}/v1` }
    await client.answer(endpoint, { model: chatModel, prompt: 'Grüße "in" \\ 🙂\u2028' })
    expect(sent).toHaveLength(1)
    expect(running.upstream.requests[0]?.text()).toBe(sent[0] ?? 'nothing')
  } finally {
    await spy.stop(true)
  }
})

test('the client key and the name of the library stay here, the key of the upstream goes out', async () => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'good' }] })
  await openaiOf(running.endpoint).chat.completions.create({
    model: chatModel,
    messages: [{ role: 'user', content: question }],
  })
  const [request] = running.upstream.requests
  expect(request?.header('authorization')).toBe(`Bearer ${secretOf(0)}`)
  expect(JSON.stringify(request?.headers)).not.toContain(running.endpoint.apiKey)
})

test('fields that only this upstream knows reach it through the openai package', async () => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'good' }] })
  const request = {
    model: chatModel,
    messages: [{ role: 'user' as const, content: question }],
    top_k: 40,
    provider: { order: ['one', 'two'], allow_fallbacks: false },
  }
  await openaiOf(running.endpoint).chat.completions.create(request, { query: { 'api-version': '2024-10-21' } })
  expect(running.upstream.requests[0]?.json()).toEqual(request)
  expect(running.upstream.requests[0]?.query).toBe('?api-version=2024-10-21')
})

test('a stream that did not ask for usage shows none, and the record has it all the same', async () => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'good', tokens }] })
  const chunks = await streamedChunks(running)
  expect(chunks.filter((chunk) => chunk.choices.length === 0 || Boolean(chunk.usage))).toEqual([])
  expect(await running.gateway.recorded(1)).toMatchObject([
    { usageSource: 'upstream', usage: { inputTokens: 11, outputTokens: 22 } },
  ])
})

test('objects of one client stay with one credential', async () => {
  await using running = await startScriptedGateway({
    credentials: [{ kind: 'good' }, { kind: 'good' }, { kind: 'good' }],
  })
  const { files, responses } = openaiOf(running.endpoint)
  for (let number = 0; number < 4; number += 1) {
    const file = await files.create({ file: new File([`file ${number}`], 'a.txt'), purpose: 'user_data' })
    expect(await (await files.content(file.id)).text()).toBe(`file ${number}`)
    const response = await responses.create({ model: chatModel, input: question })
    expect((await responses.retrieve(response.id)).id).toBe(response.id)
  }
  expect(new Set(running.upstream.requests.map((request) => request.credential)).size).toBe(1)
})

function openaiOf(endpoint: ClientEndpoint): OpenAI {
  return new OpenAI({ ...endpoint, maxRetries: 0 })
}

async function streamedChunks(running: ScriptedGateway): Promise<OpenAI.ChatCompletionChunk[]> {
  const messages = [{ role: 'user' as const, content: question }]
  return Array.fromAsync(
    await openaiOf(running.endpoint).chat.completions.create({ model: chatModel, messages, stream: true }),
  )
}

function modelOf(body: unknown): unknown {
  return (body as { model?: unknown }).model
}
