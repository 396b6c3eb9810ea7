/**
 * What the gateway does to a stream of events on its way to the client: it passes whole events on as they are, unless it
 * asked for the usage chunk itself (which is taken out again) or renamed the model (which is named back). A piece of an event
 * is held until the rest comes, so that a cut stream never ends in half a message. How the stream ended and what it used is
 * read from its last bytes, once, at its end.
 */
import type { ReportedUsage } from '../domain.ts'
import { applyEdit, findMember, type Span } from '../formats/json-members.ts'
import { isErrorObject, readUsage } from '../formats/openai.ts'
import { eachEvent, eventData, parseLatin1, splitEvents } from '../formats/sse.ts'
import type { Family } from './read-answer.ts'

export interface EventTap {
  /** What may be sent now, in this order; nothing while an event is incomplete. */
  push(chunk: Uint8Array): readonly Uint8Array[]
  /** The last event of a stream that ended properly but without its blank line; nothing when it is only a piece of one. */
  rest(): readonly Uint8Array[]
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

/** Of what is not read event by event, so much of the end is looked at when it is over. */
const tailBytes = 8192
/** A longer event is passed on as it comes. */
const maxEventBytes = 16 * 1024 * 1024

const nothing: readonly Buffer[] = []

export function createEventTap(options: EventTapOptions): EventTap {
  const { family, isUsageStripped, clientModel } = options
  const terminal = family === 'responses' ? createTerminalWatch() : null
  const finish = createFinishWatch(terminal === null ? options.choices : Number.POSITIVE_INFINITY)
  const rename = clientModel === null ? null : createRename(clientModel)
  let isGivenUp = !options.isEvents
  let parts: Buffer[] = []
  let partsLength = 0
  /** The last bytes of what is held. */
  let seam = ''
  let tail: Tail | null = null
  let size = 0
  let usage: ReportedUsage | null = null
  let hasError = false

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
    let end = endOfEvents(chunk)
    // Otherwise only the seam and the new piece can hold the blank line: a long event is not searched again and again.
    if (end === 0) end = splitEvents(seam + chunk.toString('latin1', 0, 3)).events.length - seam.length
    if (end <= 0) {
      hold(chunk)
      seam = (seam + chunk.toString('latin1', Math.max(0, chunk.byteLength - 3))).slice(-3)
      if (partsLength <= maxEventBytes) return null
      isGivenUp = true
      return take()
    }
    hold(chunk.subarray(0, end))
    const events = take()
    hold(chunk.subarray(end))
    seam = chunk.toString('latin1', Math.max(end, chunk.byteLength - 3))
    return events
  }

  /** Whole events as the client gets them. What comes before the first that may change is not looked at, and not copied. */
  function edit(events: Buffer): readonly Buffer[] {
    usage = lastUsage(events) ?? usage
    finish.push(events)
    const errorAt = firstError(events)
    const usageAt = isUsageStripped ? firstEmptyArray(events) : -1
    const first = rename === null ? smallestFound(errorAt, usageAt) : 0
    if (first < 0) return [events]
    const start = endOfEvents(events.subarray(0, first))
    let edited = ''
    for (const event of eachEvent(events.toString('latin1', start))) {
      if (usageAt >= 0 && noChoices.test(event) && isUsageChunk(event)) continue
      let told = event
      if (errorAt >= 0 && isErrorEvent(event)) {
        hasError = true
        told = options.cutSecret(event)
      }
      edited += rename === null ? told : rename(told)
    }
    const untouched = start === 0 ? nothing : [events.subarray(0, start)]
    return edited === '' ? untouched : [...untouched, Buffer.from(edited, 'latin1')]
  }

  function passUnread(bytes: Buffer): readonly Buffer[] {
    tail ??= createTail()
    tail.push(bytes)
    return [bytes]
  }

