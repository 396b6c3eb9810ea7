/** What each client library gets from a gateway in front of OnDemand, by key and by account: answers, errors, cut streams, and a way to leave. */
import { describe, expect, test } from 'bun:test'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import type { AIMessageChunk, UsageMetadata } from '@langchain/core/messages'
import { ChatOpenAI } from '@langchain/openai'
import { generateText, Output, streamText } from 'ai'
import OpenAI from 'openai'
import type { AnswerShape, Behaviour } from '../../src/simulator/ondemand/behaviours.ts'
import { operationOf } from '../../src/simulator/ondemand.ts'
import { clientSecret } from '../helpers/start-gateway.ts'
import { model, type OndemandPair, type OndemandPairOptions, startOndemand } from '../helpers/start-ondemand.ts'
import { chatClients, receive } from './chat-clients.ts'
import { type ClientEndpoint, question, rejectionOf } from './client-check.ts'
import { patience } from './scripted-gateway.ts'

const waitMs = 10_000
const text = 'one two three – déjà vu, 你好, 🙂'
const thought = 'Let me think.\nAh.'
const tokens = { input: 1234, output: 56 }

interface Told {
  readonly text: string
  readonly reasoning: unknown
  readonly usage: readonly (number | undefined)[]
  readonly finish: unknown
}

interface Library {
  readonly library: string
  readonly tell: (endpoint: ClientEndpoint, isStream: boolean) => Promise<Told>
  /** In JSON mode. */
  readonly json: (endpoint: ClientEndpoint, isStream: boolean) => Promise<unknown>
}

const request = { model, messages: [{ role: 'user' as const, content: question }] }

const openai: Library = {
  library: 'openai',
  async tell(endpoint, isStream) {
    const { completions } = new OpenAI({ ...endpoint, maxRetries: 0 }).chat
    if (!isStream) {
      const { choices, usage } = await completions.create(request)
      const message = choices[0]?.message
      return {
        text: message?.content ?? '',
        reasoning: reasoningOf(message),
        usage: [usage?.prompt_tokens, usage?.completion_tokens, usage?.total_tokens],
        finish: choices[0]?.finish_reason,
      }
    }
    const stream = await completions.create({ ...request, stream: true, stream_options: { include_usage: true } })
    const chunks = await Array.fromAsync(stream)
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta))
    const usage = chunks.at(-1)?.usage
    return {
      text: deltas.map(({ content }) => content ?? '').join(''),
      reasoning: deltas.map((delta) => reasoningOf(delta) ?? '').join(''),
      usage: [usage?.prompt_tokens, usage?.completion_tokens, usage?.total_tokens],
      finish: chunks.flatMap(({ choices }) => choices.flatMap((choice) => choice.finish_reason ?? [])).join(),
    }
  },
  async json(endpoint, isStream) {
    const { completions } = new OpenAI({ ...endpoint, maxRetries: 0 }).chat
    const wanted = { ...request, response_format: { type: 'json_object' as const } }
    if (isStream) return JSON.parse((await completions.stream(wanted).finalContent()) ?? '')
    return JSON.parse((await completions.create(wanted)).choices[0]?.message.content ?? '')
  },
}

const aiSdk: Library = {
  library: '@ai-sdk/openai-compatible',
  async tell(endpoint, isStream) {
    const asked = aiSdkRequest(endpoint)
    const result = isStream ? streamText(asked) : await generateText(asked)
    const { inputTokens, outputTokens, totalTokens } = await result.usage
    return {
      text: await result.text,
      reasoning: await result.reasoningText,
      usage: [inputTokens, outputTokens, totalTokens],
      finish: await result.finishReason,
    }
  },
  async json(endpoint, isStream) {
    const asked = { ...aiSdkRequest(endpoint), output: Output.json() }
    return isStream ? streamText(asked).output : (await generateText(asked)).output
  },
}

const langchain: Library = {
  library: '@langchain/openai',
  async tell(endpoint, isStream) {
    const chat = langchainModel(endpoint)
    const message = isStream ? await joined(await chat.stream(question)) : await chat.invoke(question)
    const usage = usageOf(message)
    return {
      text: message.text,
      reasoning: reasoningOf(message.additional_kwargs),
      usage: [usage?.input_tokens, usage?.output_tokens, usage?.total_tokens],
      finish: message.response_metadata.finish_reason,
    }
  },
  async json(endpoint, isStream) {
    const chat = langchainModel(endpoint).withConfig({ response_format: { type: 'json_object' } })
    const message = isStream ? await joined(await chat.stream(question)) : await chat.invoke(question)
    return JSON.parse(message.text)
  },
}

