/** What a simulated credential can be told to do, as plain values, and when a fault applies; not how it looks on the wire. */
import type { Cut, ScriptedAnswer, WireShape } from '../delivery.ts'
import { type Allowance, createFaultMemory, type FaultTiming, type Steps } from '../fault-schedule.ts'

/**
 * How calls with one credential go: a fault, when it applies, and the shape of good answers (also those given while the fault does not
 * apply). A fault without conditions applies to every call.
 */
export type Behaviour = Fault & FaultConditions & AnswerShape

/** A sequence takes one step for each call it applies to, and stays with the last unless it is repeated. Each step has its own shape. */
export type Fault =
  | { readonly kind: 'good' }
  | ({ readonly kind: 'sequence' } & Steps<Behaviour>)
  | Refusal
  | ConnectionFault
  | StreamFault
  | ScriptedAnswer

/** Answered with an error at once. What each looks like stands in `refusals.ts`. */
export type Refusal =
  /** 401 with part of the key in it; the model list is refused too, unless `covers` is `calls`. */
  | { readonly kind: 'revoked' }
  /** The account, not the key. */
  | { readonly kind: 'deactivated'; readonly status?: 401 | 403 }
  | { readonly kind: 'forbidden'; readonly reason?: 'model' | 'region' | 'permission' }
  | RateLimit
  | {
      readonly kind: 'exhausted'
      readonly code?: 'insufficient_quota' | 'billing_hard_limit_reached' | 'billing_not_active'
    }
  /** 402. */
  | { readonly kind: 'billing'; readonly style?: 'openrouter' | 'deepseek' }
  /** 500 and 503 as OpenAI says it, 502 as Cloudflare's HTML page, 529 as Anthropic's. Flaky together with `everyNth` or `probability`. */
  | { readonly kind: 'server_error'; readonly status?: 500 | 502 | 503 | 504 | 529 }
  | { readonly kind: 'overloaded'; readonly status?: 503 | 529; readonly retryAfterSeconds?: number }
  | { readonly kind: 'model_not_found' }
  | { readonly kind: 'context_length_exceeded' }
  | { readonly kind: 'bad_request' }
  /** Only of requests that have the field: 400 as OpenAI's older models, or 422 as a strict validator. */
  | {
      readonly kind: 'refuses_stream_options'
      readonly style?: 'unrecognized' | 'unknown_parameter' | 'extra_forbidden'
    }
  /** An error where success was promised. */
  | { readonly kind: 'error_in_200'; readonly style?: 'openai' | 'openrouter' | 'text' }
  | { readonly kind: 'redirect'; readonly status?: 301 | 302 | 307 | 308; readonly location: string }
  | { readonly kind: 'empty_body' }

export interface RateLimit {
  readonly kind: 'rate_limited'
  /** How the wait is told; default `seconds`, rounded up. `none` tells nothing, `body` only in the message. */
  readonly retryAfter?: 'seconds' | 'milliseconds' | 'date' | 'none' | 'body'
  /** How long is told, and, unless `forMs` or `times` says otherwise, how long it lasts from the first refusal on. Default 1,000. */
  readonly retryAfterMs?: number
  /** So many calls pass in each window, the others are told to wait for the next; in place of `retryAfterMs`, over and over. */
  readonly allowance?: Allowance
}

export type ConnectionFault =
  /** Takes the request and never answers. */
  | { readonly kind: 'hanging' }
  /** No answer: the connection is reset, or closed in the ordinary way. */
  | { readonly kind: 'no_answer'; readonly how?: Cut; readonly isOnlyOnReusedConnection?: boolean }

/** Faults after the status 200. The count is of content frames; in an answer that is not a stream, of quarters of its body. */
export type StreamFault =
  /** Stays open and says nothing more. `head`: after the header lines; `role`: after the frame that has no content yet. */
  | { readonly kind: 'silent'; readonly after: 'head' | 'role' | 'content'; readonly afterChunks?: number }
  /** `clean` ends the HTTP body properly, with no finish reason and no `[DONE]`. */
  | { readonly kind: 'dying'; readonly afterChunks?: number; readonly how?: Cut | 'clean' }
  /** An error event inside the stream; 0 chunks puts it in place of the role frame. */
  | {
      readonly kind: 'error_in_stream'
      readonly afterChunks?: number
      readonly style?: 'openai' | 'openrouter' | 'named_event'
      readonly errorCode?: 'server_error' | 'rate_limit_exceeded' | 'insufficient_quota' | 'invalid_api_key'
      readonly isDoneSent?: boolean
    }

/** When a fault applies. All that are given must be true. */
export interface FaultConditions extends FaultTiming {
  /** Default: `everything` for `revoked` and `deactivated`; otherwise `calls`, which is all but the model list: listing models takes no step of a sequence. */
  readonly covers?: 'everything' | 'calls' | 'model_list'
  /** Only these models. */
  readonly models?: readonly string[]
  /** Only paths that begin so, for example `/v1/embeddings`. */
  readonly paths?: readonly string[]
}

