/**
 * From a routed call to the client's Response: failover, the stream's passage, its end and its one record. A streamed call
 * whose upstream stays silent is answered with comments meanwhile; after that, an error can only be told in-band.
 */
import type { Config, Outcome, ReportedUsage } from '../domain.ts'
import { UpstreamError } from '../errors.ts'
import { chatChunks } from '../formats/chat-chunks.ts'
import { errorBody } from '../formats/openai.ts'
import { formatEvent, keepAliveComment, parseEventJson } from '../formats/sse.ts'
import { describeError } from '../log.ts'
import { cutSecret } from '../providers/classify-refusal.ts'
import { connectionError } from '../providers/connection-error.ts'
import type { Call } from '../providers/provider.ts'
import type { AnswerReader, TakePiece } from '../providers/upstream-response.ts'
import type { StopSignal } from '../stop-signal.ts'
import type { AnswerMemory } from './answer-memory.ts'
import { createClientStream, createWrittenStream, type Sink } from './client-stream.ts'
import { createEventTap, type EventTap, lastUsage, renameModel } from './event-tap.ts'
import { type CachedCall, clientGone, type FailoverParts, failover, type Plan, type Served } from './failover.ts'
import type { Metrics } from './metrics.ts'
import { familyOf, type StreamedAnswer, type WholeAnswer } from './read-answer.ts'
import { tellClient } from './tell-client.ts'
import type { AnswerBeginning } from './token-counter.ts'
import { isCounted, noProgress, type Progress, type RecordCall } from './usage.ts'

export interface AnswerParts extends FailoverParts {
  readonly metrics: Metrics
  readonly record: RecordCall
  readonly memory: AnswerMemory
}

/** Never throws for what happens upstream: that is a Response too, or the GatewayError to render. */
export function answerCall(parts: AnswerParts, call: Call, plan: Plan, config: Config): Promise<Response> {
  const passage = startPassage(parts, call, { keepAliveMs: config.server.keepAliveMs, cached: plan.cached })
  const served =
    plan.cached === null ? failover(parts, call, plan, passage.progress) : plan.cached.serve(passage.progress)
  if (!call.view.isStream)
    return served.then(
      (one) => respond(passage, one),
      (cause) => refuse(passage, cause),
    )
  return respondInTime(passage, served)
}

/** A call on its way: what is known of it, and the one place where it ends. */
interface Passage {
  readonly parts: AnswerParts
  readonly call: Call
  readonly progress: Progress
  readonly keepAliveMs: number
  readonly cached: CachedCall | null
  /** Something is sent to the client now. */
  begin(): void
  /** Writes the record; only the first ending counts. */
  finish(ending: Ending): void
}

interface Ending {
  readonly status: number
  readonly outcome: Outcome
  readonly errorCode?: string
  readonly usage?: ReportedUsage | null
  readonly answer?: AnswerBeginning
}

function startPassage(
  parts: AnswerParts,
  call: Call,
  { keepAliveMs, cached }: Pick<Passage, 'keepAliveMs' | 'cached'>,
): Passage {
  const progress = noProgress()
  let isOver = false
  parts.metrics.begin()
  return {
    parts,
    call,
    progress,
    keepAliveMs,
    cached,
    begin() {
      progress.firstByteMs ??= parts.clock.monotonic() - call.startedMs
    },
    finish(ending) {
      if (isOver) return
      isOver = true
      parts.metrics.end()
      const { status, outcome, errorCode = '', usage = null, answer = null } = ending
      parts.record(call, progress, { status, outcome, errorCode, usage, answer })
      cached?.ended(outcome)
    },
  }
}

const eventStreamType = 'text/event-stream; charset=utf-8'
const goneCode = 'client_closed_request'
const goneGraceMs = 2000

function respond(passage: Passage, served: Served): Response {
  const { answer } = served
  try {
    return answer.kind === 'whole' ? respondWhole(passage, served, answer) : respondStreamed(passage, served, answer)
  } catch (cause) {
    // A fault of ours: the credential is given back without blame, and what still runs is stopped.
    served.end(clientGone())
    return refuse(passage, cause)
  }
}

