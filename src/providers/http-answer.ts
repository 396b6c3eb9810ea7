/**
 * An answer between a connection and whoever reads it. What has come waits here; when too much does, the connection is told to
 * pause. A read is answered at once where something waits.
 */
import type { AnswerHead } from './http-answer-head.ts'
import type { AnswerBody, AnswerReader, TakePiece, UpstreamResponse } from './upstream-response.ts'

/** What a connection knows of an answer. A plain object: the functions below are all that there is to it. */
export interface AnswerFeed {
  readonly source: AnswerSource
  waiting: Uint8Array<ArrayBuffer>[]
  waitingBytes: number
  state: 'open' | 'ended' | 'failed'
  failure: unknown
  reading: Waiter<ReadResult> | null
  /** The whole body is waited for. */
  collecting: Waiter<Uint8Array<ArrayBuffer>> | null
  /** Each piece is given away as it comes. */
  taking: Taking | null
}

/** What an answer asks of its connection, until its end. */
export interface AnswerSource {
  resume(): void
  /** Nothing more is wanted. */
  stop(): void
}

interface Taking extends Waiter<void> {
  readonly take: TakePiece
  /** There is no room for more just now. */
  isHeld: boolean
}

type ReadResult = Awaited<ReturnType<AnswerReader['read']>>
interface Waiter<Result> {
  readonly resolve: (result: Result) => void
  readonly reject: (cause: unknown) => void
}

/** A body may hold this much before its connection pauses; the runtime reads up to twice as much at once. */
const maxWaitingBytes = 256 * 1024

export function createAnswerFeed(source: AnswerSource): AnswerFeed {
  return {
    source,
    waiting: [],
    waitingBytes: 0,
    state: 'open',
    failure: null,
    reading: null,
    collecting: null,
    taking: null,
  }
}

export function feedAnswer(feed: AnswerFeed, bytes: Uint8Array<ArrayBuffer>): void {
  if (feed.state !== 'open') return
  const { reading, taking } = feed
  if (taking !== null && !taking.isHeld) {
    give(feed, taking, bytes)
    return
  }
  if (reading !== null) {
    feed.reading = null
    reading.resolve({ done: false, value: bytes })
    return
  }
  feed.waiting.push(bytes)
  feed.waitingBytes += bytes.byteLength
}

export function endAnswer(feed: AnswerFeed): void {
  finish(feed, 'ended')
}

/** It was cut. What came before is still read. */
export function failAnswer(feed: AnswerFeed, cause: unknown): void {
  feed.failure = cause
  finish(feed, 'failed')
}

/** So much waits that nothing more should come. */
export function isBehind({ waitingBytes, collecting }: AnswerFeed): boolean {
  return waitingBytes > maxWaitingBytes && collecting === null
}

/** What the reader gets. The feed does not hold it, so that a stream's headers are forgotten when they have been read. */
export function answerResponse(feed: AnswerFeed, { status, headers }: AnswerHead, hasBody: boolean): UpstreamResponse {
  return {
    status,
    ok: status >= 200 && status < 300,
    headers,
    body: hasBody ? createBody(feed) : null,
    bytesNow: () => collectNow(feed),
    bytes: () => collect(feed),
  }
}

function createBody(feed: AnswerFeed): AnswerBody & AnswerReader {
  const body = {
    getReader: () => body,
    readNow: () => readNow(feed),
    read: () => read(feed),
    readAll: (take: TakePiece) => readAll(feed, take),
    cancel: () => cancel(feed),
  }
  return body
}

function readNow(feed: AnswerFeed): ReadResult | null {
  const value = feed.waiting.shift()
  if (value === undefined) return feed.state === 'ended' ? { done: true, value: undefined } : null
  feed.waitingBytes -= value.byteLength
  if (feed.waiting.length === 0 && feed.state === 'open') feed.source.resume()
  return { done: false, value }
}

function read(feed: AnswerFeed): Promise<ReadResult> {
  const now = readNow(feed)
  if (now !== null) return Promise.resolve(now)
  if (feed.state === 'failed') return Promise.reject(feed.failure)
  return new Promise((resolve, reject) => {
    feed.reading = { resolve, reject }
  })
}

function readAll(feed: AnswerFeed, take: TakePiece): Promise<void> {
  return new Promise((resolve, reject) => {
    feed.taking = { take, resolve, reject, isHeld: false }
    goOnTaking(feed, feed.taking)
  })
}

/** What has come while there was no room, then the end where that has come, too. */
function goOnTaking(feed: AnswerFeed, taking: Taking): void {
  taking.isHeld = false
  while (!taking.isHeld) {
    const piece = feed.waiting.shift()
    if (piece === undefined) break
    feed.waitingBytes -= piece.byteLength
    give(feed, taking, piece)
  }
  if (taking.isHeld || feed.taking !== taking) return
  if (feed.state === 'open') feed.source.resume()
  else endTaking(feed, taking)
}

function give(feed: AnswerFeed, taking: Taking, piece: Uint8Array<ArrayBuffer>): void {
  let room: Promise<unknown> | null
  try {
    room = taking.take(piece)
  } catch (cause) {
    giveUp(feed, taking, cause)
    return
  }
  if (room === null) return
  taking.isHeld = true
  room.then(
    () => goOnTaking(feed, taking),
    (cause) => giveUp(feed, taking, cause),
  )
}

function giveUp(feed: AnswerFeed, taking: Taking, cause: unknown): void {
  taking.isHeld = true
  feed.taking = null
  cancel(feed)
  taking.reject(cause)
}

function endTaking(feed: AnswerFeed, { resolve, reject }: Taking): void {
  feed.taking = null
  if (feed.state === 'failed') reject(feed.failure)
  else resolve()
}

function cancel(feed: AnswerFeed): Promise<void> {
  feed.waiting = []
  feed.waitingBytes = 0
  if (feed.state === 'open') {
    finish(feed, 'ended')
    feed.source.stop()
  }
  feed.state = 'ended'
  return Promise.resolve()
}

function collectNow(feed: AnswerFeed): Uint8Array<ArrayBuffer> | null {
  if (feed.state !== 'ended' || feed.waiting.length === 0) return null
  const bytes = joined(feed.waiting)
  feed.waiting = []
  feed.waitingBytes = 0
  return bytes
}

function collect(feed: AnswerFeed): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    const waiter = { resolve, reject }
    if (feed.state !== 'open') return settle(feed, waiter)
    feed.collecting = waiter
    feed.source.resume()
  })
}

function settle(feed: AnswerFeed, { resolve, reject }: Waiter<Uint8Array<ArrayBuffer>>): void {
  if (feed.state === 'failed') reject(feed.failure)
  else resolve(joined(feed.waiting))
  feed.waiting = []
  feed.waitingBytes = 0
}

function finish(feed: AnswerFeed, next: 'ended' | 'failed'): void {
  if (feed.state !== 'open') return
  feed.state = next
  const { reading, collecting, taking } = feed
  if (taking !== null && !taking.isHeld) endTaking(feed, taking)
  feed.reading = null
  if (reading !== null) {
    if (next === 'failed') reading.reject(feed.failure)
    else reading.resolve({ done: true, value: undefined })
  }
  if (collecting !== null) settle(feed, collecting)
  feed.collecting = null
}

function joined(pieces: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [first] = pieces
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces)
}
