/** What a simulated OnDemand key or account can be told to do, as plain values, and when a fault applies; not how it looks on the wire. */
import type { Operation } from './routes.ts'

/**
 * How calls with one credential go: a fault, when it applies, and the shape of good answers (also those given while the fault does not
 * apply). A fault without conditions applies to every call it covers.
 */
export type Behaviour = Fault & FaultConditions & AnswerShape

export type Fault =
  | { readonly kind: 'good' }
  /** One step for each request it covers (queries, if not told otherwise), staying with the last unless it is repeated. */
  | { readonly kind: 'sequence'; readonly steps: readonly Behaviour[]; readonly isRepeated?: boolean }
  /** A behaviour for each operation, which covers that operation whatever its kind; the others are good. */
  | { readonly kind: 'by_operation'; readonly operations: Readonly<Partial<Record<Operation, Behaviour>>> }
  | Refusal
  | ConnectionFault
  | StreamFault
  | ScriptedAnswer

/** Answered with an error at once. What each looks like stands in `refusals.ts`. */
export type Refusal =
  /** 401, always and for everything. */
  | { readonly kind: 'revoked' }
  /**
   * Valid keys get these now and then, and a retry after a moment succeeds (seen live 2026-07): to be given with `times` or `everyNth`. The
   * 404 is one of the edge gateway that has lost its route for a moment; it was seen on session creation only.
   */
  | { readonly kind: 'stray'; readonly status: 401 | 403 | 404; readonly body?: 'envelope' | EdgeBody }
  /** 403 `unauthorized`. */
  | { readonly kind: 'forbidden' }
  /** 429, which comes without any word on how long to wait. */
  | { readonly kind: 'rate_limited'; readonly allowance?: { readonly callCount: number; readonly windowMs: number } }
  | {
      readonly kind: 'server_error'
      readonly status?: ServerErrorStatus
      /** Default `json`, for 520 `html`. */
      readonly body?: 'json' | 'html' | 'empty'
      readonly errorCode?: string
    }
  /** 403 `content_policy_violation`. */
  | { readonly kind: 'content_policy' }
  /** 400, or an error line in a stream before any text; an answer that is not a stream has the 400 in any case. */
  | { readonly kind: 'context_length'; readonly where?: 'status' | 'stream' }
  | { readonly kind: 'bad_request' }
  /** Of an account, on signing in. What the service says then is recorded nowhere: the status may be chosen. */
  | { readonly kind: 'locked'; readonly status?: 401 | 403 | 423 }

export type ServerErrorStatus = 500 | 502 | 503 | 504 | 520

/** The two bodies of the edge gateway, which are not in the form of the others: `{"error_msg"}` and `{"message","request_id"}`. */
export type EdgeBody = 'route_not_found' | 'no_route'

export type ConnectionFault =
  /** Takes the request and never answers. */
  | { readonly kind: 'hanging' }
  /** No answer: the connection is reset, or closed in the ordinary way. */
  | { readonly kind: 'no_answer'; readonly how?: Cut }

/** Faults after the status 200. In an answer that is not a stream, `silent` and `cut` strike in the middle of its body. */
export type StreamFault =
  /** Stays open and says nothing more, except heartbeats if `heartbeatMs` is set. Default after one piece. */
  | { readonly kind: 'silent'; readonly after?: StreamPoint }
  /** `clean` ends the HTTP body properly, but without `[DONE]`. Default after three pieces. */
  | { readonly kind: 'cut'; readonly after?: StreamPoint; readonly how?: Cut | 'clean' }
  /** Default after `opening`, thus before any text. An answer that is not a stream says `"status":"failed"` and has no text. */
  | {
      readonly kind: 'error_in_stream'
      readonly after?: StreamPoint
      /** `marker`: the documented `[ERROR]:{…}`. `event`: an event of type `error`, which has not been seen so far. Default `marker`. */
      readonly style?: 'marker' | 'event'
      /** Default `model_error`. */
      readonly errorCode?: string
      readonly message?: string
      /** What stands after `[ERROR]:` in place of the JSON. */
      readonly markerText?: string
      readonly isDoneSent?: boolean
    }

/**
 * Up to where a stream is good: its head lines, the frames before the model speaks, its thoughts, so many pieces of text, all of them, the
 * status frame that repeats the answer, the token counts.
 */
export type StreamPoint = 'head' | 'opening' | 'thinking' | number | 'text' | 'completed' | 'metrics'

/** RST or FIN. */
export type Cut = 'reset' | 'close'

