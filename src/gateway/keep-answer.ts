/** From an answer that passes to one that can be kept, and back. Only what is known to be whole and without side effects is kept. */
import type { Credential } from '../domain.ts'
import { UpstreamError } from '../errors.ts'
import { assembleChat, callsTools } from '../formats/assemble-chat.ts'
import { isRecord } from '../formats/is-record.ts'
import { isErrorObject } from '../formats/openai.ts'
import { parseEventJson } from '../formats/sse.ts'
import type { Call } from '../providers/provider.ts'
import type { AnswerReader } from '../providers/upstream-response.ts'
import type { CacheWish } from './cache-key.ts'
import { createDeadline } from './deadline.ts'
import { clientGone, type Plan, type Served } from './failover.ts'
import type { KeptAnswer } from './kept-answers.ts'
import type { StreamedAnswer } from './read-answer.ts'

export interface CollectedAnswer {
  /** To be served in place of the one that was given. */
  readonly served: Served
  /** Null when it is not to be kept. For an answer that ended well. */
  finish(): KeptAnswer | null
  /** Forgets what was collected. */
  drop(): void
}

export interface CollectParts {
  readonly call: Call
  /** A longer stream is not collected to its end. */
  readonly largestBytes: number
  /** What all streams together may hold; false when it is used up. */
  readonly take: (bytes: number) => boolean
  readonly give: (bytes: number) => void
  /** As soon as it is known that this one will not be kept. */
  readonly givenUp: () => void
}

/** Looks at an answer as it is read; its bytes pass unchanged and at their own pace. */
export function collectAnswer(served: Served, parts: CollectParts): CollectedAnswer {
  const { answer } = served
  const { call, largestBytes } = parts
  const isWanted = answer.kind === 'whole' ? answer.bytes.byteLength <= largestBytes : answer.kind === 'events'
  if (answer.status !== 200 || !isWanted || (answer.kind === 'events' && !call.view.isStream)) {
    parts.givenUp()
    return { served, finish: () => null, drop: () => {} }
  }
  if (answer.kind === 'whole') return { served, finish: () => keepWhole(served, answer.bytes, call), drop: () => {} }
  const stream = collectStream(answer, parts)
  return {
    served: { ...served, answer: { ...answer, reader: stream.reader } },
    finish() {
      const bytes = stream.bytes()
      return bytes === null ? null : keepStream(served, bytes)
    },
    drop: stream.drop,
  }
}

function collectStream(answer: StreamedAnswer, { largestBytes, take, give, givenUp }: CollectParts) {
  let pieces: Uint8Array[] = []
  let size = 0
  let isGivenUp = false
  function drop(): void {
    give(size)
    pieces = []
    size = 0
    isGivenUp = true
  }
  function add(piece: Uint8Array): void {
    if (isGivenUp) return
    if (size + piece.byteLength > largestBytes || !take(piece.byteLength)) {
      drop()
      givenUp()
      return
    }
    size += piece.byteLength
    pieces.push(piece)
  }
  for (const piece of answer.held) add(piece)
  const reader: AnswerReader = {
    async read() {
      const read = await answer.reader.read()
      if (!read.done) add(read.value)
      return read
    },
    cancel: () => answer.reader.cancel(),
  }
  return { reader, drop, bytes: () => (isGivenUp ? null : Buffer.concat(pieces)) }
}

/** Those that speak of the answer itself; the rest was true of one moment. */
function keptHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name === 'content-type' || name.startsWith('x-any2api-')),
  )
}

function keepWhole(served: Served, bytes: Uint8Array<ArrayBuffer>, call: Call): KeptAnswer | null {
  const { headers } = served.answer
  if (!/\bjson\b/.test(headers['content-type'] ?? '')) return null
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  const json = parseEventJson(text)
  if (!isRecord(json) || isErrorObject(json)) return null
  const list = call.path === '/embeddings' ? json.data : json.choices
  if (!Array.isArray(list) || list.length === 0 || list.some(isUnfit)) return null
  // A copy: these may be a small part of a large piece of memory.
  return { form: 'json', bytes: bytes.slice(), headers: keptHeaders(headers), target: served.target, hasUsage: true }
}

/** OpenRouter ends a choice that failed on its way with the reason `error`. */
function isUnfit(entry: unknown): boolean {
  return isRecord(entry) && (callsTools(entry.message) || entry.finish_reason === 'error')
}

function keepStream(served: Served, bytes: Buffer<ArrayBuffer>): KeptAnswer | null {
  const headers = keptHeaders(served.answer.headers)
  const { target } = served
  const assembled = assembleChat(bytes.toString('latin1'))
  if (assembled.kind === 'acting' || assembled.kind === 'broken') return null
  const { hasUsage } = assembled
  if (assembled.kind === 'unknown') return { form: 'events', bytes: new Uint8Array(bytes), headers, target, hasUsage }
  return {
    form: 'json',
    bytes: new Uint8Array(Buffer.from(JSON.stringify(assembled.answer))),
    headers: { ...headers, 'content-type': 'application/json' },
    target,
    hasUsage,
  }
}

/** Whether a kept answer says all that is asked for. */
export function suits(kept: KeptAnswer, wish: CacheWish): boolean {
  return (wish.isStream || kept.form === 'json') && (kept.hasUsage || !wish.isUsageWanted)
}

export interface ReplayParts {
  readonly call: Call
  readonly plan: Plan
  readonly wish: CacheWish
}

const noCredential: Credential = { id: '', kind: 'key', user: null, label: '', reveal: () => '' }

/** A kept answer in the place of one that an upstream has just given. */
export function replayAnswer(kept: KeptAnswer, { call, plan, wish }: ReplayParts): Served {
  const { target } = kept
  const upstream = plan.upstreamOf(target.provider)
  const controller = new AbortController()
  const attempt = {
    target,
    credential: noCredential,
    number: 0,
    signal: controller.signal,
    isUsageAsked: !wish.isUsageWanted,
  }
  const headers = { ...kept.headers }
  if (kept.form === 'json') {
    const answer = { kind: 'whole', status: 200, headers, bytes: kept.bytes } as const
    return { answer, upstream, target, attempt, deadline: noDeadline, end: () => {} }
  }
  // Only the client can be slow here.
  const deadline = createDeadline(upstream.config.timeouts.idleMs, () =>
    controller.abort(new UpstreamError('timeout', 'the client does not read its answer')),
  )
  call.signal.addEventListener('abort', () => controller.abort(clientGone()), { once: true })
  const reader: AnswerReader = { read: async () => ({ done: true }), cancel: async () => {} }
  const answer = { kind: 'events', status: 200, headers, held: [kept.bytes], reader } as const
  return { answer, upstream, target, attempt, deadline, end: () => deadline.stop() }
}

const noDeadline = { touch: () => {}, allow: () => {}, stop: () => {} }
