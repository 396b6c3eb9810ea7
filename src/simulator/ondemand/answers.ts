/** What the simulated model says to a query, in which pieces, and how its tokens are counted; pure functions, no wire. */
import type { AnswerScript, AnswerShape, AnswerText, Asked } from './behaviours.ts'
import { isJsonObject, isTextList } from '../json.ts'

/**
 * Without a script the text tells what was asked and what the session had heard before, so that a conversation that sees another's words
 * shows it. Tokens are words (runs without white space): of the query, of `fulfillmentPrompt` and of all earlier queries, and OnDemand's own
 * system text on top (1,040 to 1,370 were seen for prompts of one line, live 2026).
 */
export function makeAnswer(asked: Asked, shape: AnswerShape, script: AnswerScript | undefined): ModelAnswer {
  const scripted = typeof script === 'function' ? script(asked) : script
  const wanted = isSilencedByMaxTokens(asked, shape) ? '' : (scripted ?? usualText(asked))
  const pieces = withHugePiece(piecesOf(stopped(wanted, asked), shape), shape)
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

/** How many runs without white space. */
export function wordCount(text: string): number {
  return text.match(/\S+/g)?.length ?? 0
}

/** One for each word, with the white space before it. */
export function wordPieces(text: string): readonly string[] {
  return text.match(/\s*\S+\s*$|\s*\S+/g) ?? (text === '' ? [] : [text])
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
  if (text === '') return []
  const { pieceSizes, pieceCount } = shape
  if (pieceSizes !== undefined) return piecesBySize([...text], pieceSizes)
  if (pieceCount !== undefined) return evenPieces([...text], Math.max(1, pieceCount))
  // Word by word, megabytes would be a hundred thousand events.
  return shape.textBytes === undefined ? wordPieces(text) : piecesBySize([...text], [LONG_PIECE_CHARACTERS])
}

function grown(text: string, wantedBytes: number): string {
  const missingBytes = wantedBytes - Buffer.byteLength(text)
  return missingBytes <= 0 ? text : text + FILLER.repeat(Math.ceil(missingBytes / FILLER.length)).slice(0, missingBytes)
}

const FILLER = ' and so on'

/** By characters, never through one. */
function piecesBySize(characters: readonly string[], sizes: readonly number[]): readonly string[] {
  const pieces: string[] = []
  for (let start = 0; start < characters.length; ) {
    const size = Math.max(1, sizes[pieces.length % sizes.length] ?? 1)
    pieces.push(characters.slice(start, start + size).join(''))
    start += size
  }
  return pieces
}

function evenPieces(characters: readonly string[], count: number): readonly string[] {
  const at = (index: number) => Math.floor((index * characters.length) / count)
  return Array.from({ length: count }, (_, index) => characters.slice(at(index), at(index + 1)).join(''))
}

function withHugePiece(pieces: readonly string[], shape: AnswerShape): readonly string[] {
  if (shape.hugePieceBytes === undefined) return pieces
  const [first = '', ...rest] = pieces
  return [first + 'x'.repeat(shape.hugePieceBytes), ...rest]
}
