/** What is told when the store cannot be opened or cannot answer; how it is shown is the business of `main.ts` and `app.ts`. */

export type StoreErrorKind =
  /** Another program holds the database, or another gateway the directory. */
  | 'locked'
  /** Not a database, or a broken one. */
  | 'damaged'
  /** Written by a newer version of this program. */
  | 'newer'
  /** The directory or its files cannot be created, read or written. */
  | 'unusable'
  /** A key of that name or secret is already there. */
  | 'exists'
  /** A question was not answered in time. */
  | 'timeout'
  /** A write or a question failed. */
  | 'failed'

/** The message is one line and says what to do. */
export class StoreError extends Error {
  readonly kind: StoreErrorKind

  constructor(kind: StoreErrorKind, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options)
    this.name = 'StoreError'
    this.kind = kind
  }
}
