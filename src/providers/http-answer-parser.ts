/** One answer after another from the bytes of a connection: heads, and what belongs to each body. When to ask for the next is the caller's business. */
import { type AnswerHead, createHeadParser, type HeadParser, pushHead, takeHead } from './http-answer-head.ts'
import { type ChunkDecoder, createChunkDecoder, decodeChunks } from './http-chunks.ts'
import { HttpProtocolError } from './http-protocol-error.ts'

/** Who is told what was found: one set of functions for all parsers of a kind, each given the parser's owner. */
export interface AnswerEvents<Owner> {
  /** The final one; informational ones are skipped. */
  head(owner: Owner, head: AnswerHead, hasBody: boolean): void
  /** All data of one piece of the network, in one. It is a part of the bytes that were pushed. */
  data(owner: Owner, bytes: Buffer): void
  /** `isClean`: nothing came behind it, and its end was told, not that of the connection. */
  end(owner: Owner, isClean: boolean): void
}

export interface AnswerParser<Owner> {
  readonly events: AnswerEvents<Owner>
  readonly heads: HeadParser
  phase: 'head' | 'length' | 'chunked' | 'close' | 'over'
  chunks: ChunkDecoder | null
  isHeadRequest: boolean
  /** Of a body whose length is known. */
  left: number
  informational: number
}

export function createAnswerParser<Owner>(events: AnswerEvents<Owner>): AnswerParser<Owner> {
  const heads = createHeadParser()
  return { events, heads, phase: 'over', chunks: null, isHeadRequest: false, left: 0, informational: 0 }
}

/** Before each answer. One to HEAD has no body, whatever its head says. */
export function expectAnswer<Owner>(parser: AnswerParser<Owner>, isHeadRequest: boolean): void {
  parser.phase = 'head'
  parser.isHeadRequest = isHeadRequest
  parser.informational = 0
}

/** Chunked bodies are moved together within these bytes: they must be the parser's alone. Throws HttpProtocolError. */
export function pushAnswer<Owner>(parser: AnswerParser<Owner>, owner: Owner, bytes: Buffer): void {
  let from = 0
  if (parser.phase === 'head') {
    from = readHead(parser, owner, bytes)
    if (from < 0) return
    if (isOver(parser)) {
      endWith(parser, owner, from === bytes.length)
      return
    }
    if (from === bytes.length) return
  }
  const { events, chunks } = parser
  if (parser.phase === 'length') {
    const end = Math.min(bytes.length, from + parser.left)
    parser.left -= end - from
    events.data(owner, from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end))
    if (parser.left === 0) endWith(parser, owner, end === bytes.length)
  } else if (parser.phase === 'chunked' && chunks !== null) {
    const end = decodeChunks(chunks, bytes, from)
    if (chunks.end > chunks.start) events.data(owner, bytes.subarray(chunks.start, chunks.end))
    if (end >= 0) endWith(parser, owner, end === bytes.length)
  } else if (parser.phase === 'close') events.data(owner, from === 0 ? bytes : bytes.subarray(from))
}

/** The connection has ended in the ordinary way. Whether that was the end of the answer; then `end` was called. */
export function finishAnswer<Owner>(parser: AnswerParser<Owner>, owner: Owner): boolean {
  if (parser.phase !== 'close') return false
  endWith(parser, owner, false)
  return true
}

/** Real servers send one or two. */
const maxInformational = 32

/** Returns where the body begins; -1: the head goes on. */
function readHead<Owner>(parser: AnswerParser<Owner>, owner: Owner, bytes: Buffer): number {
  let from = 0
  for (;;) {
    from = pushHead(parser.heads, bytes, from)
    if (from < 0) return -1
    const head = takeHead(parser.heads)
    if (head.status === 101) throw new HttpProtocolError('UnrequestedUpgrade')
    if (head.status >= 200) {
      beginBody(parser, owner, head)
      return from
    }
    if (++parser.informational > maxInformational) throw new HttpProtocolError('Malformed_HTTP_Response')
  }
}

function beginBody<Owner>(parser: AnswerParser<Owner>, owner: Owner, head: AnswerHead): void {
  const hasBody = !parser.isHeadRequest && head.status !== 204 && head.status !== 304
  if (!hasBody || head.length === 0) parser.phase = 'over'
  else if (head.length === 'chunked' || head.length === 'close') parser.phase = head.length
  else {
    parser.phase = 'length'
    parser.left = head.length
  }
  parser.chunks = parser.phase === 'chunked' ? createChunkDecoder() : null
  parser.events.head(owner, head, hasBody)
}

function isOver<Owner>({ phase }: AnswerParser<Owner>): boolean {
  return phase === 'over'
}

function endWith<Owner>(parser: AnswerParser<Owner>, owner: Owner, isClean: boolean): void {
  parser.phase = 'over'
  parser.events.end(owner, isClean)
}