const key = 'key-of-the-clients-0001'
const otherKey = 'key-of-the-clients-0002'
const email = 'client@example.com'

interface Door {
  readonly door: 'key' | 'account'
  /** One credential that behaves so. */
  readonly options: (behaviour: Behaviour) => OndemandPairOptions
}

const doors: readonly Door[] = [
  { door: 'key', options: (behaviour) => ({ keys: { [key]: behaviour } }) },
  { door: 'account', options: (behaviour) => ({ accounts: { [email]: { password: 'a-password', behaviour } } }) },
]
const ways = doors.flatMap((door) => [true, false].map((isStream) => ({ ...door, isStream })))

const answered: AnswerShape = { text, thinkingText: thought, tokens, hasUnknownEvents: true, pieceSizes: [1, 4] }
const json = { city: 'Zürich', "it's": ['"quoted"', null, 1.5] }

describe.each([openai, aiSdk, langchain])('$library', ({ tell, json: tellJson }) => {
  test.concurrent.each(ways)(
    'text, thoughts, usage and end of an answer arrive: by $door, streamed $isStream',
    async ({ options, isStream }) => {
      await using pair = await start(options({ kind: 'good', ...answered }))
      expect(await tell(endpointOf(pair), isStream)).toEqual({
        text,
        reasoning: thought,
        usage: [tokens.input, tokens.output, tokens.input + tokens.output],
        finish: 'stop',
      })
      expect(pair.upstream.sessions[0]?.queries.map((query) => query.text)).toEqual([question])
      expect(await pair.gateway.recorded(1)).toMatchObject([{ outcome: 'succeeded', isStream, attempts: 1 }])
      await pair.noSessionsLeft()
    },
  )

  test.concurrent.each(ways)(
    'thoughts are left out where they are not wanted: by $door, streamed $isStream',
    async ({ options, isStream }) => {
      await using pair = await start({
        ...options({ kind: 'good', ...answered }),
        provider: { reasoning: 'hidden' },
      })
      const told = await tell(endpointOf(pair), isStream)
      expect(told.text).toBe(text)
      expect(told.reasoning || null).toBeNull()
    },
  )

  test.concurrent.each(ways)(
    'JSON mode gives the object alone, though the model wraps it in a fence: by $door, streamed $isStream',
    async ({ options, isStream }) => {
      const fenced = `\`\`\`json\n${JSON.stringify(json, null, 2)}\n\`\`\`\nThere you are.`
      await using pair = await start(options({ kind: 'good', text: fenced, pieceSizes: [2, 1] }))
      expect(await tellJson(endpointOf(pair), isStream)).toEqual(json)
      expect(pair.upstream.sessions[0]?.queries[0]?.text).toContain('one valid JSON document')
    },
  )
})

interface Refused {
  readonly name: string
  readonly behaviour: Behaviour
  readonly model?: string
  readonly told: Readonly<Record<string, unknown>>
  /** Queries that were sent for it. */
  readonly queries: number
}

const refused: readonly Refused[] = [
  {
    name: 'a model that nobody knows',
    behaviour: { kind: 'good' },
    model: 'no-such-model',
    told: { status: 404, code: 'model_not_found' },
    queries: 0,
  },
  {
    name: 'a conversation that is too long',
    behaviour: { kind: 'context_length' },
    told: { status: 400, code: 'context_length_exceeded' },
    queries: 1,
  },
  {
    name: 'a conversation that is too long, told inside the stream',
    behaviour: { kind: 'context_length', where: 'stream' },
    told: { status: 400, code: 'context_length_exceeded' },
    queries: 1,
  },
  {
    name: 'a content policy',
    behaviour: { kind: 'content_policy' },
    told: { status: 400, code: 'content_filter' },
    queries: 1,
  },
  {
    name: 'the limit of all credentials',
    behaviour: { kind: 'rate_limited', covers: ['query'] },
    told: { status: 429, code: 'rate_limit_exceeded', retryAfter: expect.stringMatching(/^(?:29\d|300)$/) },
    queries: 1,
  },
]
const refusedByDoor = doors.flatMap((door) => refused.map((one) => ({ ...door, ...one })))

