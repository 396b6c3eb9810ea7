/** What the simulated endpoints are given of a call, and the small pieces their answers are made of. */
import type { AnswerHead } from '../http-listener.ts'
import { isJsonObject } from '../json.ts'
import { headerValue, type ReceivedRequest } from '../recording.ts'
import type { AnswerShape } from './behaviours.ts'
import { type ChatRequest, textOrEmpty } from './chat-answers.ts'
import type { DeliveredAnswer } from './delivery.ts'

export interface EndpointCall {
  readonly request: ReceivedRequest
  /** What follows the base path, for example `/chat/completions`. */
  readonly path: string
  /** Null when the body is no JSON object. */
  readonly json: ChatRequest | null
  readonly credential: string
  readonly shape: AnswerShape
  readonly nowMs: number
  readonly models: readonly string[]
  /** What this credential has stored; no other sees it. */
  readonly objects: StoredObjects
}

export interface StoredObjects {
  readonly files: Map<string, StoredFile>
  readonly responses: Map<string, unknown>
}

export interface StoredFile {
  readonly description: Readonly<Record<string, unknown>>
  readonly bytes: Uint8Array
}

export const STREAM_HEAD: AnswerHead = {
  status: 200,
  headers: [
    ['content-type', 'text/event-stream; charset=utf-8'],
    ['cache-control', 'no-cache'],
  ],
}

export const JSON_HEAD: AnswerHead = { status: 200, headers: [['content-type', 'application/json']] }

/** Indented, as OpenAI sends it: who compares bytes must not count on compact JSON. */
export function jsonAnswer(value: unknown): DeliveredAnswer {
  return { head: JSON_HEAD, body: `${JSON.stringify(value, null, 2)}\n` }
}

/** Different for each request, the same in each run. */
export function simulatedId(call: EndpointCall): string {
  return `simulated${String(call.request.number).padStart(15, '0')}`
}

/** The parts of a multipart body, or null when it is none. */
export async function multipartOf(call: EndpointCall): Promise<Awaited<ReturnType<Response['formData']>> | null> {
  const contentType = headerValue(call.request.headers, 'content-type')
  if (contentType?.toLowerCase().startsWith('multipart/form-data') !== true) return null
  const body = new Uint8Array(call.request.body)
  const parsed = new Response(body, { headers: { 'content-type': contentType } }).formData()
  return parsed.catch(() => null)
}

/** The texts in an `input` or `prompt`, which may be one or many, or tokens. */
export function textsOf(input: unknown): readonly string[] {
  if (typeof input === 'string') return [input]
  if (!Array.isArray(input)) return []
  if (input.every((each) => typeof each === 'number')) return [input.join(' ')]
  return input.map((each) => {
    if (typeof each === 'string') return each
    if (Array.isArray(each)) return each.join(' ')
    return isJsonObject(each) ? textOrEmpty(each.text) : ''
  })
}
