/**
 * The gateway's side of counting tokens: queues what is to be counted, hands it to a thread of its own, and answers each wish exactly
 * once, whatever becomes of that thread. Nothing here may cost a call more than a place in a queue.
 */
import type { Logger } from '../log.ts'
import type { AnswerForm, BatchFromWorker, CountMessage, TokenCount } from './token-messages.ts'

export interface TokenCounter {
  /** Calls `done` once: with null, and then perhaps at once, when it cannot be counted or not in time. */
  count(wish: CountWish, done: (counted: TokenCount | null) => void): void
  /** Waits briefly for what is queued; what is not counted by then, or asked for later, is not counted. */
  close(): Promise<void>
}

export interface CountWish {
  readonly path: string
  readonly model: string
  /** The request's JSON; null when its count is not wanted. */
  readonly request: Uint8Array<ArrayBuffer> | null
  readonly answer: AnswerBeginning | null
}

/** As much of an answer as is remembered: its first bytes, as they came. */
export interface AnswerBeginning {
  readonly form: AnswerForm
  readonly pieces: readonly Uint8Array[]
  /** Of the whole answer. */
  readonly bytes: number
}

export interface TokenCounterLimits {
  readonly maxQueuedWishes: number
  readonly maxQueuedBytes: number
  /** A larger one is not copied. */
  readonly maxWishBytes: number
  readonly maxBatchWishes: number
  readonly maxBatchBytes: number
  /** For a batch, and for a wish in the queue. */
  readonly deadlineMs: number
  /** How long `close` waits. */
  readonly closeMs: number
  /** An idle thread ends, and gives back the memory of the encodings. */
  readonly idleMs: number
  /** After a failure nothing is counted for so long. */
  readonly restMs: number
}

const defaultLimits: TokenCounterLimits = {
  maxQueuedWishes: 2000,
  maxQueuedBytes: 64 * 1024 * 1024,
  maxWishBytes: 16 * 1024 * 1024,
  maxBatchWishes: 32,
  maxBatchBytes: 1024 * 1024,
  deadlineMs: 15_000,
  closeMs: 1500,
  idleMs: 60_000,
  restMs: 60_000,
}

export interface TokenCounterParts {
  readonly log: Logger
  readonly limits?: Partial<TokenCounterLimits>
  readonly workerUrl?: URL
}

interface Queued {
  readonly wish: CountWish
  readonly done: (counted: TokenCount | null) => void
  readonly bytes: number
  readonly since: number
}

