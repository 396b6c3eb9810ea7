/**
 * What the gateway does to a stream of events on its way to the client: it passes whole events on as they are, unless it
 * asked for the usage chunk itself (which is taken out again) or renamed the model (which is named back). A piece of an event
 * is held until the rest comes, so that a cut stream never ends in half a message. How the stream ended and what it used is
 * read from its last bytes, once, at its end.
 */
import type { ReportedUsage } from '../domain.ts'
import { applyEdit, findMember } from '../formats/json-members.ts'
import { isErrorObject, readUsage } from '../formats/openai.ts'
import { eachEvent, eventData, parseEventJson, splitEvents } from '../formats/sse.ts'
import type { Family } from './read-answer.ts'

export interface EventTap {
  /** What may be sent now; null while an event is incomplete. */
  push(chunk: Uint8Array): Uint8Array | null
  /** The last event of a stream that ended properly but without its blank line; null when it is only a piece of one. */
  rest(): Uint8Array | null
  ending(): StreamEnding
}

export interface StreamEnding {
  /** The protocol's own end was seen; null where none is known. A stream that stops without it was cut. */
  readonly isComplete: boolean | null
  readonly hasError: boolean
  readonly usage: ReportedUsage | null
  readonly bytes: number
}

export interface EventTapOptions {
  /** Not server-sent events: bytes pass, and only their last ones are looked at. */
  readonly isEvents: boolean
  readonly family: Family
  /** The name the client asked for, where another one was sent upstream. */
  readonly clientModel: string | null
  /** How many choices the client asked for: each has an end of its own. */
  readonly choices: number
  /** The gateway asked for the usage chunk, the client did not. */
  readonly isUsageStripped: boolean
  /** Takes our secrets out of an event (latin1) in which the upstream tells of an error. */
  readonly cutSecret: (event: string) => string
}

/** Room for the finish chunk, the usage chunk and `[DONE]`; all that is looked at in the end. */
const tailBytes = 8192
/** A longer event is passed on as it comes. */
const maxEventBytes = 16 * 1024 * 1024

export function createEventTap(options: EventTapOptions): EventTap {
  const tail = createTail()
  const terminal = options.family === 'responses' ? createTerminalWatch() : null
  const isEdited = options.clientModel !== null || options.isUsageStripped
  let isGivenUp = !options.isEvents
  let parts: Buffer[] = []
  let partsLength = 0
  /** The last bytes of what is held. */
  let seam = ''

  function take(): Buffer {
    const [first] = parts
    const whole = parts.length === 1 && first !== undefined ? first : Buffer.concat(parts)
    parts = []
    partsLength = 0
    return whole
  }

  function hold(bytes: Buffer): void {
    if (bytes.byteLength === 0) return
    parts.push(bytes)
    partsLength += bytes.byteLength
  }

  /** The whole events that `chunk` completes; null while there is none. */
  function complete(chunk: Buffer): Buffer | null {
    // Only the seam and the new piece can hold the blank line: a long event is not searched again and again.
    const end = Math.max(
      endOfEvents(chunk),
      splitEvents(seam + latin1(chunk.subarray(0, 3))).events.length - seam.length,
    )
    if (end <= 0) {
      hold(chunk)
      seam = (seam + latin1(chunk.subarray(-3))).slice(-3)
      if (partsLength <= maxEventBytes) return null
      isGivenUp = true
      return take()
    }
    hold(chunk.subarray(0, end))
    const events = take()
    hold(chunk.subarray(end))
    seam = latin1(chunk.subarray(end).subarray(-3))
    return events
  }

  return {
    push(chunk) {
      tail.push(chunk)
      terminal?.push(chunk)
      if (isGivenUp) return chunk
      const buffer = bufferOf(chunk)
      const isUncut = parts.length === 0 && endsEvent(chunk)
      if (isUncut && !isEdited && !buffer.includes(errorMark)) return chunk
      const events = isUncut ? buffer : complete(buffer)
      if (events === null || isGivenUp) return events
      return editEvents(events, options)
    },
    rest() {
      const event = Buffer.concat([take(), blankLine])
      // A piece of an event would be read as a broken one.
      if (!isWhole(latin1(event))) return null
      return editEvents(event, options)
    },
    ending() {
      const bytes = tail.bytes()
      const text = latin1(bytes)
      const isEnded = hasDone(text) || (terminal === null ? hasFinished(text, options.choices) : terminal.isSeen())
      const isComplete = options.family === 'other' || !options.isEvents ? null : isEnded
      const hasError = bytes.includes('error') && hasErrorEvent(text)
      return { isComplete, hasError, usage: lastUsage(text), bytes: tail.size() }
    },
  }
}

