/** What a simulated OnDemand key or account can be told to do, as plain values, and when a fault applies; not how it looks on the wire. */
import type { Cut, ScriptedAnswer, WireShape } from '../delivery.ts'
import { type Allowance, createFaultMemory, type FaultTiming, type Steps } from '../fault-schedule.ts'
import type { PieceShape } from '../text-pieces.ts'
import type { Operation } from './routes.ts'

/**
 * How calls with one credential go: a fault, when it applies, and the shape of good answers (also those given while the fault does not
 * apply). A fault without conditions applies to every call it covers.
 */
export type Behaviour = Fault & FaultConditions & AnswerShape

export type Fault =
  | { readonly kind: 'good' }
  /** One step for each request it covers (queries, if not told otherwise), staying with the last unless it is repeated. */
  | ({ readonly kind: 'sequence' } & Steps<Behaviour>)
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
  | { readonly kind: 'rate_limited'; readonly allowance?: Allowance }
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

/** When a fault applies. All that are given must be true. */
export interface FaultConditions extends FaultTiming {
  /** Which requests it may strike, and which are counted. Default: what the table `USUALLY_COVERED` says of its kind. */
  readonly covers?: readonly Operation[]
  /** Only queries for these endpoints. */
  readonly endpoints?: readonly string[]
  /** Only queries that contain this. */
  readonly queryPart?: string
  readonly responseMode?: 'sync' | 'stream'
}

/** What good answers look like, how fast they come, and in what this credential differs from others. */
export interface AnswerShape extends PieceShape, WireShape {
  /** In place of the text about itself. */
  readonly text?: AnswerScript
  /** The text is grown to so many bytes: so long is then the line that repeats it. */
  readonly textBytes?: number
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
 * A new behaviour needs a new memory.
 * @param covered what faults cover that do not say so, in place of the table
 */
export function createBehaviourMemory(behaviour: Behaviour, covered: readonly Operation[] | null): BehaviourMemory {
  const memory = createFaultMemory()

  function decide(current: Behaviour, call: CallFacts, usual: readonly Operation[] | null): Behaviour {
    if (current.kind === 'good') return current
    if (current.kind === 'by_operation') {
      const own = current.operations[call.operation]
      return own === undefined ? asGood(current) : { ...asGood(current), ...decide(own, call, [call.operation]) }
    }
    if (!isCovered(current, call, usual)) return asGood(current)
    if (current.kind === 'rate_limited' && current.allowance !== undefined) {
      return memory.spend(current, current.allowance, call.nowMs) === 0 ? asGood(current) : current
    }
    if (!memory.isDue(current, call.nowMs)) return asGood(current)
    if (current.kind !== 'sequence') return current
    const step = memory.stepOf(current)
    return step === undefined ? asGood(current) : { ...asGood(current), ...decide(step, call, [call.operation]) }
  }

  return { decide: (call) => decide(behaviour, call, covered) }
}

export interface BehaviourMemory {
  /** What to do with this request: the fault that applies, or a good answer of the shape that was set. */
  readonly decide: (call: CallFacts) => Behaviour
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
