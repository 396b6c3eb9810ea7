/** Sends an answer of OpenAI's over an exchange: its compression, its heartbeats and the faults that strike after the status; not its content. */
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
import type { AnswerShape, Behaviour } from './behaviours.ts'
import type { Frame } from './chat-frames.ts'

/** Sends a stream or a whole body as the behaviour wants it, and records how it ended. Resolves then, or when the client has left. */
export async function deliver(delivery: Delivery<Behaviour>, answer: DeliveredAnswer): Promise<void> {
  const { behaviour } = delivery
  const wantsEarlyHead = 'frames' in answer && behaviour.isHeadSentEarly !== false
  if (behaviour.kind === 'script') return deliverScript(delivery, behaviour)
  if (behaviour.kind === 'silent' && behaviour.after === 'head') return sendAnswerHead(delivery, answer)
  if (!wantsEarlyHead && !(await pause(delivery, behaviour.firstTokenDelayMs ?? 0))) return
  if ('frames' in answer) return deliverFrames(delivery, answer)
  return deliverBody(delivery, answer)
}

export type DeliveredAnswer = FrameAnswer | BodyAnswer

export interface FrameAnswer {
  readonly head: AnswerHead
  readonly frames: readonly Frame[]
}

export interface BodyAnswer {
  readonly head: AnswerHead
  readonly body: string | Uint8Array
  /** Chunked where OpenAI does not know the length beforehand. */
  readonly isChunked?: boolean
}

async function deliverFrames(delivery: Delivery<Behaviour>, answer: FrameAnswer): Promise<void> {
  const { behaviour } = delivery
  const { frames, ending } = planned(answer.frames, behaviour)
  sendAnswerHead(delivery, answer)
  const isHeartbeatWanted = behaviour.isHeadSentEarly !== false
  if (isHeartbeatWanted && !(await awaitFirstToken(delivery))) return
  const texts = behaviour.isInOneChunk === true ? [joined(frames)] : frames.map((frame) => frame.text)
  await write(
    delivery,
    behaviour.contentEncoding === 'gzip' ? compressed(texts, behaviour) : wirePieces(texts, behaviour),
  )
  finish(delivery, { ending, isWhole: behaviour.kind !== 'dying' })
}

function joined(frames: readonly Frame[]): string {
  return frames.map((frame) => frame.text).join('')
}

function compressed(texts: readonly string[], shape: AnswerShape): readonly Uint8Array[] {
  const { cutEveryBytes, ...uncut } = shape
  const bytes = Bun.gzipSync(wirePieces(texts, uncut).join(''))
  return cutBytes(bytes, cutEveryBytes ?? bytes.length)
}

/** What of the frames is sent, with the error that takes their place, and how it ends then. */
function planned(frames: readonly Frame[], behaviour: Behaviour): { frames: readonly Frame[]; ending: Ending } {
  switch (behaviour.kind) {
    case 'silent': {
      const count = behaviour.after === 'role' ? 0 : (behaviour.afterChunks ?? 1)
      return { frames: framesUntil(frames, count), ending: 'silent' }
    }
    case 'dying': {
      const how = behaviour.how ?? 'reset'
      return { frames: framesUntil(frames, behaviour.afterChunks ?? 3), ending: how }
    }
    case 'error_in_stream': {
      const count = behaviour.afterChunks ?? 0
      const begun = count === 0 ? [] : framesUntil(frames, count)
      const error: Frame = { kind: 'after', text: streamErrorText(behaviour) }
      const done: Frame = { kind: 'after', text: 'data: [DONE]\n\n' }
      return { frames: behaviour.isDoneSent === true ? [...begun, error, done] : [...begun, error], ending: 'clean' }
    }
    default:
      return { frames, ending: 'clean' }
  }
}

/** All frames before the first content, and so many of content. */
function framesUntil(frames: readonly Frame[], contentCount: number): readonly Frame[] {
  const kept: Frame[] = []
  let count = 0
  for (const frame of frames) {
    if (frame.kind === 'after') break
    if (frame.kind === 'content') {
      if (count === contentCount) break
      count += 1
    }
    kept.push(frame)
  }
  return kept
}

