/**
 * A JSON text without the contents of its long strings: prompts are long, and making strings of them (a copy, then one without escapes, each
 * in fresh memory) costs more than all the rest of a call. What is cut out is checked as a parser would, so that the outline is valid
 * JSON exactly when the whole is.
 */
import type { Span } from './json-members.ts'

export interface JsonOutline {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** What is cut out, in the order of the whole: there, without its quotes. */
  readonly cuts: readonly Span[]
}

/** Stands for what is cut out. No string that is cut becomes an empty one. */
export const cutMark = '~'
const mark = Buffer.from(cutMark)

/** A shorter string is not worth it. */
const minCutBytes = 256
const noWords = new Int32Array()

/** Null when nothing can be cut, or when what would be cut is not valid: then only the whole can tell. */
export function outlineJson(whole: Uint8Array<ArrayBuffer>): JsonOutline | null {
  const { buffer, byteOffset, byteLength } = whole
  const words = byteOffset % 4 === 0 ? new Int32Array(buffer, byteOffset, byteLength >> 2) : noWords
  const pieces: Uint8Array[] = []
  const cuts: Span[] = []
  let kept = 0
  for (let quote = nextQuote(whole, 0); quote >= 0; ) {
    const start = quote + 1
    const end = stringEnd(whole, words, start)
    if (end < 0) return null
    if (end - start >= minCutBytes) {
      pieces.push(whole.subarray(kept, start), mark)
      cuts.push({ start, end })
      kept = end
    }
    quote = nextQuote(whole, end + 1)
  }
  if (cuts.length === 0) return null
  pieces.push(whole.subarray(kept))
  return { bytes: Buffer.concat(pieces), cuts }
}

/** The place in the whole of what stands in the outline and is not cut. */
export function placeInWhole({ cuts }: JsonOutline, span: Span): Span {
  let shift = 0
  for (const cut of cuts) {
    if (cut.start - shift >= span.start) break
    shift += cut.end - cut.start - mark.byteLength
  }
  return { start: span.start + shift, end: span.end + shift }
}

/** Between strings there is mostly a colon or a comma; long lists of numbers are left to the runtime. */
const nearBytes = 32

function nextQuote(bytes: Uint8Array, from: number): number {
  const near = Math.min(from + nearBytes, bytes.length)
  for (let position = from; position < near; position++) if (bytes[position] === quoteCode) return position
  return bytes.indexOf(quoteCode, near)
}

const quoteCode = 0x22
const backslash = 0x5c
const isEscape = tableOf('"\\/bfnrt')
const isHexDigit = tableOf('0123456789abcdefABCDEF')

/** Position of the closing quote of the string whose contents begin at `start`; -1 when it is no valid one. */
function stringEnd(bytes: Uint8Array, words: Int32Array, start: number): number {
  const { length } = bytes
  let position = start
  while (position < length) {
    const code = bytes[position] as number
    if (code === quoteCode) return position
    if (code === backslash) {
      const escapeBytes = escapeLength(bytes, position + 1)
      if (escapeBytes === 0) return -1
      position += escapeBytes
    } else if (code < 0x20) return -1
    else position++
    if ((position & 3) === 0) position = plainEnd(words, position >> 2) << 2
  }
  return -1
}

/** With its backslash; 0: it is none. */
function escapeLength(bytes: Uint8Array, position: number): number {
  const code = bytes[position] as number
  if (isEscape[code] === 1) return 2
  if (code !== 0x75) return 0
  for (let digit = position + 1; digit <= position + 4; digit++) if (isHexDigit[bytes[digit] as number] !== 1) return 0
  return 6
}

/** The first word from `from` on with a quote, a backslash or a control character among its four bytes. */
function plainEnd(words: Int32Array, from: number): number {
  const { length } = words
  let index = from
  for (; index < length; index++) {
    const word = words[index] as number
    // The highest bit of a byte is set where subtracting has borrowed, so where it was less: turned by 2, a quote follows the control
    // characters at once. A borrow that goes too far only stops too early.
    const less = ((word ^ 0x02020202) - 0x21212121) | ((word ^ 0x5c5c5c5c) - 0x01010101)
    if ((less & ~word & 0x80808080) !== 0) break
  }
  return index
}

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const character of characters) table[character.charCodeAt(0)] = 1
  return table
}
