/**
 * HTTP/1.1 towards upstreams over sockets of our own: a pool of connections for each origin, the one used last first. Why not
 * `fetch`: it works in a second thread and hands over each chunk by a promise, which costs more than all the rest of a call, and it
 * holds at most 256 requests unless the program is started with a variable set.
 */
import { connectionError } from './connection-error.ts'
import {
  type Connection,
  type ConnectionOwner,
  closeConnection,
  type Exchange,
  expireConnection,
  openConnection,
  type Route,
  runExchange,
} from './http-connection.ts'
import { type HttpRequest, readTarget, type Target, type Via, writeRequestHead } from './http-request.ts'
import type { UpstreamResponse } from './upstream-response.ts'

export interface HttpClient {
  /** Any answer, redirects included. Rejects with UpstreamError `unreachable`, or the signal's reason where that is an UpstreamError. */
  send(request: HttpRequest): Promise<UpstreamResponse>
  /** Closes idle connections, now and later; what is under way goes on. */
  close(): void
}

export interface HttpClientLimits {
  /** Connections kept for later; 0: none. */
  readonly maxIdle: number
  /** How long one is kept. Load balancers and address translation forget connections after a few minutes without a word. */
  readonly idleMs: number
  /** Until a connection stands, TLS included. */
  readonly connectMs: number
}

export const defaultLimits: HttpClientLimits = { maxIdle: 1024, idleMs: 90_000, connectMs: 15_000 }

/** As much as a server must keep a connection longer than we use it, so that it does not close it under a request. */
const safetySeconds = 1
/** Of addresses whose parts are remembered. */
const maxTargets = 512
const maxTargetLength = 2048

interface Origin {
  readonly route: Route
  /** The one used last at the end. */
  readonly idle: Connection[]
  /** All of them, idle or not. */
  connections: number
  readonly owner: ConnectionOwner
}

interface Place {
  readonly target: Target
  readonly origin: Origin
}