/** Exactly these bytes, whatever was asked: framing, content type and lines are the script's. */
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
  /** Which requests it may strike, and which are counted. Default: what the table `USUALLY_COVERED` says of its kind. */
  readonly covers?: readonly Operation[]
  /** Only queries for these endpoints. */
  readonly endpoints?: readonly string[]
  /** Only queries that contain this. */
  readonly queryPart?: string
  readonly responseMode?: 'sync' | 'stream'
  /** Only so often, then good. */
  readonly times?: number
  /** Only for so long after it first applied, then good. */
  readonly forMs?: number
  /** Only every n-th request it covers: 3 means the third, the sixth and so on. */
  readonly everyNth?: number
  /** Only by chance, the same chance for the same seed. */
  readonly probability?: number
  readonly seed?: number
}

/** What good answers look like, how fast they come, and in what this credential differs from others. */
export interface AnswerShape {
  /** In place of the text about itself. */
  readonly text?: AnswerScript
  /** The text is grown to so many bytes: so long is then the line that repeats it. */
  readonly textBytes?: number
  /** In how many pieces the text is streamed; default one for each word. */
  readonly pieceCount?: number
  /** How many characters the pieces have, over and over. */
  readonly pieceSizes?: readonly number[]
  /** The first piece gets so many bytes more. */
  readonly hugePieceBytes?: number
  /** What the model thinks aloud before it answers. */
  readonly thinkingText?: string
  /** With the events of a planner. Default: when the query or its session names plugins. */
  readonly isPlanned?: boolean
  /** With events of a type nobody knows, among them ones with `answer` and `text`. */
  readonly hasUnknownEvents?: boolean
  /** Default true. One account was seen that got no status events at all. */
  readonly areStatusLogsSent?: boolean
  /** Default true. */
  readonly areMetricsSent?: boolean
  /** Default true. */
  readonly isDoneSent?: boolean
  /** In place of the counted ones. */
  readonly tokens?: { readonly input: number; readonly output: number }

  /** Of an answer that is not a stream; default `completed`. */
  readonly syncStatus?: 'completed' | 'processing' | 'failed'
  readonly isAnswerNull?: boolean
  /** How the account door spells an answer that is not a stream; nobody has recorded it. Default `data`, as the key door does. */
  readonly accountSyncStyle?: 'data' | 'answer' | 'content' | 'events'

  /** Before anything is answered; for every operation. */
  readonly headDelayMs?: number
  /** Between the opening of a stream and the model's first word; other answers to queries are late by as much. */
  readonly firstTokenDelayMs?: number
  /** Heartbeat events during that wait; default none but the one a stream begins with. */
  readonly heartbeatMs?: number
  /** Between the writes of a stream. */
  readonly delayMs?: number
  /** So many frames in each write and HTTP chunk; default one in each chunk. */
  readonly framesPerWrite?: number
  /** The body is cut every so many bytes, each piece a write of its own: through characters and line ends alike. */
  readonly cutEveryBytes?: number
  readonly lineEnd?: '\n' | '\r\n'
  /** Whether a space follows `data:`; default `mixed`. */
  readonly dataSpace?: 'never' | 'always' | 'mixed'

  /** What a created session is answered with: 200 says the documentation, 201 does the live service. Default 201. */
  readonly sessionStatus?: 200 | 201
  /** A session takes so many queries and is then unknown. */
  readonly sessionQueryLimit?: number
  /** Endpoints that are inactive for this credential alone, in the catalogue too. */
  readonly inactiveEndpoints?: readonly string[]
  /** One account got 400 for every non-empty `pluginIds` (seen live 2026-07). */
  readonly arePluginIdsRefused?: boolean
  /**
   * What sending `maxTokens` does. Both were recorded: an empty answer (2026-07) and no visible effect (2026-09-18). Default
   * `empty_answer`, so that a caller who sends it unasked is noticed. 0 counts as not sent.
   */
  readonly maxTokensEffect?: 'empty_answer' | 'none'
}

/** A text, a text in exactly these pieces, or either made of what was asked. */
export type AnswerScript = AnswerText | ((asked: Asked) => AnswerText)

export type AnswerText = string | readonly string[]

/** One query, for those who make an answer of it. */
export interface Asked {
  readonly query: string
  readonly endpointId: string
  readonly responseMode: 'sync' | 'stream' | 'webhook'
  readonly fulfillmentPrompt: string | null
  /** An API key or an account's e-mail address. */
  readonly credential: string
  readonly sessionId: string
  /** What this session has heard before, oldest first. */
  readonly earlierQueries: readonly string[]
  /** As it came. */
  readonly body: Readonly<Record<string, unknown>>
}

/** What a behaviour needs to know of a request to decide. */
export interface CallFacts {
  readonly operation: Operation
  readonly endpointId: string | null
  readonly query: string | null
  readonly isStream: boolean
  readonly nowMs: number
}

/**
 * Remembers how often each fault of one credential applied. A new behaviour needs a new memory.
 * @param covered what faults cover that do not say so, in place of the table
 */
