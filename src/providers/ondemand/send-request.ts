/**
 * One small JSON exchange with OnDemand, or the beginning of a stream: headers, deadlines, retries by the settings. Who is
 * signed in is not its business.
 */
import type { Clock } from '../../clock.ts'
import type { FailureKind, OndemandProviderConfig } from '../../domain.ts'
import { UpstreamError } from '../../errors.ts'
import type { StopSignal } from '../../stop-signal.ts'
import { connectionError } from '../connection-error.ts'
import { createConnections } from '../connections.ts'
import { readBounded, upstreamFetch } from '../upstream-fetch.ts'
import type { AnswerHeaders, UpstreamResponse } from '../upstream-response.ts'

export interface OutgoingRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly url: string
  readonly headers: Record<string, string>
  /** Sent as JSON; null: none. */
  readonly body: unknown
  /** Ends all tries at once. */
  readonly signal: StopSignal
  /** After it no other try is begun; one under way goes on. Default: `signal`. */
  readonly patience?: StopSignal | undefined
  /** Of each try, its whole answer included, which is then read at once. Null: none, for a stream. */
  readonly deadlineMs: number | null
  /** Speaks for an account: then it looks like the web app. */
  readonly isAccount: boolean
}

/** An answer read whole. */
export interface SmallAnswer {
  readonly status: number
  readonly headers: AnswerHeaders
  readonly text: string
  /** Undefined when the text is no JSON. */
  readonly json: unknown
}

/** Throws UpstreamError `unreachable` or `timeout`, or the signal's reason; any status is an answer. */
export type SendRequest = (request: OutgoingRequest) => Promise<SmallAnswer>

/** The same, with the body to be read. */
export type OpenRequest = (request: OutgoingRequest) => Promise<UpstreamResponse>

const maxAnswerBytes = 8 * 1024 * 1024
/** Nobody answered: the next try may be luckier. */
const passingKinds: ReadonlySet<FailureKind> = new Set(['unreachable', 'proxy_failed', 'timeout'])

export function createRequests(
  config: OndemandProviderConfig,
  clock: Clock,
): { open: OpenRequest; send: SendRequest; close: () => void } {
  const connections = createConnections(config)

  async function openOnce(request: OutgoingRequest): Promise<UpstreamResponse> {
    const { deadlineMs, signal } = request
    if (deadlineMs === null) return fetchOnce(request, signal)
    const controller = new AbortController()
    const late = () =>
      controller.abort(new UpstreamError('timeout', 'the upstream did not answer in time', { status: 504 }))
    const leave = () => controller.abort(signal.reason)
    const timer = setTimeout(late, deadlineMs)
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
    try {
      const response = await fetchOnce(request, controller.signal)
      const bytes = await readBounded(response, maxAnswerBytes, controller.signal)
      const { status, ok, headers } = response
      const read = new Response(response.body === null ? null : bytes)
      return { status, ok, headers: inPlain(headers), body: read.body, bytes: () => read.bytes() }
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', leave)
    }
  }

  async function fetchOnce(request: OutgoingRequest, signal: StopSignal): Promise<UpstreamResponse> {
    const { body, method, url } = request
    const headers = lowerCased({ ...config.headers, ...(request.isAccount ? config.accountHeaders : {}) })
    Object.assign(headers, request.headers)
    if (body !== null) headers['content-type'] = 'application/json'
    try {
      return await upstreamFetch(
        {
          url,
          method,
          headers,
          body: body === null ? null : [Buffer.from(JSON.stringify(body))],
          signal,
        },
        connections,
      )
    } catch (cause) {
      throw connectionError(cause, signal)
    }
  }

  /** Connection errors wait base x 2^n, 5xx base x n, as the program by account does (https://github.com/CrisRain/OnDemand-API-Proxy). */
  async function open(request: OutgoingRequest): Promise<UpstreamResponse> {
    const { max, baseMs } = config.retries
    const { signal, patience = signal } = request
    for (let retry = 1; ; retry++) {
      let waitMs: number
      try {
        const response = await openOnce(request)
        if (response.status < 500 || retry > max || patience.aborted) return response
        response.body?.cancel().catch(() => {})
        waitMs = baseMs * retry
      } catch (cause) {
        const isPassing = cause instanceof UpstreamError && passingKinds.has(cause.kind)
        if (!isPassing || retry > max || patience.aborted) throw cause
        waitMs = cause.kind === 'timeout' ? baseMs * retry : baseMs * 2 ** retry
      }
      await clock.sleep(waitMs, patience)
      if (patience.aborted) throw connectionError(patience.reason, patience)
    }
  }

  return {
    open,
    async send(request) {
      const response = await open(request)
      const text = await readText(response, request.signal)
      return { status: response.status, headers: response.headers, text, json: parsed(text) }
    },
    close: connections.close,
  }
}

export async function readText(response: UpstreamResponse, signal: StopSignal): Promise<string> {
  try {
    return Buffer.from(await readBounded(response, maxAnswerBytes, signal)).toString('utf8')
  } catch (cause) {
    throw connectionError(cause, signal)
  }
}

/** Of a body that was read, and decoded. */
function inPlain(headers: AnswerHeaders): AnswerHeaders {
  const get = (name: string) => (name === 'content-encoding' ? null : headers.get(name))
  return { get, has: (name) => get(name) !== null }
}

/** Undefined when it is no JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Waits for what others wait for too; the signal ends only this waiting. */
export function raced<T>(promise: Promise<T>, signal: StopSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => {})
    return Promise.reject(connectionError(signal.reason, signal))
  }
  return new Promise((resolve, reject) => {
    const leave = () => reject(connectionError(signal.reason, signal))
    signal.addEventListener('abort', leave, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
