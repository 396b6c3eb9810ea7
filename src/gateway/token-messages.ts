/** What passes between the gateway and the thread that counts tokens. */

/** One call to be counted. A part whose bytes are null is not wanted or not there. */
export interface CountMessage {
  readonly path: string
  /** The one that answered: it decides about the encoding. */
  readonly model: string
  /** The request's JSON. */
  readonly request: Uint8Array<ArrayBuffer> | null
  readonly answer: Uint8Array<ArrayBuffer> | null
  readonly form: AnswerForm
  /** How long the whole answer was, of which `answer` is the beginning. */
  readonly answerBytes: number
}

/** One JSON body, or server-sent events. */
export type AnswerForm = 'json' | 'events'

/** Null where there was nothing that could be read. */
export interface TokenCount {
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  /** Among the output. */
  readonly reasoningTokens: number
  /** False when a part was too long to be counted, and its rest is taken to be like its beginning. */
  readonly isWhole: boolean
}

export type BatchToWorker = readonly CountMessage[]
/** In the order of the batch; null for a call that could not be counted. */
export type BatchFromWorker = readonly (TokenCount | null)[]
