/**
 * The commit point: reads an upstream's 2xx answer until it is known to be one. Until then another attempt is possible,
 * since some upstreams fail inside a 200, and nothing has been sent to the client.
 */
import type { Credential } from '../domain.ts'
import { UpstreamError } from '../errors.ts'
import { chatEventNature, type EventNature, isErrorObject, otherEventNature } from '../formats/openai.ts'
import { eachEvent, eventData, parseEventJson, parseLatin1 } from '../formats/sse.ts'
import { classifyRefusal, cutSecret } from '../providers/classify-refusal.ts'
import { connectionError } from '../providers/connection-error.ts'
import { decodedBody, responseHeaders } from '../providers/upstream-fetch.ts'
import type { AnswerReader, UpstreamResponse } from '../providers/upstream-response.ts'
import type { StopSignal } from '../stop-signal.ts'
import type { Deadline } from './deadline.ts'

export type Answer = WholeAnswer | StreamedAnswer

/** A body that was read whole, because it is JSON of a bounded size. */
export interface WholeAnswer {
  readonly kind: 'whole'
  readonly status: number
  readonly headers: Record<string, string>
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** A body that is still coming. `held` was read already and goes out first. */
export interface StreamedAnswer {
  readonly kind: 'events' | 'bytes'
  readonly status: number
  readonly headers: Record<string, string>
  readonly held: readonly Uint8Array[]
  readonly reader: AnswerReader
}

/** How a stream's events are read: which are content, and what its proper end looks like. */
export type Family = 'chat' | 'responses' | 'other'

export interface AnswerParts {
  readonly family: Family
  readonly credential: Credential
  /** See Refusal.isEchoed. */
  readonly isEchoed: (phrase: string) => boolean
  readonly model: string
  readonly signal: StopSignal
  readonly deadline: Deadline
  /** Silence allowed once the answer has begun. */
  readonly idleMs: number
  /** The time for all attempts together is over: without content by now, it is no answer. */
  readonly isTooLate: () => boolean
}

/** JSON above this is passed on as it comes, its model name unchanged. */
const maxWholeBytes = 64 * 1024 * 1024
/** So much without content is an answer of a kind we do not know: it is passed on. */
const maxHeldBytes = 1024 * 1024

export function familyOf({ method, path }: { readonly method: string; readonly path: string }): Family {
  if (method !== 'POST') return 'other'
  if (path === '/chat/completions' || path === '/completions') return 'chat'
  return path === '/responses' ? 'responses' : 'other'
}

/** Throws UpstreamError when the answer is none. One that is there already is no promise: most are. */
export function readAnswer(response: UpstreamResponse, parts: AnswerParts): Promise<Answer> | Answer {
  const headers = responseHeaders(response.headers)
  const contentType = (headers['content-type'] ?? '').toLowerCase()
  const one = { headers, contentType, parts }
  // Before its `body` is asked for: that would make a stream of it.
  if (!isSmallJson(response, contentType)) return readBody(response, one)
  const bytes = response.bytesNow?.() ?? null
  if (bytes === null) return readSmall(response, one)
  refuseFalseAnswer(bytes, parts)
  return { kind: 'whole', status: response.status, headers, bytes }
}

interface Reading {
  readonly headers: Record<string, string>
  /** In lower case. */
  readonly contentType: string
  readonly parts: AnswerParts
}

async function readBody(response: UpstreamResponse, { headers, contentType, parts }: Reading): Promise<Answer> {
  const { status } = response
  const body = decodedBody(response)
  if (body === null) {
    if (parts.family === 'chat')
      throw new UpstreamError('server_error', 'the upstream sent an empty answer', { status: 502 })
    return { kind: 'whole', status, headers, bytes: new Uint8Array() }
  }
  const reader = body.getReader()
  try {
    if (contentType.startsWith('text/event-stream')) {
      return { kind: 'events', status, headers, reader, held: await readToContent(reader, parts) }
    }
    const held: Uint8Array[] = []
    const isWhole = await readWhole(reader, {
      ...parts,
      held,
      isJson: parts.family === 'chat' || /\bjson\b/.test(contentType),
    })
    if (!isWhole) return { kind: 'bytes', status, headers, reader, held }
    const bytes = joined(held)
    refuseFalseAnswer(bytes, parts)
    return { kind: 'whole', status, headers, bytes }
  } catch (cause) {
    reader.cancel().catch(() => {})
    throw connectionError(cause, parts.signal)
  }
}

/** It comes in one piece: no reader, no second deadline. */
const smallBytes = 262_144

function isSmallJson(response: UpstreamResponse, contentType: string): boolean {
  const length = Number(response.headers.get('content-length'))
  return (
    length > 0 &&
    length <= smallBytes &&
    contentType.startsWith('application/json') &&
    !response.headers.has('content-encoding')
  )
}

async function readSmall(response: UpstreamResponse, { headers, parts }: Reading): Promise<WholeAnswer> {
  // Whoever names the length has the body: from here on only silence within it is waited for.
  parts.deadline.allow(parts.idleMs)
  try {
    const bytes = (await response.bytes()) as Uint8Array<ArrayBuffer>
    refuseFalseAnswer(bytes, parts)
    return { kind: 'whole', status: response.status, headers, bytes }
  } catch (cause) {
    throw connectionError(cause, parts.signal)
  }
}

/** Bytes up to the event with the first content. */
async function readToContent(reader: AnswerReader, parts: AnswerParts): Promise<Uint8Array[]> {
  const natureOf = parts.family === 'chat' ? chatEventNature : otherEventNature
  const held: Uint8Array[] = []
  let heldBytes = 0
  let rest = ''
  let hasEvent = false
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    held.push(value)
    heldBytes += value.byteLength
    for (const part of firstBytesFirst(value)) {
      const text = rest + latin1(part)
      let position = 0
      for (const event of eachEvent(text)) {
        position += event.length
        const data = eventData(event)
        if (data === null) continue
        if (!hasEvent) parts.deadline.allow(parts.idleMs)
        hasEvent = true
        const nature: EventNature = natureOf(data, parseLatin1(data))
        if (nature === 'error') throw refusalInside(parseEventJson(data), parts)
        if (nature !== 'idle') return held
      }
      rest = text.slice(position)
    }
    // A comment is no sign of an answer: only events move the deadline.
    if (hasEvent) parts.deadline.touch()
    if (heldBytes > maxHeldBytes) return held
    if (parts.isTooLate()) throw new UpstreamError('timeout', 'the upstream sent no content in time', { status: 504 })
  }
  throw new UpstreamError('server_error', 'the upstream ended its stream before any content', {
    status: 502,
    code: 'empty_stream',
  })
}