  return {
    push(chunk) {
      size += chunk.byteLength
      terminal?.push(chunk)
      const bytes = bufferOf(chunk)
      if (isGivenUp) return passUnread(bytes)
      const events = parts.length === 0 && endsEvent(bytes) ? bytes : complete(bytes)
      if (events === null) return nothing
      return isGivenUp ? passUnread(events) : edit(events)
    },
    rest() {
      if (parts.length === 0) return nothing
      const event = Buffer.concat([take(), blankLine])
      // A piece of an event would be read as a broken one.
      return isWhole(event.toString('latin1')) ? edit(event) : nothing
    },
    ending() {
      if (tail !== null) {
        const bytes = tail.bytes()
        usage = lastUsage(bytes) ?? usage
        finish.push(bytes)
        hasError ||= hasErrorEvent(bytes)
        tail = null
      }
      const isEnded = finish.isSeen() || terminal?.isSeen() === true
      return { isComplete: family === 'other' || !options.isEvents ? null : isEnded, hasError, usage, bytes: size }
    },
  }
}

const usageName = Buffer.from('"usage"')
/** How the names of all numbers end that make a usage object worth reading. */
const tokensMark = Buffer.from('_tokens"')

/** The last usage object of an answer, whole or a piece of a stream; null without one. */
export function lastUsage(bytes: Buffer): ReportedUsage | null {
  let position = bytes.lastIndexOf(tokensMark)
  for (let tries = 0; tries < 8 && position > 0; tries++) {
    position = bytes.lastIndexOf(usageName, position - 1)
    if (position < 0) return null
    const start = position + usageName.byteLength
    const usage = usageAt(bytes.toString('latin1', start, start + maxUsageLength))
    if (usage !== null) return usage
  }
  return null
}

const maxUsageLength = 4096

/** The object after a member's name, read up to its own closing brace. */
function usageAt(text: string): ReportedUsage | null {
  const start = text.indexOf('{')
  if (start < 0 || !/^\s*:\s*$/.test(text.slice(0, start))) return null
  let depth = 0
  for (let position = start; position < text.length; position++) {
    const code = text.charCodeAt(position)
    if (code === 0x7b) depth++
    // Numbers and names only: no string in it has a brace, and one that had would only not be read.
    else if (code === 0x7d && --depth === 0) return readUsage(parseLatin1(text.slice(start, position + 1)))
  }
  return null
}

/** Puts the client's name for the model back into an answer or an event (latin1 JSON). */
export function renameModel(json: string, clientModel: string): string {
  const span = modelSpan(json)
  return span === null ? json : applyEdit(json, { ...span, text: JSON.stringify(clientModel) })
}

function modelSpan(json: string): Span | null {
  const span =
    findMember(json, ['model']) ?? (json.includes('"response"') ? findMember(json, ['response', 'model']) : null)
  return span !== null && json[span.start] === '"' ? span : null
}

