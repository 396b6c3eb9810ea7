/**
 * From the steps of an upstream's answer to OpenAI's Response, streamed or whole. Where the steps come from, and how chunks are spelt, is in
 * the files beside this one.
 */
import { UpstreamError } from '../../errors.ts'
import { errorBody } from '../../formats/openai.ts'
import type { StopSignal } from '../../stop-signal.ts'
import type { AnswerEnd, AnswerSource, Step } from './answer-source.ts'
import { type AnswerFacts, createAnswerAssembler, createAnswerWriter } from './write-answer.ts'

export interface AnswerParts {
  readonly source: AnswerSource
  /** Called once, at the end: with the whole answer, or null when it is none that a conversation could go on from. */
  readonly release: (answer: string | null) => void
  readonly facts: AnswerFacts
  readonly headers: Readonly<Record<string, string>>
  readonly signal: StopSignal
  readonly readError: (text: string) => UpstreamError
}

/** More text than this is no answer to a call that is not streamed. */
const maxWholeCharacters = 64 * 1024 * 1024

/** Throws UpstreamError when it is none. */
export async function answerWhole(parts: AnswerParts): Promise<Response> {
  const assembler = createAnswerAssembler(parts.facts)
  const { source } = parts
  let length = 0
  try {
    for (;;) {
      const steps = await source.next()
      if (steps === null) break
      for (const step of steps) {
        if (step.kind === 'error') throw parts.readError(step.text)
        if (step.kind === 'text' || step.kind === 'thinking') length += step.text.length
        if (length > maxWholeCharacters) throw endless()
        if (step.kind === 'text') assembler.text(step.text)
        else if (step.kind === 'thinking') assembler.thinking(step.text)
      }
    }
    const end = properEnd(source)
    assembler.text(end.text)
    const body = assembler.end(end.usage, end.reason)
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
  const { source } = parts
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
          const { text, usage, reason } = properEnd(source)
          const rest = (text === '' ? '' : writer.text(text)) + writer.end(usage, reason)
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

function properEnd(source: AnswerSource): AnswerEnd {
  const end = source.end()
  if (end.failure !== undefined) throw end.failure
  if (end.isComplete) return end
  throw new UpstreamError('unreachable', 'the upstream broke off its answer', { code: 'upstream_stream_cut' })
}

function endless(): UpstreamError {
  return new UpstreamError('server_error', 'the upstream sent an answer without end', { status: 502 })
}

function errorEvent(error: UpstreamError): string {
  const { code, message } = error
  const type = error.kind === 'bad_request' ? 'invalid_request_error' : 'server_error'
  return `data: ${JSON.stringify(errorBody({ message, type, param: null, code }))}\n\n`
}
