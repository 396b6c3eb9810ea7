/** Hears a stream of the AI SDK out, whole or cut into pieces of bytes. */
import { type AiSdkEnding, type AiSdkFormat, createAiSdkParser } from '../../../src/formats/ai-sdk/parser.ts'
import type { AiSdkPart } from '../../../src/formats/ai-sdk/part.ts'

export interface Heard extends AiSdkEnding {
  readonly text: string
  readonly reasoning: string
  readonly errors: readonly string[]
  readonly kinds: readonly AiSdkPart['kind'][]
}

export function hear(chunks: readonly Uint8Array[], format: AiSdkFormat = 'auto', maxCharacters?: number): Heard {
  const parser = createAiSdkParser(format, maxCharacters)
  const parts = [...chunks.flatMap((chunk) => parser.push(chunk)), ...parser.end()]
  const said = (kind: AiSdkPart['kind']) =>
    parts.map((part) => (part.kind === kind && 'text' in part ? part.text : '')).join('')
  return {
    text: said('text'),
    reasoning: said('reasoning'),
    errors: parts.flatMap((part) => (part.kind === 'error' ? [part.text] : [])),
    kinds: parts.map(({ kind }) => kind),
    ...parser.ending(),
  }
}

export const encode = (text: string) => new Uint8Array(Buffer.from(text))

/** Whole, byte by byte, and in two at every boundary: it must always be heard alike. */
export function hearAllWays(text: string, format: AiSdkFormat = 'auto'): Heard {
  const bytes = encode(text)
  const whole = hear([bytes], format)
  const ways = [Array.from(bytes, (_, at) => bytes.slice(at, at + 1))]
  for (let at = 1; at < bytes.byteLength; at++) ways.push([bytes.slice(0, at), bytes.slice(at)])
  for (const way of ways) {
    const heard = hear(way, format)
    // Where a character is cut in two there may be one sign of life more.
    const facts = JSON.stringify({ ...heard, kinds: [] })
    const expected = JSON.stringify({ ...whole, kinds: [] })
    if (facts !== expected) throw new Error(`cut after ${way[0]?.byteLength} bytes: ${facts} instead of ${expected}`)
  }
  return whole
}
