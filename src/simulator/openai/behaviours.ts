/** What a simulated credential can be told to do, as plain values, and when a fault applies; not how it looks on the wire. */

/**
 * How calls with one credential go: a fault, when it applies, and the shape of good answers (also those given while the fault does not
 * apply). A fault without conditions applies to every call.
 */
export type Behaviour = Fault & FaultConditions & AnswerShape

/** A sequence takes one step for each call it applies to, and stays with the last unless it is repeated. Each step has its own shape. */
export type Fault =
  | { readonly kind: 'good' }
  | { readonly kind: 'sequence'; readonly steps: readonly Behaviour[]; readonly isRepeated?: boolean }
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
  readonly allowance?: { readonly callCount: number; readonly windowMs: number }
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

/** RST or FIN. */
export type Cut = 'reset' | 'close'

/** Exactly these bytes. A stream if asked or not: framing, content type and lines are the script's. */
export interface ScriptedAnswer {
  readonly kind: 'script'
  readonly status?: number
  /** Default: an event stream. */
  readonly headers?: Readonly<Record<string, string>>
  /** Each is one HTTP chunk in a write of its own, `delayMs` apart. */
  readonly chunks: readonly (string | Uint8Array)[]
  readonly ending?: 'clean' | Cut | 'silent'
}

/** When a fault applies. All that are given must be true. */
export interface FaultConditions {
  /** Default: `everything` for `revoked` and `deactivated`; otherwise `calls`, which is all but the model list: listing models takes no step of a sequence. */
  readonly covers?: 'everything' | 'calls' | 'model_list'
  /** Only these models. */
  readonly models?: readonly string[]
  /** Only paths that begin so, for example `/v1/embeddings`. */
  readonly paths?: readonly string[]
  /** Only so often, then good. */
  readonly times?: number
  /** Only for so long after it first applied, then good. */
  readonly forMs?: number
  /** Only every n-th call it covers: 3 means the third, the sixth and so on. */
  readonly everyNth?: number
  /** Only by chance, the same chance for the same seed. */
  readonly probability?: number
  readonly seed?: number
}

/** What a good answer looks like, and how fast it comes. */
export interface AnswerShape {
  /** In place of the text about itself. */
  readonly text?: string
  /** Sent before the text, as models do that show how they think. */
  readonly reasoningText?: string
  readonly reasoningField?: 'reasoning_content' | 'reasoning'
  /** In how many pieces the text is streamed; default one for each word. */
  readonly deltaCount?: number
  /** Between frames of a stream. */
  readonly delayMs?: number
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
  readonly lineEnd?: '\n' | '\r\n'
  /** The body is cut every so many bytes, each piece a write of its own: through characters and line ends alike. */
  readonly cutEveryBytes?: number
  /** The whole stream in one HTTP chunk. */
  readonly isInOneChunk?: boolean
  /** One frame's content gets so many bytes more. */
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

/** Remembers how often each fault of one credential applied. A new behaviour needs a new memory. */
export function createBehaviourMemory(behaviour: Behaviour): BehaviourMemory {
  const states = new Map<Behaviour, FaultState>()

  function decide(current: Behaviour, call: CallFacts): Behaviour {
    if (current.kind === 'good' || !isCovered(current, call)) return asGood(current)
    let state = states.get(current)
    if (state === undefined) {
      state = {
        coveredCount: 0,
        appliedCount: 0,
        firstAppliedAtMs: null,
        window: null,
        random: createRandom(current.seed ?? 1),
      }
      states.set(current, state)
    }
    state.coveredCount += 1
    if (current.kind === 'rate_limited' && current.allowance !== undefined) {
      const retryAfterMs = spendAllowance(current.allowance, state, call.nowMs)
      return retryAfterMs === 0 ? asGood(current) : { ...current, retryAfterMs }
    }
    if (!isDue(current, state, call.nowMs)) return asGood(current)
    state.appliedCount += 1
    state.firstAppliedAtMs ??= call.nowMs
    if (current.kind !== 'sequence') return current
    const stepIndex = state.appliedCount - 1
    const lastIndex = current.steps.length - 1
    const step =
      current.steps[current.isRepeated === true ? stepIndex % current.steps.length : Math.min(stepIndex, lastIndex)]
    return step === undefined ? asGood(current) : decide(step, call)
  }

  return { decide: (call) => decide(behaviour, call) }
}

export interface BehaviourMemory {
  /** What to do with this call: the fault that applies, or a good answer of the shape that was set. */
  readonly decide: (call: CallFacts) => Behaviour
}

interface FaultState {
  coveredCount: number
  appliedCount: number
  firstAppliedAtMs: number | null
  window: { readonly endsAtMs: number; callCount: number } | null
  readonly random: () => number
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

function isDue(behaviour: Behaviour, state: FaultState, nowMs: number): boolean {
  if (behaviour.times !== undefined && state.appliedCount >= behaviour.times) return false
  const forMs = behaviour.forMs ?? ownDurationMs(behaviour)
  if (forMs !== null && state.firstAppliedAtMs !== null && nowMs - state.firstAppliedAtMs >= forMs) return false
  if (behaviour.everyNth !== undefined && state.coveredCount % behaviour.everyNth !== 0) return false
  return behaviour.probability === undefined || state.random() < behaviour.probability
}

/** How long to wait, or 0 when the call passes. */
function spendAllowance(allowance: NonNullable<RateLimit['allowance']>, state: FaultState, nowMs: number): number {
  if (state.window === null || nowMs >= state.window.endsAtMs) {
    state.window = { endsAtMs: nowMs + allowance.windowMs, callCount: 0 }
  }
  state.window.callCount += 1
  return state.window.callCount <= allowance.callCount ? 0 : state.window.endsAtMs - nowMs
}

/** A rate limit lasts as long as it says, unless told otherwise. */
function ownDurationMs(behaviour: Behaviour): number | null {
  if (behaviour.kind !== 'rate_limited' || behaviour.times !== undefined) return null
  return behaviour.everyNth === undefined && behaviour.probability === undefined
    ? (behaviour.retryAfterMs ?? 1_000)
    : null
}

/** Mulberry32: small, seeded, good enough for chance. */
function createRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
