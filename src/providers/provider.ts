/** The interface between the gateway and an upstream service, and the values that cross it. */
import type { ClientKey, Credential, Target } from '../domain.ts'
import type { RequestView } from '../formats/openai.ts'
import type { StopSignal } from '../stop-signal.ts'
import type { UpstreamResponse } from './upstream-response.ts'

/** Adapter to one upstream service. Answers are always in OpenAI's wire format; failures are thrown as UpstreamError. */
export interface Provider {
  readonly name: string
  /** Where its model list comes from: another address is another list. */
  readonly modelsUrl: string
  /** A 2xx answer: JSON, or server-sent events when the request asks to stream. */
  chat(call: Call, attempt: Attempt): Promise<UpstreamResponse>
  /** Passes a request on as it is. Absent where the upstream does not speak OpenAI. */
  forward?(call: Call, attempt: Attempt): Promise<UpstreamResponse>
  listModels(credential: Credential, signal: StopSignal): Promise<Model[]>
  /** Whether a credential works: a check of our own, no client's request. Throws when it cannot be told. */
  recheck(credential: Credential, signal: StopSignal): Promise<boolean>
  /** Gives up pooled connections, when a reload has replaced the provider. */
  close(): void
  /** When the program stops, after `close`: resolves soon, when nothing goes on in its name any more. Absent where nothing outlives a call. */
  end?(): Promise<void>
}

/** One client request. */
export interface Call {
  readonly id: string
  readonly client: ClientKey
  readonly method: string
  /** Below `/v1`, with its leading slash, as it was sent. */
  readonly path: string
  /** With its question mark; empty without one. */
  readonly query: string
  readonly headers: Headers
  readonly body: Uint8Array<ArrayBuffer>
  readonly view: RequestView
  /** Fires when the client leaves. */
  readonly signal: AbortSignal
  /** Unix milliseconds. */
  readonly time: number
  /** `Clock.monotonic` at the start. */
  readonly startedMs: number
}

/** One try of a call. */
export interface Attempt {
  readonly target: Target
  readonly credential: Credential
  /** From 1. */
  readonly number: number
  /** Fires when the client leaves or a deadline passes; its reason is the UpstreamError to throw. */
  readonly signal: StopSignal
  /** Set by the provider: it asked for a usage chunk that the client did not ask for. */
  isUsageAsked: boolean
}

/** An entry of an upstream's model list, as `GET /v1/models` shows it. */
export interface Model {
  readonly id: string
  readonly object: 'model'
  /** Unix seconds. */
  readonly created: number
  readonly owned_by: string
}
