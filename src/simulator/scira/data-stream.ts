/** Spells an answer as the data stream of AI SDK 4: lines of a code and JSON; pure functions. */
import type { HeaderLine } from '../http-request-parser.ts'
import { HIDDEN_TEXT, type ModelAnswer, type TokenCounts, type ToolCall } from './answers.ts'
import type { AnswerShape } from './behaviours.ts'
import { type AnswerFacts, type Frame, jsonText } from './frames.ts'

/**
 * The lines in order (vercel/ai, content/docs/04-ai-sdk-ui/50-stream-protocol.mdx @ 136819b8f2, 2025-04-30, and
 * packages/ai/core/util/data-stream-parts.ts): each step begins with `f` and ends with `e`, the message with `d`.
 */
export function dataStreamFrames(answer: ModelAnswer, about: AnswerFacts): readonly Frame[] {
  const { shape } = about
  const frames: Frame[] = []
  const add = (part: Frame['part'], code: string, value: unknown) =>
    frames.push({ part, text: line(code, value, shape) })
  const start = (step: number) =>
    add('opening', 'f', { messageId: step === 0 ? about.messageId : `${about.messageId}-${step}` })

  start(0)
  if (answer.hasDataParts) {
    add('opening', '2', [{ type: 'query_completion', text: HIDDEN_TEXT }])
    add('opening', '8', [{ type: 'progress', text: HIDDEN_TEXT }])
  }
  for (const [index, call] of answer.toolCalls.entries()) {
    addToolCall(call, (code, value) => add('opening', code, value))
    add('opening', 'e', stepEnd('tool-calls', answer.tokens.toolStep, shape))
    start(index + 1)
  }
  for (const each of answer.sources) add('opening', 'h', { sourceType: 'url', ...each })
  if (shape.hasUnknownParts === true) {
    add('opening', 'm', HIDDEN_TEXT)
    add('opening', 'z', { text: HIDDEN_TEXT, delta: HIDDEN_TEXT })
  }
  for (const piece of answer.reasoningPieces) add('reasoning', 'g', piece)
  if (answer.reasoningPieces.length > 0) {
    add('reasoning', 'j', { signature: 'c2ltdWxhdGVk' })
    if (shape.isReasoningEndSent === true) add('reasoning', 'l', {})
  }
  if (answer.hasDataParts) {
    add('reasoning', 'i', { data: HIDDEN_TEXT })
    add('reasoning', 'k', { data: 'AA==', mimeType: 'image/png' })
  }
  for (const piece of answer.pieces) {
    add('piece', '0', piece)
    // In the frame of the piece, because pieces are counted.
    if (shape.hasGarbageLines === true) frames.push({ part: 'noise', text: GARBAGE })
    if (shape.hasUnknownParts === true) frames.push({ part: 'noise', text: line('m', HIDDEN_TEXT, shape) })
  }
  frames.push({ part: 'after', text: finishingLines(answer, shape) })
  return frames
}

export function dataStreamError(text: string, answer: ModelAnswer, error: ErrorFacts): string {
  const failed: ModelAnswer = { ...answer, finishReason: 'error' }
  const finish = error.isFinishSent ? finishingLines(failed, error.shape) : ''
  return line('3', text, error.shape) + finish
}

interface ErrorFacts {
  readonly isFinishSent: boolean
  readonly shape: AnswerShape
}

/** What the SDK's helpers send; Scira answered with a bare response (zaidmukaddam/scira, June 2025). */
export const DATA_STREAM_HEADERS: readonly HeaderLine[] = [
  ['content-type', 'text/plain; charset=utf-8'],
  ['x-vercel-ai-data-stream', 'v1'],
]

const GARBAGE = '\nthis is no line of the protocol\n<!-- nor is this -->\nzz:"neither"\n2:not JSON\n'

function line(code: string, value: unknown, shape: AnswerShape): string {
  return `${code}:${jsonText(value, shape)}\n`
}

function addToolCall(call: ToolCall, add: (code: string, value: unknown) => void): void {
  const toolCallId = call.id
  const args = JSON.stringify(call.input)
  const half = Math.floor(args.length / 2)
  add('b', { toolCallId, toolName: call.name })
  add('c', { toolCallId, argsTextDelta: args.slice(0, half) })
  add('c', { toolCallId, argsTextDelta: args.slice(half) })
  add('9', { toolCallId, toolName: call.name, args: call.input })
  add('a', { toolCallId, result: call.output })
}

function stepEnd(finishReason: ModelAnswer['finishReason'], tokens: TokenCounts, shape: AnswerShape): unknown {
  return { finishReason, ...usageOf(tokens, shape), isContinued: false }
}

function finishingLines(answer: ModelAnswer, shape: AnswerShape): string {
  const { finishReason, tokens } = answer
  const end = { finishReason, ...usageOf(tokens.total, shape) }
  return line('e', stepEnd(finishReason, tokens.lastStep, shape), shape) + line('d', end, shape)
}

/** Counts that the SDK does not have are NaN, which is null in JSON. */
function usageOf(tokens: TokenCounts, shape: AnswerShape): object {
  switch (shape.usage ?? 'counted') {
    case 'counted':
      return { usage: { promptTokens: tokens.input, completionTokens: tokens.output } }
    case 'null':
      return { usage: { promptTokens: null, completionTokens: null } }
    case 'none':
      return {}
  }
}
