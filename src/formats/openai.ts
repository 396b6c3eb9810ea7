/**
 * OpenAI's wire format as far as the gateway must understand it: what a request asks for, what an answer says of itself.
 * Pure functions; nothing here changes a byte that it was not asked to change.
 */
import { type TSchema, Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { ReportedUsage } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { boundaryOf, formFields } from './form-fields.ts'
import { findAllMembers, type Span } from './json-members.ts'
import { cutMark, outlineJson, placeInWhole } from './json-outline.ts'

/** What the gateway knows of a request body. `modelSpan` is the place of the model's name in the bytes. */
export interface RequestView {
  readonly model: string
  readonly modelSpan: Span | null
  /** The replacement text is JSON in a JSON body, plain in a form. */
  readonly isModelQuoted: boolean
  readonly isStream: boolean
  /** Parsed JSON body; null for other bodies. A long one is parsed when it is first asked for: mostly `outline` says enough. */
  readonly json: Fields | null
  /** The same with every long text in it cut to a mark. */
  readonly outline: Fields | null
}

type Fields = Readonly<Record<string, unknown>>

const emptyView: RequestView = {
  model: '',
  modelSpan: null,
  isModelQuoted: true,
  isStream: false,
  json: null,
  outline: null,
}

const nullable = (schema: TSchema) => Type.Union([schema, Type.Null()])

/** Open schema of a chat request: known fields have their types, unknown ones pass. */
export const chatRequestSchema = Type.Object(
  {
    model: Type.String({ minLength: 1, description: 'A name from GET /v1/models', examples: ['gpt-4o'] }),
    messages: Type.Array(
      Type.Object(
        {
          role: Type.String({ minLength: 1, examples: ['user'] }),
          content: Type.Optional(
            nullable(
              Type.Union([
                Type.String(),
                Type.Array(Type.Object({ type: Type.String() }, { additionalProperties: true })),
              ]),
            ),
          ),
        },
        { additionalProperties: true },
      ),
      { minItems: 1 },
    ),
    stream: Type.Optional(nullable(Type.Boolean({ description: 'Server-sent events instead of one JSON body' }))),
    stream_options: Type.Optional(nullable(Type.Object({}, { additionalProperties: true }))),
    temperature: Type.Optional(nullable(Type.Number())),
    top_p: Type.Optional(nullable(Type.Number())),
    n: Type.Optional(nullable(Type.Integer())),
    max_tokens: Type.Optional(nullable(Type.Integer())),
    max_completion_tokens: Type.Optional(nullable(Type.Integer())),
    stop: Type.Optional(nullable(Type.Union([Type.String(), Type.Array(Type.String())]))),
    tools: Type.Optional(nullable(Type.Array(Type.Object({}, { additionalProperties: true })))),
    response_format: Type.Optional(nullable(Type.Object({}, { additionalProperties: true }))),
  },
  { additionalProperties: true, description: 'OpenAI chat completion request; unknown fields pass unchanged' },
)

const chatRequestCheck = TypeCompiler.Compile(chatRequestSchema)

/** Reads the body of `POST /v1/chat/completions`. Throws GatewayError 400 naming the param. */
export function readChatRequest(body: Uint8Array<ArrayBuffer>): RequestView {
  const view = readJsonRequest(body)
  if (view.outline !== null && chatRequestCheck.Check(view.outline)) return view
  const { json } = view
  if (json === null) throw badRequest('the request body must be a JSON object', null, 'invalid_json')
  if (json.model === undefined) throw badRequest('you must provide a model parameter', 'model', 'missing_model')
  if (json.messages === undefined) throw badRequest('you must provide a messages parameter', 'messages')
  const problem = chatRequestCheck.Errors(json).First()
  const param = (problem?.path ?? '').slice(1).replaceAll('/', '.')
  throw badRequest(`invalid value for '${param}': ${problem?.message ?? 'wrong type'}`, param)
}

/** From here on a body is worth an outline. */
const minOutlinedBytes = 2048

/** Reads any other JSON body; `model`, if there is one, must be one string. */
export function readJsonRequest(body: Uint8Array<ArrayBuffer>): RequestView {
  const outline = body.byteLength < minOutlinedBytes ? null : outlineJson(body)
  if (outline === null) return readFields(body)
  const view = readFields(outline.bytes)
  if (view.outline === null || view.model === cutMark) return readFields(body)
  let json: Fields | null = null
  return {
    model: view.model,
    modelSpan: view.modelSpan === null ? null : placeInWhole(outline, view.modelSpan),
    isModelQuoted: true,
    isStream: view.isStream,
    get json() {
      json ??= parseJson(utf8.decode(body)) as Fields
      return json
    },
    outline: view.outline,
  }
}

function readFields(bytes: Uint8Array<ArrayBuffer>): RequestView {
  const text = utf8.decode(bytes)
  const json = parseJson(text)
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return emptyView
  const fields = json as Record<string, unknown>
  const isStream = fields.stream === true
  if (!Object.hasOwn(fields, 'model')) return { ...emptyView, isStream, json: fields, outline: fields }
  // With one character for each byte, places in the text are places in the bytes.
  const spans = findAllMembers(text.length === bytes.byteLength ? text : latin1(bytes), 'model')
  // Some upstreams (those written in Go) take a name in any case.
  if (spans.length > 1 || Object.keys(fields).filter(isModelName).length > 1) throw doubledModel()
  if (fields.model === null) return { ...emptyView, isStream, json: fields, outline: fields }
  if (typeof fields.model !== 'string' || fields.model === '') {
    throw badRequest("invalid value for 'model': expected a non-empty string", 'model')
  }
  return {
    model: fields.model,
    modelSpan: spans[0] ?? null,
    isModelQuoted: true,
    isStream,
    json: fields,
    outline: fields,
  }
}

/** A mark at the beginning is no JSON. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

function latin1(body: Uint8Array<ArrayBuffer>): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
}

/** Reads the `model` field of a form with files (audio uploads). Everything else in it is the upstream's business. */
export function readFormRequest(body: Uint8Array<ArrayBuffer>, contentType: string): RequestView {
  const boundary = boundaryOf(contentType)
  if (boundary === null) throw badRequest('multipart/form-data without a boundary', null, 'invalid_form')
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const fields = formFields(buffer, boundary)
  if (fields === null) throw badRequest('the form is not well formed', null, 'invalid_form')
  const models = fields.filter((field) => field.names.some(isModelName))
  if (models.length > 1 || (models[0]?.names.length ?? 0) > 1) throw doubledModel()
  const isStream = fields.some(
    ({ names, start, end }) =>
      names[0] === 'stream' && buffer.toString('utf8', start, Math.min(end, start + 5)) === 'true',
  )
  const [field] = models
  if (field === undefined || field.isFile || field.names[0] !== 'model') return { ...emptyView, isStream }
  const span = { start: field.start, end: field.end }
  const model = buffer.toString('utf8', span.start, span.end)
  if (model === '') throw badRequest("invalid value for 'model': expected a non-empty string", 'model')
  return { model, modelSpan: span, isModelQuoted: false, isStream, json: null, outline: null }
}

/** The view of a request without a body, or with one the gateway does not read. */
export function readNothing(): RequestView {
  return emptyView
}

/**
 * The `usage` object of an answer in any of OpenAI's spellings; null when it has none. No request has no tokens at all: zeros, as some
 * programs put there that count nothing, are no numbers. One that is missing is worked out of the total.
 */
export function readUsage(usage: unknown): ReportedUsage | null {
  if (typeof usage !== 'object' || usage === null) return null
  const fields = usage as Record<string, unknown>
  const input = count(fields.prompt_tokens ?? fields.input_tokens)
  const output = tokens(fields.completion_tokens ?? fields.output_tokens)
  const total = count(fields.total_tokens)
  if (input === 0 && (output ?? 0) === 0 && total === 0) return null
  const inputTokens = input || Math.max(0, total - (output ?? 0)) || null
  return {
    inputTokens,
    outputTokens: output ?? (total > 0 ? Math.max(0, total - (inputTokens ?? 0)) : null),
    cachedTokens: Math.min(
      inputTokens ?? 0,
      count(member(fields.prompt_tokens_details ?? fields.input_tokens_details, 'cached_tokens')) ||
        // DeepSeek's spelling.
        count(fields.prompt_cache_hit_tokens),
    ),
    reasoningTokens: count(
      member(fields.completion_tokens_details ?? fields.output_tokens_details, 'reasoning_tokens'),
    ),
  }
}

/** What one event of a chat or completion stream is. `idle`: nothing a client could show (role, usage, unknown). */
export type EventNature = 'content' | 'idle' | 'error' | 'done'

export function chatEventNature(data: string, json: unknown): EventNature {
  if (data.trim() === '[DONE]') return 'done'
  if (typeof json !== 'object' || json === null) return 'idle'
  const event = json as Record<string, unknown>
  if (isErrorObject(event)) return 'error'
  if (!Array.isArray(event.choices)) return 'idle'
  return event.choices.some(hasContent) ? 'content' : 'idle'
}

/** The same for any other stream of events: the Responses API's types are known, the rest counts as content. */
export function otherEventNature(data: string, json: unknown): EventNature {
  if (data.trim() === '[DONE]') return 'done'
  if (typeof json !== 'object' || json === null) return 'content'
  const event = json as Record<string, unknown>
  if (event.type === 'error' || event.type === 'response.failed' || isErrorObject(event)) return 'error'
  const isPrelude = ['response.created', 'response.queued', 'response.in_progress'].includes(String(event.type))
  return isPrelude ? 'idle' : 'content'
}

/** An answer that is an error although its status is 200. */
export function isErrorObject(json: Record<string, unknown>): boolean {
  const { error } = json
  return (typeof error === 'object' && error !== null) || isText(error)
}

/** An error body in OpenAI's shape. */
export function errorBody(error: { message: string; type: string; param: string | null; code: string | null }) {
  return { error: { message: error.message, type: error.type, param: error.param, code: error.code } }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw badRequest('the request body is not valid JSON', null, 'invalid_json')
  }
}

function isModelName(name: string): boolean {
  return name.length === 'model'.length && name.toLowerCase() === 'model'
}

function doubledModel(): GatewayError {
  return badRequest("'model' is given more than once", 'model', 'duplicate_model')
}

function badRequest(message: string, param: string | null, code = 'invalid_request'): GatewayError {
  return new GatewayError(code, message, { status: 400, ...(param === null ? {} : { param }) })
}

function hasContent(choice: unknown): boolean {
  if (typeof choice !== 'object' || choice === null) return false
  const fields = choice as Record<string, unknown>
  if (isText(fields.text) || isText(fields.finish_reason)) return true
  const delta = fields.delta ?? fields.message
  if (typeof delta !== 'object' || delta === null) return false
  return Object.entries(delta).some(([name, value]) => name !== 'role' && isFilled(value))
}

function isFilled(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0
  return isText(value) || (typeof value === 'object' && value !== null)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

function count(value: unknown): number {
  return tokens(value) ?? 0
}

function tokens(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.round(value) : null
}
