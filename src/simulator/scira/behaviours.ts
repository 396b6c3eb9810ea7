/** What a caller of the simulated Scira can be told to get, as plain values, and when a fault applies; not how it looks on the wire. */
import type { Cut, ScriptedAnswer, WireShape } from '../delivery.ts'
import { type Allowance, createFaultMemory, type FaultTiming, type Steps } from '../fault-schedule.ts'
import type { PieceShape } from '../text-pieces.ts'

/**
 * How calls of one caller go: a fault, when it applies, and the shape of good answers (also those given while the fault does not apply). A
 * fault without conditions applies to every call.
 */
export type Behaviour = Fault & FaultConditions & AnswerShape

export type Fault =
  | { readonly kind: 'good' }
  | ({ readonly kind: 'sequence' } & Steps<Behaviour>)
  | Refusal
  | ConnectionFault
  | StreamFault
  | ScriptedAnswer

/** Answered with an error at once. What each looks like stands in `refusals.ts`. */
export type Refusal =
  /** 429. `api`: the signed-out limit of an address; `chat`: the day of an account; `model`. Default `api`. */
  | {
      readonly kind: 'rate_limited'
      readonly surface?: 'api' | 'chat' | 'model'
      /** So many calls pass in each window, the others are told when it ends; without it the fault's own conditions decide. */
      readonly allowance?: Allowance
      /** How far off the told reset is where there is no allowance; default seven days. */
      readonly resetMs?: number
      /** How the cause tells the reset; its wording was published nowhere. Default `iso` for `api`, no cause for the others. */
      readonly reset?: 'iso' | 'epoch_ms' | 'words' | 'none'
      /** In place of the cause; null leaves it out. */
      readonly cause?: string | null
    }
  /** 401. `model` needs a signed-in caller, or the group does (`auth`). */
  | { readonly kind: 'unauthorized'; readonly surface?: 'model' | 'auth' }
  /** 402: a model for paying accounts. */
  | { readonly kind: 'upgrade_required' }
  /** 403. */
  | { readonly kind: 'forbidden'; readonly surface?: 'api' | 'chat' }
  | { readonly kind: 'model_restricted' }
  | { readonly kind: 'bad_request'; readonly cause?: string }
  | { readonly kind: 'not_found' }
  /** 503. */
  | { readonly kind: 'offline' }
  /** 500 with an empty code, as database errors are flattened to, or what stands before the service says. */
  | { readonly kind: 'server_error'; readonly status?: 500 | 502 | 504; readonly body?: 'json' | 'html' | 'empty' }
  /** A page for browsers, from the edge in front of the service. Default 403. */
  | { readonly kind: 'challenge'; readonly status?: 403 | 429 | 503; readonly retryAfterSeconds?: number }
  /** A page where a stream was promised. */
  | { readonly kind: 'page_in_200' }
  | { readonly kind: 'redirect'; readonly status?: 302 | 307 | 308; readonly location: string }

export type ConnectionFault =
  /** Takes the request and never answers. */
  | { readonly kind: 'hanging' }
  /** No answer: the connection is reset, or closed in the ordinary way. */
  | { readonly kind: 'no_answer'; readonly how?: Cut }

/** Faults after the status 200. */
export type StreamFault =
  /** Stays open and says nothing more. Default after one piece. */
  | { readonly kind: 'silent'; readonly after?: StreamPoint }
  /** `clean` ends the HTTP body properly, with no finish and no `[DONE]`. Default after three pieces. */
  | { readonly kind: 'cut'; readonly after?: StreamPoint; readonly how?: Cut | 'clean' }
  /** Default after `opening`, thus before any content. */
  | {
      readonly kind: 'error_in_stream'
      readonly after?: StreamPoint
      /** Default a generic sentence; `rate_limit` is what is said when the cause mentions one. */
      readonly about?: 'generic' | 'rate_limit'
      readonly errorText?: string
      /** Whether the finishing lines follow, with the reason `error`; default false. */
      readonly isFinishSent?: boolean
    }
  /** An abort part, then the end; in a data stream, which has no such part, only the end. Default after three pieces. */
  | { readonly kind: 'aborted'; readonly after?: StreamPoint }
  /** All that belongs to a good answer, but no text; `body`: 200 and not a byte. */
  | { readonly kind: 'empty'; readonly what?: 'text' | 'body' }

/** Up to where a stream is good: its head lines, what comes before the model speaks, its thoughts, so many pieces of text, all of them. */
export type StreamPoint = 'head' | 'opening' | 'reasoning' | number | 'text'