const STREAM_ERRORS = {
  server_error: {
    type: 'server_error',
    code: null,
    number: 502,
    message: 'The server had an error while processing your request. Sorry about that!',
  },
  rate_limit_exceeded: {
    type: 'requests',
    code: 'rate_limit_exceeded',
    number: 429,
    message: 'Rate limit reached for requests',
  },
  insufficient_quota: {
    type: 'insufficient_quota',
    code: 'insufficient_quota',
    number: 402,
    message: 'You exceeded your current quota',
  },
  invalid_api_key: {
    type: 'invalid_request_error',
    code: 'invalid_api_key',
    number: 401,
    message: 'Incorrect API key provided',
  },
} as const

type StreamErrorBehaviour = Extract<Behaviour, { kind: 'error_in_stream' }>

function streamErrorText(behaviour: StreamErrorBehaviour): string {
  const { type, code, number, message } = STREAM_ERRORS[behaviour.errorCode ?? 'server_error']
  const plain = JSON.stringify({ error: { message, type, param: null, code } })
  switch (behaviour.style ?? 'openai') {
    case 'openai':
      return `data: ${plain}\n\n`
    case 'named_event':
      return `event: error\ndata: ${plain}\n\n`
    case 'openrouter':
      return `data: ${JSON.stringify({
        id: 'gen-simulated',
        object: 'chat.completion.chunk',
        created: 0,
        model: 'simulated',
        provider: 'Simulated',
        error: { code: number, message },
        choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error', native_finish_reason: 'error' }],
      })}\n\n`
  }
}

async function awaitFirstToken(delivery: Delivery<Behaviour>): Promise<boolean> {
  const { exchange, behaviour } = delivery
  const untilMs = performance.now() + (behaviour.firstTokenDelayMs ?? 0)
  const heartbeat = `${behaviour.heartbeatText ?? ': OPENROUTER PROCESSING'}\n\n`
  for (;;) {
    const leftMs = untilMs - performance.now()
    if (leftMs <= 0) return exchange.isOpen()
    if (behaviour.heartbeatMs === undefined) return pause(delivery, leftMs)
    exchange.writeChunks([heartbeat])
    if (!(await pause(delivery, Math.min(leftMs, behaviour.heartbeatMs)))) return false
  }
}

async function deliverBody(delivery: Delivery<Behaviour>, answer: BodyAnswer): Promise<void> {
  const { behaviour } = delivery
  const plain = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body
  const bytes = behaviour.contentEncoding === 'gzip' ? Bun.gzipSync(new Uint8Array(plain)) : plain
  const isStruck = behaviour.kind === 'silent' || behaviour.kind === 'dying'
  const isSimple = !isStruck && behaviour.cutEveryBytes === undefined && answer.isChunked !== true
  if (isSimple) return answerWhole(delivery, completeHead(answer.head, behaviour), bytes)
  sendAnswerHead(delivery, answer)
  const quarters = 'afterChunks' in behaviour ? (behaviour.afterChunks ?? 2) : 2
  const sentBytes = isStruck ? bytes.subarray(0, Math.floor((bytes.length * Math.min(quarters, 3)) / 4)) : bytes
  await writePaced(delivery, cutBytes(sentBytes, behaviour.cutEveryBytes ?? BODY_CHUNK_BYTES))
  finish(delivery, { ending: bodyEnding(behaviour), isWhole: !isStruck })
}

function bodyEnding(behaviour: Behaviour): Ending {
  if (behaviour.kind === 'silent') return 'silent'
  return behaviour.kind === 'dying' ? (behaviour.how ?? 'reset') : 'clean'
}

function sendAnswerHead(delivery: Delivery<Behaviour>, answer: DeliveredAnswer): void {
  sendHead(delivery, completeHead(answer.head, delivery.behaviour))
}

function completeHead(head: AnswerHead, shape: AnswerShape): AnswerHead {
  if (shape.contentEncoding === undefined) return head
  return { status: head.status, headers: [...head.headers, ['content-encoding', shape.contentEncoding]] }
}
