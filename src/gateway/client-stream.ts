/** A body that is written piece by piece, with comments while nothing is written. What is written is the caller's business. */
import type { Clock } from '../clock.ts'
import { keepAliveComment } from '../formats/sse.ts'
import { heapCare } from './heap-care.ts'

/** Where a client's bytes go. */
export interface Sink {
  /** Sends at once; whole events only, so that a comment may follow. A promise only when the client does not keep up: it resolves when there is room again. */
  write(bytes: Uint8Array): Promise<unknown> | null
}

export interface ClientStreamOptions {
  readonly clock: Clock
  /** Silence after which a comment is sent; 0: none ever. */
  readonly keepAliveMs: number
  /** Writes everything; the stream ends with it, and breaks off if it throws. */
  readonly run: (sink: Sink) => Promise<void>
}

/** A direct stream: the runtime's fastest kind, and one that a timer can write to. */
export function createClientStream({ clock, keepAliveMs, run }: ClientStreamOptions): ReadableStream {
  let writtenMs = clock.monotonic()
  const source = {
    type: 'direct' as const,
    async pull(controller: ReadableStreamDirectController) {
      const sink: Sink = {
        write(bytes) {
          writtenMs = clock.monotonic()
          heapCare.wrote()
          // Under back-pressure the runtime returns a promise here, which its types do not say.
          const written: unknown = controller.write(bytes as Uint8Array<ArrayBuffer>)
          return written instanceof Promise ? written : null
        },
      }
      const comment = () => {
        if (clock.monotonic() - writtenMs >= keepAliveMs - 1) sink.write(keepAliveComment)
      }
      const timer = keepAliveMs > 0 ? setInterval(comment, keepAliveMs) : undefined
      heapCare.begin()
      try {
        await run(sink)
        controller.end()
      } catch (cause) {
        controller.close(cause instanceof Error ? cause : new Error('the stream broke off'))
      } finally {
        heapCare.end()
        clearInterval(timer)
      }
    },
  }
  return new ReadableStream(source)
}

/** A body that is there already, in pieces or too long to be given to a Response as it is. */
export function createWrittenStream(pieces: readonly Uint8Array[]): ReadableStream {
  const source = {
    type: 'direct' as const,
    pull(controller: ReadableStreamDirectController) {
      for (const piece of pieces) controller.write(piece as Uint8Array<ArrayBuffer>)
      controller.end()
    },
  }
  return new ReadableStream(source)
}
