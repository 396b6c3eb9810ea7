/** What the main thread and the Worker say to each other. On the wire each message is one JSON string, but for the records of calls. */
import type { BlacklistEntry } from '../domain.ts'
import type { StateChange } from './database.ts'
import type { PackedRecords } from './packed-records.ts'
import type {
  ImportedTotals,
  Pin,
  RangeStats,
  RequestFilter,
  RequestPage,
  Spending,
  StatsQuery,
  StatsTotals,
  StoredKey,
} from './store.ts'
import type { StoreErrorKind } from './store-error.ts'
import type { StoreLimits, StoreOptions } from './store-options.ts'

export type MessageToWorker =
  | { readonly type: 'open'; readonly options: WorkerOptions }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }

/** Posted as it is. */
export interface WriteMessage {
  readonly records: PackedRecords
  readonly changes: readonly StateChange[]
}

export type MessageFromWorker =
  /** `reason`: why state is kept in memory. */
  | { readonly type: 'opened'; readonly persistence: 'sqlite' | 'memory'; readonly reason: string | null }
  | { readonly type: 'refused'; readonly kind: StoreErrorKind; readonly message: string }
  /** The last `write` was taken: the next may be posted. */
  | { readonly type: 'taken' }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly kind: StoreErrorKind; readonly message: string }
  | { readonly type: 'problem'; readonly problem: string | null }
  | { readonly type: 'keys'; readonly keys: StoredKey[] }

export interface WorkerOptions extends Omit<StoreOptions, 'limits'> {
  readonly limits: StoreLimits
}

export type Question =
  | { readonly type: 'blacklist' }
  | { readonly type: 'pins' }
  | { readonly type: 'keys' }
  | { readonly type: 'addKey'; readonly key: StoredKey }
  | { readonly type: 'revokeKey'; readonly name: string }
  | { readonly type: 'totals' }
  | { readonly type: 'rangeStats'; readonly query: StatsQuery }
  | { readonly type: 'importTotals'; readonly totals: ImportedTotals }
  | { readonly type: 'spending' }
  | { readonly type: 'requests'; readonly filter: RequestFilter }
  | { readonly type: 'flush' }
  | { readonly type: 'close' }

export interface Answers {
  blacklist: BlacklistEntry[]
  pins: Pin[]
  keys: StoredKey[]
  addKey: null
  revokeKey: boolean
  totals: StatsTotals
  rangeStats: RangeStats
  importTotals: boolean
  spending: Spending
  requests: RequestPage
  flush: null
  close: null
}
