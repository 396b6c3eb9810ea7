/** Sends an answer of OnDemand's over an exchange: its heartbeats and the faults that strike after the status; not its content. */
import {
  answerWhole,
  BODY_CHUNK_BYTES,
  cutBytes,
  type Delivery,
  deliverScript,
  type Ending,
  finish,
  pause,
  sendHead,
  wirePieces,
  write,
  writePaced,
} from '../delivery.ts'
import type { AnswerHead } from '../http-listener.ts'
import type { Behaviour, StreamPoint } from './behaviours.ts'
import { type AnswerFacts, doneFrame, errorFrame, type Frame, heartbeatFrame } from './frames.ts'
import type { WholeAnswer } from './refusals.ts'

/** Sends a stream or a whole body as the behaviour wants it, and records how it ended. Resolves then, or when the client has left. */
export async function deliver(delivery: Delivery<Behaviour>, answer: DeliveredAnswer): Promise<void> {
  const { behaviour } = delivery
  if (!(await pause(delivery, behaviour.headDelayMs ?? 0))) return
  if (behaviour.kind === 'script') return deliverScript(delivery, behaviour)
  if ('frames' in answer) return deliverFrames(delivery, answer)
  if (answer.isLate === true && !(await pause(delivery, behaviour.firstTokenDelayMs ?? 0))) return
  return deliverBody(delivery, answer)
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

async function deliverFrames(delivery: Delivery<Behaviour>, answer: FrameAnswer): Promise<void> {
  const { behaviour } = delivery
  const { frames, ending } = planned(answer, behaviour)
  sendHead(delivery, answer.head)
  const opening = frames.filter((frame) => frame.part === 'opening')
  const spoken = frames.filter((frame) => frame.part !== 'opening')
  if (behaviour.firstTokenDelayMs === undefined || spoken.length === 0) {
    await writeFrames(delivery, frames)
  } else {
    await writeFrames(delivery, opening)
    if (!(await awaitFirstToken(delivery, answer.about))) return
    await writeFrames(delivery, spoken)
  }
  if (ending === 'silent') return staySilent(delivery, answer.about)
  finish(delivery, { ending, isWhole: behaviour.kind !== 'cut' })
}

function writeFrames(delivery: Delivery<Behaviour>, frames: readonly Frame[]): Promise<void> {
  const texts = frames.map((frame) => frame.text)
  return write(delivery, wirePieces(texts, delivery.behaviour))
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

async function awaitFirstToken(delivery: Delivery<Behaviour>, about: AnswerFacts): Promise<boolean> {
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
async function staySilent(delivery: Delivery<Behaviour>, about: AnswerFacts): Promise<void> {
  const { heartbeatMs } = delivery.behaviour
  if (heartbeatMs === undefined) return
  while (await pause(delivery, heartbeatMs)) beat(delivery, about)
}

function beat(delivery: Delivery<Behaviour>, about: AnswerFacts): void {
  const text = heartbeatFrame({ ...about, nowMs: Date.now() })
  delivery.exchange.writeChunks([delivery.behaviour.lineEnd === '\r\n' ? text.replaceAll('\n', '\r\n') : text])
}

async function deliverBody(delivery: Delivery<Behaviour>, answer: BodyAnswer): Promise<void> {
  const { behaviour } = delivery
  const bytes = Buffer.from(answer.body)
  const isStruck = behaviour.kind === 'silent' || behaviour.kind === 'cut'
  if (!isStruck && behaviour.cutEveryBytes === undefined) return answerWhole(delivery, answer.head, bytes)
  sendHead(delivery, answer.head)
  const half = bytes.subarray(0, Math.floor(bytes.length / 2))
  await writePaced(delivery, cutBytes(isStruck ? half : bytes, behaviour.cutEveryBytes ?? BODY_CHUNK_BYTES))
  finish(delivery, { ending: bodyEnding(behaviour), isWhole: !isStruck })
}

function bodyEnding(behaviour: Behaviour): Ending {
  if (behaviour.kind === 'silent') return 'silent'
  return behaviour.kind === 'cut' ? (behaviour.how ?? 'reset') : 'clean'
}