export function createHttpClient(limits: HttpClientLimits = defaultLimits): HttpClient {
  const origins = new Map<string, Origin>()
  const places = new Map<string, Place>()
  let idleCount = 0
  /** When each that does not stand yet is given up. */
  const opening = new Map<Connection, number>()
  const sweepMs = Math.max(1, Math.min(1000, limits.idleMs / 4, limits.connectMs / 4))
  let timer: Timer | null = null
  let isClosed = false

  function placeOf({ url, via }: HttpRequest): Place {
    const way = wayOf(via)
    const key = way + url
    const known = places.get(key)
    if (known !== undefined) return known
    const target = readTarget(url)
    if (places.size >= maxTargets) forgetPlaces()
    const origin = origins.get(way + target.origin) ?? createOrigin(routeTo(target, via))
    origins.set(way + target.origin, origin)
    const place = { target, origin }
    if (key.length <= maxTargetLength) places.set(key, place)
    return place
  }

  /** What leads nowhere any more, such as a socket that was taken away, goes with them. */
  function forgetPlaces(): void {
    places.clear()
    for (const [key, { connections }] of origins) if (connections === 0) origins.delete(key)
  }

  function takeIdle({ idle }: Origin): Connection | null {
    const now = performance.now()
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      const until = connection.idleUntilMs
      connection.idleUntilMs = 0
      idleCount--
      if (until > now) return connection
      closeConnection(connection)
    }
    return null
  }

  function createOrigin(route: Route): Origin {
    const idle: Connection[] = []
    const owner: ConnectionOwner = {
      opened: (opened) => opening.delete(opened),
      freed(freed, keepAliveSeconds) {
        const told = keepAliveSeconds === null ? Number.POSITIVE_INFINITY : (keepAliveSeconds - safetySeconds) * 1000
        const keptMs = Math.min(limits.idleMs, told)
        if (isClosed || keptMs <= 0 || idleCount >= limits.maxIdle) return closeConnection(freed)
        freed.idleUntilMs = performance.now() + keptMs
        idle.push(freed)
        idleCount++
        startSweeping()
      },
      // With it the server or a proxy may be gone, and what is idle beside it: the next request is to go over a new one.
      broken: () => closeAll([...idle]),
      closed(closed) {
        origin.connections--
        opening.delete(closed)
        if (closed.idleUntilMs === 0) return
        closed.idleUntilMs = 0
        idleCount--
        idle.splice(idle.lastIndexOf(closed), 1)
      },
    }
    const origin: Origin = { route, idle, connections: 0, owner }
    return origin
  }

  function open(origin: Origin): Connection {
    const connection = openConnection(origin.route, origin.owner)
    origin.connections++
    // Behind a socket another connection is made, with a deadline of its own.
    const connectMs = 'unix' in origin.route ? limits.connectMs * 2 : limits.connectMs
    opening.set(connection, performance.now() + connectMs)
    startSweeping()
    return connection
  }

  function startSweeping(): void {
    if (timer !== null) return
    timer = setInterval(sweep, sweepMs)
    timer.unref()
  }

  function sweep(): void {
    const now = performance.now()
    for (const [connection, until] of opening) if (until <= now) expireConnection(connection)
    closeIdle(now)
    if (opening.size + idleCount > 0 || timer === null) return
    clearInterval(timer)
    timer = null
  }

  function closeIdle(untilMs: number): void {
    for (const { idle } of origins.values()) {
      closeAll(idle.filter(({ idleUntilMs }) => idleUntilMs <= untilMs))
    }
  }

  function begin(
    request: HttpRequest,
    resolve: (response: UpstreamResponse) => void,
    reject: (cause: unknown) => void,
  ) {
    const { signal, body } = request
    let connection: Connection | null
    let exchange: Exchange
    try {
      if (signal.aborted) throw signal.reason
      const { target, origin } = placeOf(request)
      const bodyBytes = body === null ? 0 : body.reduce((sum, piece) => sum + piece.byteLength, 0)
      exchange = {
        head: writeRequestHead(request, { target, bodyBytes, isKept: limits.maxIdle > 0 }),
        body: body ?? [],
        isHeadRequest: request.method === 'HEAD',
        signal,
        answered: resolve,
        failed(cause, isUnanswered) {
          const isStale = isUnanswered && connection?.isReused === true
          if (!isStale || !isOnlyRead(request)) return reject(connectionError(cause, signal))
          connection = open(origin)
          runExchange(connection, exchange)
        },
      }
      connection = takeIdle(origin) ?? open(origin)
    } catch (cause) {
      return reject(connectionError(cause, signal))
    }
    runExchange(connection, exchange)
  }

  return {
    send: (request) => new Promise((resolve, reject) => begin(request, resolve, reject)),
    close() {
      isClosed = true
      closeIdle(Number.POSITIVE_INFINITY)
    },
  }
}

function closeAll(connections: readonly Connection[]): void {
  for (const connection of connections) closeConnection(connection)
}

/** Empty for the straight one. */
function wayOf(via: Via | undefined): string {
  if (via === undefined) return ''
  return via.kind === 'socket' ? `${via.path} ` : `${via.isTls} ${via.hostname} ${via.port} `
}

function routeTo({ hostname, port, isTls }: Target, via: Via | undefined): Route {
  const serverName = isTls ? hostname : null
  if (via === undefined) return { hostname, port, serverName }
  if (via.kind === 'socket') return { unix: via.path, serverName }
  return { hostname: via.hostname, port: via.port, serverName: via.isTls ? via.hostname : null }
}

/**
 * What is sent again, once and over a new connection, when one that had served before ended without a byte of an answer. Mostly the
 * server had closed it because it was idle, and never saw the request; but nobody can tell, and a call that reached the upstream twice
 * must stand as two attempts in its record. So the rest is left to the attempt loop, as by nginx, undici and the runtime's `fetch`.
 */
function isOnlyRead({ method }: HttpRequest): boolean {
  return method === 'GET' || method === 'HEAD'
}
