/**
 * One connection of our HTTP/1.1 client: one exchange at a time, from the request's first byte to the answer's last. Which
 * connection an exchange gets, and what a failure leads to, is in `http-client.ts`.
 *
 * Of `Bun.connect` (Bun 1.4.5, tried): the bytes given to `data` are the callee's own, with and without TLS; with a `handshake`
 * handler nothing may be written before it, and a certificate that is not trusted closes the socket after it; while a socket is
 * paused its end is not told, a reset is; `terminate` calls `close` before it returns; a name with several addresses is tried at up
 * to four of them; a connection that is being made can be neither stopped nor closed before it stands; an address is told to a TLS server
 * like a name (`fetch` does not); and `end` of a TLS socket leaves it open until the other side ends it, too.
 */
import type { Socket, SocketHandler } from 'bun'
import type { StopSignal } from '../stop-signal.ts'
import {
  type AnswerFeed,
  type AnswerSource,
  answerResponse,
  createAnswerFeed,
  endAnswer,
  failAnswer,
  feedAnswer,
  isBehind,
} from './http-answer.ts'
import type { AnswerHead } from './http-answer-head.ts'
import {
  type AnswerEvents,
  type AnswerParser,
  createAnswerParser,
  expectAnswer,
  finishAnswer,
  pushAnswer,
} from './http-answer-parser.ts'
import type { UpstreamResponse } from './upstream-response.ts'

/** Where a connection leads. */
export type Route =
  | { readonly unix: string; readonly serverName: string | null }
  | { readonly hostname: string; readonly port: number; readonly serverName: string | null }

/** A request, ready to be written, and whoever waits for its answer. */
export interface Exchange {
  /** Latin1. */
  readonly head: string
  readonly body: readonly Uint8Array[]
  readonly isHeadRequest: boolean
  /** Breaks the exchange off wherever it stands. */
  readonly signal: StopSignal
  /** The head has come. Called at most once, and then not `failed`. */
  answered(response: UpstreamResponse): void
  /** `isUnanswered`: it was the connection that ended, before a byte of an answer. */
  failed(cause: unknown, isUnanswered: boolean): void
}

/** Told of each connection, in whose pool it is. */
export interface ConnectionOwner {
  /** It stands. */
  opened(connection: Connection): void
  /** Free for another exchange; the server keeps it so many seconds, null: it did not say. */
  freed(connection: Connection, keepAliveSeconds: number | null): void
  /** The other side has ended it under a request or in mid-answer. Called before anybody hears of it; `closed` follows. */
  broken(connection: Connection): void
  /** It is gone, whether or not it ever stood. Called once. */
  closed(connection: Connection): void
}

/** Its state, of which others look at the first two only. A plain object: thousands stay open, so the functions are shared. */
export interface Connection {
  /** An exchange has been over it before. */
  isReused: boolean
  /** The owner's own note: until when it waits for another exchange (`performance.now`); 0: it does not. */
  idleUntilMs: number
  readonly owner: ConnectionOwner
  readonly isTls: boolean
  readonly parser: AnswerParser<Connection>
  socket: Socket<Connection> | null
  state: 'opening' | 'open' | 'closed'
  exchange: Exchange | null
  answer: AnswerFeed | null
  isKeptAlive: boolean
  keepAliveSeconds: number | null
  isAnswerBegun: boolean
  isPaused: boolean
  /** Of the request, what the system has not taken yet. */
  unsent: readonly Uint8Array[]
  /** What answers and signals call. */
  readonly source: AnswerSource
  readonly abort: () => void
}

const plainHandlers: SocketHandler<Connection> = {
  open(socket) {
    opened(socket)
    ready(socket.data, null)
  },
  data: (socket, bytes) => received(socket.data, bytes),
  drain: (socket) => sendRest(socket.data),
  end: (socket) => ended(socket.data),
  close: (socket, cause) => closed(socket.data, cause),
  error: (socket, cause) => closed(socket.data, cause),
}