function respondWhole(passage: Passage, served: Served, answer: WholeAnswer): Response {
  served.end(null)
  passage.begin()
  const stream = passage.call.view.isStream ? spelledAsStream(passage, served, answer) : null
  const clientModel = renamedModel(passage.call, served)
  const isJson = /\bjson\b/.test(answer.headers['content-type'] ?? '')
  const body =
    clientModel !== null && isJson
      ? Buffer.from(renameModel(latin1(answer.bytes), clientModel), 'latin1')
      : answer.bytes
  const outcome = passage.call.signal.aborted ? 'aborted' : 'succeeded'
  passage.finish({
    status: outcome === 'aborted' ? 499 : answer.status,
    outcome,
    usage: isJson ? lastUsage(bufferOf(answer.bytes)) : null,
    answer: wholeAnswer(answer),
  })
  if (stream !== null) {
    const headers = eventHeaders({ ...answer.headers, 'content-type': eventStreamType })
    return new Response(stream, { status: answer.status, headers })
  }
  const init = { status: answer.status, headers: answer.headers }
  if (answer.status === 204 || answer.status === 304) return new Response(null, init)
  return new Response(body.byteLength > maxBodyBytes ? createWrittenStream([body]) : body, init)
}

/**
 * A longer body the runtime (Bun 1.4.5) sends with a system call for each word of the head where the answer comes later than the request.
 * Written to a stream, it goes out in one.
 */
const maxBodyBytes = 14 * 1024

function wholeAnswer({ bytes }: WholeAnswer): AnswerBeginning {
  return { form: 'json', pieces: [bytes], bytes: bytes.byteLength }
}

/** An upstream that answers a streamed chat call with one JSON body; null when the body is of another kind. */
function spelledAsStream(passage: Passage, served: Served, answer: WholeAnswer): Uint8Array<ArrayBuffer> | null {
  const { call } = passage
  if (call.path !== '/chat/completions' && call.path !== '/completions') return null
  const clientModel = renamedModel(call, served)
  const text = latin1(answer.bytes)
  const options = call.view.outline?.stream_options
  const isUsageAsked =
    typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
  const chunks = chatChunks(parseEventJson(clientModel === null ? text : renameModel(text, clientModel)), isUsageAsked)
  return chunks === null ? null : new Uint8Array(Buffer.from(chunks))
}

const notStreamed = {
  message: 'the upstream did not stream its answer',
  type: 'server_error',
  param: null,
  code: 'upstream_not_streamed',
}

function respondStreamed(passage: Passage, served: Served, answer: StreamedAnswer): Response {
  const isEvents = answer.kind === 'events'
  const init = { status: answer.status, headers: isEvents ? eventHeaders(answer.headers) : answer.headers }
  const held = [...answer.held]
  const one = { passage, served, answer: { ...answer, held } }
  if (isEvents && takeArrived(answer.reader, held)) return new Response(createWrittenStream(passWhole(one)), init)
  return new Response(
    clientStream(passage, isEvents, (sink) => passOn({ ...one, sink })),
    init,
  )
}

/** What has come while the first content was looked for. True when that is all there is. */
function takeArrived(reader: AnswerReader, held: Uint8Array[]): boolean {
  for (;;) {
    const read = reader.readNow?.() ?? null
    if (read === null) return false
    if (read.done) return true
    held.push(read.value)
  }
}

function clientStream(passage: Passage, isEvents: boolean, write: (sink: Sink) => Promise<void>): ReadableStream {
  const { clock, log } = passage.parts
  // Usually whoever waits on the signal ends the call. But the runtime may never ask for a body nobody waits for.
  const leave = () => setTimeout(passage.finish, goneGraceMs, { status: 499, outcome: 'aborted', errorCode: goneCode })
  passage.call.signal.addEventListener('abort', leave, { once: true })
  const { cached } = passage
  let isBegun = false
  const run = async (sink: Sink) => {
    if (isBegun) return
    isBegun = true
    try {
      await write(cached === null ? sink : sharedSink(sink, cached))
    } catch (cause) {
      if (!(cause instanceof UpstreamError))
        log.error('a stream failed', { id: passage.call.id, ...describeError(cause) })
      passage.finish({ status: 200, outcome: 'failed', errorCode: 'internal_error' })
      throw cause
    }
  }
  if (cached !== null) whenLeft(cached.clientLeft, () => void run(nowhere).catch(() => {}))
  return createClientStream({ clock, keepAliveMs: isEvents ? passage.keepAliveMs : 0, run })
}

const nowhere: Sink = { write: () => null }

function whenLeft(clientLeft: AbortSignal, act: () => void): void {
  if (clientLeft.aborted) act()
  else clientLeft.addEventListener('abort', act, { once: true })
}

/** What a client does not take, or has left behind, must not hold up those who wait for the same answer. */
function sharedSink(sink: Sink, { clientLeft, isAwaited }: CachedCall): Sink {
  const left = new Promise<void>((resolve) => whenLeft(clientLeft, resolve))
  return {
    write(bytes) {
      if (clientLeft.aborted) return null
      const room = sink.write(bytes)
      return room === null || isAwaited() ? null : Promise.race([room, left])
    },
  }
}