// So slow that the first words are read before the end comes, on a busy machine too.
const paced = { text: 'one two three four five six', delayMs: 60 } as const
const brokenOff: readonly { name: string; behaviour: Behaviour; isCut: boolean }[] = [
  { name: 'is reset', behaviour: { kind: 'cut', how: 'reset', after: 3, ...paced }, isCut: true },
  { name: 'is closed', behaviour: { kind: 'cut', how: 'close', after: 3, ...paced }, isCut: true },
  { name: 'ends too early', behaviour: { kind: 'cut', how: 'clean', after: 3, ...paced }, isCut: true },
  { name: 'tells an error', behaviour: { kind: 'error_in_stream', after: 3, ...paced }, isCut: false },
  {
    name: 'tells an error and [DONE]',
    behaviour: { kind: 'error_in_stream', after: 3, isDoneSent: true, ...paced },
    isCut: false,
  },
  {
    name: 'tells an error as an event',
    behaviour: { kind: 'error_in_stream', after: 3, style: 'event', ...paced },
    isCut: false,
  },
]
const brokenOffByDoor = doors.flatMap((door) => brokenOff.map((one) => ({ ...door, ...one })))
const asked = { model, prompt: question }

describe.each(chatClients)('$library', (client) => {
  test.concurrent.each(refusedByDoor)(
    '$name is told with its status, whole and streamed: by $door',
    async ({ options, behaviour, model: other = model, told, queries }) => {
      for (const isStream of [false, true]) {
        await using pair = await start(options(behaviour))
        const wanted = { model: other, prompt: question }
        const cause = isStream
          ? (await receive(client.stream(endpointOf(pair), wanted))).cause
          : await rejectionOf(client.answer(endpointOf(pair), wanted))
        expect(client.refusalOf(cause)).toMatchObject(told)
        expect(pair.upstream.requestsOf('query')).toHaveLength(queries)
        await pair.noSessionsLeft()
      }
    },
  )

  test.concurrent.each(doors)('a stray 401 and a stray 404 are never seen: by $door', async ({ options }) => {
    for (const status of [401, 404] as const) {
      await using pair = await start(options({ kind: 'stray', status, times: 1, text }))
      expect((await client.answer(endpointOf(pair), asked)).text).toBe(text)
      expect(await receive(client.stream(endpointOf(pair), asked))).toMatchObject({ text, cause: null })
      expect(pair.gateway.gateway.status().counts).toMatchObject({ total: 1, healthy: 1, blacklisted: 0 })
      expect(pair.upstream.requests.filter((one) => one.treatment === 'stray')).toHaveLength(1)
    }
  })

  test.concurrent('a token that ends before its time is renewed and never seen', async () => {
    const account = { password: 'a-password', behaviour: { kind: 'good', text } } as const
    await using pair = await start({ accounts: { [email]: account } })
    expect(await receive(client.stream(endpointOf(pair), asked))).toMatchObject({ text, cause: null })
    await pair.noSessionsLeft()
    pair.upstream.expireTokens(email)
    expect((await client.answer(endpointOf(pair), asked)).text).toBe(text)
    expect(pair.upstream.accountFacts(email)).toMatchObject({ signIns: 1, refreshes: 1, rejectedRefreshes: 0 })
  })

  test.concurrent('a token that ends between session and question is renewed and never seen', async () => {
    const operations = { session: { kind: 'good', headDelayMs: 100 } } as const
    const account = { password: 'a-password', behaviour: { kind: 'by_operation', operations, text } } as const
    await using pair = await start({ accounts: { [email]: account } })
    const receiving = receive(client.stream(endpointOf(pair), asked))
    await pair.upstream.waitFor((each) => operationOf(each) === 'session', waitMs)
    pair.upstream.expireTokens(email)
    expect(await receiving).toMatchObject({ text, cause: null })
    expect(pair.upstream.accountFacts(email)).toMatchObject({ signIns: 1, refreshes: 1, rejectedRefreshes: 0 })
    await pair.noSessionsLeft()
    expect(pair.upstream.sessionsOf(email)).toEqual({ created: 1, deleted: 1, alive: 0 })
  })

  test.concurrent('an error before any text is never seen where another credential can answer', async () => {
    for (const isStream of [false, true]) {
      await using pair = await start({
        keys: { [key]: { kind: 'error_in_stream' }, [otherKey]: { kind: 'good', text } },
      })
      const endpoint = endpointOf(pair)
      const told = isStream ? await receive(client.stream(endpoint, asked)) : await client.answer(endpoint, asked)
      expect(told.text).toBe(text)
      expect(pair.upstream.calls(key)).toBeGreaterThan(0)
      await pair.noSessionsLeft()
    }
  })

  test.concurrent.each(brokenOffByDoor)(
    'a stream that $name throws after the text that came: by $door',
    async ({ options, behaviour, isCut }) => {
      await using pair = await start(options(behaviour))
      const received = await receive(client.stream(endpointOf(pair), asked))
      expect(received.cause).not.toBeNull()
      // A reset may overtake what was sent before it.
      expect('one two three').toStartWith(received.text)
      expect(received.text).not.toBe('')
      const [record] = await pair.gateway.recorded(1)
      expect(record).toMatchObject({ isStream: true, attempts: 1, outcome: isCut ? 'cut' : 'failed' })
      await pair.noSessionsLeft()
    },
  )

  test.concurrent.each(ways)(
    'leaving stops the upstream, and the session is deleted: by $door, streamed $isStream',
    async ({ options, isStream }) => {
      const slow = { kind: 'good', delayMs: 20, text: 'word '.repeat(500) } as const
      await using pair = await start(options(slow))
      const controller = new AbortController()
      const leaving = { ...asked, signal: controller.signal }
      const call = isStream
        ? receive(client.stream(endpointOf(pair), leaving)).then(({ cause }) => cause)
        : rejectionOf(client.answer(endpointOf(pair), leaving))
      await pair.upstream.waitFor((each) => operationOf(each) === 'query' && each.chunksSent > 3, waitMs)
      controller.abort()
      expect(await call).not.toBeNull()
      const query = await pair.upstream.waitFor((each) => operationOf(each) === 'query' && each.isAborted, waitMs)
      expect(query.isFinished).toBe(false)
      await pair.noSessionsLeft()
      expect(pair.upstream.sessionsOf(null)).toEqual({ created: 1, deleted: 1, alive: 0 })
      expect(await pair.gateway.recorded(1)).toMatchObject([{ outcome: 'aborted', status: 499, attempts: 1 }])
      expect(pair.gateway.gateway.status().counts).toMatchObject({ total: 1, healthy: 1 })
    },
  )

  test.concurrent.each(doors)(
    'leaving while the session is being made leaves none behind: by $door',
    async ({ options }) => {
      const late: Behaviour = {
        kind: 'by_operation',
        // Longer than any client takes to leave, on a busy machine too.
        operations: { session: { kind: 'good', headDelayMs: 1500 } },
      }
      await using pair = await start(options(late))
      const controller = new AbortController()
      const call = receive(client.stream(endpointOf(pair), { ...asked, signal: controller.signal }))
      await pair.upstream.waitFor((each) => operationOf(each) === 'session', waitMs)
      controller.abort()
      expect((await call).cause).not.toBeNull()
      await pair.upstream.waitFor((each) => operationOf(each) === 'delete' && each.isFinished, waitMs)
      expect(pair.upstream.sessionsOf(null)).toEqual({ created: 1, deleted: 1, alive: 0 })
      expect(pair.upstream.requestsOf('query')).toEqual([])
    },
  )
})

