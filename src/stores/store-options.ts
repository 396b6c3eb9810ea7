/** What `openStore` is told and the bounds it keeps; shared with the Worker, so plain values only. */

export interface StoreOptions {
  readonly directory: string
  /** Named by the operator: an unusable one is an error. Else state then stays in memory. */
  readonly isDirectoryNamed: boolean
  /** Rows by request are kept so long. */
  readonly retentionMs: number
  /** Beyond it the oldest of those rows go; the totals stay. */
  readonly maxBytes: number
  /** IANA zone in which days and hours of the statistics begin. */
  readonly timezone: string
  /** Replaces some of the default bounds. */
  readonly limits?: Partial<StoreLimits>
}

export interface StoreLimits {
  /** From the first waiting record until it is posted to the Worker. */
  readonly writeDelayMs: number
  /** Records that wait in the main thread; beyond it they are dropped and counted. */
  readonly maxQueuedRecords: number
  /** Records posted at once and written in one transaction. */
  readonly maxBatchRecords: number
  /** How long totals are added up in memory before they are written, if nobody asks for them. */
  readonly foldEveryMs: number
  /** Groups of alike calls whose totals wait in memory; beyond it they are written at once. */
  readonly maxUnfoldedGroups: number
  /** Records the Worker keeps while writes fail; beyond it the oldest are dropped and counted. */
  readonly maxFailedRecords: number
  /** How often failing writes are tried again. */
  readonly retryMs: number
  /** Deadline of a question. */
  readonly questionMs: number
  /** Pauses before another Worker takes the place of one that ended; after the last one none does. */
  readonly restartDelaysMs: readonly number[]
  /** A Worker that lived so long is given as many successors as the first. */
  readonly restartsForgottenMs: number
  /** Deadline of opening, which may have to read the file through or migrate it. */
  readonly openMs: number
  /** How often changes by other processes are looked for. */
  readonly pollMs: number
  /** How often rows past their retention are looked for. */
  readonly retentionEveryMs: number
  /** Rows deleted at once, and the pause until the next ones. */
  readonly retentionChunkRows: number
  readonly retentionPauseMs: number
  /** Distinct model names in the totals; clients choose them, so those beyond it are counted as `other`. */
  readonly maxModels: number
  /** Size of the database file in pages of 4 KiB; null: as much as the disk has. */
  readonly maxPages: number | null
}

export const defaultStoreLimits: StoreLimits = {
  writeDelayMs: 50,
  maxQueuedRecords: 100_000,
  maxBatchRecords: 1000,
  foldEveryMs: 30_000,
  maxUnfoldedGroups: 20_000,
  maxFailedRecords: 20_000,
  retryMs: 1000,
  questionMs: 10_000,
  restartDelaysMs: [100, 1000, 10_000, 60_000],
  restartsForgottenMs: 600_000,
  openMs: 60_000,
  pollMs: 1000,
  retentionEveryMs: 60_000,
  retentionChunkRows: 2000,
  retentionPauseMs: 50,
  maxModels: 2000,
  maxPages: null,
}