export function createBehaviourMemory(behaviour: Behaviour, covered: readonly Operation[] | null): BehaviourMemory {
  const states = new Map<Behaviour, FaultState>()

  function decide(current: Behaviour, call: CallFacts, usual: readonly Operation[] | null): Behaviour {
    if (current.kind === 'good') return current
    if (current.kind === 'by_operation') {
      const own = current.operations[call.operation]
      return own === undefined ? asGood(current) : { ...asGood(current), ...decide(own, call, [call.operation]) }
    }
    if (!isCovered(current, call, usual)) return asGood(current)
    let state = states.get(current)
    if (state === undefined) {
      state = createFaultState(current)
      states.set(current, state)
    }
    state.coveredCount += 1
    if (current.kind === 'rate_limited' && current.allowance !== undefined) {
      return isWithin(current.allowance, state, call.nowMs) ? asGood(current) : current
    }
    if (!isDue(current, state, call.nowMs)) return asGood(current)
    state.appliedCount += 1
    state.firstAppliedAtMs ??= call.nowMs
    if (current.kind !== 'sequence') return current
    const stepIndex = state.appliedCount - 1
    const lastIndex = current.steps.length - 1
    const step =
      current.steps[current.isRepeated === true ? stepIndex % current.steps.length : Math.min(stepIndex, lastIndex)]
    return step === undefined ? asGood(current) : { ...asGood(current), ...decide(step, call, [call.operation]) }
  }

  return { decide: (call) => decide(behaviour, call, covered) }
}

export interface BehaviourMemory {
  /** What to do with this request: the fault that applies, or a good answer of the shape that was set. */
  readonly decide: (call: CallFacts) => Behaviour
}

interface FaultState {
  coveredCount: number
  appliedCount: number
  firstAppliedAtMs: number | null
  window: { readonly endsAtMs: number; callCount: number } | null
  readonly random: () => number
}

function createFaultState(behaviour: Behaviour): FaultState {
  return {
    coveredCount: 0,
    appliedCount: 0,
    firstAppliedAtMs: null,
    window: null,
    random: createRandom(behaviour.seed ?? 1),
  }
}

type GoodBehaviour = { readonly kind: 'good' } & FaultConditions & AnswerShape

function asGood(behaviour: Behaviour): GoodBehaviour {
  return { ...behaviour, kind: 'good' }
}

const EVERYTHING: readonly Operation[] = ['catalogue', 'session', 'query', 'delete']
const CALLS: readonly Operation[] = ['session', 'query']
const QUERIES: readonly Operation[] = ['query']

const USUALLY_COVERED: Readonly<Record<Fault['kind'], readonly Operation[]>> = {
  good: EVERYTHING,
  by_operation: EVERYTHING,
  revoked: EVERYTHING,
  forbidden: EVERYTHING,
  stray: CALLS,
  rate_limited: CALLS,
  server_error: CALLS,
  hanging: CALLS,
  no_answer: CALLS,
  sequence: QUERIES,
  content_policy: QUERIES,
  context_length: QUERIES,
  bad_request: QUERIES,
  silent: QUERIES,
  cut: QUERIES,
  error_in_stream: QUERIES,
  script: QUERIES,
  locked: ['sign_in'],
}

function isCovered(behaviour: Behaviour, call: CallFacts, usual: readonly Operation[] | null): boolean {
  const covers = behaviour.covers ?? usual ?? usuallyCovered(behaviour)
  if (!covers.includes(call.operation)) return false
  const { endpoints, queryPart, responseMode } = behaviour
  if (endpoints !== undefined && (call.endpointId === null || !endpoints.includes(call.endpointId))) return false
  if (queryPart !== undefined && call.query?.includes(queryPart) !== true) return false
  if (responseMode === undefined) return true
  return call.operation === 'query' && call.isStream === (responseMode === 'stream')
}

function usuallyCovered(behaviour: Behaviour): readonly Operation[] {
  return behaviour.kind === 'stray' && behaviour.status === 404 ? ['session'] : USUALLY_COVERED[behaviour.kind]
}

function isDue(behaviour: Behaviour, state: FaultState, nowMs: number): boolean {
  const { times, forMs, everyNth, probability } = behaviour
  if (times !== undefined && state.appliedCount >= times) return false
  if (forMs !== undefined && state.firstAppliedAtMs !== null && nowMs - state.firstAppliedAtMs >= forMs) return false
  if (everyNth !== undefined && state.coveredCount % everyNth !== 0) return false
  return probability === undefined || state.random() < probability
}

function isWithin(
  allowance: { readonly callCount: number; readonly windowMs: number },
  state: FaultState,
  nowMs: number,
): boolean {
  if (state.window === null || nowMs >= state.window.endsAtMs) {
    state.window = { endsAtMs: nowMs + allowance.windowMs, callCount: 0 }
  }
  state.window.callCount += 1
  return state.window.callCount <= allowance.callCount
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
