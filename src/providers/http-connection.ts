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
import { type AnswerFeed, createAnswer } from './http-answer.ts'
import type { AnswerHead } from './http-answer-head.ts'
import { createAnswerParser } from './http-answer-parser.ts'
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
  /** It is gone, whether or not it ever stood. Called once. */
  closed(connection: Connection): void
}

export interface Connection {
  /** An exchange has been over it before. */
  readonly isReused: boolean
  /** The owner's own note: until when it waits for another exchange (`performance.now`); 0: it does not. */
  idleUntilMs: number
  /** Only when it is free, or has just been made. */
  run(exchange: Exchange): void
  /** Ends it in the ordinary way. Only when it is free. */
  close(): void
  /** It took too long to stand. */
  expire(): void
}

type Events = Pick<
  ReturnType<typeof createConnection>,
  'onOpen' | 'onReady' | 'onData' | 'onDrain' | 'onEnd' | 'onClose'
>

const plainHandlers: SocketHandler<Events> = {
  open(socket) {
    socket.data.onOpen(socket)
    socket.data.onReady(null)
  },
  data: (socket, bytes) => socket.data.onData(bytes),
  drain: (socket) => socket.data.onDrain(),
  end: (socket) => socket.data.onEnd(),
  close: (socket, cause) => socket.data.onClose(cause),
  error: (socket, cause) => socket.data.onClose(cause),
}

const tlsHandlers: SocketHandler<Events> = {
  ...plainHandlers,
  open: (socket) => socket.data.onOpen(socket),
  handshake: (socket, isTrusted, cause) => socket.data.onReady(isTrusted ? null : (cause ?? connectionReset())),
}

/** From then on the system asks whether the other side is still there. */
const probeAfterMs = 60_000
/** A request up to this size goes out in one piece; of a larger one this much goes with its head. */
const scratch = Buffer.allocUnsafe(64 * 1024)

export function openConnection(route: Route, owner: ConnectionOwner): Connection {
  const { connection, ...events } = createConnection(owner, route.serverName !== null)
  const { serverName, ...address } = route
  const options =
    serverName === null
      ? { ...address, socket: plainHandlers, data: events }
      : { ...address, socket: tlsHandlers, data: events, tls: { serverName } }
  try {
    // Its types know either an address or a socket's path, not what may be both.
    Bun.connect(options as Bun.TCPSocketConnectOptions<Events>).catch(events.onClose)
  } catch (cause) {
    queueMicrotask(() => events.onClose(cause))
  }
  return connection
}

