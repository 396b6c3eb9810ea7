/**
 * The steps of an upstream's answer as they come from the network. A reader that knows the upstream's format says what the bytes mean; this
 * file reads them, stops the upstream, and leaves the connection for the next call.
 */
import type { Usage } from '../../domain.ts'
import type { UpstreamError } from '../../errors.ts'
import type { StopSignal } from '../../stop-signal.ts'
import { connectionError } from '../connection-error.ts'
import { decodedBody } from '../upstream-fetch.ts'
import type { UpstreamResponse } from '../upstream-response.ts'

/** `alive`: nothing a client could show, but the upstream is at work. `error` has upstream's own JSON or words. */
export type Step =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'thinking'; readonly text: string }
  | { readonly kind: 'alive' }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'done' }

/** How an answer ended, properly or not, and what is left to say. */
export interface AnswerEnd {
  /** False: it was cut. */
  readonly isComplete: boolean
  /** The whole answer, where it came only as a repetition at the end; empty otherwise. */
  readonly text: string
  /** Null when upstream gave no numbers. */
  readonly usage: Usage | null
  /** OpenAI's `finish_reason`. */
  readonly reason: string
  /** It ended properly, but is no answer. */
  readonly failure?: UpstreamError
}

export interface AnswerSource {
  /** What one piece of the network says, perhaps nothing; null when the stream is over. Throws UpstreamError when the connection breaks. */
  next(): Promise<readonly Step[] | null>
  /** After null: how it ended. */
  end(): AnswerEnd
  /** Nothing more is wanted: the upstream is stopped. */
  cancel(): void
}

/** Knows one upstream's format. Bytes are cut anywhere. */
export interface AnswerReader {
  /** Throws UpstreamError for what is none of the format. */
  push(bytes: Uint8Array): readonly Step[]
  /** The connection has ended: what was held back. */
  finish(): readonly Step[]
  end(): AnswerEnd
}

const drainMs = 1000

/** `lingerMs`: how long a complete answer's connection may go on in silence before it is taken to be over; null: as long as it likes. */
export function createAnswerSource(
  response: UpstreamResponse,
  signal: StopSignal,
  parts: { readonly reader: AnswerReader; readonly lingerMs: number | null },
): AnswerSource {
  const { reader, lingerMs } = parts
  const body = decodedBody(response)?.getReader() ?? null
  let isOver = body === null
  let isDraining = false

  function cancel(): void {
    isOver = true
    if (!isDraining) body?.cancel().catch(() => {})
  }

  /** After the last word the connection is read to its end, so that it serves another call. */
  async function drain(rest: { read(): Promise<{ done: boolean }>; cancel(): Promise<void> }): Promise<void> {
    isOver = true
    isDraining = true
    const late = setTimeout(() => rest.cancel().catch(() => {}), drainMs)
    try {
      while (!(await rest.read()).done);
    } catch {
      // It was of no more use.
    } finally {
      clearTimeout(late)
    }
  }

  async function read(from: NonNullable<typeof body>) {
    if (lingerMs === null || !reader.end().isComplete) return from.read()
    // A cancelled body's read ends as if it were over.
    const late = setTimeout(() => from.cancel().catch(() => {}), lingerMs)
    try {
      return await from.read()
    } finally {
      clearTimeout(late)
    }
  }

  return {
    async next() {
      if (isOver || body === null) return null
      let steps: readonly Step[]
      try {
        const { done, value } = await read(body)
        if (done) {
          isOver = true
          steps = reader.finish()
        } else steps = reader.push(value)
      } catch (cause) {
        cancel()
        // What breaks after the last word takes nothing away from the answer.
        if (!signal.aborted && reader.end().isComplete) return null
        throw connectionError(cause, signal)
      }
      if (steps.some((step) => step.kind === 'error')) cancel()
      else if (!isOver && steps.some((step) => step.kind === 'done')) drain(body)
      return steps
    },
    end: reader.end,
    cancel,
  }
}