/** Names the model back in event after event (latin1). */
function createRename(clientModel: string): (event: string) => string {
  const name = Buffer.from(JSON.stringify(clientModel)).toString('latin1')
  let begin = ''
  let renamed = ''
  return (event) => {
    // The events of a stream begin alike (id, time, model), and what begins alike has its model in the same place.
    if (begin !== '' && event.startsWith(begin)) return renamed + event.slice(begin.length)
    if (!event.includes('model')) return event
    return event.replace(/^(data: ?)(\{.*)$/m, (line: string, field: string, json: string, offset: number) => {
      const span = modelSpan(json)
      if (span === null) return line
      if (offset === 0) {
        begin = field + json.slice(0, span.end)
        renamed = field + json.slice(0, span.start) + name
      }
      return field + json.slice(0, span.start) + name + json.slice(span.end)
    })
  }
}

const noChoices = /"choices"\s*:\s*\[\s*\]/

const emptyArrayMarks = ['[]', '[ ', '[\t'].map((mark) => Buffer.from(mark))

/** Where the first array begins that may be empty, as `choices` is in a usage chunk; -1 without one. */
function firstEmptyArray(events: Buffer): number {
  let first = -1
  for (const mark of emptyArrayMarks) first = smallestFound(first, events.indexOf(mark))
  return first
}

function smallestFound(one: number, other: number): number {
  if (one < 0) return other
  return other < 0 ? one : Math.min(one, other)
}

function isWhole(event: string): boolean {
  const data = eventData(event)?.trim() ?? ''
  return data === '[DONE]' || (data !== '' && parseLatin1(data) !== undefined)
}

function isUsageChunk(event: string): boolean {
  const data = eventData(event)
  const json = data === null ? null : parseLatin1(data)
  if (typeof json !== 'object' || json === null) return false
  const { choices, usage } = json as Record<string, unknown>
  return Array.isArray(choices) && choices.length === 0 && typeof usage === 'object' && usage !== null
}

const doneMark = Buffer.from('[DONE]')
const finishName = Buffer.from('"finish_reason"')

/** Chat streams end with `[DONE]`, some only with the reasons why their choices are finished: what goes on after them for long has not ended. */
function createFinishWatch(choices: number) {
  let finished = 0
  let bytesBehind = 0
  let isDone = false
  return {
    push(events: Buffer) {
      if (isDone) return
      isDone = hasDone(events)
      if (isDone) return
      bytesBehind += events.byteLength
      for (let at = events.indexOf(finishName); at >= 0; at = events.indexOf(finishName, at + finishName.byteLength)) {
        if (!isTextNext(events, at + finishName.byteLength)) continue
        finished++
        bytesBehind = events.byteLength - at
      }
    },
    isSeen: () => isDone || (finished >= choices && bytesBehind <= tailBytes),
  }
}

/** Looked for from the end, where it is. */
function hasDone(events: Buffer): boolean {
  for (let at = events.lastIndexOf(doneMark); at >= 0; at = at === 0 ? -1 : events.lastIndexOf(doneMark, at - 1)) {
    if (/(?:^|[\r\n])data: ?$/.test(events.toString('latin1', Math.max(0, at - 7), at))) return true
  }
  return false
}

/** Whether a member's value, after its name, is a string. Some upstreams have an empty one where others have `null`. */
function isTextNext(events: Buffer, nameEnd: number): boolean {
  let position = nameEnd
  while (isSpaceOrColon(events[position])) position++
  return events[position] === 0x22 && events[position + 1] !== 0x22
}

function isSpaceOrColon(byte: number | undefined): boolean {
  return byte === 0x3a || byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
}

function hasErrorEvent(bytes: Buffer): boolean {
  return firstError(bytes) >= 0 && [...eachEvent(bytes.toString('latin1'))].some(isErrorEvent)
}

/** What every event that tells of an error holds, one or the other; each is searched by its word first, which is faster where there is none. */
const errorMarks = [
  { word: Buffer.from('error'), mark: Buffer.from('"error"') },
  { word: Buffer.from('failed'), mark: Buffer.from('response.failed') },
]

function firstError(events: Buffer): number {
  let first = -1
  for (const { word, mark } of errorMarks) if (events.includes(word)) first = smallestFound(first, events.indexOf(mark))
  return first
}

function isErrorEvent(event: string): boolean {
  const data = eventData(event)
  if (data === null || !(data.includes('"error"') || data.includes('response.failed'))) return false
  const json = parseLatin1(data)
  if (typeof json !== 'object' || json === null) return false
  const fields = json as Record<string, unknown>
  return isErrorObject(fields) || fields.type === 'error' || fields.type === 'response.failed'
}

interface Tail {
  push(chunk: Buffer): void
  bytes(): Buffer
}

/** The last bytes of a stream, kept as the pieces they came in: nothing is copied until they are asked for. */
function createTail(): Tail {
  let pieces: Buffer[] = []
  let kept = 0
  return {
    push(chunk) {
      kept += chunk.byteLength
      pieces.push(chunk)
      while (pieces.length > 1 && kept - (pieces[0]?.byteLength ?? 0) >= tailBytes)
        kept -= pieces.shift()?.byteLength ?? 0
      if (pieces.length === 1 && kept > 2 * tailBytes) {
        pieces = [Buffer.from(chunk.subarray(-tailBytes))]
        kept = tailBytes
      }
    },
    bytes: () => Buffer.concat(pieces).subarray(-tailBytes),
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
      const text = seam + bufferOf(chunk).toString('latin1')
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
  if (bytes.includes(0x0d)) return splitEvents(bytes.toString('latin1')).events.length
  const found = bytes.lastIndexOf(blankLine)
  return found < 0 ? 0 : found + blankLine.length
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
