/**
 * From OnDemand's answer to a query to OpenAI's Response, streamed or whole, and what becomes of the session at its end. How events are
 * read and chunks are spelt is in the files beside this one.
 */
import { UpstreamError } from '../../errors.ts'
import { errorBody } from '../../formats/openai.ts'
import { createEventSource, type EventSource } from './event-source.ts'
import { readWholeAnswer, type Step, type StreamEnd } from './read-events.ts'
import { parsed, readText } from './send-request.ts'
import { type AnswerFacts, createAnswerAssembler, createAnswerWriter } from './write-answer.ts'

export interface Talk {
  readonly response: Response
  /** Gives the session up. The whole answer, or null when it is none that a conversation could go on from. */
  readonly release: (answer: string | null) => void
}

export interface AnswerParts extends Talk {
  readonly facts: AnswerFacts
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly readError: (text: string) => UpstreamError
}

/** Throws UpstreamError when it is none. */
export async function answerWhole(parts: AnswerParts): Promise<Response> {
  const assembler = createAnswerAssembler(parts.facts)
  const source = createSource(parts)
  try {
    for (;;) {
      const steps = await source.next()
      if (steps === null) break
      for (const step of steps) {
        if (step.kind === 'error') throw parts.readError(step.text)
        if (step.kind === 'text') assembler.text(step.text)
        else if (step.kind === 'thinking') assembler.thinking(step.text)
      }
    }
    const end = properEnd(source)
    assembler.text(end.text)
    const body = assembler.end(end.usage)
    parts.release(assembler.content())
    return Response.json(body, { headers: parts.headers })
  } catch (cause) {
    source.cancel()
    parts.release(null)
    throw cause
  }
}

/**
 * Until something was told that a client can show, a failure breaks the stream with its UpstreamError, and the gateway may try elsewhere;
 * afterwards it is told as an event first, and the stream breaks without `[DONE]`.
 */
export function answerStream(parts: AnswerParts): Response {
  const writer = createAnswerWriter(parts.facts)
  const source = createSource(parts)
  let failure: UpstreamError | null = null
  let isOver = false

  function finish(answer: string | null): void {
    if (isOver) return
    isOver = true
    parts.signal.removeEventListener('abort', leave)
    source.cancel()
    parts.release(answer)
  }
  const leave = () => finish(null)
  parts.signal.addEventListener('abort', leave, { once: true })
  if (parts.signal.aborted) leave()

  function write(steps: readonly Step[]): string {
    let spelt = ''
    for (const step of steps) {
      if (step.kind === 'text') spelt += writer.text(step.text)
      else if (step.kind === 'thinking') spelt += writer.thinking(step.text)
      else if (step.kind === 'error') {
        const error = parts.readError(step.text)
        if (!writer.hasContent()) throw error
        failure = error
        return spelt + errorEvent(error)
      }
    }
    return spelt || writer.alive()
  }

  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          if (failure !== null) throw failure
          const steps = await source.next()
          if (steps !== null) return controller.enqueue(Buffer.from(write(steps)))
          const { text, usage } = properEnd(source)
          const rest = (text === '' ? '' : writer.text(text)) + writer.end(usage)
          finish(writer.content())
          controller.enqueue(Buffer.from(rest))
          controller.close()
        } catch (cause) {
          finish(null)
          controller.error(cause)
        }
      },
      cancel: leave,
    },
    // Nothing is read ahead of the client, and what was told is never thrown away by a failure after it.
    { highWaterMark: 0 },
  )
  return new Response(body, { headers: { ...parts.headers, 'content-type': 'text/event-stream; charset=utf-8' } })
}

/** An upstream that answers whole although a stream was asked for is read as a stream of one step. */
function createSource(parts: AnswerParts): EventSource {
  const { response, signal } = parts
  if (!/\bjson\b/i.test(response.headers.get('content-type') ?? '')) return createEventSource(response, signal)
  let whole: StreamEnd | null = null
  return {
    async next() {
      if (whole !== null) return null
      const text = await readText(response, signal)
      whole = readWholeAnswer(parsed(text))
      if (whole === null) throw parts.readError(text)
      return []
    },
    end: () => whole ?? { isComplete: false, text: '', usage: null },
    cancel: () => void response.body?.cancel().catch(() => {}),
  }
}

function properEnd(source: EventSource): StreamEnd {
  const end = source.end()
  if (end.isComplete) return end
  throw new UpstreamError('unreachable', 'the upstream broke off its answer', { code: 'upstream_stream_cut' })
}

function errorEvent(error: UpstreamError): string {
  const { code, message } = error
  const type = error.kind === 'bad_request' ? 'invalid_request_error' : 'server_error'
  return `data: ${JSON.stringify(errorBody({ message, type, param: null, code }))}\n\n`
}
