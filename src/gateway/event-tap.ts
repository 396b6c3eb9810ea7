/**
 * What the gateway does to a stream of events on its way to the client: it passes whole events on as they are, unless it
 * asked for the usage chunk itself (which is taken out again) or renamed the model (which is named back). A piece of an event
 * is held until the rest comes, so that a cut stream never ends in half a message. How the stream ended and what it used is
 * read from its last bytes, once, at its end.
 */
import type { Usage } from '../domain.ts'
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
  readonly usage: Usage | null
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
  let parts: string[] = []
  let partsLength = 0
  let seam = ''

  function take(): string {
    const whole = parts.join('')
    parts = []
    partsLength = 0
    return whole
  }

  function hold(text: string): void {
    if (text === '') return
    parts.push(text)
    partsLength += text.length
  }

  /** The whole events that `text` completes. */
  function complete(text: string): string {
    // Only the seam and the new piece can hold the blank line: a long event is not searched again and again.
    const probe = seam + text
    seam = probe.slice(-3)
    hold(text)
    if (splitEvents(probe).events === '') {
      if (partsLength <= maxEventBytes) return ''
      isGivenUp = true
      return take()
    }
    const { events, rest } = splitEvents(take())
    hold(rest)
    return events
  }

  return {
    push(chunk) {
      tail.push(chunk)
      terminal?.push(chunk)
      if (isGivenUp) return chunk
      if (!isEdited && parts.length === 0 && endsEvent(chunk) && !mayTellError(chunk)) return chunk
      const events = complete(latin1(chunk))
      const edited = isGivenUp ? events : editEvents(events, options)
      return edited === '' ? null : bytesOf(edited)
    },
    rest() {
      const event = `${take()}\n\n`
      // A piece of an event would be read as a broken one.
      if (!isWhole(event)) return null
      const edited = editEvents(event, options)
      return edited === '' ? null : bytesOf(edited)
    },
    ending() {
      const text = tail.text()
      const isFinished = (text.match(/"finish_reason"\s*:\s*"/g)?.length ?? 0) >= options.choices
      const isEnded = /(?:^|[\r\n])data: ?\[DONE\]/.test(text) || (terminal === null ? isFinished : terminal.isSeen())
      const isComplete = options.family === 'other' || !options.isEvents ? null : isEnded
      return { isComplete, hasError: hasErrorEvent(text), usage: lastUsage(text), bytes: tail.size() }
    },
  }
}

/** The last usage object of an answer's text (latin1), whole or the end of a stream; null without one. */
export function lastUsage(text: string): Usage | null {
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
function usageAt(text: string, nameEnd: number): Usage | null {
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

function editEvents(events: string, options: EventTapOptions): string {
  const mayHaveUsage = options.isUsageStripped && noChoices.test(events)
  const mayHaveError = events.includes(errorMark)
  if (!mayHaveUsage && !mayHaveError && options.clientModel === null) return events
  let edited = ''
  for (const event of eachEvent(events)) {
    if (mayHaveUsage && noChoices.test(event) && isUsageChunk(event)) continue
    const told = mayHaveError && isErrorEvent(event) ? options.cutSecret(event) : event
    edited += options.clientModel === null ? told : renameInEvent(told, options.clientModel)
  }
  return edited
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

function hasErrorEvent(text: string): boolean {
  if (!text.includes('error')) return false
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

function mayTellError(chunk: Uint8Array): boolean {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).includes(errorMark)
}

interface Tail {
  push(chunk: Uint8Array): void
  text(): string
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
    text: () => latin1(Buffer.concat(pieces)),
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

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}