/** Waits for the answer, but not in silence for longer than proxies between us and the client allow. */
function respondInTime(passage: Passage, served: Promise<Served>): Promise<Response> {
  return new Promise((resolve, reject) => {
    const breakSilence = () => {
      isSilenceBroken = true
      const stream = clientStream(passage, true, (sink) => {
        sink.write(keepAliveComment)
        return passOnLate(passage, served, sink)
      })
      resolve(new Response(stream, { status: 200, headers: eventHeaders({}) }))
    }
    let isSilenceBroken = false
    const timer = setTimeout(breakSilence, passage.keepAliveMs)
    const answer = (first: () => Response) => {
      if (isSilenceBroken) return
      clearTimeout(timer)
      try {
        resolve(first())
      } catch (cause) {
        reject(cause)
      }
    }
    served.then(
      (one) => answer(() => respond(passage, one)),
      (cause) => answer(() => refuse(passage, cause)),
    )
  })
}

/** The status 200 has been sent with the first comment: whatever comes now is told in-band. */
async function passOnLate(passage: Passage, promised: Promise<Served>, sink: Sink): Promise<void> {
  let served: Served
  try {
    served = await promised
  } catch (cause) {
    const ending = refusalEnding(passage, cause)
    if (!passage.call.signal.aborted) sink.write(formatEvent(ending.body))
    passage.finish(ending.ending)
    return
  }
  const { answer } = served
  if (answer.kind === 'whole') {
    served.end(null)
    const stream = spelledAsStream(passage, served, answer)
    sink.write(stream ?? formatEvent(errorBody(notStreamed)))
    passage.begin()
    const end =
      stream === null
        ? ({ outcome: 'failed', errorCode: notStreamed.code } as const)
        : ({ outcome: 'succeeded', errorCode: '' } as const)
    passage.finish({ status: 200, ...end, usage: lastUsage(bufferOf(answer.bytes)), answer: wholeAnswer(answer) })
    return
  }
  await passOn({ passage, served, answer, sink })
}

interface PassOn {
  readonly passage: Passage
  readonly served: Served
  readonly answer: StreamedAnswer
  readonly sink: Sink
}

/** What the client gets of a stream that is there to its end. */
function passWhole(one: Omit<PassOn, 'sink'>): readonly Uint8Array[] {
  const written: Uint8Array[] = []
  const sink = {
    write(bytes: Uint8Array) {
      written.push(bytes)
      return null
    },
  }
  const passing = startPassing({ ...one, sink })
  for (const chunk of one.answer.held) passing.push(chunk)
  passing.end(null)
  return written
}

/** Passes a committed answer on, chunk by chunk, to its end, whatever that is. */
async function passOn(one: PassOn): Promise<void> {
  const { answer, served } = one
  const passing = startPassing(one)
  let failure: UpstreamError | null = null
  let isClientSlow = false
  /** The deadline runs meanwhile; when it passes here, it is the client that fell silent. */
  const untilRoom = async (room: Promise<unknown>) => {
    isClientSlow = true
    await Promise.race([room, whenAborted(served.attempt.signal)])
    isClientSlow = false
    served.deadline.touch()
  }
  try {
    for (const chunk of answer.held) passing.push(chunk)
    const take = (piece: Uint8Array) => {
      served.deadline.touch()
      const room = passing.push(piece)
      return room === null ? null : untilRoom(room)
    }
    await (answer.reader.readAll?.(take) ?? takeAll(answer.reader, take))
  } catch (cause) {
    failure = isClientSlow ? clientGone() : connectionError(cause, served.attempt.signal)
  }
  passing.end(failure)
}

async function takeAll(reader: AnswerReader, take: TakePiece): Promise<void> {
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const room = take(value)
    if (room !== null) await room
  }
}

interface Passing {
  /** A promise when the client does not keep up. */
  push(chunk: Uint8Array): Promise<unknown> | null
  /** Throws where a broken connection is the only way to tell that it was cut. */
  end(failure: UpstreamError | null): void
}

function startPassing(one: PassOn): Passing {
  const { passage, served, answer, sink } = one
  const { call } = passage
  const tap = createEventTap({
    isEvents: answer.kind === 'events',
    family: familyOf(call),
    clientModel: renamedModel(call, served),
    choices: typeof call.view.outline?.n === 'number' ? call.view.outline.n : 1,
    isUsageStripped: served.attempt.isUsageAsked,
    cutSecret: (event) => latin1(cutSecret(new Uint8Array(Buffer.from(event, 'latin1')), served.attempt.credential)),
  })
  const remembered =
    answer.kind === 'events' && isCounted(call) && !passage.progress.isCached ? passage.parts.memory.begin() : null
  const write = (pieces: readonly Uint8Array[]) => {
    let room: Promise<unknown> | null = null
    for (const bytes of pieces) room = sink.write(bytes) ?? room
    return room
  }
  passage.begin()
  return {
    push(chunk) {
      remembered?.push(chunk)
      return write(tap.push(chunk))
    },
    end(failure) {
      const pieces = remembered?.take() ?? []
      if (failure === null) write(tap.rest())
      endStream(one, { tap, failure, pieces })
    },
  }
}

