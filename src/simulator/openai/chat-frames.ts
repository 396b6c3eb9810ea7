/** Spells a chat answer on the wire: whole as JSON, or as the frames of an event stream; pure functions. */

import { isJsonObject } from '../json.ts'
import { textPieces, withHugePiece } from '../text-pieces.ts'
import type { AnswerShape } from './behaviours.ts'
import { type ChatAnswer, type ChatRequest, type ToolCall, textOrEmpty } from './chat-answers.ts'

/** The body of an answer that is not a stream. */
export function chatCompletionBody(request: ChatRequest, answer: ChatAnswer, about: AnswerFacts): string {
  const { shape } = about
  const message = {
    role: 'assistant',
    content: answer.toolCalls.length > 0 ? null : answer.text,
    ...(shape.reasoningText === undefined
      ? {}
      : { [shape.reasoningField ?? 'reasoning_content']: shape.reasoningText }),
    ...(answer.toolCalls.length > 0 ? { tool_calls: answer.toolCalls.map(wholeToolCall) } : {}),
    refusal: null,
    annotations: [],
  }
  const choices = Array.from({ length: answer.choiceCount }, (_, index) => ({
    index,
    message,
    logprobs: null,
    finish_reason: answer.finishReason,
  }))
  const body = {
    id: about.id,
    object: 'chat.completion',
    created: about.createdSeconds,
    model: shape.answeredModel ?? textOrEmpty(request.model),
    choices,
    ...(shape.usage === 'never' ? {} : { usage: answer.usage }),
    service_tier: 'default',
    system_fingerprint: 'fp_simulated',
  }
  return `${JSON.stringify(body, null, 2)}\n`
}

export interface AnswerFacts {
  readonly id: string
  readonly createdSeconds: number
  readonly shape: AnswerShape
}

/** One event of a stream, its blank line included. */
export interface Frame {
  readonly kind: 'before' | 'role' | 'content' | 'after'
  readonly text: string
}

/** The events of a stream, in order, `[DONE]` last. */
export function chatCompletionFrames(request: ChatRequest, answer: ChatAnswer, about: AnswerFacts): readonly Frame[] {
  const { shape } = about
  const usageMode = shape.usage ?? 'when_asked'
  const isAsked = isJsonObject(request.stream_options) && request.stream_options.include_usage === true
  const isUsageSeparate = usageMode === 'always' || (usageMode === 'when_asked' && isAsked)
  const usageText = JSON.stringify(answer.usage)
  const model = shape.answeredModel ?? textOrEmpty(request.model)
  const start = `data: {"id":"${about.id}","object":"chat.completion.chunk","created":${about.createdSeconds},"model":${JSON.stringify(model)},"service_tier":"default","system_fingerprint":"fp_simulated","choices":[`
  const everyEnd = usageMode === 'every_chunk' ? `],"usage":${usageText}}\n\n` : ']}\n\n'
  const end = isUsageSeparate ? '],"usage":null}\n\n' : everyEnd
  const finishEnd = FINISH_ENDS[usageMode]?.(usageText) ?? end

  const frames: Frame[] = []
  const isEveryChoice = Array.from({ length: answer.choiceCount }, (_, index) => index)
  function add(kind: Frame['kind'], delta: string): void {
    for (const index of isEveryChoice) {
      const text = `${start}{"index":${index},"delta":${delta},"logprobs":null,"finish_reason":null}${end}`
      frames.push({ kind, text })
    }
  }

  if (shape.isAzure === true) frames.push({ kind: 'before', text: AZURE_FIRST_FRAME })
  const roleContent = answer.toolCalls.length > 0 ? 'null' : '""'
  add('role', `{"role":"assistant","content":${roleContent},"refusal":null}`)
  for (const piece of textPieces(shape.reasoningText ?? '', {})) {
    add('content', `{"${shape.reasoningField ?? 'reasoning_content'}":${JSON.stringify(piece)}}`)
  }
  const pieces = withHugePiece(textPieces(answer.text, { pieceCount: shape.deltaCount }), shape.hugeFrameBytes)
  for (const piece of pieces) add('content', `{"content":${JSON.stringify(piece)}}`)
  for (const [index, call] of answer.toolCalls.entries()) {
    for (const delta of toolCallDeltas(call, index)) add('content', `{"tool_calls":[${delta}]}`)
  }
  for (const index of isEveryChoice) {
    const text = `${start}{"index":${index},"delta":{},"logprobs":null,"finish_reason":"${answer.finishReason}"}${finishEnd}`
    frames.push({ kind: 'after', text })
  }
  if (isUsageSeparate) frames.push({ kind: 'after', text: `${start}],"usage":${usageText}}\n\n` })
  if (shape.isDoneSent !== false) frames.push({ kind: 'after', text: 'data: [DONE]\n\n' })
  return frames
}

/** Where upstreams put usage that do not send it as an event of its own. */
const FINISH_ENDS: Partial<Record<NonNullable<AnswerShape['usage']>, (usageText: string) => string>> = {
  on_finish_chunk: (usageText) => `],"usage":${usageText}}\n\n`,
  x_groq: (usageText) => `],"x_groq":{"id":"req_simulated","usage":${usageText}}}\n\n`,
}

const AZURE_FIRST_FRAME =
  'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}\n\n'

function wholeToolCall(call: ToolCall): unknown {
  return { id: call.id, type: 'function', function: { name: call.name, arguments: call.argumentsText } }
}

const ARGUMENT_PIECE_CHARACTERS = 7

/** The name with empty arguments first, then the arguments in pieces that are no JSON by themselves. */
function toolCallDeltas(call: ToolCall, index: number): readonly string[] {
  const opening = JSON.stringify({ index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } })
  const characters = [...call.argumentsText]
  const deltas = [opening]
  for (let start = 0; start < characters.length; start += ARGUMENT_PIECE_CHARACTERS) {
    const piece = characters.slice(start, start + ARGUMENT_PIECE_CHARACTERS).join('')
    deltas.push(JSON.stringify({ index, function: { arguments: piece } }))
  }
  return deltas
}
