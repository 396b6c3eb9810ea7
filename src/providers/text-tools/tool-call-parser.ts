/** Reads a model's answer as it arrives: text passes at once, tool calls are taken out of it; how a call is spelt is read elsewhere. */
import { createMarkers } from './markers.ts'
import { createCallReader, type WrittenCall } from './read-calls.ts'
import { createTagScanner } from './tag-scanner.ts'
import { createCallId, type ToolCall } from './tool-call-wire.ts'
import type { ToolPlan } from './tool-plan.ts'

/** A call comes whole, since its arguments must be valid before anything of it is told. */
export type AnswerEvent = { readonly type: 'text'; readonly text: string } | ({ readonly type: 'tool_call' } & ToolCall)

export interface AnswerParser {
  push(text: string): AnswerEvent[]
  /** The answer is over. Nothing may be pushed afterwards. */
  end(): AnswerEvent[]
}

export interface ToolCallParserOptions {
  readonly plan: ToolPlan
  /** The one the instructions were written with. */
  readonly nonce: string
  readonly createId?: () => string
}

/**
 * Text before the first call is content. Text after it is dropped: a model of OpenAI stops there, a text-only one goes on to
 * invent the results. What stands between the tags and is no valid call becomes text, wherever it stands; the tags never do.
 */
export function createToolCallParser(options: ToolCallParserOptions): AnswerParser {
  const { plan, nonce, createId = createCallId } = options
  const markers = createMarkers(nonce)
  const tags = Object.values(markers)
  const scanner = createTagScanner(tags)
  const readCalls = createCallReader(plan)
  // `spill`: inside a call that has become too long, and is text therefore.
  let mode: 'text' | 'call' | 'spill' = 'text'
  let lead = ''
  let body = ''
  let callCount = 0
  // The end of what was said, and whether a tag has been taken out since.
  let tail = ''
  let isTagTaken = false
  let events: AnswerEvent[] = []

  return {
    push(text) {
      for (const piece of scanner.push(text)) {
        if (piece.kind === 'text') takeText(piece.text)
        else takeTag(piece.tag)
      }
      return takeEvents()
    },
    end() {
      const rest = scanner.end()
      const shown = tags.some((tag) => isTelling(rest, tag)) ? '' : rest
      if (mode === 'call') closeCall(false, shown)
      else takeText(shown)
      if (callCount === 0) say(lead)
      return takeEvents()
    },
  }

  function takeText(text: string): void {
    if (mode === 'spill') say(text)
    else if (mode === 'call') takeBody(text)
    else if (callCount === 0) takeContent(text)
  }

  function takeContent(text: string): void {
    const pending = lead + text
    const leadStart = pending.length - leadLength(pending)
    say(pending.slice(0, leadStart))
    lead = pending.slice(leadStart)
  }

  function takeBody(text: string): void {
    body += text
    if (body.length <= maxCallLength) return
    mode = 'spill'
    say(lead + body)
    lead = ''
    body = ''
  }

  /** Any tag ends a call: a model that forgets the closing one begins the next call, or a result. */
  function takeTag(tag: string): void {
    if (mode === 'call') closeCall(true, '')
    mode = tag === markers.callStart ? 'call' : 'text'
    isTagTaken = true
  }

  function closeCall(isClosed: boolean, rest: string): void {
    const written = readCalls(body, isClosed)
    const valid = written.filter((each) => each.call !== null).length
    if (valid === 0 || callCount >= maxCalls) say(lead + body + rest)
    else tellCalls(written)
    lead = ''
    body = ''
    mode = 'text'
  }

  function tellCalls(written: readonly WrittenCall[]): void {
    const room = maxCalls - callCount
    const calls = written.flatMap((each) => each.call ?? []).slice(0, room)
    // Content before calls, as OpenAI orders them.
    const accepted = new Set(calls)
    say(
      written
        .filter((each) => each.call === null || !accepted.has(each.call))
        .map((each) => each.source)
        .join('\n'),
    )
    for (const call of calls) {
      // Where only one was asked for, the rest is what the model would do after seeing the result.
      if (!plan.isParallel && callCount > 0) return
      callCount++
      events.push({ type: 'tool_call', id: createId(), ...call })
    }
  }

  function say(words: string): void {
    if (words === '') return
    const text = isTagTaken && wouldJoin(words) ? ` ${words}` : words
    isTagTaken = false
    tail = (tail + text.slice(-maxTailLength)).slice(-maxTailLength)
    const last = events.at(-1)
    if (last?.type === 'text') events[events.length - 1] = { type: 'text', text: last.text + text }
    else events.push({ type: 'text', text })
  }

  /** Where a tag was taken out of the middle of another, the halves would become a tag. */
  function wouldJoin(words: string): boolean {
    const start = tail.lastIndexOf('<')
    return start >= 0 && tags.some((tag) => tag.startsWith(tail.slice(start) + words.charAt(0)))
  }

  function takeEvents(): AnswerEvent[] {
    const taken = events
    events = []
    return taken
  }

  /** Whether the beginning of a tag shows something of the nonce; `<` or `<tool` may be a model's own words. */
  function isTelling(beginning: string, tag: string): boolean {
    return tag.startsWith(beginning) && beginning.length > tag.length - nonce.length - 1
  }
}

/** UTF-16 units between two tags. */
const maxCallLength = 1024 * 1024
const maxCalls = 128
const maxLeadLength = 64
// Longer than a tag.
const maxTailLength = 100

/**
 * Length of the end of `text` that belongs to a call, should one follow: white space and the opening of a code fence, in which
 * some models wrap the tags. Whatever is a lead stays one when its end is cut off, so that cuts make no difference.
 */
function leadLength(text: string): number {
  const floor = Math.max(0, text.length - maxLeadLength)
  const wordEnd = skipBack(text, text.length, isSpace)
  const wordStart = skipBack(text, wordEnd, isLetter)
  const ticks = wordStart - skipBack(text, wordStart, isTick)
  if (ticks >= 3) return text.length - skipBack(text, wordStart - 3, isSpace)
  const isFenceBegun = ticks > 0 && wordStart === text.length
  return text.length - (isFenceBegun ? skipBack(text, wordStart - ticks, isSpace) : wordEnd)

  function skipBack(source: string, end: number, isSkipped: (code: number) => boolean): number {
    let start = end
    while (start > floor && isSkipped(source.charCodeAt(start - 1))) start--
    return start
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

function isLetter(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || code === 0x5f
}

function isTick(code: number): boolean {
  return code === 0x60
}
