/** Puts a chat or completion stream together to the one JSON answer that would have said the same. Streams it does not wholly understand are left alone. */
import { isRecord } from './is-record.ts'
import { isErrorObject } from './openai.ts'
import { eachEvent, eventData, parseEventJson } from './sse.ts'

type Fields = Record<string, unknown>

/**
 * `whole`: the answer. `unknown`: a proper stream with something in it that cannot be put together faithfully. `acting`: it calls
 * tools. `broken`: it has no choices, or tells of an error (OpenRouter's
 * streams with the finish reason `error`, too).
 */
export type Assembled =
  | { readonly kind: 'whole'; readonly answer: Readonly<Fields>; readonly hasUsage: boolean }
  | { readonly kind: 'unknown'; readonly hasUsage: boolean }
  | { readonly kind: 'acting' }
  | { readonly kind: 'broken' }

interface Draft {
  readonly head: Fields
  readonly choices: Map<number, Fields>
  usage: unknown
  isUnderstood: boolean
  isActing: boolean
}

/** Of a whole stream's text (latin1). */
export function assembleChat(stream: string): Assembled {
  const draft: Draft = { head: {}, choices: new Map(), usage: undefined, isUnderstood: true, isActing: false }
  for (const event of eachEvent(`${stream}\n\n`)) {
    const data = eventData(event)?.trim() ?? ''
    if (data === '' || data === '[DONE]') continue
    const chunk = parseEventJson(data)
    if (!isRecord(chunk) || isErrorObject(chunk)) return { kind: 'broken' }
    addChunk(draft, chunk)
  }
  if (draft.choices.size === 0) return { kind: 'broken' }
  if ([...draft.choices.values()].some((choice) => choice.finish_reason === 'error')) return { kind: 'broken' }
  if (draft.isActing) return { kind: 'acting' }
  const hasUsage = isRecord(draft.usage)
  const choices = [...draft.choices.entries()].sort(([a], [b]) => a - b)
  const isWhole = choices.every(([index, choice], place) => index === place && typeof choice.finish_reason === 'string')
  if (!draft.isUnderstood || !isWhole) return { kind: 'unknown', hasUsage }
  const answer = { ...draft.head, choices: choices.map(([index, choice]) => finishChoice(index, choice)) }
  return { kind: 'whole', answer: hasUsage ? { ...answer, usage: draft.usage } : answer, hasUsage }
}

/** Whether an answer or a piece of one asks the client to do something: done twice it would have happened twice. */
export function callsTools(message: unknown): boolean {
  if (!isRecord(message)) return false
  const { tool_calls: calls, function_call: call } = message
  return (Array.isArray(calls) && calls.length > 0) || isRecord(call)
}

const objectNames: Readonly<Record<string, string>> = {
  'chat.completion.chunk': 'chat.completion',
  text_completion: 'text_completion',
}

function addChunk(draft: Draft, chunk: Readonly<Fields>): void {
  for (const [name, value] of Object.entries(chunk)) {
    if (name === 'choices' || name === 'obfuscation') continue
    if (name === 'usage') draft.usage = value ?? draft.usage
    else if (name === 'object') keep(draft, draft.head, { name, value: objectNames[String(value)] ?? value })
    else keep(draft, draft.head, { name, value })
  }
  const { choices } = chunk
  if (!Array.isArray(choices)) {
    draft.isUnderstood = false
    return
  }
  for (const choice of choices) {
    if (isRecord(choice)) addChoice(draft, choice)
    else draft.isUnderstood = false
  }
}

function addChoice(draft: Draft, piece: Readonly<Fields>): void {
  const index = typeof piece.index === 'number' ? piece.index : 0
  const choice = draft.choices.get(index) ?? {}
  draft.choices.set(index, choice)
  for (const [name, value] of Object.entries(piece)) {
    if (name === 'index') continue
    if (name === 'delta') addDelta(draft, choice, value)
    else if (name === 'text') addText(draft, choice, { name, value })
    else if (name === 'logprobs') addLogprobs(draft, choice, value)
    else keep(draft, choice, { name, value })
  }
}

/** What grows from piece to piece. `reasoning` is how OpenRouter spells `reasoning_content`. */
const textFields = new Set(['content', 'reasoning_content', 'reasoning', 'refusal'])

function addDelta(draft: Draft, choice: Fields, delta: unknown): void {
  if (callsTools(delta)) draft.isActing = true
  if (delta === null) return
  if (!isRecord(delta)) {
    draft.isUnderstood = false
    return
  }
  const message = (choice.message ?? {}) as Fields
  choice.message = message
  for (const [name, value] of Object.entries(delta)) {
    if (textFields.has(name)) addText(draft, message, { name, value })
    else if (name === 'role') message.role ??= value
    else if (!isNothing(value)) draft.isUnderstood = false
  }
}

interface Named {
  readonly name: string
  readonly value: unknown
}

function addText(draft: Draft, to: Fields, { name, value }: Named): void {
  if (value === null) to[name] ??= null
  else if (typeof value === 'string') to[name] = `${to[name] ?? ''}${value}`
  else draft.isUnderstood = false
}

/** Lists of tokens, one beside the other. */
function addLogprobs(draft: Draft, choice: Fields, value: unknown): void {
  if (value === null) {
    choice.logprobs ??= null
    return
  }
  if (!isRecord(value)) {
    draft.isUnderstood = false
    return
  }
  const all = (choice.logprobs ?? {}) as Fields
  choice.logprobs = all
  for (const [name, tokens] of Object.entries(value)) {
    if (tokens === null) all[name] ??= null
    else if (Array.isArray(tokens)) all[name] = [...((all[name] as unknown[] | null | undefined) ?? []), ...tokens]
    else draft.isUnderstood = false
  }
}

/** What is the same in every piece, or said in one of them only. */
function keep(draft: Draft, to: Fields, { name, value }: Named): void {
  const known = to[name]
  if (isBlank(known)) to[name] = value
  else if (!isBlank(value) && !Bun.deepEquals(known, value)) draft.isUnderstood = false
}

/** Azure's first event has an empty id and model, and no time. */
function isBlank(value: unknown): boolean {
  return value === undefined || value === null || value === '' || value === 0
}

function isNothing(value: unknown): boolean {
  return value === null || value === '' || (Array.isArray(value) && value.length === 0)
}

function finishChoice(index: number, choice: Fields): Fields {
  if (!isRecord(choice.message)) return { index, logprobs: null, ...choice }
  const { message, ...rest } = choice
  return { index, message: { role: 'assistant', content: null, ...message }, logprobs: null, ...rest }
}
