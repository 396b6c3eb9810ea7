/**
 * A fast OpenAI-compatible upstream that answers with prepared bytes, in a process of its own: `bun bench/mock-upstream.ts --port N`.
 * It is a bare TCP server and reads of HTTP only what it must: it has to be faster than everything that is measured in front of it.
 */
import { parseArgs } from 'node:util'
import type { Socket } from 'bun'
import {
  completionAnswer,
  modelsAnswer,
  type PacedStream,
  pacedDelayMs,
  pacedMark,
  pacedStream,
  stamp,
  unpacedAnswer,
} from './mock-answers.ts'
import { systemMicroseconds } from './system-clock.ts'

/** What is looked at of a long body: members stand before or behind the long text. */
const sampleLength = 512
const maxHeadLength = 65_536
const maxUnsentBytes = 1 << 20

interface Connection {
  /** Of a head that has not come wholly. */
  pending: Buffer | null
  request: Request | null
  unsent: Buffer | null
  stream: RunningStream | null
}

interface Request {
  readonly isGet: boolean
  /** Of the body still to come; null where its end is marked by an empty chunk. */
  remaining: number | null
  first: string
  last: string
}

interface RunningStream {
  readonly socket: Socket<Connection>
  readonly kind: PacedStream
  nextDelta: number
}

const { values: flags } = parseArgs({ options: { port: { type: 'string', default: '0' } } })
const unpaced = { plain: unpacedAnswer(false), withUsage: unpacedAnswer(true) }
const paced = { plain: pacedStream(false), withUsage: pacedStream(true) }

const server = Bun.listen<Connection>({
  hostname: '127.0.0.1',
  port: Number(flags.port),
  socket: {
    open(socket) {
      socket.data = { pending: null, request: null, unsent: null, stream: null }
    },
    data: receive,
    drain(socket) {
      const { unsent } = socket.data
      socket.data.unsent = null
      if (unsent !== null) send(socket, unsent)
    },
    close: forget,
    error: forget,
  },
})
console.log(JSON.stringify({ port: server.port }))

function receive(socket: Socket<Connection>, bytes: Buffer): void {
  const connection = socket.data
  let input = connection.pending === null ? bytes : Buffer.concat([connection.pending, bytes])
  connection.pending = null
  while (input.length > 0) {
    if (connection.request === null) {
      const end = input.indexOf('\r\n\r\n')
      if (end === -1) {
        if (input.length > maxHeadLength) socket.terminate()
        else connection.pending = input
        return
      }
      connection.request = readHead(input.toString('latin1', 0, end))
      input = input.subarray(end + 4)
    }
    input = readBody(connection.request, input)
    if (connection.request.remaining !== 0) return
    const { request } = connection
    connection.request = null
    answer(socket, request)
  }
}

function readHead(head: string): Request {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  const isChunked = length === undefined && /\r\ntransfer-encoding: *chunked/i.test(head)
  return { isGet: head.startsWith('GET '), remaining: isChunked ? null : Number(length ?? 0), first: '', last: '' }
}

/** Sets `remaining` to 0 at the end of the body and gives back what comes after it. */
function readBody(request: Request, input: Buffer): Buffer {
  const body = request.remaining === null ? input : input.subarray(0, request.remaining)
  if (request.first.length < sampleLength)
    request.first += body.toString('latin1', 0, Math.min(body.length, sampleLength - request.first.length))
  request.last = (request.last + body.toString('latin1', Math.max(0, body.length - sampleLength))).slice(-sampleLength)
  if (request.remaining !== null) request.remaining -= body.length
  // JSON holds no line breaks of this kind, and nobody here sends a request before the last one is answered.
  else if (request.last.endsWith('\r\n0\r\n\r\n')) request.remaining = 0
  return input.subarray(body.length)
}

function answer(socket: Socket<Connection>, request: Request): void {
  if (request.isGet) {
    send(socket, modelsAnswer)
    return
  }
  const text = request.first + request.last
  if (!/"stream"\s*:\s*true/.test(text)) {
    send(socket, completionAnswer)
    return
  }
  const kind = /"include_usage"\s*:\s*true/.test(text) ? 'withUsage' : 'plain'
  if (text.includes(pacedMark)) beginStream(socket, paced[kind])
  else send(socket, unpaced[kind])
}

/** Keeps what the kernel does not take now; the bytes of a paced delta are written anew for the next stream, so they are copied. */
function send(socket: Socket<Connection>, bytes: Buffer): void {
  const connection = socket.data
  if (connection.unsent !== null) {
    if (connection.unsent.length > maxUnsentBytes) socket.terminate()
    else connection.unsent = Buffer.concat([connection.unsent, bytes])
    return
  }
  const written = Math.max(0, socket.write(bytes))
  if (written < bytes.length) connection.unsent = Buffer.from(bytes.subarray(written))
}

function forget(socket: Socket<Connection>): void {
  const { stream } = socket.data
  if (stream !== null) stream.nextDelta = Number.POSITIVE_INFINITY
}

// All paced streams share one timer: those whose turn comes in the same millisecond of the 20 stand in one slot.
const slots: RunningStream[][] = Array.from({ length: pacedDelayMs }, () => [])
let runningStreams = 0
let timer: Timer | null = null
let lastTick = 0

function beginStream(socket: Socket<Connection>, kind: PacedStream): void {
  const stream = { socket, kind, nextDelta: 0 }
  socket.data.stream = stream
  send(socket, kind.begin)
  sendNext(stream)
  runningStreams += 1
  if (timer === null) {
    lastTick = Math.floor(performance.now())
    timer = setInterval(passSlots, 1)
  }
  // The slot that was served last: its next turn is a whole one away.
  slots[lastTick % pacedDelayMs]?.push(stream)
}

/** Serves the slots of all milliseconds since the last time; when more than a whole turn was missed, each of them once. */
function passSlots(): void {
  const now = Math.floor(performance.now())
  for (let tick = Math.max(lastTick + 1, now - pacedDelayMs + 1); tick <= now; tick++) {
    const slot = tick % pacedDelayMs
    const streams = slots[slot] ?? []
    const going = streams.filter(sendNext)
    slots[slot] = going
    runningStreams -= streams.length - going.length
  }
  lastTick = now
  if (runningStreams > 0 || timer === null) return
  clearInterval(timer)
  timer = null
}

/** Says whether the stream goes on. */
function sendNext(stream: RunningStream): boolean {
  const { socket, kind } = stream
  const delta = kind.deltas[stream.nextDelta]
  if (delta !== undefined) {
    stamp(delta, systemMicroseconds())
    send(socket, delta.bytes)
    stream.nextDelta += 1
    return true
  }
  if (stream.nextDelta === kind.deltas.length) send(socket, kind.end)
  if (socket.data.stream === stream) socket.data.stream = null
  return false
}
