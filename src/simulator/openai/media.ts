/** The simulated endpoints around chat that keep nothing: legacy completions, embeddings, images, audio, moderations. */
import { textPieces, wordCount } from '../text-pieces.ts'
import { type ChatRequest, textOrEmpty } from './chat-answers.ts'
import type { Frame } from './chat-frames.ts'
import type { DeliveredAnswer } from './delivery.ts'
import { type EndpointCall, jsonAnswer, multipartOf, STREAM_HEAD, simulatedId, textsOf } from './endpoint-call.ts'
import { REQUEST_ERRORS } from './refusals.ts'

/** The legacy endpoint, whole or streamed. Tokens are words. */
export function completion(call: EndpointCall): DeliveredAnswer {
  const request = call.json ?? {}
  const prompts = textsOf(request.prompt)
  const text = call.shape.text ?? ` This is the simulated upstream. The prompt said: ${prompts.join(' | ')}`
  const promptTokens = prompts.reduce((sum, prompt) => sum + wordCount(prompt), 0)
  const start = {
    id: `cmpl-${simulatedId(call)}`,
    object: 'text_completion',
    created: Math.floor(call.nowMs / 1_000),
    model: textOrEmpty(request.model),
  }
  const usage = usageOf(promptTokens, wordCount(text))
  if (request.stream !== true) {
    const choices = prompts.map((_, index) => ({ text, index, logprobs: null, finish_reason: 'stop' }))
    return jsonAnswer({ ...start, choices, usage })
  }
  const chunk = (kind: Frame['kind'], rest: object): Frame => ({
    kind,
    text: `data: ${JSON.stringify({ ...start, ...rest })}\n\n`,
  })
  const frames = textPieces(text, { pieceCount: call.shape.deltaCount }).map((piece) =>
    chunk('content', { choices: [{ text: piece, index: 0, logprobs: null, finish_reason: null }] }),
  )
  frames.push(chunk('after', { choices: [{ text: '', index: 0, logprobs: null, finish_reason: 'stop' }] }))
  if (isUsageAsked(request)) frames.push(chunk('after', { choices: [], usage }))
  frames.push({ kind: 'after', text: 'data: [DONE]\n\n' })
  return { head: STREAM_HEAD, frames }
}

function isUsageAsked(request: ChatRequest): boolean {
  const options = request.stream_options
  return typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
}

function usageOf(prompt: number, completionTokens: number): object {
  return { prompt_tokens: prompt, completion_tokens: completionTokens, total_tokens: prompt + completionTokens }
}

const DEFAULT_DIMENSIONS = 64
const MAX_DIMENSIONS = 4_096
const MAX_IMAGE_COUNT = 10

function boundedCount(value: unknown, bounds: { readonly fallback: number; readonly max: number }): number {
  const isCount = typeof value === 'number' && Number.isInteger(value) && value > 0
  return isCount ? Math.min(value, bounds.max) : bounds.fallback
}

/** Vectors that depend on the text alone; as numbers, or as the base64 of 32-bit floats that OpenAI's own clients ask for. */
export function embeddings(call: EndpointCall): DeliveredAnswer {
  const request = call.json ?? {}
  const texts = textsOf(request.input)
  const dimensions = boundedCount(request.dimensions, { fallback: DEFAULT_DIMENSIONS, max: MAX_DIMENSIONS })
  const isBase64 = request.encoding_format === 'base64'
  const vectors = texts.map((text, index) => {
    const vector = vectorOf(text, dimensions)
    const embedding = isBase64 ? Buffer.from(vector.buffer).toString('base64') : [...vector]
    return { object: 'embedding', index, embedding }
  })
  const tokens = texts.reduce((sum, text) => sum + wordCount(text), 0)
  const usage = { prompt_tokens: tokens, total_tokens: tokens }
  return jsonAnswer({ object: 'list', data: vectors, model: textOrEmpty(request.model), usage })
}

function vectorOf(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions)
  let state = Number(Bun.hash.crc32(text)) | 1
  for (let index = 0; index < dimensions; index += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
    vector[index] = state / 2_147_483_648
  }
  return vector
}

/** One pixel. */
const PNG_BASE64 = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

export function imageGeneration(call: EndpointCall): DeliveredAnswer {
  const request = call.json ?? {}
  const count = boundedCount(request.n, { fallback: 1, max: MAX_IMAGE_COUNT })
  const prompt = textOrEmpty(request.prompt)
  const image =
    request.response_format === 'b64_json'
      ? { b64_json: PNG_BASE64, revised_prompt: prompt }
      : { url: `data:image/png;base64,${PNG_BASE64}`, revised_prompt: prompt }
  const words = wordCount(prompt)
  return jsonAnswer({
    created: Math.floor(call.nowMs / 1_000),
    data: Array.from({ length: count }, () => image),
    usage: { input_tokens: words, output_tokens: 272 * count, total_tokens: words + 272 * count },
  })
}

/** Says the name, type and size of the file it received. */
export async function transcription(call: EndpointCall): Promise<DeliveredAnswer> {
  const form = await multipartOf(call)
  const file = form?.get('file')
  if (typeof file !== 'object' || file === null) return REQUEST_ERRORS.missing('file')
  const model = form?.get('model')
  if (typeof model !== 'string') return REQUEST_ERRORS.noModel()
  const text = `This is the simulated upstream: the file ${file.name} has ${file.size} bytes, for model ${model}.`
  if (form?.get('response_format') === 'text') {
    return { head: { status: 200, headers: [['content-type', 'text/plain; charset=utf-8']] }, body: `${text}\n` }
  }
  return jsonAnswer({ text, usage: { type: 'duration', seconds: 1 } })
}

const SPEECH_BYTES = 64 * 1024

/** Every byte value over and over: no text at all, so that whoever decodes it as text is found out. */
export function speech(): DeliveredAnswer {
  const body = new Uint8Array(SPEECH_BYTES)
  for (let index = 0; index < SPEECH_BYTES; index += 1) body[index] = index % 256
  return { head: { status: 200, headers: [['content-type', 'audio/mpeg']] }, body, isChunked: true }
}

/** Flags what contains the word "violence". */
export function moderation(call: EndpointCall): DeliveredAnswer {
  const request = call.json ?? {}
  const results = textsOf(request.input).map((text) => {
    const isFlagged = text.includes('violence')
    return {
      flagged: isFlagged,
      categories: { hate: false, violence: isFlagged },
      category_scores: { hate: 0.0001, violence: isFlagged ? 0.9 : 0.0001 },
    }
  })
  const model = textOrEmpty(request.model)
  return jsonAnswer({
    id: `modr-${simulatedId(call)}`,
    model: model === '' ? 'omni-moderation-latest' : model,
    results,
  })
}
