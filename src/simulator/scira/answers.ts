/** What the simulated model says, in which pieces, after which steps, and how its tokens are counted; pure functions, no wire. */
import { textPieces, withHugePiece, wordCount } from '../text-pieces.ts'
import type { AnswerShape } from './behaviours.ts'
import type { Asked } from './requests.ts'

/**
 * Without a script the text tells what was asked. Tokens are words (runs without white space): of all messages, with Scira's own system text
 * on top; of the text and the thoughts; and some for each step.
 */
export function makeAnswer(asked: Asked, shape: AnswerShape): ModelAnswer {
  const isPlain = asked.group === 'chat'
  const wanted = shape.text ?? usualText(asked)
  const plain = typeof wanted === 'string' ? textPieces(wanted, shape) : wanted
  const pieces = withHugePiece(plain, shape.hugePieceBytes)
  const reasoningPieces = textPieces(shape.reasoningText ?? '', {})
  const stepCount = shape.toolStepCount ?? (isPlain ? 0 : 1)
  const lastStep: TokenCounts = {
    input: SYSTEM_TEXT_TOKENS + asked.messages.reduce((sum, message) => sum + wordCount(message.text), 0),
    output: wordCount(pieces.join('')) + wordCount(reasoningPieces.join('')),
  }
  const toolStep = shape.tokens === undefined ? TOOL_STEP_TOKENS : NO_TOKENS
  return {
    text: pieces.join(''),
    pieces,
    reasoningPieces,
    toolCalls: Array.from({ length: stepCount }, (_, index) => toolCall(index, asked)),
    sources: Array.from({ length: shape.sourceCount ?? (isPlain ? 0 : 2) }, (_, index) => source(index)),
    hasDataParts: shape.hasDataParts ?? !isPlain,
    finishReason: shape.finishReason ?? 'stop',
    tokens: {
      toolStep,
      lastStep: shape.tokens ?? lastStep,
      total: shape.tokens ?? {
        input: lastStep.input + stepCount * toolStep.input,
        output: lastStep.output + stepCount * toolStep.output,
      },
    },
  }
}

export interface ModelAnswer {
  readonly text: string
  readonly pieces: readonly string[]
  readonly reasoningPieces: readonly string[]
  /** One for each step before the last. */
  readonly toolCalls: readonly ToolCall[]
  readonly sources: readonly Source[]
  readonly hasDataParts: boolean
  readonly finishReason: NonNullable<AnswerShape['finishReason']>
  readonly tokens: {
    readonly toolStep: TokenCounts
    readonly lastStep: TokenCounts
    readonly total: TokenCounts
  }
}

export interface TokenCounts {
  readonly input: number
  readonly output: number
}

export interface ToolCall {
  readonly id: string
  readonly name: string
  readonly input: Readonly<Record<string, unknown>>
  readonly output: unknown
}

export interface Source {
  readonly id: string
  readonly url: string
  readonly title: string
}

export const SYSTEM_TEXT_TOKENS = 900
const TOOL_STEP_TOKENS: TokenCounts = { input: 40, output: 12 }
const NO_TOKENS: TokenCounts = { input: 0, output: 0 }

/** What the parts say that are no answer. */
export const HIDDEN_TEXT = 'THIS MUST BE IGNORED'

const MAX_QUOTED_CHARACTERS = 500

/** Has characters of one to four bytes and all that JSON escapes, for whoever cuts or decodes in the wrong place. */
function usualText(asked: Asked): string {
  const count = asked.messages.length === 1 ? '1 message' : `${asked.messages.length} messages`
  const quoted = [...asked.userText].slice(-MAX_QUOTED_CHARACTERS).join('')
  return `This is the simulated Scira: no real model was asked and nothing left this machine. You asked for model ${asked.model} in the group ${asked.group}, I got ${count}; the last of a user said: “${quoted}”.\nA real model would now say something clever – déjà vu, 你好, 🙂.\n\n\t"Escapes": C:\\temp\\new, <b>a/b</b>, \u2028 and \\n.`
}

function toolCall(index: number, asked: Asked): ToolCall {
  return {
    id: `call_simulated_${index + 1}`,
    name: 'web_search',
    input: { query: `simulated search for ${asked.group}`, maxResults: 2 },
    output: { results: [{ title: HIDDEN_TEXT, content: HIDDEN_TEXT }] },
  }
}

function source(index: number): Source {
  return { id: `source-${index + 1}`, url: `https://example.com/${index + 1}`, title: `Simulated source ${index + 1}` }
}
