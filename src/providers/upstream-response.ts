/** An upstream's answer as our own HTTP client gives it. It is written so that the runtime's Response is one, too. */

export interface UpstreamResponse {
  readonly status: number
  /** 200 to 299. */
  readonly ok: boolean
  readonly headers: AnswerHeaders
  /** Null where there can be none. */
  readonly body: AnswerBody | null
  /** The whole body, in place of `body`. Rejects as its reader does. */
  bytes(): Promise<Uint8Array>
  /** As `bytes`, where all of it has come; null where it has not, or never will. */
  bytesNow?(): Uint8Array<ArrayBuffer> | null
}

export interface AnswerHeaders {
  /** Several of one name are joined with commas. Names in lower case. */
  get(name: string): string | null
  has(name: string): boolean
}

export interface AnswerBody {
  getReader(): AnswerReader
  /** Nothing more is wanted. */
  cancel(): Promise<void>
}

/** A promise: there is no room for more before it resolves. */
export type TakePiece = (piece: Uint8Array<ArrayBuffer>) => Promise<unknown> | null

/** One read at a time. */
export interface AnswerReader {
  /** Rejects when the body was cut. What was cancelled ends as if it were over. */
  read(): Promise<
    { done: false; value: Uint8Array<ArrayBuffer> } | { done: true; value?: Uint8Array<ArrayBuffer> | undefined }
  >
  /** As `read`, but only what is there already; null where nothing is, or the next read rejects. */
  readNow?(): Awaited<ReturnType<AnswerReader['read']>> | null
  /**
   * In place of all further reads: gives each piece to `take` as it comes, without a promise for each. Where `take` returns a promise,
   * nothing more is given before it resolves. Resolves at the end; rejects as `read` does, or as that promise.
   */
  readAll?(take: TakePiece): Promise<void>
  cancel(): Promise<void>
}