/** The last usage object of an answer's text (latin1), whole or the end of a stream; null without one. */
export function lastUsage(text: string): ReportedUsage | null {
  let position = text.length
  for (let tries = 0; tries < 8; tries++) {
    position = text.lastIndexOf('"usage"', position - 1)
    if (position < 0) return null
    const usage = usageAt(text, position + '"usage"'.length)
    if (usage !== null) return usage
    if (position === 0) return null
  }
  return null
}

const maxUsageLength = 4096

/** The object after a member's name, read up to its own closing brace. */
function usageAt(text: string, nameEnd: number): ReportedUsage | null {
  const start = text.indexOf('{', nameEnd)
  if (start < 0 || !/^\s*:\s*$/.test(text.slice(nameEnd, start))) return null
  let depth = 0
  for (let position = start; position < Math.min(text.length, start + maxUsageLength); position++) {
    const code = text.charCodeAt(position)
    if (code === 0x7b) depth++
    // Numbers and names only: no string in it has a brace, and one that had would only not be read.
    else if (code === 0x7d && --depth === 0) return readUsage(parseEventJson(text.slice(start, position + 1)))
  }
  return null
}

/** Puts the client's name for the model back into an answer or an event (latin1 JSON). */
export function renameModel(json: string, clientModel: string): string {
  const span =
    findMember(json, ['model']) ?? (json.includes('"response"') ? findMember(json, ['response', 'model']) : null)
  if (span === null || json[span.start] !== '"') return json
  return applyEdit(json, { ...span, text: JSON.stringify(clientModel) })
}

const noChoices = /"choices"\s*:\s*\[\s*\]/

const emptyArrayMarks = ['[]', '[ ', '[\t', '[\r', '[\n'].map((mark) => Buffer.from(mark))

/** Where the first array begins that may be empty, as `choices` is in a usage chunk; -1 without one. */
function firstEmptyArray(events: Buffer): number {
  let first = -1
  for (const mark of emptyArrayMarks) {
    const found = events.indexOf(mark)
    if (found >= 0 && (first < 0 || found < first)) first = found
  }
  return first
}

/** The events as the client gets them; null when none is left. What comes before the first that may change is not looked at. */
function editEvents(events: Buffer, options: EventTapOptions): Uint8Array | null {
  const { clientModel } = options
  const errorAt = events.indexOf(errorMark)
  if (errorAt < 0 && clientModel === null && !options.isUsageStripped) return events
  const usageAt = options.isUsageStripped ? firstEmptyArray(events) : -1
  const found = [usageAt, errorAt, clientModel === null ? -1 : 0].filter((position) => position >= 0)
  if (found.length === 0) return events
  const start = endOfEvents(events.subarray(0, Math.min(...found)))
  let edited = ''
  for (const event of eachEvent(latin1(events.subarray(start)))) {
    if (usageAt >= 0 && noChoices.test(event) && isUsageChunk(event)) continue
    const told = errorAt >= 0 && isErrorEvent(event) ? options.cutSecret(event) : event
    edited += clientModel === null ? told : renameInEvent(told, clientModel)
  }
  const bytes = Buffer.from(edited, 'latin1')
  if (start === 0) return bytes.byteLength === 0 ? null : bytes
  return bytes.byteLength === 0 ? events.subarray(0, start) : Buffer.concat([events.subarray(0, start), bytes])
}

function isWhole(event: string): boolean {
  const data = eventData(event)?.trim() ?? ''
  return data === '[DONE]' || (data !== '' && parseEventJson(data) !== undefined)
}

