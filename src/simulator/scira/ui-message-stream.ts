/** Spells an answer as the UI message stream of AI SDK 5 and 6: server-sent events; pure functions. */
import type { HeaderLine } from '../http-request-parser.ts'
import { HIDDEN_TEXT, type ModelAnswer, type TokenCounts, type ToolCall } from './answers.ts'
import type { AnswerShape } from './behaviours.ts'
import { type AnswerFacts, type Frame, jsonText } from './frames.ts'

/**
 * The events in order (vercel/ai, content/docs/04-ai-sdk-ui/50-stream-protocol.mdx @ ed857f50f1, 2026-08-22, and
 * packages/ai/src/ui-message-stream), with the metadata that Scira adds (zaidmukaddam/scira @ 7215d53, 2026-03-20).
 */
export function uiMessageFrames(answer: ModelAnswer, about: AnswerFacts): readonly Frame[] {
  const { shape } = about
  const frames: Frame[] = []
  const add = (part: Frame['part'], value: Part) => frames.push({ part, text: event(value, shape) })
  const hasBounds = shape.hasPartBounds !== false

  add('opening', {
    type: 'start',
    messageId: about.messageId,
    messageMetadata: { model: about.model, createdAt: new Date(about.nowMs).toISOString() },
  })
  if (answer.hasDataParts) {
    add('opening', { type: 'data-chat_title', data: { title: HIDDEN_TEXT } })
    add('opening', { type: 'data-auto_routed_model', data: { model: about.model }, transient: true })
  }
  add('opening', { type: 'start-step' })
  for (const call of answer.toolCalls) {
    for (const part of toolCallParts(call)) add('opening', part)
    add('opening', { type: 'finish-step' })
    add('opening', { type: 'start-step' })
  }
  for (const { id, ...rest } of answer.sources) add('opening', { type: 'source-url', sourceId: id, ...rest })
  if (answer.hasDataParts) {
    add('opening', {
      type: 'source-document',
      sourceId: 'document-1',
      mediaType: 'application/pdf',
      title: HIDDEN_TEXT,
    })
    add('opening', { type: 'file', url: 'data:image/png;base64,AA==', mediaType: 'image/png' })
  }
  if (shape.hasUnknownParts === true) for (const part of UNKNOWN_PARTS) add('opening', part)
  if (answer.reasoningPieces.length > 0) {
    if (hasBounds) add('reasoning', { type: 'reasoning-start', id: REASONING_ID })
    for (const piece of answer.reasoningPieces) add('reasoning', deltaPart('reasoning', piece, shape))
    if (hasBounds) add('reasoning', { type: 'reasoning-end', id: REASONING_ID })
  }
  const hasTextBounds = hasBounds && answer.pieces.length > 0
  if (hasTextBounds) add('reasoning', { type: 'text-start', id: TEXT_ID })
  for (const piece of answer.pieces) {
    add('piece', deltaPart('text', piece, shape))
    if (shape.hasGarbageLines === true) frames.push({ part: 'noise', text: GARBAGE })
    if (shape.hasUnknownParts === true) for (const part of UNKNOWN_PARTS) add('noise', part)
  }
  if (hasTextBounds) add('after', { type: 'text-end', id: TEXT_ID })
  add('after', { type: 'finish-step' })
  frames.push({ part: 'after', text: finishingEvents(answer, shape) })
  if (shape.isDoneSent !== false) frames.push({ part: 'after', text: doneEvent(shape) })
  return frames
}

export function uiMessageError(errorText: string, answer: ModelAnswer, error: ErrorFacts): string {
  const { shape } = error
  const failed: ModelAnswer = { ...answer, finishReason: 'error' }
  const finish = error.isFinishSent ? finishingEvents(failed, shape) : ''
  return event({ type: 'error', errorText }, shape) + finish + end(shape)
}

export function uiMessageAbort(shape: AnswerShape): string {
  return event({ type: 'abort' }, shape) + end(shape)
}

