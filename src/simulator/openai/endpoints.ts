/** The paths of the simulated API: which exist, who answers, and OpenAI's own checks of a request. */
import { headerValue } from '../recording.ts'
import { chatAnswer, textOrEmpty } from './chat-answers.ts'
import { chatCompletionBody, chatCompletionFrames } from './chat-frames.ts'
import type { DeliveredAnswer } from './delivery.ts'
import { type EndpointCall, JSON_HEAD, jsonAnswer, STREAM_HEAD, simulatedId } from './endpoint-call.ts'
import { fileContent, fileDeletion, fileDescription, fileList, fileUpload } from './files.ts'
import { completion, embeddings, imageGeneration, moderation, speech, transcription } from './media.ts'
import { REQUEST_ERRORS } from './refusals.ts'
import { createResponse, responseDeletion, storedResponse } from './responses.ts'

/** Answers one call of a credential that is allowed to make it. */
export async function answerEndpoint(call: EndpointCall): Promise<DeliveredAnswer> {
  const { method } = call.request
  const matching = ENDPOINTS.filter(({ pattern }) => pattern.test(call.path))
  const endpoint = matching.find((each) => each.method === '*' || each.method === method)
  if (matching.length === 0) return REQUEST_ERRORS.unknownUrl(method, call.request.path)
  if (endpoint === undefined) return REQUEST_ERRORS.wrongMethod(method, call.request.path)
  if (endpoint.needs !== undefined) {
    const refused = checkedJson(call, endpoint.needs)
    if (refused !== null) return refused
  }
  return endpoint.answer(call, endpoint.pattern.exec(call.path)?.[1] ?? '')
}

interface Endpoint {
  readonly method: string
  /** The group, if any, is the object's id. */
  readonly pattern: RegExp
  /** Fields without which OpenAI refuses; their presence here says that the body must be JSON. */
  readonly needs?: readonly string[]
  readonly answer: (call: EndpointCall, id: string) => DeliveredAnswer | Promise<DeliveredAnswer>
}

const ENDPOINTS: readonly Endpoint[] = [
  { method: 'POST', pattern: /^\/chat\/completions$/, needs: ['messages'], answer: chatCompletion },
  { method: 'POST', pattern: /^\/completions$/, needs: ['prompt'], answer: completion },
  { method: 'POST', pattern: /^\/embeddings$/, needs: ['input'], answer: embeddings },
  { method: 'GET', pattern: /^\/models$/, answer: modelList },
  { method: 'GET', pattern: /^\/models\/(.+)$/, answer: modelDescription },
  { method: 'POST', pattern: /^\/images\/generations$/, needs: ['prompt'], answer: imageGeneration },
  { method: 'POST', pattern: /^\/audio\/transcriptions$/, answer: transcription },
  { method: 'POST', pattern: /^\/audio\/speech$/, needs: ['input'], answer: speech },
  { method: 'POST', pattern: /^\/moderations$/, needs: ['input'], answer: moderation },
  { method: 'POST', pattern: /^\/responses$/, needs: ['input'], answer: createResponse },
  { method: 'GET', pattern: /^\/responses\/([^/]+)$/, answer: storedResponse },
  { method: 'DELETE', pattern: /^\/responses\/([^/]+)$/, answer: responseDeletion },
  { method: 'POST', pattern: /^\/files$/, answer: fileUpload },
  { method: 'GET', pattern: /^\/files$/, answer: fileList },
  { method: 'GET', pattern: /^\/files\/([^/]+)$/, answer: fileDescription },
  { method: 'DELETE', pattern: /^\/files\/([^/]+)$/, answer: fileDeletion },
  { method: 'GET', pattern: /^\/files\/([^/]+)\/content$/, answer: fileContent },
  // Answers everybody, so that a test sees when such a call gets here at all.
  {
    method: '*',
    pattern: /^\/organization(?:\/|$)/,
    answer: () => jsonAnswer({ object: 'list', data: [], has_more: false }),
  },
]

/** Endpoints that OpenAI serves without a model named. */
const MODEL_IS_OPTIONAL = new Set(['/images/generations', '/moderations'])

function checkedJson(call: EndpointCall, needs: readonly string[]): DeliveredAnswer | null {
  const contentType = headerValue(call.request.headers, 'content-type')
  if (contentType === null) return REQUEST_ERRORS.noModel()
  const mediaType = contentType.split(';')[0]?.trim().toLowerCase() ?? ''
  if (mediaType !== 'application/json') return REQUEST_ERRORS.wrongContentType(mediaType)
  if (call.json === null) return REQUEST_ERRORS.notJson()
  if (textOrEmpty(call.json.model) === '' && !MODEL_IS_OPTIONAL.has(call.path)) return REQUEST_ERRORS.noModel()
  const missing = needs.find((name) => call.json?.[name] === undefined)
  if (missing !== undefined) return REQUEST_ERRORS.missing(missing)
  const hasStreamOptions = call.json.stream_options !== undefined && call.json.stream_options !== null
  return hasStreamOptions && call.json.stream !== true ? REQUEST_ERRORS.streamOptionsWithoutStream() : null
}

function chatCompletion(call: EndpointCall): DeliveredAnswer {
  const request = call.json ?? {}
  const { shape } = call
  const answer = chatAnswer(request, shape)
  const about = { id: `chatcmpl-${simulatedId(call)}`, createdSeconds: Math.floor(call.nowMs / 1_000), shape }
  if (request.stream === true) return { head: STREAM_HEAD, frames: chatCompletionFrames(request, answer, about) }
  return { head: JSON_HEAD, body: chatCompletionBody(request, answer, about) }
}

function modelList(call: EndpointCall): DeliveredAnswer {
  return jsonAnswer({ object: 'list', data: call.models.map(modelObject) })
}

function modelDescription(call: EndpointCall, id: string): DeliveredAnswer {
  const name = decodeURIComponent(id)
  return call.models.includes(name) ? jsonAnswer(modelObject(name)) : REQUEST_ERRORS.noSuchModel(name)
}

function modelObject(id: string): unknown {
  return { id, object: 'model', created: 1_715_367_049, owned_by: 'system' }
}
