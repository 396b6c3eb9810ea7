/** What the simulated model says to a query, in which pieces, and how its tokens are counted; pure functions, no wire. */

import { isJsonObject, isTextList } from '../json.ts'
import { textPieces, withHugePiece, wordCount } from '../text-pieces.ts'
import type { AnswerScript, AnswerShape, AnswerText, Asked } from './behaviours.ts'

/**
 * Without a script the text tells what was asked and what the session had heard before, so that a conversation that sees another's words
 * shows it. Tokens are words (runs without white space): of the query, of `fulfillmentPrompt` and of all earlier queries, and OnDemand's own
 * system text on top (1,040 to 1,370 were seen for prompts of one line, live 2026).
 */
export function makeAnswer(asked: Asked, shape: AnswerShape, script: AnswerScript | undefined): ModelAnswer {
  const scripted = typeof script === 'function' ? script(asked) : script
  const wanted = isSilencedByMaxTokens(asked, shape) ? '' : (scripted ?? usualText(asked))
  const pieces = withHugePiece(piecesOf(stopped(wanted, asked), shape), shape.hugePieceBytes)
  const text = pieces.join('')
  const heard = [asked.query, asked.fulfillmentPrompt ?? '', ...asked.earlierQueries]
  const input = shape.tokens?.input ?? SYSTEM_TEXT_TOKENS + heard.reduce((sum, each) => sum + wordCount(each), 0)
  const output = shape.tokens?.output ?? wordCount(text)
  return { text, pieces, metrics: metricsOf(input, output) }
}

export interface ModelAnswer {
  readonly text: string
  readonly pieces: readonly string[]
  readonly metrics: Metrics
}

/** As in `publicMetrics` of a stream. */
export interface Metrics {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly totalTokens: number
  readonly ragTimeSec: number
  readonly fulfillmentTimeSec: number
  readonly totalTimeSec: number
}

export const SYSTEM_TEXT_TOKENS = 1_100

function metricsOf(inputTokens: number, outputTokens: number): Metrics {
  return {
    inputTokens,
    outputTokens,
    totalTokens: inputTokens + outputTokens,
    ragTimeSec: 0,
    fulfillmentTimeSec: 0.9,
    totalTimeSec: 0.9,
  }
}

/** In `modelConfigs` or beside it: where it was sent when it was recorded is not clear. */
function isSilencedByMaxTokens(asked: Asked, shape: AnswerShape): boolean {
  if (shape.maxTokensEffect === 'none') return false
  const configs = isJsonObject(asked.body.modelConfigs) ? asked.body.modelConfigs : {}
  return [configs.maxTokens, asked.body.maxTokens].some((limit) => typeof limit === 'number' && limit > 0)
}

const MAX_QUOTED_CHARACTERS = 500

/** Has characters of two, three and four bytes, for whoever cuts streams in the wrong place. */
function usualText(asked: Asked): string {
  const memory = asked.earlierQueries.length === 0 ? 'nothing' : asked.earlierQueries.map(quoted).join(' ')
  const prompt = asked.fulfillmentPrompt === null ? '' : ` The fulfillment prompt: ${quoted(asked.fulfillmentPrompt)}.`
  return `This is the simulated OnDemand: no real model was asked and nothing left this machine. You asked for endpoint ${asked.endpointId}; the query said: ${quoted(asked.query)}.${prompt} A real model would now say something clever – déjà vu, 你好, 🙂. Session memory: ${memory}`
}

/** From its end, where the newest words are. */
function quoted(text: string): string {
  return `“${[...text].slice(-MAX_QUOTED_CHARACTERS).join('')}”`
}

/** A model stops before the first of its stop sequences. Pieces that are exactly scripted are left alone. */
function stopped(wanted: AnswerText, asked: Asked): AnswerText {
  const configs = isJsonObject(asked.body.modelConfigs) ? asked.body.modelConfigs : {}
  if (typeof wanted !== 'string' || !isTextList(configs.stopSequences)) return wanted
  const ends = configs.stopSequences.map((sequence) => wanted.indexOf(sequence)).filter((index) => index >= 0)
  return ends.length === 0 ? wanted : wanted.slice(0, Math.min(...ends))
}

const LONG_PIECE_CHARACTERS = 16 * 1024

function piecesOf(wanted: AnswerText, shape: AnswerShape): readonly string[] {
  if (typeof wanted !== 'string') return wanted
  const text = grown(wanted, shape.textBytes ?? 0)
  // Word by word, megabytes would be a hundred thousand events.
  return textPieces(text, shape.textBytes === undefined ? shape : { pieceSizes: [LONG_PIECE_CHARACTERS], ...shape })
}

function grown(text: string, wantedBytes: number): string {
  const missingBytes = wantedBytes - Buffer.byteLength(text)
  return missingBytes <= 0 ? text : text + FILLER.repeat(Math.ceil(missingBytes / FILLER.length)).slice(0, missingBytes)
}

const FILLER = ' and so on'