/** No deadline of the gateway passes because the machine is busy. */
function start(options: OndemandPairOptions): Promise<OndemandPair> {
  return startOndemand({ ...options, provider: { timeouts: patience, requestTimeoutMs: 15_000, ...options.provider } })
}

function endpointOf(pair: OndemandPair): ClientEndpoint {
  return { baseURL: `${pair.gateway.url}/v1`, apiKey: clientSecret }
}

function aiSdkRequest(endpoint: ClientEndpoint) {
  const provider = createOpenAICompatible({ name: 'gateway', ...endpoint, includeUsage: true })
  return { model: provider.chatModel(model), maxRetries: 0, prompt: question }
}

function langchainModel({ baseURL, apiKey }: ClientEndpoint): ChatOpenAI {
  return new ChatOpenAI({ model, apiKey, configuration: { baseURL }, maxRetries: 0, streamUsage: true })
}

/** A field of many services that is none of OpenAI's. */
function reasoningOf(message: object | undefined): unknown {
  return message !== undefined && 'reasoning_content' in message ? message.reasoning_content : undefined
}

/** Its type in the library depends on the tools bound. */
function usageOf(message: AIMessageChunk): UsageMetadata | undefined {
  return message.usage_metadata
}

async function joined(chunks: AsyncIterable<AIMessageChunk>): Promise<AIMessageChunk> {
  let message: AIMessageChunk | undefined
  for await (const chunk of chunks) message = message === undefined ? chunk : message.concat(chunk)
  if (message === undefined) throw new Error('the stream was empty')
  return message
}
