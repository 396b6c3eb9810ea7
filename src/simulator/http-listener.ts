/** HTTP/1.1 on a bare TCP socket, so that a simulated upstream may misbehave below HTTP; knows nothing of any upstream's protocol. */
import type { Socket, SocketHandler } from 'bun'
import { createRequestParser, type HeaderLine, type ParsedRequest } from './http-request-parser.ts'

/** Listens on loopback and hands over each request once its body is complete. Throws when the port is taken. */
export function listenHttp(options: HttpListenerOptions): HttpListener {
  const connections = new Set<Connection>()
  let connectionCount = 0
  const socket: SocketHandler<Connection | undefined> = {
    data(socket, bytes) {
      if (socket.data === undefined) {
        connectionCount += 1
        socket.data = createConnection(socket, connectionCount, options.onExchange)
        connections.add(socket.data)
      }
      socket.data.receive(bytes)
    },
    drain: (socket) => socket.data?.flush(),
    close(socket) {
      if (socket.data === undefined) return
      connections.delete(socket.data)
      socket.data.lose()
    },
    error: (socket) => socket.data?.lose(),
  }
  // Only of a port that the system chose: of a chosen one nobody would learn that it is taken.
  const isShared = options.port === 0 && process.platform === 'linux'
  const listen = (port: number) => {
    // In a variable, because Bun's types know `reusePort` only of connecting sockets; listening ones obey it.
    const shared = { hostname: '127.0.0.1', port, socket, reusePort: isShared }
    return Bun.listen<Connection | undefined>(shared)
  }
  const listener = listen(options.port)
  const others = isShared ? Array.from({ length: LISTENER_COUNT - 1 }, () => listen(listener.port)) : []
  return {
    port: listener.port,
    connectionCount: () => connectionCount,
    openConnectionCount: () => connections.size,
    closeIdleConnections() {
      for (const connection of [...connections]) connection.closeIfIdle()
    },
    stop() {
      for (const each of [listener, ...others]) each.stop(true)
    },
  }
}

/**
 * Several share the port, because each has a queue of 512 connections not yet accepted: when a thousand clients come at once a single queue
 * overflows, and who was dropped tries again only a second later.
 */
const LISTENER_COUNT = 4

export interface HttpListenerOptions {
  /** 0 lets the system choose. */
  readonly port: number
  readonly onExchange: (exchange: HttpExchange) => void
}

export interface HttpListener {
  readonly port: number
  /** Connections that have sent anything, so far. */
  readonly connectionCount: () => number
  readonly openConnectionCount: () => number
  readonly closeIdleConnections: () => void
  readonly stop: () => void
}

/** One request and the means to answer it, or to fail to. Every function is harmless once the connection is gone. */
export interface HttpExchange {
  readonly method: string
  /** As sent: path and query. */
  readonly target: string
  /** Names, order and repetition as sent. */
  readonly headers: readonly HeaderLine[]
  readonly body: Uint8Array
  readonly connectionNumber: number
  /** Whether an earlier request came over the same connection. */
  readonly isConnectionReused: boolean
  readonly isOpen: () => boolean
  /** Called at most once, when the connection goes before the answer is complete. */
  onLost: (() => void) | null
  /** A whole answer with its length announced. */
  readonly answer: (head: AnswerHead, body: string | Uint8Array) => void
  /** Sends the head alone; a body with `content-length` in its headers is not chunked. */
  readonly writeHead: (head: AnswerHead) => void
  /** One HTTP chunk for each piece, all of them in one write to the socket. */
  readonly writeChunks: (pieces: readonly (string | Uint8Array)[]) => void
  /** Bytes as they are, not framed. */
  readonly writeRaw: (bytes: string | Uint8Array) => void
  /** Whether the system has not taken all that was written. */
  readonly isBehind: () => boolean
  /** Resolves when the system has taken what was written, or the connection is gone. */
  readonly drained: () => Promise<void>
  /** Ends a chunked body properly. */
  readonly end: () => void
  /** Closes in the ordinary way (FIN) wherever the answer stands, after what was written. */
  readonly close: () => void
  /** Resets the connection (RST). */
  readonly reset: () => void
  /** Closes the connection so long after this answer, without having announced it. */
  readonly closeWhenIdleAfter: (delayMs: number) => void
}

export interface AnswerHead {
  readonly status: number
  readonly headers: readonly HeaderLine[]
}

interface Connection {
  readonly receive: (bytes: Uint8Array) => void
  readonly flush: () => void
  readonly lose: () => void
  readonly closeIfIdle: () => void
}