/** What a good answer looks like, and how fast it comes. */
export interface AnswerShape extends WireShape {
  /** In place of the text about itself. */
  readonly text?: string
  /** Sent before the text, as models do that show how they think. */
  readonly reasoningText?: string
  readonly reasoningField?: 'reasoning_content' | 'reasoning'
  /** In how many pieces the text is streamed; default one for each word. */
  readonly deltaCount?: number
  /** Before the first content; in an answer that is not a stream, before its head. */
  readonly firstTokenDelayMs?: number
  /** Whether the head of a stream goes out before that wait; default true. */
  readonly isHeadSentEarly?: boolean
  /** Comment lines during that wait; default none. */
  readonly heartbeatMs?: number
  /** Default `: OPENROUTER PROCESSING`. */
  readonly heartbeatText?: string
  /** Default `when_asked`, as OpenAI does. */
  readonly usage?: 'when_asked' | 'always' | 'never' | 'on_finish_chunk' | 'every_chunk' | 'x_groq'
  /** In place of the counted ones. */
  readonly tokens?: {
    readonly prompt: number
    readonly completion: number
    readonly cached?: number
    readonly reasoning?: number
  }
  /** The model that answers say they come from, as OpenAI names a dated snapshot; default the one asked for. */
  readonly answeredModel?: string
  /** Default true. */
  readonly isDoneSent?: boolean
  /** An event without choices comes first, as Azure's content filter sends it. */
  readonly isAzure?: boolean
  /** The whole stream in one HTTP chunk. */
  readonly isInOneChunk?: boolean
  /** The first piece of content gets so many bytes more. */
  readonly hugeFrameBytes?: number
  /** Compressed even though nobody asked. */
  readonly contentEncoding?: 'gzip'
  /** The connection, kept alive as promised, is closed so long after the answer. */
  readonly closeConnectionAfterMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** What a behaviour needs to know of a call to decide. */
export interface CallFacts {
  readonly path: string
  readonly model: string | null
  readonly isModelList: boolean
  readonly hasStreamOptions: boolean
  readonly isConnectionReused: boolean
  readonly nowMs: number
}

/** A new behaviour needs a new memory. */
export function createBehaviourMemory(behaviour: Behaviour): BehaviourMemory {
  const memory = createFaultMemory()

  function decide(current: Behaviour, call: CallFacts): Behaviour {
    if (current.kind === 'good' || !isCovered(current, call)) return asGood(current)
    if (current.kind === 'rate_limited' && current.allowance !== undefined) {
      const retryAfterMs = memory.spend(current, current.allowance, call.nowMs)
      return retryAfterMs === 0 ? asGood(current) : { ...current, retryAfterMs }
    }
    if (!memory.isDue(current, call.nowMs, usualDurationMs(current))) return asGood(current)
    if (current.kind !== 'sequence') return current
    const step = memory.stepOf(current)
    return step === undefined ? asGood(current) : decide(step, call)
  }

  return { decide: (call) => decide(behaviour, call) }
}

export interface BehaviourMemory {
  /** What to do with this call: the fault that applies, or a good answer of the shape that was set. */
  readonly decide: (call: CallFacts) => Behaviour
}

function asGood(behaviour: Behaviour): Behaviour {
  return behaviour.kind === 'good' ? behaviour : { ...behaviour, kind: 'good' }
}

const COVERS_EVERYTHING: ReadonlySet<Fault['kind']> = new Set(['revoked', 'deactivated'])

function isCovered(behaviour: Behaviour, call: CallFacts): boolean {
  const covers = behaviour.covers ?? (COVERS_EVERYTHING.has(behaviour.kind) ? 'everything' : 'calls')
  if (covers === 'calls' && call.isModelList) return false
  if (covers === 'model_list' && !call.isModelList) return false
  if (behaviour.models !== undefined && (call.model === null || !behaviour.models.includes(call.model))) return false
  if (behaviour.paths !== undefined && !behaviour.paths.some((path) => call.path.startsWith(path))) return false
  if (behaviour.kind === 'refuses_stream_options') return call.hasStreamOptions
  if (behaviour.kind === 'no_answer' && behaviour.isOnlyOnReusedConnection === true) return call.isConnectionReused
  return true
}

/** A rate limit lasts as long as it says, unless told otherwise. */
function usualDurationMs(behaviour: Behaviour): number | undefined {
  if (behaviour.kind !== 'rate_limited' || behaviour.times !== undefined) return undefined
  return behaviour.everyNth === undefined && behaviour.probability === undefined
    ? (behaviour.retryAfterMs ?? 1_000)
    : undefined
}
