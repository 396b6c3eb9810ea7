/** Turns earlier tool calls and results of a conversation into text, in the form the model is asked to write. */
import { isRecord } from '../../formats/is-record.ts'
import { createMarkers } from './markers.ts'

export type Message = Readonly<Record<string, unknown>>

/**
 * OpenAI messages in which no message needs more than a role and content. An assistant's calls are added to its text; results
 * that follow one another become one message of role `tool`, for a provider without that role to tell as the user's.
 * Other messages stay the same objects, unless they hold the nonce: then the marks in them are made harmless.
 */
export function tellToolMessages(messages: readonly Message[], nonce: string): Message[] {
  const namesById = new Map<string, string>()
  const told: Message[] = []
  let results: string[] = []
  for (const message of messages) {
    if (message.role === 'tool' || message.role === 'function') {
      results.push(tellToolResult(readResult(message, namesById), nonce))
      continue
    }
    flushResults()
    const calls = message.role === 'assistant' ? readCalls(message) : []
    for (const call of calls) namesById.set(call.id, call.name)
    if (calls.length === 0) told.push(withoutMarks(message, nonce))
    else told.push({ role: 'assistant', content: tellAnswer(message.content, calls, nonce) })
  }
  flushResults()
  return told

  function flushResults(): void {
    if (results.length > 0) told.push({ role: 'tool', content: results.join('\n') })
    results = []
  }
}

export interface EarlierCall {
  /** Empty where the client gave none. */
  readonly id: string
  readonly name: string
  /** JSON text as the client sent it. */
  readonly arguments: string
}

export interface EarlierResult {
  readonly id: string
  readonly name: string
  readonly text: string
}

/** One call as the model would have written it, with its id, by which the result refers to it. */
export function tellToolCall(call: EarlierCall, nonce: string): string {
  const { callStart, callEnd } = createMarkers(nonce)
  const id = call.id === '' ? '' : `"id":${JSON.stringify(call.id)},`
  const json = `{${id}"name":${JSON.stringify(call.name)},"arguments":${argumentsJson(call.arguments)}}`
  // In JSON a `<` can only stand in a string, where it may be spelt otherwise.
  return [callStart, json.includes(nonce) ? json.replaceAll('<', '\\u003c') : json, callEnd].join('\n')
}

/** The result's text stays as it is, since models read that better than JSON in a JSON string. */
export function tellToolResult(result: EarlierResult, nonce: string): string {
  const { resultStart, resultEnd } = createMarkers(nonce)
  const about = {
    ...(result.id === '' ? {} : { id: result.id }),
    ...(result.name === '' ? {} : { name: result.name }),
  }
  return [resultStart, cutMarks(JSON.stringify(about), nonce), cutMarks(result.text, nonce), resultEnd].join('\n')
}

function tellAnswer(content: unknown, calls: readonly EarlierCall[], nonce: string): string {
  const blocks = calls.map((call) => tellToolCall(call, nonce)).join('\n')
  const text = cutMarks(textOf(content), nonce)
  return text === '' ? blocks : `${text}\n\n${blocks}`
}

function readCalls(message: Message): EarlierCall[] {
  const list = Array.isArray(message.tool_calls) ? message.tool_calls.filter(isRecord) : []
  const calls = list.flatMap((entry) => readCall(entry.function, entry.id))
  return isRecord(message.function_call) ? [...calls, ...readCall(message.function_call, '')] : calls
}

function readCall(value: unknown, id: unknown): EarlierCall[] {
  if (!isRecord(value) || typeof value.name !== 'string') return []
  const text = typeof value.arguments === 'string' ? value.arguments : JSON.stringify(value.arguments ?? {})
  return [{ id: typeof id === 'string' ? id : '', name: value.name, arguments: text }]
}

function readResult(message: Message, namesById: ReadonlyMap<string, string>): EarlierResult {
  const id = typeof message.tool_call_id === 'string' ? message.tool_call_id : ''
  const name = typeof message.name === 'string' ? message.name : (namesById.get(id) ?? '')
  return { id, name, text: textOf(message.content) }
}

/** Arguments that are no JSON (a client may repeat a model's broken ones) are told as a string. */
function argumentsJson(text: string): string {
  if (text.trim() === '') return '{}'
  try {
    JSON.parse(text)
    return text.trim()
  } catch {
    return JSON.stringify(text)
  }
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return content === null || content === undefined ? '' : JSON.stringify(content)
  return content.map(partText).join('\n')
}

function partText(part: unknown): string {
  if (!isRecord(part)) return String(part)
  const text = part.text ?? part.refusal
  return typeof text === 'string' ? text : `[${String(part.type)}]`
}

function withoutMarks(message: Message, nonce: string): Message {
  const { content } = message
  if (typeof content === 'string') {
    return content.includes(nonce) ? { ...message, content: cutMarks(content, nonce) } : message
  }
  if (!Array.isArray(content) || !content.some((part) => holdsMark(part, nonce))) return message
  const parts = content.map((part) => (holdsMark(part, nonce) ? { ...part, text: cutMarks(part.text, nonce) } : part))
  return { ...message, content: parts }
}

function holdsMark(part: unknown, nonce: string): part is { readonly text: string } {
  return isRecord(part) && typeof part.text === 'string' && part.text.includes(nonce)
}

/** Needed only where one nonce serves a whole conversation: a fresh one occurs in no text. */
function cutMarks(text: string, nonce: string): string {
  return text.includes(nonce) ? text.replaceAll(`_${nonce}`, '') : text
}
