/**
 * The head of an HTTP/1.1 answer (RFC 9112), in whatever pieces it comes. Of its lines only the places are noted: few are ever
 * asked for. Strict where two readers of one text could disagree about where an answer ends, and tolerant of bare line feeds only.
 */
import { HttpProtocolError } from './http-protocol-error.ts'
import type { AnswerHeaders } from './upstream-response.ts'

export interface AnswerHead {
  readonly status: number
  readonly headers: AnswerHeaders
  /** The bytes of the body; `chunked`; `close`: it ends with the connection. */
  readonly length: number | 'chunked' | 'close'
  /** Whether the connection may serve another exchange, by what the head says. */
  readonly isKeptAlive: boolean
  /** How long the server keeps an idle connection, in seconds; null: it did not say. */
  readonly keepAliveSeconds: number | null
}

export interface HeadParser {
  text: string
  /** Start of the line that has not ended. */
  position: number
  /** Of each header line: where its name starts, its colon, its end. */
  places: number[]
  isStatusRead: boolean
}

export function createHeadParser(): HeadParser {
  return { text: '', position: 0, places: [], isStatusRead: false }
}

/** Bytes from `from` on. Returns where the head ends in them, -1 when it has not ended. Throws HttpProtocolError. */
export function pushHead(parser: HeadParser, bytes: Buffer, from: number): number {
  for (let start = from; start < bytes.length; start += pieceBytes) {
    const before = parser.text.length
    parser.text += bytes.toString('latin1', start, Math.min(start + pieceBytes, bytes.length))
    if (readLines(parser)) return start + parser.position - before
    if (parser.text.length > maxHeadBytes) throw malformed()
  }
  return -1
}

/** After the end: the head, and the parser begins anew. Throws HttpProtocolError. */
export function takeHead(parser: HeadParser): AnswerHead {
  const head = readHead(parser.text, parser.places)
  parser.text = ''
  parser.position = 0
  parser.places = []
  parser.isStatusRead = false
  return head
}

/** All heads of one answer together: informational ones come before it. */
const maxHeadBytes = 64 * 1024
/** Most heads end within this, so that what follows need not be looked at as text. */
const pieceBytes = 4096
const maxLines = 256

/** True when the empty line was found; `position` is behind it. */
function readLines(parser: HeadParser): boolean {
  const { text, places } = parser
  let position = parser.position
  for (;;) {
    const feed = text.indexOf('\n', position)
    if (feed < 0) break
    const end = feed > position && text.charCodeAt(feed - 1) === carriageReturn ? feed - 1 : feed
    if (!parser.isStatusRead) parser.isStatusRead = checkStatusLine(text, position, end)
    else if (end === position) {
      parser.position = feed + 1
      return true
    } else notePlaces(places, text, position, end)
    position = feed + 1
  }
  parser.position = position
  return false
}

function notePlaces(places: number[], text: string, position: number, end: number): void {
  const colon = text.indexOf(':', position)
  const isNamed = colon > position && colon < end
  // A line that begins with a blank is an old way to continue the one before; none may stand before the colon.
  if (!isNamed || isBlank(text.charCodeAt(position)) || isBlank(text.charCodeAt(colon - 1))) throw malformed()
  if (places.length >= maxLines * 3) throw malformed()
  places.push(position, colon, end)
}

const carriageReturn = 0x0d

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** Without a reason phrase some servers leave its blank out, too. */
const statusLine = /^HTTP\/1\.[01] [1-9]\d\d(?: |$)/

function checkStatusLine(text: string, start: number, end: number): true {
  if (!statusLine.test(text.slice(start, end))) throw malformed()
  return true
}

