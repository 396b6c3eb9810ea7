/** Sends an answer over an exchange: its pace, its cuts and the faults that strike after the status; not its content. */
import type { AnswerHead, HttpExchange } from '../http-listener.ts'
import type { ReceivedRequest, Recording } from '../recording.ts'
import type { AnswerShape, Behaviour, ScriptedAnswer, StreamPoint } from './behaviours.ts'
import { type AnswerFacts, doneFrame, errorFrame, type Frame, heartbeatFrame } from './frames.ts'
import type { WholeAnswer } from './refusals.ts'

/** Sends a stream or a whole body as the behaviour wants it, and records how it ended. Resolves then, or when the client has left. */
export async function deliver(delivery: Delivery, answer: DeliveredAnswer): Promise<void> {
  const { behaviour } = delivery
  if (!(await pause(delivery, behaviour.headDelayMs ?? 0))) return
  if (behaviour.kind === 'script') return deliverScript(delivery, behaviour)
  if ('frames' in answer) return deliverFrames(delivery, answer)
  if (answer.isLate === true && !(await pause(delivery, behaviour.firstTokenDelayMs ?? 0))) return
  return deliverBody(delivery, answer)
}

export interface Delivery {
  readonly exchange: HttpExchange
  readonly behaviour: Behaviour
  readonly request: ReceivedRequest
  readonly recording: Recording
}

export type DeliveredAnswer = FrameAnswer | BodyAnswer

export interface FrameAnswer {
  readonly head: AnswerHead
  readonly frames: readonly Frame[]
  readonly about: AnswerFacts
}

export interface BodyAnswer extends WholeAnswer {
  /** Whether it has to wait for the model. */
  readonly isLate?: boolean
}

/** How an answer leaves the wire when all that is sent has been sent. */
type Ending = 'clean' | 'close' | 'reset' | 'silent'

async function deliverFrames(delivery: Delivery, answer: FrameAnswer): Promise<void> {
  const { behaviour } = delivery
  const { frames, ending } = planned(answer, behaviour)
  sendHead(delivery, answer)
  const opening = frames.filter((frame) => frame.part === 'opening')
  const spoken = frames.filter((frame) => frame.part !== 'opening')
  if (behaviour.firstTokenDelayMs === undefined || spoken.length === 0) {
    await write(delivery, frames)
  } else {
    await write(delivery, opening)
    if (!(await awaitFirstToken(delivery, answer.about))) return
    await write(delivery, spoken)
  }
  if (ending === 'silent') return staySilent(delivery, answer.about)
  finish(delivery, ending)
}

async function write(delivery: Delivery, frames: readonly Frame[]): Promise<void> {
  const { exchange, behaviour } = delivery
  const pieces = wirePieces(frames, behaviour)
  const { delayMs, cutEveryBytes, framesPerWrite } = behaviour
  const isPaced = delayMs !== undefined || cutEveryBytes !== undefined || framesPerWrite !== undefined
  if (isPaced) return writePaced(delivery, pieces)
  // One write for all chunks keeps an upstream under load cheap.
  exchange.writeChunks(pieces)
  sent(delivery, pieces.length)
  await exchange.drained()
}

/** Piece by piece. Stops without a word when the client leaves. */
async function writePaced(delivery: Delivery, pieces: readonly (string | Uint8Array)[]): Promise<void> {
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

/** What of the frames is sent, with the error that takes the place of the others, and how it ends then. */
function planned(answer: FrameAnswer, behaviour: Behaviour): { frames: readonly Frame[]; ending: Ending } {
  switch (behaviour.kind) {
    case 'silent':
      return { frames: framesUntil(answer.frames, behaviour.after ?? 1), ending: 'silent' }
    case 'cut':
      return { frames: framesUntil(answer.frames, behaviour.after ?? 3), ending: behaviour.how ?? 'reset' }
    case 'error_in_stream': {
      const begun = framesUntil(answer.frames, behaviour.after ?? 'opening')
      // Not to be waited for as the model's first word is, when it comes before it.
      const part = begun.every((frame) => frame.part === 'opening') ? 'opening' : 'done'
      const error: Frame = { part, text: errorFrame(behaviour, answer.about) }
      const done: Frame = { part, text: doneFrame(answer.about) }
      return { frames: behaviour.isDoneSent === true ? [...begun, error, done] : [...begun, error], ending: 'clean' }
    }
    default:
      return { frames: answer.frames, ending: 'clean' }
  }
}

const PART_RANKS: Readonly<Record<Frame['part'], number>> = {
  opening: 1,
  thinking: 2,
  piece: 3,
  completed: 4,
  metrics: 5,
  done: 6,
}

const POINT_RANKS: Readonly<Record<Exclude<StreamPoint, number>, number>> = {
  head: 0,
  opening: 1,
  thinking: 2,
  text: 3,
  completed: 4,
  metrics: 5,
}

function framesUntil(frames: readonly Frame[], point: StreamPoint): readonly Frame[] {
  if (typeof point !== 'number') return frames.filter((frame) => PART_RANKS[frame.part] <= POINT_RANKS[point])
  const kept: Frame[] = []
  let pieceCount = 0
  for (const frame of frames) {
    if (PART_RANKS[frame.part] > POINT_RANKS.text) break
    if (frame.part === 'piece') {
      if (pieceCount === point) break
      pieceCount += 1
    }
    kept.push(frame)
  }
  return kept
}

/** Frames as they are written: line ends, cuts, several at once. */
function wirePieces(frames: readonly Frame[], shape: AnswerShape): readonly (string | Uint8Array)[] {
  const texts = frames.map((frame) => (shape.lineEnd === '\r\n' ? frame.text.replaceAll('\n', '\r\n') : frame.text))
  if (shape.cutEveryBytes !== undefined) return cut(Buffer.from(texts.join('')), shape.cutEveryBytes)
  if (shape.framesPerWrite === undefined) return texts
  const groups: string[] = []
  for (let start = 0; start < texts.length; start += shape.framesPerWrite) {
    groups.push(texts.slice(start, start + shape.framesPerWrite).join(''))
  }
  return groups
}

function cut(bytes: Uint8Array, everyBytes: number): readonly Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let start = 0; start < bytes.length; start += everyBytes) pieces.push(bytes.subarray(start, start + everyBytes))
  return pieces
}