function isUsageChunk(event: string): boolean {
  const data = eventData(event)
  const json = data === null ? null : parseEventJson(data)
  if (typeof json !== 'object' || json === null) return false
  const { choices, usage } = json as Record<string, unknown>
  return Array.isArray(choices) && choices.length === 0 && typeof usage === 'object' && usage !== null
}

function renameInEvent(event: string, clientModel: string): string {
  if (!event.includes('model')) return event
  return event.replace(/^(data: ?)(\{.*)$/m, (_, field: string, json: string) => field + renameModel(json, clientModel))
}

const doneMark = '[DONE]'

/** Looked for from the end, where it is. */
function hasDone(text: string): boolean {
  for (let at = text.lastIndexOf(doneMark); at >= 0; at = at === 0 ? -1 : text.lastIndexOf(doneMark, at - 1)) {
    if (/(?:^|[\r\n])data: ?$/.test(text.slice(Math.max(0, at - 7), at))) return true
  }
  return false
}

function hasFinished(text: string, choices: number): boolean {
  return (text.match(/"finish_reason"\s*:\s*"/g)?.length ?? 0) >= choices
}

function hasErrorEvent(text: string): boolean {
  const { events } = splitEvents(text)
  return [...eachEvent(events)].some(isErrorEvent)
}

/** What every event that tells of an error holds. */
const errorMark = '"error"'

function isErrorEvent(event: string): boolean {
  const data = eventData(event)
  if (data === null || !(data.includes(errorMark) || data.includes('response.failed'))) return false
  const json = parseEventJson(data)
  if (typeof json !== 'object' || json === null) return false
  const fields = json as Record<string, unknown>
  return isErrorObject(fields) || fields.type === 'error' || fields.type === 'response.failed'
}

interface Tail {
  push(chunk: Uint8Array): void
  bytes(): Buffer
  size(): number
}

/** The last bytes of a stream, kept as the pieces they came in: nothing is copied until they are asked for. */
function createTail(): Tail {
  let pieces: Uint8Array[] = []
  let kept = 0
  let total = 0
  return {
    push(chunk) {
      total += chunk.byteLength
      kept += chunk.byteLength
      pieces.push(chunk)
      while (pieces.length > 1 && kept - (pieces[0]?.byteLength ?? 0) >= tailBytes)
        kept -= pieces.shift()?.byteLength ?? 0
      if (pieces.length === 1 && kept > 2 * tailBytes) {
        pieces = [chunk.slice(-tailBytes)]
        kept = tailBytes
      }
    },
    bytes() {
      const [first] = pieces
      const whole = pieces.length === 1 && first !== undefined ? bufferOf(first) : Buffer.concat(pieces)
      return whole.subarray(-tailBytes)
    },
    size: () => total,
  }
}

/** The Responses API ends with an event that repeats the whole answer: its name is looked for as the bytes pass. */
function createTerminalWatch() {
  const names = /response\.(?:completed|incomplete|failed|cancelled)"/
  let seam = ''
  let isSeen = false
  return {
    push(chunk: Uint8Array) {
      if (isSeen) return
      const text = seam + latin1(chunk)
      isSeen = names.test(text)
      seam = text.slice(-40)
    },
    isSeen: () => isSeen,
  }
}

function endsEvent(chunk: Uint8Array): boolean {
  const last = chunk[chunk.byteLength - 1]
  const before = chunk[chunk.byteLength - 2]
  if (last === 0x0d) return before === 0x0d
  // The end of a line is not yet a blank line.
  return last === 0x0a && (before === 0x0a || (before === 0x0d && chunk[chunk.byteLength - 3] === 0x0a))
}

const blankLine = Buffer.from('\n\n')

/** Where the last whole event in these bytes ends; 0 when there is none. */
function endOfEvents(bytes: Buffer): number {
  // Usually there is no other kind of line end, and bytes are searched faster than text.
  if (bytes.includes(0x0d)) return splitEvents(latin1(bytes)).events.length
  const found = bytes.lastIndexOf(blankLine)
  return found < 0 ? 0 : found + blankLine.length
}

function latin1(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('latin1')
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
