/** Sends an answer over an exchange: its pace, its cuts, its compression and the faults that strike after the status; not its content. */
import type { AnswerHead, HttpExchange } from '../http-listener.ts'
import type { ReceivedRequest, Recording } from '../recording.ts'
import type { AnswerShape, Behaviour, ScriptedAnswer } from './behaviours.ts'
import type { Frame } from './chat-frames.ts'

/** Sends a stream or a whole body as the behaviour wants it, and records how it ended. Resolves then, or when the client has left. */
export async function deliver(delivery: Delivery, answer: DeliveredAnswer): Promise<void> {
  const { behaviour } = delivery
  const wantsEarlyHead = 'frames' in answer && behaviour.isHeadSentEarly !== false
  if (behaviour.kind === 'script') return deliverScript(delivery, behaviour)
  if (behaviour.kind === 'silent' && behaviour.after === 'head') return sendHead(delivery, answer)
  if (!wantsEarlyHead && !(await pause(delivery, behaviour.firstTokenDelayMs ?? 0))) return
  if ('frames' in answer) return deliverFrames(delivery, answer)
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
}

export interface BodyAnswer {
  readonly head: AnswerHead
  readonly body: string | Uint8Array
  /** Chunked where OpenAI does not know the length beforehand. */
  readonly isChunked?: boolean
}

/** How an answer leaves the wire when all that is sent has been sent. */
type Ending = 'clean' | 'close' | 'reset' | 'silent'

async function deliverFrames(delivery: Delivery, answer: FrameAnswer): Promise<void> {
  const { exchange, behaviour } = delivery
  const { frames, ending } = planned(answer.frames, behaviour)
  sendHead(delivery, answer)
  const isHeartbeatWanted = behaviour.isHeadSentEarly !== false
  if (isHeartbeatWanted && !(await awaitFirstToken(delivery))) return
  const pieces = wirePieces(frames, behaviour)
  const isUnpaced = behaviour.delayMs === undefined && behaviour.cutEveryBytes === undefined
  if (isUnpaced) {
    // One write for all chunks keeps an upstream under load cheap.
    exchange.writeChunks(pieces)
    sent(delivery, pieces.length)
    await exchange.drained()
    return finish(delivery, ending)
  }
  await writePaced(delivery, pieces)
  finish(delivery, ending)
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

/** Frames as they are written: line ends, compression, cuts. */
function wirePieces(frames: readonly Frame[], shape: AnswerShape): readonly (string | Uint8Array)[] {
  const texts = frames.map((frame) => (shape.lineEnd === '\r\n' ? frame.text.replaceAll('\n', '\r\n') : frame.text))
  if (shape.contentEncoding === 'gzip') return cut(Bun.gzipSync(texts.join('')), shape.cutEveryBytes)
  if (shape.cutEveryBytes !== undefined) return cut(Buffer.from(texts.join('')), shape.cutEveryBytes)
  return shape.isInOneChunk === true ? [texts.join('')] : texts
}

function cut(bytes: Uint8Array, everyBytes: number | undefined): readonly Uint8Array[] {
  if (everyBytes === undefined) return [bytes]
  const pieces: Uint8Array[] = []
  for (let start = 0; start < bytes.length; start += everyBytes) pieces.push(bytes.subarray(start, start + everyBytes))
  return pieces
}

async function awaitFirstToken(delivery: Delivery): Promise<boolean> {
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

async function deliverBody(delivery: Delivery, answer: BodyAnswer): Promise<void> {
  const { exchange, behaviour } = delivery
  const plain = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body
  const bytes = behaviour.contentEncoding === 'gzip' ? Bun.gzipSync(new Uint8Array(plain)) : plain
  const ending = bodyEnding(behaviour)
  const isSimple = ending === 'clean' && behaviour.cutEveryBytes === undefined && answer.isChunked !== true
  if (isSimple) {
    const { request, recording } = delivery
    request.status = answer.head.status
    request.chunksSent += 1
    recording.end(request, 'finished', Date.now())
    return exchange.answer(completeHead(answer.head, behaviour), bytes)
  }
  sendHead(delivery, answer)
  const quarters = 'afterChunks' in behaviour ? (behaviour.afterChunks ?? 2) : 2
  const sentBytes =
    ending === 'clean' ? bytes : bytes.subarray(0, Math.floor((bytes.length * Math.min(quarters, 3)) / 4))
  await writePaced(delivery, cut(sentBytes, behaviour.cutEveryBytes ?? BODY_CHUNK_BYTES))
  finish(delivery, ending === 'cut_clean' ? 'clean' : ending)
}

const BODY_CHUNK_BYTES = 16 * 1024

function bodyEnding(behaviour: Behaviour): Ending | 'cut_clean' {
  if (behaviour.kind === 'silent') return 'silent'
  if (behaviour.kind !== 'dying') return 'clean'
  const how = behaviour.how ?? 'reset'
  return how === 'clean' ? 'cut_clean' : how
}

async function deliverScript(delivery: Delivery, script: ScriptedAnswer & AnswerShape): Promise<void> {
  const { exchange } = delivery
  const headers = Object.entries(script.headers ?? { 'content-type': 'text/event-stream; charset=utf-8' })
  delivery.request.status = script.status ?? 200
  exchange.writeHead({ status: script.status ?? 200, headers })
  if (!(await pause(delivery, script.firstTokenDelayMs ?? 0))) return
  await writePaced(delivery, script.chunks)
  finish(delivery, script.ending ?? 'clean')
}

function sendHead(delivery: Delivery, answer: DeliveredAnswer): void {
  delivery.request.status = answer.head.status
  delivery.exchange.writeHead(completeHead(answer.head, delivery.behaviour))
}

function completeHead(head: AnswerHead, shape: AnswerShape): AnswerHead {
  if (shape.contentEncoding === undefined) return head
  return { status: head.status, headers: [...head.headers, ['content-encoding', shape.contentEncoding]] }
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

function finish(delivery: Delivery, ending: Ending): void {
  const { exchange, behaviour, request, recording } = delivery
  if (ending === 'silent' || request.endedAtMs !== null) return
  const isWhole = ending === 'clean' && behaviour.kind !== 'dying'
  // Recorded first: the other side must not be able to learn of the end before the record shows it.
  recording.end(request, isWhole ? 'finished' : 'broken', Date.now())
  if (ending === 'clean') exchange.end()
  else exchange[ending]()
}
