/** What a simulated upstream remembers of the requests it received, and how a test waits for one of them. */
import type { HttpExchange } from './http-listener.ts'

/** Keeps the last `limitCount` requests. Facts of a request change while its answer is under way. */
export function createRecording(limitCount: number): Recording {
  const requests: ReceivedRequest[] = []
  const callCounts = new Map<string | null, number>()
  const waiters = new Set<() => void>()
  const state = { inFlightCount: 0, totalCount: 0 }

  function changed(): void {
    for (const check of waiters) check()
  }

  return {
    requests,
    begin(exchange, credential, nowMs) {
      state.totalCount += 1
      state.inFlightCount += 1
      callCounts.set(credential, (callCounts.get(credential) ?? 0) + 1)
      const request = createReceivedRequest(exchange, { credential, nowMs, number: state.totalCount })
      // A tenth at a time: dropping one at a time would move the whole array for each request.
      if (requests.length >= limitCount) requests.splice(0, Math.ceil(limitCount / 10))
      if (limitCount > 0) requests.push(request)
      changed()
      return request
    },
    end(request, ending, nowMs) {
      if (request.endedAtMs !== null) return
      request.endedAtMs = nowMs
      request.isFinished = ending === 'finished'
      request.isAborted = ending === 'aborted'
      state.inFlightCount -= 1
      changed()
    },
    changed,
    callCount: (credential) => callCounts.get(credential) ?? 0,
    totalCount: () => state.totalCount,
    inFlightCount: () => state.inFlightCount,
    waitFor(predicate, deadlineMs) {
      return new Promise((resolve, reject) => {
        const check = () => {
          const found = requests.find(predicate)
          if (found === undefined) return
          waiters.delete(check)
          clearTimeout(timer)
          resolve(found)
        }
        const timer = setTimeout(() => {
          waiters.delete(check)
          reject(new Error(`No such request within ${deadlineMs} ms; received:\n${summary(requests)}`))
        }, deadlineMs)
        waiters.add(check)
        check()
      })
    },
    clear() {
      requests.length = 0
      callCounts.clear()
      state.totalCount = 0
    },
  }
}

export interface Recording {
  /** Oldest first. */
  readonly requests: ReceivedRequest[]
  readonly begin: (exchange: HttpExchange, credential: string | null, nowMs: number) => ReceivedRequest
  /** `finished`: the answer went out as planned. `aborted`: the client left first. `broken`: the simulator cut it on purpose. */
  readonly end: (request: ReceivedRequest, ending: 'finished' | 'aborted' | 'broken', nowMs: number) => void
  /** To be called when a fact of a request has changed. */
  readonly changed: () => void
  readonly callCount: (credential: string | null) => number
  readonly totalCount: () => number
  readonly inFlightCount: () => number
  /** The first request of which the predicate is true, now or later. Rejects at the deadline, saying what had come instead. */
  readonly waitFor: (predicate: (request: ReceivedRequest) => boolean, deadlineMs: number) => Promise<ReceivedRequest>
  readonly clear: () => void
}

export interface ReceivedRequest {
  /** Counted from 1, all credentials together. */
  readonly number: number
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** From the question mark on, or empty. */
  readonly query: string
  /** Names, order and repetition as they came. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array
  /** The bearer token, or null when there was none. */
  readonly credential: string | null
  readonly receivedAtMs: number
  readonly connectionNumber: number
  readonly isConnectionReused: boolean
  /** The values of a header joined by commas, by its name in any case; null when absent. */
  readonly header: (name: string) => string | null
  readonly text: () => string
  /** Throws when the body is not JSON. */
  readonly json: () => unknown
  /** What the simulator did: the kind of the fault, or `good`. */
  treatment: string
  /** Null until something was answered. */
  status: number | null
  /** Stream frames, or pieces of a body, written so far. */
  chunksSent: number
  /** A whole answer was sent, be it a good one or a refusal; neither cut by the simulator nor left by the client. */
  isFinished: boolean
  /** The client closed the connection before that. */
  isAborted: boolean
  endedAtMs: number | null
}

function createReceivedRequest(
  exchange: HttpExchange,
  facts: { credential: string | null; nowMs: number; number: number },
): ReceivedRequest {
  const queryStart = exchange.target.indexOf('?')
  const text = () => new TextDecoder().decode(exchange.body)
  return {
    number: facts.number,
    method: exchange.method,
    path: queryStart < 0 ? exchange.target : exchange.target.slice(0, queryStart),
    query: queryStart < 0 ? '' : exchange.target.slice(queryStart),
    headers: exchange.headers,
    body: exchange.body,
    credential: facts.credential,
    receivedAtMs: facts.nowMs,
    connectionNumber: exchange.connectionNumber,
    isConnectionReused: exchange.isConnectionReused,
    header: (name) => headerValue(exchange.headers, name),
    text,
    json: () => JSON.parse(text()) as unknown,
    treatment: 'good',
    status: null,
    chunksSent: 0,
    isFinished: false,
    isAborted: false,
    endedAtMs: null,
  }
}

/** The values of a header joined by commas, by its name in any case; null when absent. */
export function headerValue(headers: readonly (readonly [string, string])[], name: string): string | null {
  const lowerName = name.toLowerCase()
  const values = headers.filter(([each]) => each.toLowerCase() === lowerName).map(([, value]) => value)
  return values.length > 0 ? values.join(', ') : null
}

function summary(requests: readonly ReceivedRequest[]): string {
  const lines = requests.slice(-20).map((request) => {
    const ending = request.isAborted ? 'aborted' : `finished ${request.isFinished}`
    return `  ${request.number} ${request.method} ${request.path} ${request.treatment} ${request.status} ${ending}`
  })
  return lines.length > 0 ? lines.join('\n') : '  nothing'
}
