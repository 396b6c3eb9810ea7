/**
 * The steps of an answer to a query as they come from the network: characters and events cut anywhere are put together again. What they say
 * is read elsewhere.
 */
import { createParser } from 'eventsource-parser'
import { UpstreamError } from '../../errors.ts'
import type { StopSignal } from '../../stop-signal.ts'
import { type AnswerEnd, type AnswerSource, createAnswerSource, type Step } from '../text-tools/answer-source.ts'
import type { UpstreamResponse } from '../upstream-response.ts'
import { createEventReader, readWholeAnswer, type StreamEnd } from './read-events.ts'
import { parsed, readText } from './send-request.ts'

export interface SourceOptions {
  readonly signal: StopSignal
  /** The limit that was sent upstream; null: none was. */
  readonly maxTokens: number | null
  readonly readError: (text: string) => UpstreamError
}

/** The event that repeats the whole answer is one line; longer than this is no answer. */
const maxEventCharacters = 64 * 1024 * 1024

/** An upstream that answers whole although a stream was asked for is read as a stream of one step. */
export function createEventSource(response: UpstreamResponse, options: SourceOptions): AnswerSource {
  if (!/\bjson\b/i.test(response.headers.get('content-type') ?? '')) return createStreamSource(response, options)
  let whole: StreamEnd | null = null
  return {
    async next() {
      if (whole !== null) return null
      const text = await readText(response, options.signal)
      whole = readWholeAnswer(parsed(text))
      if (whole === null) throw options.readError(text)
      return []
    },
    end: () => withReason(whole ?? { isComplete: false, text: '', usage: null }, options),
    cancel: () => void response.body?.cancel().catch(() => {}),
  }
}

function createStreamSource(response: UpstreamResponse, options: SourceOptions): AnswerSource {
  const events = createEventReader()
  const decoder = new TextDecoder()
  let steps: Step[] = []
  const parser = createParser({
    maxBufferSize: maxEventCharacters,
    onEvent: ({ data }) => steps.push(events.read(data)),
    onError(error) {
      if (error.type !== 'max-buffer-size-exceeded') return
      throw new UpstreamError('server_error', 'the upstream sent an event without end', { status: 502 })
    },
  })

  function feed(text: string): readonly Step[] {
    parser.feed(text)
    const taken = steps
    steps = []
    return taken
  }

  const reader = {
    push: (bytes: Uint8Array) => feed(decoder.decode(bytes, { stream: true })),
    // The last event may lack its blank line.
    finish: () => feed(`${decoder.decode()}\n\n`),
    end: () => withReason(events.end(), options),
  }
  return createAnswerSource(response, options.signal, { reader, lingerMs: null })
}

/** OnDemand tells no reason: only a limit that we sent can have been reached. */
function withReason(end: StreamEnd, { maxTokens }: SourceOptions): AnswerEnd {
  const isCutShort = maxTokens !== null && end.usage !== null && end.usage.outputTokens >= maxTokens
  return { ...end, reason: isCutShort ? 'length' : 'stop' }
}