function latin1(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('latin1')
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Rejects when the signal fires. */
function whenAborted(signal: StopSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

interface StreamEnd {
  readonly tap: EventTap
  readonly failure: UpstreamError | null
  /** What is remembered of it. */
  readonly pieces: readonly Uint8Array[]
}

/** A stream ends in one of four ways (an error told, the client gone, cut, whole), and none of the bad ones looks like the good one. */
function endStream({ passage, served, answer, sink }: PassOn, { tap, failure, pieces }: StreamEnd): void {
  const { usage, bytes, isComplete, hasError } = tap.ending()
  const counts = { usage, answer: { form: 'events', pieces, bytes } } as const
  if (hasError) {
    // Clients hang up as soon as they have read it: that they left is not the reason.
    served.end(new UpstreamError('server_error', 'the upstream told of an error in the middle of its answer'))
    passage.finish({ status: answer.status, outcome: 'failed', errorCode: 'upstream_error', ...counts })
    return
  }
  if (passage.call.signal.aborted || failure?.kind === 'client_gone') {
    served.end(clientGone())
    passage.finish({ status: 499, outcome: 'aborted', errorCode: goneCode, ...counts })
    // One that was only too slow must not take what it has for the whole answer.
    if (!passage.call.signal.aborted) throw clientGone()
    return
  }
  const cut = isComplete === true ? null : (failure ?? endedEarly(isComplete))
  if (cut !== null) {
    served.end(cut)
    const code = cut.kind === 'timeout' ? 'upstream_timeout' : 'upstream_stream_cut'
    const message =
      cut.kind === 'timeout'
        ? 'the upstream fell silent in the middle of its answer'
        : 'the upstream broke off in the middle of its answer'
    if (answer.kind === 'events')
      sink.write(formatEvent(errorBody({ message, type: 'server_error', param: null, code })))
    passage.finish({ status: answer.status, outcome: 'cut', errorCode: code, ...counts })
    // Without events there is no way to say it but to break the connection.
    if (answer.kind === 'bytes') throw cut
    return
  }
  served.end(null)
  passage.finish({ status: answer.status, outcome: 'succeeded', ...counts })
}

function endedEarly(isComplete: boolean | null): UpstreamError | null {
  return isComplete === null ? null : new UpstreamError('unreachable', 'the upstream ended its stream early')
}

function refuse(passage: Passage, cause: unknown): Response {
  const { ending, body, headers } = refusalEnding(passage, cause)
  passage.finish(ending)
  if (cause instanceof UpstreamError && cause.kind === 'bad_request' && cause.body !== null && cause.status >= 400) {
    // Upstream's own words to the client's own mistake.
    return new Response(cause.body.bytes, { status: cause.status, headers: { 'content-type': cause.body.contentType } })
  }
  return Response.json(body, { status: ending.status === 499 ? 499 : ending.status, headers })
}

function refusalEnding(passage: Passage, cause: unknown) {
  const { call, parts } = passage
  if (call.signal.aborted) {
    const body = errorBody({ message: 'client closed request', type: 'invalid_request_error', param: null, code: null })
    const ending: Ending = { status: 499, outcome: 'aborted', errorCode: goneCode }
    return { ending, body, headers: {} }
  }
  const error = tellClient(cause, parts.clock.now())
  if (error.code === 'internal_error')
    parts.log.error('a call failed in a way that nobody foresaw', { id: call.id, ...describeError(cause) })
  const isTheirs = cause instanceof UpstreamError && cause.kind === 'bad_request'
  const ending: Ending = { status: error.status, outcome: isTheirs ? 'refused' : 'failed', errorCode: error.code }
  return { ending, body: errorBody(error), headers: error.headers }
}

/** The client's name for the model, where upstream was asked for another one. */
function renamedModel(call: Call, served: Served): string | null {
  return call.view.model !== '' && call.view.model !== served.target.model ? call.view.model : null
}

function eventHeaders(headers: Record<string, string>): Record<string, string> {
  return {
    ...headers,
    'content-type': headers['content-type'] ?? eventStreamType,
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
  }
}