async function awaitFirstToken(delivery: Delivery, about: AnswerFacts): Promise<boolean> {
  const { exchange, behaviour } = delivery
  const untilMs = performance.now() + (behaviour.firstTokenDelayMs ?? 0)
  for (;;) {
    const leftMs = untilMs - performance.now()
    if (leftMs <= 0) return exchange.isOpen()
    if (!(await pause(delivery, Math.min(leftMs, behaviour.heartbeatMs ?? leftMs)))) return false
    if (performance.now() < untilMs) beat(delivery, about)
  }
}

/** Until the client leaves. */
async function staySilent(delivery: Delivery, about: AnswerFacts): Promise<void> {
  const { heartbeatMs } = delivery.behaviour
  if (heartbeatMs === undefined) return
  while (await pause(delivery, heartbeatMs)) beat(delivery, about)
}

function beat(delivery: Delivery, about: AnswerFacts): void {
  const text = heartbeatFrame({ ...about, nowMs: Date.now() })
  delivery.exchange.writeChunks([delivery.behaviour.lineEnd === '\r\n' ? text.replaceAll('\n', '\r\n') : text])
}

async function deliverBody(delivery: Delivery, answer: BodyAnswer): Promise<void> {
  const { exchange, behaviour, request, recording } = delivery
  const bytes = Buffer.from(answer.body)
  const isStruck = behaviour.kind === 'silent' || behaviour.kind === 'cut'
  if (!isStruck && behaviour.cutEveryBytes === undefined) {
    request.status = answer.head.status
    request.chunksSent += 1
    recording.end(request, 'finished', Date.now())
    return exchange.answer(answer.head, bytes)
  }
  sendHead(delivery, answer)
  const half = bytes.subarray(0, Math.floor(bytes.length / 2))
  await writePaced(delivery, cut(isStruck ? half : bytes, behaviour.cutEveryBytes ?? BODY_CHUNK_BYTES))
  if (behaviour.kind === 'silent') return
  finish(delivery, behaviour.kind === 'cut' ? (behaviour.how ?? 'reset') : 'clean')
}

const BODY_CHUNK_BYTES = 16 * 1024

async function deliverScript(delivery: Delivery, script: ScriptedAnswer & AnswerShape): Promise<void> {
  const { exchange } = delivery
  const headers = Object.entries(script.headers ?? { 'content-type': 'text/event-stream; charset=utf-8' })
  delivery.request.status = script.status ?? 200
  exchange.writeHead({ status: script.status ?? 200, headers })
  if (!(await pause(delivery, script.firstTokenDelayMs ?? 0))) return
  await writePaced(delivery, script.chunks)
  const ending = script.ending ?? 'clean'
  if (ending !== 'silent') finish(delivery, ending)
}

function sendHead(delivery: Delivery, answer: DeliveredAnswer): void {
  delivery.request.status = answer.head.status
  delivery.exchange.writeHead(answer.head)
}

function sent(delivery: Delivery, count: number): void {
  if (delivery.request.endedAtMs !== null) return
  delivery.request.chunksSent += count
  delivery.recording.changed()
}

/** False when the client has left meanwhile. */
async function pause(delivery: Delivery, durationMs: number): Promise<boolean> {
  if (durationMs > 0) await new Promise((resolve) => setTimeout(resolve, durationMs))
  return delivery.exchange.isOpen()
}

function finish(delivery: Delivery, ending: Exclude<Ending, 'silent'>): void {
  const { exchange, behaviour, request, recording } = delivery
  if (request.endedAtMs !== null) return
  const isWhole = ending === 'clean' && behaviour.kind !== 'cut'
  // Recorded first: the other side must not be able to learn of the end before the record shows it.
  recording.end(request, isWhole ? 'finished' : 'broken', Date.now())
  if (ending === 'clean') exchange.end()
  else exchange[ending]()
}
