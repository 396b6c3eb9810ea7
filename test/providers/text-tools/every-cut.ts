/** Reads one answer in every way a stream may cut it, and checks that the cuts make no difference. */
import { expect } from 'bun:test'
import type { AnswerEvent, AnswerParser } from '../../../src/providers/text-tools/tool-call-parser.ts'

export interface ReadAnswer {
  readonly content: string
  /** Name and JSON text of the arguments. */
  readonly calls: readonly (readonly [string, string])[]
}

/** Uncut, cut in two at every place, and one UTF-16 unit at a time. */
export function readEveryCut(text: string, createParser: () => AnswerParser): ReadAnswer {
  const whole = readPieces([text], createParser())
  for (let at = 1; at < text.length; at++) {
    expect(readPieces([text.slice(0, at), text.slice(at)], createParser())).toEqual(whole)
  }
  expect(readPieces(text.split(''), createParser())).toEqual(whole)
  return whole
}

export function readPieces(pieces: readonly string[], parser: AnswerParser): ReadAnswer {
  return joinEvents([...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()])
}

export function joinEvents(events: readonly AnswerEvent[]): ReadAnswer {
  return {
    content: events.map((event) => (event.type === 'text' ? event.text : '')).join(''),
    calls: events.flatMap((event) => (event.type === 'tool_call' ? [[event.name, event.arguments] as const] : [])),
  }
}