/** When a fault applies. All that are given must be true. */
export interface FaultConditions extends FaultTiming {
  readonly models?: readonly string[]
  readonly groups?: readonly string[]
}

/** What good answers look like and how fast they come. */
export interface AnswerShape extends PieceShape, WireShape {
  /** In place of the text about itself, or in exactly these pieces. */
  readonly text?: string | readonly string[]
  readonly reasoningText?: string
  /** The first piece gets so many bytes more: so long is then its line. */
  readonly hugePieceBytes?: number
  /** Default `counted`. `null`: fields without a value; `none`: no fields, as in August 2025. */
  readonly usage?: 'counted' | 'null' | 'none'
  /** In place of the counted ones. */
  readonly tokens?: { readonly input: number; readonly output: number }
  /** Default `stop`. */
  readonly finishReason?: 'stop' | 'length' | 'content-filter' | 'tool-calls' | 'error' | 'other' | 'unknown'
  /** Steps before the last, each with a call of a tool that the service runs itself. Default none in the group `chat`, else one. */
  readonly toolStepCount?: number
  /** Default none in the group `chat`, else two. */
  readonly sourceCount?: number
  /** Parts of the application itself (`data-*`, annotations, redacted thoughts, files); default in every group but `chat`. */
  readonly hasDataParts?: boolean
  /** Types and codes that nobody knows, with text in every field that a careless reader might take for the answer. */
  readonly hasUnknownParts?: boolean
  /** Lines that are neither of the protocol nor JSON, between the good ones. */
  readonly hasGarbageLines?: boolean
  /** How strings are spelled; `all`: every character beyond ASCII, and the slash, escaped. Default `few`. */
  readonly escapes?: 'few' | 'all'
  /** The headers of the SDK's own response helpers, which Scira did not use. Default false. */
  readonly hasProtocolHeaders?: boolean

  /**
   * Of the data stream alone: a line `l` after the thoughts. It is in the source of the SDK (data-stream-parts.ts), but not in its documents, and
   * the reader of `ai` 4.3.19 refuses it. Default false.
   */
  readonly isReasoningEndSent?: boolean

  // Of the UI message stream alone.
  /** How a text part is spelled; the bare ones are of pre-releases. Default `delta`. */
  readonly textStyle?: 'delta' | 'bare_text' | 'bare_delta'
  /** Whether text and reasoning have their start and end parts; default true. */
  readonly hasPartBounds?: boolean
  /** Where the token counts stand; default `finish`. */
  readonly usagePlace?: 'finish' | 'message_metadata'
  /** Default true. Older SDKs have none. */
  readonly isFinishReasonSent?: boolean
  /** Default true. */
  readonly isDoneSent?: boolean
  /** Default true: `data: {`. */
  readonly isDataSpaced?: boolean

  /** Before anything is answered. */
  readonly headDelayMs?: number
  /** Between the opening of a stream and the model's first word. */
  readonly firstTokenDelayMs?: number
}

/** What a behaviour needs to know of a call to decide. */
export interface CallFacts {
  readonly model: string | null
  readonly group: string | null
  readonly nowMs: number
}

export interface BehaviourMemory {
  /** What to do with this call: the fault that applies, or a good answer of the shape that was set. */
  readonly decide: (call: CallFacts) => Behaviour
}

/** A new behaviour needs a new memory. */
export function createBehaviourMemory(behaviour: Behaviour): BehaviourMemory {
  const memory = createFaultMemory()

  function decide(current: Behaviour, call: CallFacts): Behaviour {
    if (current.kind === 'good' || !isCovered(current, call)) return asGood(current)
    if (current.kind === 'rate_limited' && current.allowance !== undefined) {
      const resetMs = memory.spend(current, current.allowance, call.nowMs)
      return resetMs === 0 ? asGood(current) : { ...current, resetMs }
    }
    if (!memory.isDue(current, call.nowMs)) return asGood(current)
    if (current.kind !== 'sequence') return current
    const step = memory.stepOf(current)
    return step === undefined ? asGood(current) : { ...asGood(current), ...decide(step, call) }
  }

  return { decide: (call) => decide(behaviour, call) }
}

function asGood(behaviour: Behaviour): { readonly kind: 'good' } & FaultConditions & AnswerShape {
  return { ...behaviour, kind: 'good' }
}

function isCovered({ models, groups }: Behaviour, call: CallFacts): boolean {
  if (models !== undefined && (call.model === null || !models.includes(call.model))) return false
  return groups === undefined || (call.group !== null && groups.includes(call.group))
}
