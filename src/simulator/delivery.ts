/** Puts an answer on a connection: its pace, its cuts, and the record of how it ended. Common to all simulated upstreams, knows no protocol. */
import type { AnswerHead, HttpExchange } from './http-listener.ts'
import type { ReceivedRequest, Recording } from './recording.ts'

/** One answer under way, and what it was told to do. */
export interface Delivery<Behaviour extends WireShape = WireShape> {
  readonly exchange: HttpExchange
  readonly behaviour: Behaviour
  readonly request: ReceivedRequest
  readonly recording: Recording
}

/** How the frames of a stream are written, whatever they say. */
export interface WireShape {
  /** Between the writes of a stream. */
  readonly delayMs?: number
  /** So many frames in each write and HTTP chunk; default one in each chunk. */
  readonly framesPerWrite?: number
  /** The body is cut every so many bytes, each piece a write of its own: through characters and line ends alike. */
  readonly cutEveryBytes?: number
  readonly lineEnd?: '\n' | '\r\n'
}

/** RST or FIN. */
export type Cut = 'reset' | 'close'

/** How an answer leaves the wire when all that is sent has been sent; `clean` ends the HTTP body properly. */
export type Ending = 'clean' | Cut | 'silent'

/** Exactly these bytes, whatever was asked: framing, content type and lines are the script's. */
export interface ScriptedAnswer {
  readonly kind: 'script'
  readonly status?: number
  /** Default: an event stream. */
  readonly headers?: Readonly<Record<string, string>>
  /** Each is one HTTP chunk in a write of its own, `delayMs` apart. */
  readonly chunks: readonly (string | Uint8Array)[]
  readonly ending?: Ending
}

export async function deliverScript(
  delivery: Delivery,
  script: ScriptedAnswer & { readonly firstTokenDelayMs?: number },
): Promise<void> {
  const headers = Object.entries(script.headers ?? { 'content-type': 'text/event-stream; charset=utf-8' })
  sendHead(delivery, { status: script.status ?? 200, headers })
  if (!(await pause(delivery, script.firstTokenDelayMs ?? 0))) return
  await writePaced(delivery, script.chunks)
  finish(delivery, { ending: script.ending ?? 'clean', isWhole: true })
}

/** A body that is complete at once, with its length announced. */
export function answerWhole(delivery: Delivery, head: AnswerHead, body: string | Uint8Array): void {
  const { exchange, request, recording } = delivery
  request.status = head.status
  request.chunksSent += 1
  recording.end(request, 'finished', Date.now())
  exchange.answer(head, body)
}

export function sendHead(delivery: Delivery, head: AnswerHead): void {
  delivery.request.status = head.status
  delivery.exchange.writeHead(head)
}

/** All at once, unless the behaviour has a pace. Resolves when the system has taken it, or the client has left. */
export async function write(delivery: Delivery, pieces: readonly (string | Uint8Array)[]): Promise<void> {
  const { exchange, behaviour } = delivery
  const { delayMs, cutEveryBytes, framesPerWrite } = behaviour
  const isPaced = delayMs !== undefined || cutEveryBytes !== undefined || framesPerWrite !== undefined
  if (isPaced) return writePaced(delivery, pieces)
  // One write for all chunks keeps an upstream under load cheap.
  exchange.writeChunks(pieces)
  sent(delivery, pieces.length)
  await exchange.drained()
}

/** Piece by piece. Stops without a word when the client leaves. */
export async function writePaced(delivery: Delivery, pieces: readonly (string | Uint8Array)[]): Promise<void> {
  const { exchange } = delivery
  const delayMs = delivery.behaviour.delayMs ?? 0
  for (let index = 0; index < pieces.length && exchange.isOpen(); index += 1) {
    // Awaited here and not in a function of its own: with a thousand streams at once that is the larger part of the cost.
    if (index > 0) await new Promise<void>((resolve) => afterPause(resolve, delayMs))
    const piece = pieces[index]
    if (piece === undefined || !exchange.isOpen()) return
    exchange.writeChunks([piece])
    sent(delivery, 1)
    if (exchange.isBehind()) await exchange.drained()
  }
}

/** Without a pause a turn of the event loop, so that a reader in the same process can see two pieces apart. */
function afterPause(resolve: () => void, durationMs: number): void {
  if (durationMs > 0) setTimeout(resolve, durationMs)
  else setImmediate(resolve)
}

function sent(delivery: Delivery, count: number): void {
  if (delivery.request.endedAtMs !== null) return
  delivery.request.chunksSent += count
  delivery.recording.changed()
}

/** Frames as they are written: line ends, cuts, several at once. */
export function wirePieces(frames: readonly string[], shape: WireShape): readonly (string | Uint8Array)[] {
  const texts = shape.lineEnd === '\r\n' ? frames.map((frame) => frame.replaceAll('\n', '\r\n')) : frames
  if (shape.cutEveryBytes !== undefined) return cutBytes(Buffer.from(texts.join('')), shape.cutEveryBytes)
  const { framesPerWrite } = shape
  if (framesPerWrite === undefined) return texts
  const groups: string[] = []
  for (let start = 0; start < texts.length; start += framesPerWrite) {
    groups.push(texts.slice(start, start + framesPerWrite).join(''))
  }
  return groups
}

export function cutBytes(bytes: Uint8Array, everyBytes: number): readonly Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let start = 0; start < bytes.length; start += everyBytes) pieces.push(bytes.subarray(start, start + everyBytes))
  return pieces
}

/** How large the pieces of a body are that nobody wants cut otherwise. */
export const BODY_CHUNK_BYTES = 16 * 1024

/** False when the client has left meanwhile. */
export async function pause(delivery: Delivery, durationMs: number): Promise<boolean> {
  if (durationMs > 0) await new Promise((resolve) => setTimeout(resolve, durationMs))
  return delivery.exchange.isOpen()
}

/** @param how `isWhole`: whether a clean end is one of an answer that lacks nothing */
export function finish(delivery: Delivery, how: { readonly ending: Ending; readonly isWhole: boolean }): void {
  const { exchange, request, recording } = delivery
  if (how.ending === 'silent' || request.endedAtMs !== null) return
  // Recorded first: the other side must not be able to learn of the end before the record shows it.
  recording.end(request, how.ending === 'clean' && how.isWhole ? 'finished' : 'broken', Date.now())
  if (how.ending === 'clean') exchange.end()
  else exchange[how.ending]()
}
