/**
 * The steps of an answer as they come from the network: bytes, characters and events cut anywhere are put together again. What they say is
 * read elsewhere.
 */
import { createParser } from 'eventsource-parser'
import { UpstreamError } from '../../errors.ts'
import { connectionError, decodedBody } from '../upstream-fetch.ts'
import { createEventReader, type Step, type StreamEnd } from './read-events.ts'

export interface EventSource {
  /** What one piece of the network says, perhaps nothing; null when the stream is over. Throws UpstreamError when the connection breaks. */
  next(): Promise<readonly Step[] | null>
  /** After null: how it ended. */
  end(): StreamEnd
  /** Nothing more is wanted: the upstream is stopped. */
  cancel(): void
}

const drainMs = 1000
/** The event that repeats the whole answer is one line; longer than this is no answer. */
const maxEventCharacters = 64 * 1024 * 1024

export function createEventSource(response: Response, signal: AbortSignal): EventSource {
  const events = createEventReader()
  const body = decodedBody(response)?.getReader() ?? null
  const decoder = new TextDecoder()
  let steps: Step[] = []
  let isOver = body === null
  let isDraining = false
  const parser = createParser({
    maxBufferSize: maxEventCharacters,
    onEvent: ({ data }) => steps.push(events.read(data)),
    onError(error) {
      if (error.type !== 'max-buffer-size-exceeded') return
      throw new UpstreamError('server_error', 'the upstream sent an event without end', { status: 502 })
    },
  })

  function take(): readonly Step[] {
    const taken = steps
    steps = []
    return taken
  }

  function cancel(): void {
    isOver = true
    if (!isDraining) body?.cancel().catch(() => {})
  }

  /** After the last word the connection is read to its end, so that it serves another call. */
  async function drain(reader: { read(): Promise<{ done: boolean }>; cancel(): Promise<void> }): Promise<void> {
    isOver = true
    isDraining = true
    const late = setTimeout(() => reader.cancel().catch(() => {}), drainMs)
    try {
      while (!(await reader.read()).done);
    } catch {
      // It was of no more use.
    } finally {
      clearTimeout(late)
    }
  }

  return {
    async next() {
      if (isOver || body === null) return null
      try {
        const { done, value } = await body.read()
        if (done) {
          isOver = true
          // The last event may lack its blank line.
          parser.feed(`${decoder.decode()}\n\n`)
        } else parser.feed(decoder.decode(value, { stream: true }))
      } catch (cause) {
        cancel()
        // What breaks after the last word takes nothing away from the answer.
        if (!signal.aborted && events.end().isComplete) return null
        throw connectionError(cause, signal)
      }
      const taken = take()
      if (taken.some((step) => step.kind === 'error')) cancel()
      else if (!isOver && taken.some((step) => step.kind === 'done')) drain(body)
      return taken
    },
    end: events.end,
    cancel,
  }
}
