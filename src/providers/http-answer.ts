/**
 * An answer between a connection and whoever reads it. What has come waits here; when too much does, the connection is told to
 * pause. A read is answered at once where something waits.
 */
import type { AnswerHead } from './http-answer-head.ts'
import type { AnswerReader, UpstreamResponse } from './upstream-response.ts'

/** What a connection tells of an answer. */
export interface AnswerFeed {
  readonly response: UpstreamResponse
  push(bytes: Uint8Array<ArrayBuffer>): void
  end(): void
  /** It was cut. What came before is still read. */
  fail(cause: unknown): void
  /** So much waits that nothing more should come. */
  isBehind(): boolean
}

/** What an answer asks of its connection, until its end. */
export interface AnswerSource {
  resume(): void
  /** Nothing more is wanted. */
  stop(): void
}

type ReadResult = Awaited<ReturnType<AnswerReader['read']>>
interface Waiter {
  readonly resolve: (result: ReadResult) => void
  readonly reject: (cause: unknown) => void
}
interface WholeWaiter {
  readonly resolve: (bytes: Uint8Array<ArrayBuffer>) => void
  readonly reject: (cause: unknown) => void
}

/** A body may hold this much before its connection pauses; the runtime reads up to twice as much at once. */
const maxWaitingBytes = 256 * 1024

export function createAnswer({ status, headers }: AnswerHead, hasBody: boolean, source: AnswerSource): AnswerFeed {
  let waiting: Uint8Array<ArrayBuffer>[] = []
  let waitingBytes = 0
  let state: 'open' | 'ended' | 'failed' = 'open'
  let failure: unknown = null
  let reading: Waiter | null = null
  let collecting: WholeWaiter | null = null

  /** One is waited for. */
  function settle({ resolve, reject }: WholeWaiter): void {
    if (state === 'failed') reject(failure)
    else resolve(joined(waiting))
    waiting = []
    waitingBytes = 0
  }

  function finish(next: 'ended' | 'failed'): void {
    if (state !== 'open') return
    state = next
    const reader = reading
    reading = null
    if (reader !== null) {
      if (next === 'failed') reader.reject(failure)
      else reader.resolve({ done: true, value: undefined })
    }
    if (collecting !== null) settle(collecting)
    collecting = null
  }

  const body = {
    getReader: () => body,
    readNow(): ReadResult | null {
      const value = waiting.shift()
      if (value === undefined) return state === 'ended' ? { done: true, value: undefined } : null
      waitingBytes -= value.byteLength
      if (waiting.length === 0 && state === 'open') source.resume()
      return { done: false, value }
    },
    read(): Promise<ReadResult> {
      const now = body.readNow()
      if (now !== null) return Promise.resolve(now)
      if (state === 'failed') return Promise.reject(failure)
      return new Promise((resolve, reject) => {
        reading = { resolve, reject }
      })
    },
    cancel(): Promise<void> {
      waiting = []
      waitingBytes = 0
      if (state === 'open') {
        finish('ended')
        source.stop()
      }
      state = 'ended'
      return Promise.resolve()
    },
  }

  return {
    response: {
      status,
      ok: status >= 200 && status < 300,
      headers,
      body: hasBody ? body : null,
      bytesNow() {
        if (state !== 'ended' || waiting.length === 0) return null
        const bytes = joined(waiting)
        waiting = []
        waitingBytes = 0
        return bytes
      },
      bytes: () =>
        new Promise((resolve, reject) => {
          const waiter = { resolve, reject }
          if (state !== 'open') return settle(waiter)
          collecting = waiter
          source.resume()
        }),
    },
    push(bytes) {
      if (state !== 'open') return
      const reader = reading
      if (reader !== null) {
        reading = null
        reader.resolve({ done: false, value: bytes })
        return
      }
      waiting.push(bytes)
      waitingBytes += bytes.byteLength
    },
    end: () => finish('ended'),
    fail(cause) {
      failure = cause
      finish('failed')
    },
    isBehind: () => waitingBytes > maxWaitingBytes && collecting === null,
  }
}

function joined(pieces: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [first] = pieces
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces)
}
