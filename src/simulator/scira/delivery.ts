/** Sends the stream of an answer as the behaviour wants it, with the faults that strike inside of it. */
import { type Delivery, deliverScript, type Ending, finish, pause, sendHead, wirePieces, write } from '../delivery.ts'
import type { HeaderLine } from '../http-request-parser.ts'
import type { ModelAnswer } from './answers.ts'
import type { Behaviour, StreamPoint } from './behaviours.ts'
import { DATA_STREAM_HEADERS, dataStreamError, dataStreamFrames } from './data-stream.ts'
import type { AnswerFacts, Frame } from './frames.ts'
import type { AnswerFormat } from './generations.ts'
import { UI_MESSAGE_HEADERS, uiMessageAbort, uiMessageError, uiMessageFrames } from './ui-message-stream.ts'

/** Resolves when it has ended, or the client has left. */
export async function deliverAnswer(delivery: Delivery<Behaviour>, stream: AnswerStream): Promise<void> {
  const { behaviour } = delivery
  if (behaviour.kind === 'script') return deliverScript(delivery, behaviour)
  const { frames, ending } = planned(stream, behaviour)
  sendHead(delivery, { status: 200, headers: headersOf(stream, behaviour) })
  const opening = frames.filter((frame) => frame.part === 'opening')
  const spoken = frames.filter((frame) => frame.part !== 'opening')
  if (behaviour.firstTokenDelayMs === undefined || spoken.length === 0) {
    await write(delivery, wirePieces(frames.map(textOf), behaviour))
  } else {
    await write(delivery, wirePieces(opening.map(textOf), behaviour))
    if (!(await pause(delivery, behaviour.firstTokenDelayMs))) return
    await write(delivery, wirePieces(spoken.map(textOf), behaviour))
  }
  finish(delivery, { ending, isWhole: behaviour.kind !== 'cut' && behaviour.kind !== 'aborted' })
}

export interface AnswerStream {
  readonly format: AnswerFormat
  readonly answer: ModelAnswer
  readonly about: AnswerFacts
}

function textOf(frame: Frame): string {
  return frame.text
}

/** What of the frames is sent, with the error that takes the place of the others, and how it ends then. */
function planned(stream: AnswerStream, behaviour: Behaviour): { frames: readonly Frame[]; ending: Ending } {
  const { format, about } = stream
  const answer = behaviour.kind === 'empty' ? withoutText(stream.answer) : stream.answer
  const frames = (format === 'data_stream' ? dataStreamFrames : uiMessageFrames)(answer, about)
  switch (behaviour.kind) {
    case 'silent':
      return { frames: framesUntil(frames, behaviour.after ?? 1), ending: 'silent' }
    case 'cut':
      return { frames: framesUntil(frames, behaviour.after ?? 3), ending: behaviour.how ?? 'reset' }
    case 'aborted': {
      const begun = framesUntil(frames, behaviour.after ?? 3)
      if (format === 'data_stream') return { frames: begun, ending: 'clean' }
      return { frames: [...begun, { part: 'after', text: uiMessageAbort(behaviour) }], ending: 'clean' }
    }
    case 'error_in_stream': {
      const begun = framesUntil(frames, behaviour.after ?? 'opening')
      const isFinishSent = behaviour.isFinishSent === true
      const spell = format === 'data_stream' ? dataStreamError : uiMessageError
      const text = spell(behaviour.errorText ?? ERROR_TEXTS[behaviour.about ?? 'generic'], answer, {
        isFinishSent,
        shape: behaviour,
      })
      // Not to be waited for as the model's first word is, when it comes before it.
      const part = begun.every((frame) => frame.part === 'opening') ? 'opening' : 'after'
      return { frames: [...begun, { part, text }], ending: 'clean' }
    }
    case 'empty':
      return { frames: behaviour.what === 'body' ? [] : frames, ending: 'clean' }
    default:
      return { frames, ending: 'clean' }
  }
}

/** In substance as in zaidmukaddam/scira, app/api/search/route.ts, June 2025: one sentence for all, another when the cause says "Rate Limit". */
const ERROR_TEXTS = {
  generic: 'Oops, an error occurred!',
  rate_limit: 'Oops, you have reached the rate limit! Please try again later.',
} as const

function withoutText(answer: ModelAnswer): ModelAnswer {
  return { ...answer, pieces: [], text: '' }
}

const PART_RANKS: Readonly<Record<Frame['part'], number>> = { opening: 1, reasoning: 2, piece: 3, noise: 3, after: 4 }

const POINT_RANKS: Readonly<Record<Exclude<StreamPoint, number>, number>> = {
  head: 0,
  opening: 1,
  reasoning: 2,
  text: 3,
}

function framesUntil(frames: readonly Frame[], point: StreamPoint): readonly Frame[] {
  if (typeof point !== 'number') return frames.filter((frame) => PART_RANKS[frame.part] <= POINT_RANKS[point])
  const kept: Frame[] = []
  let pieceCount = 0
  for (const frame of frames) {
    if (frame.part === 'after') break
    if (frame.part === 'piece') {
      if (pieceCount === point) break
      pieceCount += 1
    }
    kept.push(frame)
  }
  return kept
}

function headersOf(stream: AnswerStream, behaviour: Behaviour): readonly HeaderLine[] {
  const usual: readonly HeaderLine[] = [
    ['date', new Date(stream.about.nowMs).toUTCString()],
    ['connection', 'keep-alive'],
  ]
  if (behaviour.hasProtocolHeaders !== true) return usual
  return [...(stream.format === 'data_stream' ? DATA_STREAM_HEADERS : UI_MESSAGE_HEADERS), ...usual]
}