function createConnection(owner: ConnectionOwner, isTls: boolean) {
  let socket: Socket<Events> | null = null
  let state: 'opening' | 'open' | 'closed' = 'opening'
  let exchange: Exchange | null = null
  let answer: AnswerFeed | null = null
  let isKeptAlive = false
  let keepAliveSeconds: number | null = null
  let isAnswerBegun = false
  let isPaused = false
  /** Of the request, what the system has not taken yet. */
  let unsent: Uint8Array[] = []
  const parser = createAnswerParser({ head: onHead, data: onBody, end: onAnswered })

  const connection = {
    isReused: false,
    idleUntilMs: 0,
    run(next: Exchange) {
      exchange = next
      isAnswerBegun = false
      next.signal.addEventListener('abort', abort)
      parser.expect(next.isHeadRequest)
      if (state === 'open') write(next)
      else if (state === 'closed') lose(connectionReset())
    },
    close() {
      shut()
      if (isTls) socket?.terminate()
      else socket?.end()
    },
    expire: () => lose(Object.assign(new Error('the connection took too long'), { code: 'ETIMEDOUT' })),
  }
  const source = { resume, stop: drop }

  function write({ head, body }: Exchange): void {
    let size = scratch.write(head, 0, 'latin1')
    if (size < head.length) {
      writeLong(head, body)
      return
    }
    let index = 0
    for (; index < body.length; index++) {
      const piece = body[index] as Uint8Array
      if (size + piece.byteLength > scratch.length) break
      scratch.set(piece, size)
      size += piece.byteLength
    }
    const taken = socket?.write(scratch, 0, size) ?? -1
    if (taken === size && index === body.length) return
    // A socket that is gone says so by itself.
    if (taken < 0) return
    unsent = body.slice(index)
    if (taken < size) unsent.unshift(new Uint8Array(scratch.subarray(taken, size)))
    else onDrain()
  }

  function writeLong(head: string, body: readonly Uint8Array[]): void {
    unsent = [Buffer.from(head, 'latin1'), ...body]
    onDrain()
  }

  function onDrain(): void {
    while (unsent.length > 0 && socket !== null) {
      const piece = unsent[0] as Uint8Array
      const taken = Math.max(0, socket.write(piece))
      if (taken < piece.byteLength) {
        unsent[0] = piece.subarray(taken)
        return
      }
      unsent.shift()
    }
  }

  function onOpen(opened: Socket<Events>): void {
    socket = opened
    // Nobody waits for it any more.
    if (state === 'closed') opened.terminate()
    else opened.setKeepAlive(true, probeAfterMs)
  }

  function onReady(cause: Error | null): void {
    if (state !== 'opening') return
    if (cause !== null) {
      lose(cause)
      return
    }
    state = 'open'
    owner.opened(connection)
    if (exchange !== null) write(exchange)
  }

  function onData(bytes: Buffer): void {
    if (state !== 'open') return
    // Nobody has asked: whatever would come next could not be trusted.
    if (exchange === null) drop()
    else read(bytes)
  }

  function read(bytes: Buffer): void {
    isAnswerBegun = true
    try {
      parser.push(bytes)
    } catch (cause) {
      lose(cause)
      return
    }
    if (answer?.isBehind() === true) {
      isPaused = true
      socket?.pause()
    }
  }

  function onHead(head: AnswerHead, hasBody: boolean): void {
    isKeptAlive = head.isKeptAlive
    keepAliveSeconds = head.keepAliveSeconds
    answer = createAnswer(head, hasBody, source)
    exchange?.answered(answer.response)
  }

  function onBody(bytes: Buffer): void {
    answer?.push(bytes as Buffer<ArrayBuffer>)
  }

  function onAnswered(isClean: boolean): void {
    const ended = answer
    const isUsable = isClean && isKeptAlive && unsent.length === 0
    release()
    // Before the reader hears of it: who asks again at once is to find it free.
    if (isUsable) {
      resume()
      connection.isReused = true
      owner.freed(connection, keepAliveSeconds)
    } else drop()
    ended?.end()
  }

  function release(): void {
    exchange?.signal.removeEventListener('abort', abort)
    exchange = null
    answer = null
    if (unsent.length > 0) unsent = []
  }

  function resume(): void {
    if (!isPaused) return
    isPaused = false
    socket?.resume()
  }

  /** The other side has ended it. */
  function onEnd(): void {
    if (state !== 'open') return
    if (exchange === null || !parser.finish()) lose(connectionReset())
  }

  function onClose(cause?: unknown): void {
    if (state === 'closed') return
    lose(cause ?? connectionReset())
  }

  function abort(): void {
    const reason = exchange?.signal.reason
    isAnswerBegun = true
    lose(reason)
  }

  function lose(cause: unknown): void {
    const failed = exchange
    const cut = answer
    const isUnanswered = !isAnswerBegun
    release()
    drop()
    if (cut !== null) cut.fail(cause)
    else failed?.failed(cause, isUnanswered)
  }

  /** At once, so that the other side stops. */
  function drop(): void {
    release()
    if (state === 'closed') return
    shut()
    socket?.terminate()
  }

  function shut(): void {
    if (state === 'closed') return
    state = 'closed'
    owner.closed(connection)
  }

  return { connection, onOpen, onReady, onData, onDrain, onEnd, onClose }
}

function connectionReset(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })
}