const tlsHandlers: SocketHandler<Connection> = {
  ...plainHandlers,
  open: opened,
  handshake: (socket, isTrusted, cause) => ready(socket.data, isTrusted ? null : (cause ?? connectionReset())),
}

const answerEvents: AnswerEvents<Connection> = { head: answerBegins, data: answerGoesOn, end: answerEnds }

/** From then on the system asks whether the other side is still there. */
const probeAfterMs = 60_000
/** A request up to this size goes out in one piece; of a larger one this much goes with its head. */
const scratch = Buffer.allocUnsafe(64 * 1024)

export function openConnection(route: Route, owner: ConnectionOwner): Connection {
  const connection = createConnection(owner, route.serverName !== null)
  const { serverName, ...address } = route
  const options =
    serverName === null
      ? { ...address, socket: plainHandlers, data: connection }
      : { ...address, socket: tlsHandlers, data: connection, tls: { serverName } }
  try {
    // Its types know either an address or a socket's path, not what may be both.
    Bun.connect(options as Bun.TCPSocketConnectOptions<Connection>).catch((cause) => closed(connection, cause))
  } catch (cause) {
    queueMicrotask(() => closed(connection, cause))
  }
  return connection
}

/** Only when it is free, or has just been made. */
export function runExchange(connection: Connection, exchange: Exchange): void {
  connection.exchange = exchange
  connection.isAnswerBegun = false
  exchange.signal.addEventListener('abort', connection.abort)
  expectAnswer(connection.parser, exchange.isHeadRequest)
  if (connection.state === 'open') write(connection, exchange)
  else if (connection.state === 'closed') lose(connection, connectionReset())
}

/** Ends it in the ordinary way. Only when it is free. */
export function closeConnection(connection: Connection): void {
  shut(connection)
  if (connection.isTls) connection.socket?.terminate()
  else connection.socket?.end()
}

/** It took too long to stand. */
export function expireConnection(connection: Connection): void {
  lose(connection, Object.assign(new Error('the connection took too long'), { code: 'ETIMEDOUT' }))
}

function createConnection(owner: ConnectionOwner, isTls: boolean): Connection {
  const connection: Connection = {
    isReused: false,
    idleUntilMs: 0,
    owner,
    isTls,
    parser: createAnswerParser(answerEvents),
    socket: null,
    state: 'opening',
    exchange: null,
    answer: null,
    isKeptAlive: false,
    keepAliveSeconds: null,
    isAnswerBegun: false,
    isPaused: false,
    unsent: nothing,
    source: { resume: () => resume(connection), stop: () => drop(connection) },
    abort: () => abort(connection),
  }
  return connection
}

const nothing: readonly Uint8Array[] = []

function write(connection: Connection, { head, body }: Exchange): void {
  let size = scratch.write(head, 0, 'latin1')
  if (size < head.length) {
    connection.unsent = [Buffer.from(head, 'latin1'), ...body]
    sendRest(connection)
    return
  }
  let index = 0
  for (; index < body.length; index++) {
    const piece = body[index] as Uint8Array
    if (size + piece.byteLength > scratch.length) break
    scratch.set(piece, size)
    size += piece.byteLength
  }
  const taken = connection.socket?.write(scratch, 0, size) ?? -1
  if (taken === size && index === body.length) return
  // A socket that is gone says so by itself.
  if (taken < 0) return
  const rest = body.slice(index)
  connection.unsent = taken < size ? [new Uint8Array(scratch.subarray(taken, size)), ...rest] : rest
  if (taken === size) sendRest(connection)
}

function sendRest(connection: Connection): void {
  const { socket, unsent } = connection
  if (socket === null || unsent.length === 0) return
  for (let index = 0; index < unsent.length; index++) {
    const piece = unsent[index] as Uint8Array
    const taken = Math.max(0, socket.write(piece))
    // Writing may have found the socket gone.
    if (connection.unsent !== unsent) return
    if (taken === piece.byteLength) continue
    connection.unsent = [piece.subarray(taken), ...unsent.slice(index + 1)]
    return
  }
  connection.unsent = nothing
}