function readHead(text: string, places: readonly number[]): AnswerHead {
  const isOld = text.charCodeAt(7) === 0x30
  let contentLength: number | null = null
  let isChunked = false
  let isKeptAlive = !isOld
  let keepAliveSeconds: number | null = null
  for (let index = 0; index < places.length; index += 3) {
    const start = places[index] as number
    const colon = places[index + 1] as number
    const name = framingName(text, start, colon)
    if (name === null) continue
    const value = valueIn(text, colon + 1, places[index + 2] as number)
    if (name === 'content-length') {
      const told = readLength(value)
      // Twice the same is harmless; two lengths are two answers.
      if (contentLength !== null && contentLength !== told) throw new HttpProtocolError('InvalidContentLength')
      contentLength = told
    } else if (name === 'transfer-encoding') {
      // Nothing else was asked for; and what is chunked twice nobody reads alike.
      if (isChunked || value.toLowerCase() !== 'chunked') throw new HttpProtocolError('InvalidTransferEncoding')
      isChunked = true
    } else if (name === 'connection') {
      const said = value.toLowerCase()
      if (said === 'close' || /(?:^|[\s,])close(?:$|[\s,])/.test(said)) isKeptAlive = false
      else if (isOld && said.includes('keep-alive')) isKeptAlive = true
    } else if (name === 'keep-alive') {
      const seconds = /(?:^|[\s,])timeout=(\d{1,9})(?:$|[\s,])/.exec(value)?.[1]
      if (seconds !== undefined) keepAliveSeconds = Number(seconds)
    }
  }
  // One of them is a lie, and which one, readers on the way may have judged differently.
  if (isChunked && contentLength !== null) throw new HttpProtocolError('InvalidTransferEncoding')
  return {
    status: Number(text.slice(9, 12)),
    headers: createHeaders(text, places),
    length: isChunked ? 'chunked' : (contentLength ?? 'close'),
    // HTTP/1.0 knows no chunks: whoever sends them cannot be trusted with the next answer.
    isKeptAlive: isKeptAlive && !(isOld && isChunked),
    keepAliveSeconds,
  }
}

type FramingName = 'content-length' | 'transfer-encoding' | 'connection' | 'keep-alive'

/** Null: it says nothing of how an answer is framed. Told by its length first, as most are none of them. */
function framingName(text: string, start: number, colon: number): FramingName | null {
  switch (colon - start) {
    case 14:
      return isNamed(text, start, 'content-length') ? 'content-length' : null
    case 17:
      return isNamed(text, start, 'transfer-encoding') ? 'transfer-encoding' : null
    case 10:
      if (isNamed(text, start, 'connection')) return 'connection'
      return isNamed(text, start, 'keep-alive') ? 'keep-alive' : null
    default:
      return null
  }
}

/** Whatever the case of its letters. The length was compared before. */
function isNamed(text: string, start: number, name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    const wanted = name.charCodeAt(index)
    const code = text.charCodeAt(start + index)
    if (code !== wanted && (code | 0x20) !== wanted) return false
    // Only letters have two cases.
    if (code !== wanted && (wanted < 0x61 || wanted > 0x7a)) return false
  }
  return true
}

/** Without the blanks around it; only they are blanks here, unlike to `trim`. */
function valueIn(text: string, from: number, to: number): string {
  let start = from
  let end = to
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function readLength(text: string): number {
  const length = /^\d{1,15}$/.test(text) ? Number(text) : -1
  if (length < 0) throw new HttpProtocolError('InvalidContentLength')
  return length
}

function createHeaders(text: string, places: readonly number[]): AnswerHeaders {
  // Most names that are asked for are not there: a bit for each length tells so at once. (Beyond 31 they share bits.)
  let lengths = 0
  for (let index = 0; index < places.length; index += 3)
    lengths |= 1 << ((places[index + 1] as number) - (places[index] as number))
  function get(name: string): string | null {
    if ((lengths & (1 << name.length)) === 0) return null
    let found: string | null = null
    for (let index = 0; index < places.length; index += 3) {
      const start = places[index] as number
      const colon = places[index + 1] as number
      if (colon - start !== name.length || !isNamed(text, start, name)) continue
      const value = valueIn(text, colon + 1, places[index + 2] as number)
      // Nobody could pass it on.
      if (forbiddenInValue.test(value)) continue
      found = found === null ? value : `${found}, ${value}`
    }
    return found
  }
  return { get, has: (name) => get(name) !== null }
}

const forbiddenInValue = /[^\t\x20-\x7e\x80-\xff]/

function malformed(): HttpProtocolError {
  return new HttpProtocolError('Malformed_HTTP_Response')
}
