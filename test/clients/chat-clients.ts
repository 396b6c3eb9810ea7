/** Chat with each client library, spelled the same way, so that one table of faults can be tried on all of them. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { ChatOpenAI } from '@langchain/openai'
import { APICallError, generateText, streamText } from 'ai'
import OpenAI, { APIError } from 'openai'
import type { ClientEndpoint } from './client-check.ts'

export interface ChatClient {
  /** npm's name of the library. */
  readonly library: string
  /** Never retried by the library. */
  readonly answer: (endpoint: ClientEndpoint, asked: Asked) => Promise<Answer>
  /** Ends by throwing where the library tells of an error in whatever way. */
  readonly stream: (endpoint: ClientEndpoint, asked: Asked) => AsyncIterable<Piece>
  /** What the library makes of an error answer; null when it is not one. */
  readonly refusalOf: (cause: unknown) => Refusal | null
}

export interface Asked {
  readonly model: string
  readonly prompt: string
  readonly signal?: AbortSignal
}

export interface Answer {
  readonly text: string
  readonly model: string | undefined
}

export interface Piece {
  readonly text: string
  /** The name in the chunk; undefined where the library does not show it for each. */
  readonly model: string | undefined
}

export interface Refusal {
  readonly status: number | undefined
  readonly code: unknown
  readonly param: unknown
  readonly message: string
  /** Seconds, as sent. */
  readonly retryAfter: string | null
}

const openai: ChatClient = {
  library: 'openai',
  async answer(endpoint, { model, prompt, signal }) {
    const answer = await openaiClient(endpoint).chat.completions.create(
      { model, messages: [{ role: 'user', content: prompt }] },
      signalOf(signal),
    )
    return { text: answer.choices[0]?.message.content ?? '', model: answer.model }
  },
  async *stream(endpoint, { model, prompt, signal }) {
    const chunks = await openaiClient(endpoint).chat.completions.create(
      { model, messages: [{ role: 'user', content: prompt }], stream: true },
      signalOf(signal),
    )
    for await (const chunk of chunks) yield { text: chunk.choices[0]?.delta.content ?? '', model: chunk.model }
    // The package ends the iteration of a stream that was aborted as if it were finished.
    signal?.throwIfAborted()
  },
  refusalOf: openaiRefusal,
}

const aiSdk: ChatClient = {
  library: '@ai-sdk/openai-compatible',
  async answer(endpoint, { model, prompt, signal }) {
    const result = await generateText({ ...aiSdkSettings(endpoint, model), prompt, ...abortSignalOf(signal) })
    return { text: result.text, model: result.response.modelId }
  },
  async *stream(endpoint, { model, prompt, signal }) {
    const result = streamText({
      ...aiSdkSettings(endpoint, model),
      prompt,
      includeRawChunks: true,
      onError: () => {},
      ...abortSignalOf(signal),
    })
    for await (const part of result.fullStream) {
      if (part.type === 'raw') yield { text: '', model: modelOfChunk(part.rawValue) }
      if (part.type === 'text-delta') yield { text: part.text, model: undefined }
      if (part.type === 'error') throw part.error
      if (part.type === 'abort') throw new DOMException('aborted', 'AbortError')
    }
  },
  refusalOf(cause) {
    if (!APICallError.isInstance(cause)) return null
    const { error } = (cause.data ?? {}) as { error?: { code?: unknown; param?: unknown } }
    return {
      status: cause.statusCode,
      code: error?.code,
      param: error?.param,
      message: cause.message,
      retryAfter: cause.responseHeaders?.['retry-after'] ?? null,
    }
  },
}

const langchain: ChatClient = {
  library: '@langchain/openai',
  async answer(endpoint, { model, prompt, signal }) {
    const message = await langchainModel(endpoint, model).invoke(prompt, signalOf(signal))
    return { text: message.text, model: modelOfMetadata(message.response_metadata) }
  },
  async *stream(endpoint, { model, prompt, signal }) {
    const chunks = await langchainModel(endpoint, model).stream(prompt, signalOf(signal))
    for await (const chunk of chunks) yield { text: chunk.text, model: modelOfMetadata(chunk.response_metadata) }
  },
  refusalOf: openaiRefusal,
}

export const chatClients: readonly ChatClient[] = [openai, aiSdk, langchain]

export interface Received {
  readonly text: string
  /** Of the chunks that name one. */
  readonly models: ReadonlySet<string>
  /** What ended it, or null when it ended as if all were well. */
  readonly cause: unknown
}

/** Reads a stream to its end, whatever that is. */
export async function receive(pieces: AsyncIterable<Piece>): Promise<Received> {
  let text = ''
  const models = new Set<string>()
  try {
    for await (const piece of pieces) {
      text += piece.text
      if (piece.model !== undefined) models.add(piece.model)
    }
  } catch (cause) {
    return { text, models, cause }
  }
  return { text, models, cause: null }
}

function openaiClient(endpoint: ClientEndpoint): OpenAI {
  return new OpenAI({ ...endpoint, maxRetries: 0 })
}

function aiSdkSettings(endpoint: ClientEndpoint, model: string) {
  const provider = createOpenAICompatible({ name: 'gateway', ...endpoint })
  return { model: provider.chatModel(model), maxRetries: 0 }
}

function langchainModel({ baseURL, apiKey }: ClientEndpoint, model: string): ChatOpenAI {
  return new ChatOpenAI({ model, apiKey, configuration: { baseURL }, maxRetries: 0, streamUsage: false })
}

function signalOf(signal: AbortSignal | undefined) {
  return signal === undefined ? {} : { signal }
}

function abortSignalOf(signal: AbortSignal | undefined) {
  return signal === undefined ? {} : { abortSignal: signal }
}

function openaiRefusal(cause: unknown): Refusal | null {
  if (!(cause instanceof APIError)) return null
  const { status, code, param, message } = cause
  return { status, code, param, message, retryAfter: cause.headers?.get('retry-after') ?? null }
}

function modelOfChunk(chunk: unknown): string | undefined {
  const { model } = (chunk ?? {}) as { model?: string }
  return model
}

function modelOfMetadata(metadata: Readonly<Record<string, unknown>>): string | undefined {
  const { model_name: model } = metadata
  return typeof model === 'string' ? model : undefined
}