interface ErrorFacts {
  readonly isFinishSent: boolean
  readonly shape: AnswerShape
}

/** What the SDK's helpers send; Scira built its response by hand (zaidmukaddam/scira, since 5b1f906, 2025-08-07). */
export const UI_MESSAGE_HEADERS: readonly HeaderLine[] = [
  ['content-type', 'text/event-stream'],
  ['cache-control', 'no-cache'],
  ['x-vercel-ai-ui-message-stream', 'v1'],
  ['x-accel-buffering', 'no'],
]

type Part = Readonly<Record<string, unknown>>

const TEXT_ID = 'text-1'
const REASONING_ID = 'reasoning-1'

const UNKNOWN_PARTS: readonly Part[] = [
  { type: 'text-shadow', id: TEXT_ID, delta: HIDDEN_TEXT, text: HIDDEN_TEXT },
  { type: 'custom', text: HIDDEN_TEXT },
  { delta: HIDDEN_TEXT, text: HIDDEN_TEXT },
]

const GARBAGE =
  'this is no field of an event\n\n: nor this\n\nevent: noise\nid: 7\nretry: 10\n\ndata: this is not JSON\n\ndata: "nor a part"\n\n'

function event(part: Part, shape: AnswerShape): string {
  return `data:${space(shape)}${jsonText(part, shape)}\n\n`
}

function space(shape: AnswerShape): string {
  return shape.isDataSpaced === false ? '' : ' '
}

function doneEvent(shape: AnswerShape): string {
  return `data:${space(shape)}[DONE]\n\n`
}

/** The SDK sends it whenever its stream ends, however that came. */
function end(shape: AnswerShape): string {
  return shape.isDoneSent === false ? '' : doneEvent(shape)
}

function deltaPart(kind: 'text' | 'reasoning', piece: string, shape: AnswerShape): Part {
  const id = kind === 'text' ? TEXT_ID : REASONING_ID
  switch (shape.textStyle ?? 'delta') {
    case 'delta':
      return { type: `${kind}-delta`, id, delta: piece }
    case 'bare_text':
      return { type: kind, text: piece }
    case 'bare_delta':
      return { type: kind, delta: piece }
  }
}

function toolCallParts(call: ToolCall): readonly Part[] {
  const toolCallId = call.id
  const input = JSON.stringify(call.input)
  const half = Math.floor(input.length / 2)
  return [
    { type: 'tool-input-start', toolCallId, toolName: call.name },
    { type: 'tool-input-delta', toolCallId, inputTextDelta: input.slice(0, half) },
    { type: 'tool-input-delta', toolCallId, inputTextDelta: input.slice(half) },
    { type: 'tool-input-available', toolCallId, toolName: call.name, input: call.input },
    { type: 'tool-output-available', toolCallId, output: call.output },
  ]
}

function finishingEvents(answer: ModelAnswer, shape: AnswerShape): string {
  const usage = usageOf(answer.tokens.total, shape)
  const isSeparate = shape.usagePlace === 'message_metadata' && usage !== null
  const separate = isSeparate ? event({ type: 'message-metadata', messageMetadata: usage }, shape) : ''
  const finish = {
    type: 'finish',
    ...(shape.isFinishReasonSent === false ? {} : { finishReason: answer.finishReason }),
    ...(isSeparate || usage === null ? {} : { messageMetadata: { completionTime: 1.2, ...usage } }),
  }
  return separate + event(finish, shape)
}

function usageOf(tokens: TokenCounts, shape: AnswerShape): Part | null {
  switch (shape.usage ?? 'counted') {
    case 'counted':
      return { inputTokens: tokens.input, outputTokens: tokens.output, totalTokens: tokens.input + tokens.output }
    case 'null':
      return { inputTokens: null, outputTokens: null, totalTokens: null }
    case 'none':
      return null
  }
}
