/** What the observed process and the test say to each other. */

/** `file`, `database` and `process` by themselves; `parse`, `spell` and `decode` by the text they are about. */
export type DeedKind = 'file' | 'database' | 'process' | 'parse' | 'spell' | 'decode'

/** What was done at one place, and how often. */
export interface Deed {
  readonly kind: DeedKind
  /** Function, and its first argument where that says something. */
  readonly what: string
  /** Places in the source, the nearest first. */
  readonly where: string
  /** The text held the mark of a request's body, or that of an answer's. */
  readonly isOfRequest: boolean
  readonly isOfAnswer: boolean
  readonly times: number
  /** Characters, all times together. */
  readonly length: number
}

export type ToObserver = 'watch' | 'report' | 'hold' | 'release'

export type FromObserver =
  | { readonly type: 'watching' }
  | { readonly type: 'held' }
  | { readonly type: 'report'; readonly deeds: readonly Deed[]; readonly modules: readonly string[] }
  | { readonly type: 'released'; readonly messages: number }

/** Stands in the text of every request, and in each piece of every answer. */
export const requestMark = 'mark-of-the-request-7f3a'
export const answerMark = 'mark-of-the-answer-91c2'

/** Longer than the log (50 ms) and the store (100 ms) collect. */
export const settleMs = 120
export const maxKinds = 1000