function createConnection(
  socket: Socket<Connection | undefined>,
  connectionNumber: number,
  onExchange: (exchange: HttpExchange) => void,
): Connection {
  const parser = createRequestParser()
  const output = createOutput(socket)
  let exchange: HttpExchange | null = null
  let requestCount = 0
  let isLost = false

  function serveNext(): void {
    if (exchange !== null || isLost) return
    const next = parser.next()
    if (next === null) return
    if (next === 'continue') {
      output.write('HTTP/1.1 100 Continue\r\n\r\n')
      serveNext()
      return
    }
    if (next === 'malformed') {
      output.write('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
      output.close()
      return
    }
    requestCount += 1
    exchange = createExchange(next, { output, socket, connectionNumber, requestCount, isLost: () => isLost, finish })
    onExchange(exchange)
  }

  function finish(): void {
    const isLast = exchange !== null && asksToClose(exchange.headers)
    exchange = null
    if (isLast) output.close()
    else queueMicrotask(serveNext)
  }

  return {
    receive(bytes) {
      parser.push(bytes)
      serveNext()
    },
    flush: output.flush,
    lose() {
      if (isLost) return
      // An exchange that the simulator itself has cut is not a client that left.
      const abandoned = exchange?.isOpen() === true ? exchange : null
      isLost = true
      exchange = null
      output.abandon()
      abandoned?.onLost?.()
    },
    closeIfIdle() {
      if (exchange === null) output.close()
    },
  }
}

function asksToClose(headers: readonly HeaderLine[]): boolean {
  return headers.some(([name, value]) => name.toLowerCase() === 'connection' && value.toLowerCase() === 'close')
}

interface ExchangeParts {
  readonly output: Output
  readonly socket: Socket<Connection | undefined>
  readonly connectionNumber: number
  readonly requestCount: number
  readonly isLost: () => boolean
  readonly finish: () => void
}

function createExchange(request: ParsedRequest, parts: ExchangeParts): HttpExchange {
  const { output, socket } = parts
  let isDone = false
  const isOpen = () => !isDone && !parts.isLost()

  function finish(): void {
    if (isDone) return
    isDone = true
    parts.finish()
  }

  return {
    ...request,
    connectionNumber: parts.connectionNumber,
    isConnectionReused: parts.requestCount > 1,
    isOpen,
    onLost: null,
    answer(head, body) {
      if (!isOpen()) return
      const bytes = typeof body === 'string' ? Buffer.from(body) : body
      const text = headText(head, `content-length: ${bytes.length}\r\n`)
      output.write(typeof body === 'string' ? text + body : Buffer.concat([Buffer.from(text), bytes]))
      finish()
    },
    writeHead(head) {
      if (!isOpen()) return
      const isLengthKnown = head.headers.some(([name]) => name === 'content-length')
      output.write(headText(head, isLengthKnown ? '' : 'transfer-encoding: chunked\r\n'))
    },
    writeChunks(pieces) {
      if (isOpen()) output.write(framed(pieces))
    },
    writeRaw(bytes) {
      if (isOpen()) output.write(bytes)
    },
    isBehind: output.isBehind,
    drained: output.drained,
    end() {
      if (!isOpen()) return
      output.write('0\r\n\r\n')
      finish()
    },
    close() {
      if (!isOpen()) return
      isDone = true
      output.close()
    },
    reset() {
      if (!isOpen()) return
      isDone = true
      socket.terminate()
    },
    closeWhenIdleAfter(delayMs) {
      setTimeout(() => {
        if (isDone) output.close()
      }, delayMs)
    },
  }
}

function framed(pieces: readonly (string | Uint8Array)[]): Uint8Array {
  // Text is gathered and encoded at once, as most streams are nothing else.
  const parts: Uint8Array[] = []
  let text = ''
  for (const piece of pieces) {
    // An empty chunk would end the body.
    if (piece.length === 0) continue
    if (typeof piece === 'string') {
      text += `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`
    } else {
      parts.push(Buffer.from(`${text}${piece.length.toString(16)}\r\n`), piece)
      text = '\r\n'
    }
  }
  const last = Buffer.from(text)
  return parts.length === 0 ? last : Buffer.concat([...parts, last])
}

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  200: 'OK',
  302: 'Found',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  422: 'Unprocessable Entity',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
}

function headText(head: AnswerHead, framing: string): string {
  let text = `HTTP/1.1 ${head.status} ${STATUS_TEXTS[head.status] ?? ''}\r\n`
  for (const [name, value] of head.headers) text += `${name}: ${value}\r\n`
  return `${text}${framing}\r\n`
}

interface Output {
  readonly write: (bytes: string | Uint8Array) => void
  readonly flush: () => void
  readonly isBehind: () => boolean
  readonly drained: () => Promise<void>
  readonly close: () => void
  readonly abandon: () => void
}

/** Keeps what the system would not take yet, in order, and closes only after it. */
function createOutput(socket: Socket<Connection | undefined>): Output {
  let waiting: Uint8Array[] = []
  let isClosing = false
  let isAbandoned = false
  let onDrained: (() => void)[] = []

  function settle(): void {
    const settled = onDrained
    onDrained = []
    for (const resolve of settled) resolve()
  }

  function flush(): void {
    while (waiting.length > 0) {
      const first = waiting[0] as Uint8Array
      const writtenBytes = Math.max(0, socket.write(first))
      if (writtenBytes < first.length) {
        waiting[0] = first.subarray(writtenBytes)
        return
      }
      waiting.shift()
    }
    settle()
    if (isClosing && !isAbandoned) socket.end()
  }

  return {
    write(bytes) {
      if (isAbandoned || isClosing || bytes.length === 0) return
      const encoded = typeof bytes === 'string' ? Buffer.from(bytes) : bytes
      const writtenBytes = waiting.length > 0 ? 0 : Math.max(0, socket.write(encoded))
      if (writtenBytes < encoded.length) waiting.push(encoded.subarray(writtenBytes))
    },
    flush,
    isBehind: () => waiting.length > 0,
    drained() {
      if (waiting.length === 0 || isAbandoned) return Promise.resolve()
      return new Promise((resolve) => onDrained.push(resolve))
    },
    close() {
      if (isAbandoned) return
      isClosing = true
      if (waiting.length === 0) socket.end()
    },
    abandon() {
      isAbandoned = true
      waiting = []
      settle()
    },
  }
}
