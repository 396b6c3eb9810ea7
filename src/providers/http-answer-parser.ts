/** One answer after another from the bytes of a connection: heads, and what belongs to each body. When to ask for the next is the caller's business. */
import { type AnswerHead, createHeadParser } from './http-answer-head.ts'
import { createChunkDecoder } from './http-chunks.ts'
import { HttpProtocolError } from './http-protocol-error.ts'

export interface AnswerEvents {
  /** The final one; informational ones are skipped. */
  head(head: AnswerHead, hasBody: boolean): void
  /** All data of one piece of the network, in one. It is a part of the bytes that were pushed. */
  data(bytes: Buffer): void
  /** `isClean`: nothing came behind it, and its end was told, not that of the connection. */
  end(isClean: boolean): void
}

export interface AnswerParser {
  /** Before each answer. One to HEAD has no body, whatever its head says. */
  expect(isHeadRequest: boolean): void
  /** Chunked bodies are moved together within these bytes: they must be the parser's alone. Throws HttpProtocolError. */
  push(bytes: Buffer): void
  /** The connection has ended in the ordinary way. Whether that was the end of the answer; then `end` was called. */
  finish(): boolean
}

export function createAnswerParser(events: AnswerEvents): AnswerParser {
  const heads = createHeadParser()
  const chunks = createChunkDecoder()
  let phase: 'head' | 'length' | 'chunked' | 'close' | 'over' = 'over'
  let isHeadRequest = false
  /** Of a body whose length is known. */
  let left = 0
  let informational = 0

  const isOver = () => phase === 'over'

  /** Returns where the body begins; -1: the head goes on. */
  function readHead(bytes: Buffer): number {
    let from = 0
    for (;;) {
      from = heads.push(bytes, from)
      if (from < 0) return -1
      const head = heads.take()
      if (head.status === 101) throw new HttpProtocolError('UnrequestedUpgrade')
      if (head.status >= 200) {
        beginBody(head)
        return from
      }
      if (++informational > maxInformational) throw new HttpProtocolError('Malformed_HTTP_Response')
    }
  }

  function beginBody(head: AnswerHead): void {
    const hasBody = !isHeadRequest && head.status !== 204 && head.status !== 304
    if (!hasBody || head.length === 0) phase = 'over'
    else if (head.length === 'chunked' || head.length === 'close') phase = head.length
    else {
      phase = 'length'
      left = head.length
    }
    if (phase === 'chunked') chunks.reset()
    events.head(head, hasBody)
  }

  function endWith(isClean: boolean): void {
    phase = 'over'
    events.end(isClean)
  }

  return {
    expect(isHead) {
      phase = 'head'
      isHeadRequest = isHead
      informational = 0
    },
    push(bytes) {
      let from = 0
      if (phase === 'head') {
        from = readHead(bytes)
        if (from < 0) return
        if (isOver()) {
          endWith(from === bytes.length)
          return
        }
        if (from === bytes.length) return
      }
      if (phase === 'length') {
        const end = Math.min(bytes.length, from + left)
        left -= end - from
        events.data(from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end))
        if (left === 0) endWith(end === bytes.length)
      } else if (phase === 'chunked') {
        const end = chunks.push(bytes, from)
        if (chunks.end > chunks.start) events.data(bytes.subarray(chunks.start, chunks.end))
        if (end >= 0) endWith(end === bytes.length)
      } else if (phase === 'close') events.data(from === 0 ? bytes : bytes.subarray(from))
    },
    finish() {
      if (phase !== 'close') return false
      endWith(false)
      return true
    },
  }
}

/** Real servers send one or two. */
const maxInformational = 32
