/**
 * Reads a stream of the AI SDK in either of its formats, from bytes cut anywhere: a state machine. Nothing in it knows whose stream it is.
 *
 * A stream that was cut is told from a finished one by `ending().isComplete`: only a `d:` line or a `finish` event, with nothing of the
 * message after it, is an end. A closed connection is none, nor is a bare `[DONE]`: that is written after an error or an abort, too.
 */
import { createParser, type EventSourceParser } from 'eventsource-parser'
import type { Usage } from '../../domain.ts'
import { UpstreamError } from '../../errors.ts'
import { readDataStreamLine } from './data-stream-line.ts'
import type { AiSdkFinishReason, AiSdkPart } from './part.ts'
import { readUiMessageEvent } from './ui-message-event.ts'

/** `v4`: lines `<code>:<JSON>`. `v5`: server-sent events. `auto`: what the first line looks like. */
export type AiSdkFormat = 'auto' | 'v4' | 'v5'

export interface AiSdkParser {
  /** Throws UpstreamError `server_error` for a line without end and for broken JSON. */
  push(bytes: Uint8Array): AiSdkPart[]
  /** No more bytes come: what a missing last line break held back. What is only half there is left out. */
  end(): AiSdkPart[]
  /** As far as it has been read. */
  ending(): AiSdkEnding
}

export interface AiSdkEnding {
  /** False: it was cut, or is not over. */
  readonly isComplete: boolean
  /** Null when none was told. */
  readonly reason: AiSdkFinishReason | null
  /** The last count for the whole message, else the sum of its steps; null when there are no numbers. */
  readonly usage: Usage | null
}

const maxLineCharactersByDefault = 64 * 1024 * 1024
/** A stream of an unknown kind: so much is looked through for a first line. */
const maxPreambleCharacters = 16_384

export function createAiSdkParser(
  format: AiSdkFormat = 'auto',
  maxLineCharacters = maxLineCharactersByDefault,
): AiSdkParser {
  // It takes a byte order mark off by itself.
  const decoder = new TextDecoder()
  let read: Framing | null = format === 'auto' ? null : createFraming(format)
  let parts: AiSdkPart[] = []
  let preamble = ''
  let isEnding = false
  let isComplete = false
  let reason: AiSdkFinishReason | null = null
  let usage: Usage | null = null
  let stepUsage: Usage | null = null
  /** The first half of a character that two pieces share. */
  let half = ''
  let halfOf: 'text' | 'reasoning' = 'text'

  function createFraming(known: 'v4' | 'v5'): Framing {
    const take = known === 'v4' ? readDataStreamLine : readUiMessageEvent
    const onPiece = (piece: string) => {
      const part = take(piece)
      if (part !== null) add(part)
      else if (!isEnding) throw broken('the upstream sent broken JSON in its stream', 'malformed_stream')
    }
    return known === 'v4' ? createLines(maxLineCharacters, onPiece) : createEvents(maxLineCharacters, onPiece)
  }

  function add(part: AiSdkPart): void {
    switch (part.kind) {
      case 'text':
      case 'reasoning':
        if (part.text !== '') isComplete = false
        addText(part.kind, part.text)
        return
      case 'alive':
      case 'usage':
        if (part.kind === 'usage') usage = part.usage
        parts.push(part)
        return
      case 'step_start':
        isComplete = false
        break
      case 'step_finish':
        stepUsage = sumOf(stepUsage, part.usage)
        break
      case 'finish':
        isComplete = true
        reason = part.reason
        usage = part.usage ?? usage
        break
      case 'error':
      case 'abort':
        isComplete = false
    }
    flushHalf()
    parts.push(part)
  }

  function addText(kind: 'text' | 'reasoning', text: string): void {
    if (half !== '' && halfOf !== kind) flushHalf()
    const whole = half + text
    const isSplit = isHighSurrogate(whole.charCodeAt(whole.length - 1))
    half = isSplit ? whole.slice(-1) : ''
    halfOf = kind
    const shown = isSplit ? whole.slice(0, -1) : whole
    parts.push(shown === '' ? { kind: 'alive' } : { kind, text: shown })
  }

  function flushHalf(): void {
    if (half !== '') parts.push({ kind: halfOf, text: half })
    half = ''
  }

  /** Blank lines and comments before it say nothing of the format. */
  function feed(text: string): void {
    if (read !== null) {
      read.feed(text)
      return
    }
    preamble += text
    const known = /(?:^|[\r\n])(?:(data:|event:|id:|retry:)|([0-9a-z]:))/.exec(preamble)
    if (known === null) {
      if (preamble.length > maxPreambleCharacters)
        throw broken('the upstream sent a stream of an unknown kind', 'malformed_stream')
      return
    }
    read = createFraming(known[1] === undefined ? 'v4' : 'v5')
    const waiting = preamble
    preamble = ''
    read.feed(waiting)
  }

  function taken(): AiSdkPart[] {
    const all = parts
    parts = []
    return all
  }

  return {
    push(bytes) {
      feed(decoder.decode(bytes, { stream: true }))
      return taken()
    },
    end() {
      feed(decoder.decode())
      isEnding = true
      read?.end()
      flushHalf()
      return taken()
    },
    ending: () => ({ isComplete, reason, usage: usage ?? stepUsage }),
  }
}

interface Framing {
  feed(text: string): void
  end(): void
}

function createLines(maxCharacters: number, onLine: (line: string) => void): Framing {
  let rest = ''
  const tell = (line: string) => {
    const bare = line.endsWith('\r') ? line.slice(0, -1) : line
    if (bare.trim() !== '') onLine(bare)
  }
  return {
    feed(text) {
      let start = 0
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
        const line = rest + text.slice(start, end)
        rest = ''
        start = end + 1
        if (line.length > maxCharacters) throw endless()
        tell(line)
      }
      rest += text.slice(start)
      if (rest.length > maxCharacters) throw endless()
    },
    end() {
      const last = rest
      rest = ''
      tell(last)
    },
  }
}

function createEvents(maxCharacters: number, onData: (data: string) => void): Framing {
  const parser: EventSourceParser = createParser({
    maxBufferSize: maxCharacters,
    onEvent: ({ data }) => onData(data),
    onError(error) {
      if (error.type === 'max-buffer-size-exceeded') throw endless()
    },
  })
  return {
    feed: (text) => parser.feed(text),
    // The last event may lack its blank line.
    end: () => parser.feed('\n\n'),
  }
}

function endless(): UpstreamError {
  return broken('the upstream sent a line without end', 'endless_line')
}

function broken(message: string, code: string): UpstreamError {
  return new UpstreamError('server_error', message, { status: 502, code })
}

function sumOf(one: Usage | null, other: Usage | null): Usage | null {
  if (one === null || other === null) return one ?? other
  return {
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    cachedTokens: one.cachedTokens + other.cachedTokens,
    reasoningTokens: one.reasoningTokens + other.reasoningTokens,
  }
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff
}