export function createTokenCounter(parts: TokenCounterParts): TokenCounter {
  const limits = { ...defaultLimits, ...parts.limits }
  let queue: Queued[] = []
  let queuedBytes = 0
  let batch: readonly Queued[] = []
  let worker: Worker | null = null
  let batchTimer: Timer | undefined
  let idleTimer: Timer | undefined
  let restsUntil = 0
  let isClosed = false
  let notifyEmpty = () => {}

  function start(): Worker {
    const started = new Worker(parts.workerUrl ?? defaultWorkerUrl())
    started.onmessage = (event: MessageEvent<BatchFromWorker>) => takeResults(event.data)
    started.onerror = (event) => {
      event.preventDefault()
      fail(started, event.message)
    }
    started.addEventListener('close', () => fail(started, 'it ended'))
    // Nobody waits for the statistics of a process that has nothing else to do; `close` does.
    started.unref()
    return started
  }

  function pump(): void {
    if (batch.length > 0 || queue.length === 0) return
    clearTimeout(idleTimer)
    batch = takeBatch()
    const messages = batch.map(({ wish }) => messageOf(wish))
    try {
      worker ??= start()
      const used = worker
      batchTimer = setTimeout(() => fail(used, `no answer within ${limits.deadlineMs} ms`), limits.deadlineMs)
      used.postMessage(messages, messages.flatMap(buffersOf))
    } catch (cause) {
      fail(worker, String(cause))
    }
  }

  function takeBatch(): readonly Queued[] {
    let size = 0
    let bytes = 0
    for (const one of queue) {
      if (size > 0 && (size === limits.maxBatchWishes || bytes + one.bytes > limits.maxBatchBytes)) break
      size++
      bytes += one.bytes
    }
    queuedBytes -= bytes
    return queue.splice(0, size)
  }

  function takeResults(results: BatchFromWorker): void {
    const finished = batch
    batch = []
    clearTimeout(batchTimer)
    for (const [index, one] of finished.entries()) one.done(results[index] ?? null)
    dropOverdue()
    pump()
    if (batch.length > 0) return
    notifyEmpty()
    idleTimer = setTimeout(endWorker, limits.idleMs)
    idleTimer.unref()
  }

  /** Only as many as are due are looked at: the oldest come first. */
  function dropOverdue(): void {
    const oldest = performance.now() - limits.deadlineMs
    const kept = queue.findIndex(({ since }) => since > oldest)
    giveUp(queue.splice(0, kept < 0 ? queue.length : kept))
  }

  function giveUp(wishes: readonly Queued[]): void {
    for (const one of wishes) {
      queuedBytes -= one.bytes
      one.done(null)
    }
  }

  function fail(failed: Worker | null, cause: string): void {
    if (failed !== worker) return
    endWorker()
    restsUntil = performance.now() + limits.restMs
    parts.log.warn('tokens cannot be counted for now, sizes are guessed from', { cause: cause.split('\n', 1)[0] ?? '' })
    abandon()
  }

  function abandon(): void {
    const unfinished = batch
    batch = []
    for (const one of unfinished) one.done(null)
    giveUp(queue.splice(0))
    notifyEmpty()
  }

  function endWorker(): void {
    clearTimeout(batchTimer)
    clearTimeout(idleTimer)
    const ended = worker
    worker = null
    ended?.terminate()
  }

  return {
    count(wish, done) {
      const bytes = wishBytes(wish)
      const isRefused =
        isClosed ||
        performance.now() < restsUntil ||
        bytes > limits.maxWishBytes ||
        queue.length >= limits.maxQueuedWishes ||
        queuedBytes + bytes > limits.maxQueuedBytes
      if (isRefused) return done(null)
      queue.push({ wish, done, bytes, since: performance.now() })
      queuedBytes += bytes
      // Not now: calls that end together go together, and this one ends first.
      if (queue.length === 1 && batch.length === 0) setImmediate(pump)
    },
    async close() {
      if (isClosed) return
      isClosed = true
      if (batch.length + queue.length > 0) {
        const isEmpty = new Promise<void>((resolve) => {
          notifyEmpty = resolve
        })
        await Promise.race([isEmpty, Bun.sleep(limits.closeMs)])
      }
      endWorker()
      abandon()
      queue = []
    },
  }
}

/** See the store's Worker: in the compiled binary an entry lies at its place under `src/`, seen from the main file. */
function defaultWorkerUrl(): URL {
  return new URL(Bun.isStandaloneExecutable ? './gateway/token-worker.js' : './token-worker.ts', import.meta.url)
}

const wishOverheadBytes = 1024

function wishBytes({ request, answer }: CountWish): number {
  const answerBytes = answer === null ? 0 : answer.pieces.reduce((sum, piece) => sum + piece.byteLength, 0)
  return wishOverheadBytes + (request?.byteLength ?? 0) + answerBytes
}

/** Copies: what is handed over is lost to this thread, and the client may not have read it yet. */
function messageOf({ path, model, request, answer }: CountWish): CountMessage {
  return {
    path,
    model,
    request: request === null ? null : new Uint8Array(request),
    answer: answer === null ? null : joined(answer.pieces),
    form: answer?.form ?? 'json',
    answerBytes: answer?.bytes ?? 0,
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0))
  let length = 0
  for (const piece of pieces) {
    whole.set(piece, length)
    length += piece.byteLength
  }
  return whole
}

function buffersOf({ request, answer }: CountMessage): ArrayBuffer[] {
  return [request, answer].flatMap((bytes) => (bytes === null ? [] : [bytes.buffer]))
}