function opened(socket: Socket<Connection>): void {
  const connection = socket.data
  connection.socket = socket
  // Nobody waits for it any more.
  if (connection.state === 'closed') socket.terminate()
  else socket.setKeepAlive(true, probeAfterMs)
}

function ready(connection: Connection, cause: Error | null): void {
  if (connection.state !== 'opening') return
  if (cause !== null) {
    lose(connection, cause)
    return
  }
  connection.state = 'open'
  connection.owner.opened(connection)
  if (connection.exchange !== null) write(connection, connection.exchange)
}

function received(connection: Connection, bytes: Buffer): void {
  if (connection.state !== 'open') return
  // Nobody has asked: whatever would come next could not be trusted.
  if (connection.exchange === null) {
    drop(connection)
    return
  }
  connection.isAnswerBegun = true
  try {
    pushAnswer(connection.parser, connection, bytes)
  } catch (cause) {
    lose(connection, cause)
    return
  }
  if (connection.answer !== null && isBehind(connection.answer)) {
    connection.isPaused = true
    connection.socket?.pause()
  }
}

function answerBegins(connection: Connection, head: AnswerHead, hasBody: boolean): void {
  // A proxy that wants a login: many close the connection then, whatever they say.
  connection.isKeptAlive = head.isKeptAlive && head.status !== 407
  connection.keepAliveSeconds = head.keepAliveSeconds
  connection.answer = createAnswerFeed(connection.source)
  connection.exchange?.answered(answerResponse(connection.answer, head, hasBody))
}

function answerGoesOn({ answer }: Connection, bytes: Buffer): void {
  if (answer !== null) feedAnswer(answer, bytes as Buffer<ArrayBuffer>)
}

function answerEnds(connection: Connection, isClean: boolean): void {
  const { answer } = connection
  // Whoever took the last piece has given it up.
  if (connection.exchange === null) return
  const isUsable = isClean && connection.isKeptAlive && connection.unsent.length === 0
  release(connection)
  // Before the reader hears of it: who asks again at once is to find it free.
  if (isUsable) {
    resume(connection)
    connection.isReused = true
    connection.owner.freed(connection, connection.keepAliveSeconds)
  } else drop(connection)
  if (answer !== null) endAnswer(answer)
}

function release(connection: Connection): void {
  connection.exchange?.signal.removeEventListener('abort', connection.abort)
  connection.exchange = null
  connection.answer = null
  connection.unsent = nothing
}

function resume(connection: Connection): void {
  if (!connection.isPaused) return
  connection.isPaused = false
  connection.socket?.resume()
}

/** The other side has ended it. */
function ended(connection: Connection): void {
  if (connection.state !== 'open') return
  if (connection.exchange === null || !finishAnswer(connection.parser, connection)) closed(connection)
}

function closed(connection: Connection, cause?: unknown): void {
  if (connection.state === 'closed') return
  if (connection.state === 'open' && connection.exchange !== null) connection.owner.broken(connection)
  lose(connection, cause ?? connectionReset())
}

function abort(connection: Connection): void {
  const reason = connection.exchange?.signal.reason
  connection.isAnswerBegun = true
  lose(connection, reason)
}

function lose(connection: Connection, cause: unknown): void {
  const { exchange, answer } = connection
  const isUnanswered = !connection.isAnswerBegun
  release(connection)
  drop(connection)
  if (answer !== null) failAnswer(answer, cause)
  else exchange?.failed(cause, isUnanswered)
}

/** At once, so that the other side stops. */
function drop(connection: Connection): void {
  release(connection)
  if (connection.state === 'closed') return
  shut(connection)
  connection.socket?.terminate()
}

function shut(connection: Connection): void {
  if (connection.state === 'closed') return
  connection.state = 'closed'
  connection.owner.closed(connection)
}

function connectionReset(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })
}