/** Room for a role and a first word: of a stream that comes all at once the rest need not be read. */
const firstBytes = 2048

function firstBytesFirst(piece: Uint8Array): readonly Uint8Array[] {
  return piece.byteLength > firstBytes ? [piece.subarray(0, firstBytes), piece.subarray(firstBytes)] : [piece]
}

/** True when the body ended; false when it is no JSON, or too long, and the rest must be passed on as it comes. */
async function readWhole(
  reader: AnswerReader,
  parts: AnswerParts & { held: Uint8Array[]; isJson: boolean },
): Promise<boolean> {
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return true
    if (size === 0) parts.deadline.allow(parts.idleMs)
    else parts.deadline.touch()
    parts.held.push(value)
    size += value.byteLength
    if (!parts.isJson || size > maxWholeBytes) return false
  }
}

/** A 200 that carries an error, a page, nothing, or only the beginning of an answer. */
function refuseFalseAnswer(bytes: Uint8Array<ArrayBuffer>, parts: AnswerParts): void {
  if (parts.family === 'other') return
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer[0] !== 0x7b && !/^\s*\{/.test(buffer.toString('latin1'))) {
    throw new UpstreamError('server_error', 'the upstream answered 200 without JSON', { status: 502, code: 'no_json' })
  }
  if (!endsInBrace(buffer)) {
    throw new UpstreamError('server_error', 'the upstream ended its JSON early', { status: 502, code: 'cut_json' })
  }
  if (!buffer.includes(errorName)) return
  const json = parseEventJson(buffer.toString('latin1'))
  if (json === undefined)
    throw new UpstreamError('server_error', 'the upstream answered with broken JSON', { status: 502 })
  const isError = typeof json === 'object' && json !== null && isErrorObject(json as Record<string, unknown>)
  if (isError && !('status' in json && 'output' in json)) throw refusalInside(json, parts)
}

/** As bytes it is found in a third of the time. */
const errorName = Buffer.from('"error"')

/** What ends otherwise was broken off, although its HTTP body came to a proper end. The other way round would take a parse. */
function endsInBrace(bytes: Uint8Array): boolean {
  let last = bytes.length - 1
  while (last >= 0 && isSpace(bytes[last])) last--
  return bytes[last] === 0x7d
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function refusalInside(json: unknown, parts: AnswerParts): UpstreamError {
  const body = cutSecret(new Uint8Array(Buffer.from(JSON.stringify(json))), parts.credential)
  const headers = new Headers({ 'content-type': 'application/json' })
  const { model, isEchoed } = parts
  return classifyRefusal({ status: 200, headers, body, model, isEchoed, now: Date.now() })
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const [first] = parts
  return parts.length === 1 && first !== undefined
    ? (first as Uint8Array<ArrayBuffer>)
    : new Uint8Array(Buffer.concat(parts))
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
