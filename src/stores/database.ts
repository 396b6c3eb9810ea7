/** All SQL, synchronous: what is kept and how it is asked for. Threads and queues are the business of `sqlite.ts` and `worker.ts`. */
import type { SQLQueryBindings } from 'bun:sqlite'
import type { BlacklistEntry, BudgetPeriod, FailureKind, UsageRecord } from '../domain.ts'
import { integer, text } from './column-values.ts'
import { openConnection, sqliteCode } from './connection.ts'
import { createLocalTime } from './local-time.ts'
import { createNames } from './names.ts'
import { createRequestRows, firstSequence } from './request-rows.ts'
import { createStatistics } from './statistics.ts'
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
import { StoreError } from './store-error.ts'
import { createTotalsTables } from './totals-tables.ts'

export interface DatabaseOptions {
  /** `gateway`: the only one of its directory, refused beside another. `tool`: for `any2api keys`, works beside a gateway. */
  readonly role: 'gateway' | 'tool'
  /** IANA zone of the days and hours in the totals. */
  readonly timezone: string
  /** Distinct model names in the totals; further ones are counted as `other`. */
  readonly maxModels: number
  /** Size of the file in pages; null: as much as the disk has. */
  readonly maxPages: number | null
}

/** Every method throws StoreError or SQLiteError, and a write that throws has changed nothing. */
export interface StoreDatabase {
  /** Rows are in the file then, totals in memory and in a list of what has to be added up. Only a gateway records calls. */
  write(batch: WriteBatch): void
  /** Writes the totals: what is not folded when the process is killed is folded by the next one. */
  fold(): void
  /** Different groups of calls (hour, model, provider, credential, client) whose totals are in memory: whoever writes keeps them few. */
  unfoldedGroups(): number
  /** Gives up totals that can never be written; returns of how many calls. */
  dropUnfolded(): number
  blacklist(): BlacklistEntry[]
  pins(): Pin[]
  keys(): StoredKey[]
  addKey(key: StoredKey): void
  revokeKey(name: string): boolean
  /** `now`: Unix milliseconds. */
  totals(now: number): StatsTotals
  rangeStats(query: StatsQuery): RangeStats
  /** False, and nothing is changed, when the totals of this source were added before. */
  importTotals(totals: ImportedTotals): boolean
  /** `now`: Unix milliseconds. */
  spending(now: number): Spending
  requests(filter: RequestFilter): RequestPage
  /** Deletes at most so many rows of calls that began before `time`; returns how many. */
  deleteRequests(before: { readonly time: number; readonly limit: number }): number
  /** Deletes at most so many of the oldest rows; returns how many. */
  deleteOldestRequests(limit: number): number
  /** Deletes what is kept by the hour for a while only; returns whether there may be more. */
  deleteOldHours(before: { readonly time: number; readonly maxSubjects: number }): boolean
  /** Of the file without its log: what is in use, and what is free to be used again. */
  size(): { readonly usedBytes: number; readonly freeBytes: number }
  /** Gives at most so many free pages back to the disk. */
  shrink(maxPages: number): void
  /** Another number after another process has written. */
  externalVersion(): number
  isFileInPlace(): boolean
  close(): void
}

export interface WriteBatch {
  readonly records: readonly UsageRecord[]
  readonly changes: readonly StateChange[]
}

export type StateChange =
  | { readonly type: 'put_blacklist_entry'; readonly entry: BlacklistEntry }
  | {
      readonly type: 'remove_blacklist_entry'
      readonly entry: Pick<BlacklistEntry, 'provider' | 'credentialId' | 'scope'>
    }
  | { readonly type: 'put_pin'; readonly pin: Pin }

/** File of the database inside the data directory. */
export const databaseFileName = 'any2api.db'

/** `path` may be `:memory:`. Throws StoreError `locked`, `damaged`, `newer` or `unusable`, and has then changed nothing. */
export function openDatabase(path: string, options: DatabaseOptions): StoreDatabase {
  const connection = openConnection(path, options)
  const { sqlite } = connection
  const localTime = createLocalTime(options.timezone)
  const names = createNames(sqlite)
  const rows = createRequestRows(sqlite, names)
  const totals = createTotalsTables(sqlite, { localTime, maxModels: options.maxModels })
  const statistics = createStatistics(totals, localTime)
  const statements: { finalize(): void }[] = []

  function prepare<Row, Parameters extends SQLQueryBindings[]>(sql: string) {
    const statement = sqlite.prepare<Row, Parameters>(sql)
    statements.push(statement)
    return statement
  }

  const begin = prepare<unknown, []>('BEGIN IMMEDIATE')
  const commit = prepare<unknown, []>('COMMIT')
  const putBlacklistEntry = prepare<unknown, [BlacklistRow]>(`INSERT OR REPLACE INTO blacklist
    (provider, credential_id, scope, label, reason, detail, since, until)
    VALUES ($provider, $credential_id, $scope, $label, $reason, $detail, $since, $until)`)
  const removeBlacklistEntry = prepare<unknown, [string, string, string]>(
    'DELETE FROM blacklist WHERE provider = ? AND credential_id = ? AND scope = ?',
  )
  const selectBlacklist = prepare<BlacklistRow, []>('SELECT * FROM blacklist ORDER BY since')
  const putPin = prepare<unknown, [string, string, string]>(
    'INSERT OR REPLACE INTO pins (client, provider, credential_id) VALUES (?, ?, ?)',
  )
  const selectPins = prepare<PinRow, []>('SELECT * FROM pins')
  const insertKey = prepare<unknown, [KeyRow]>(`INSERT INTO keys
    (name, role, hash, label, models, rpm, rps, burst, tpm, max_concurrent, budget_micro_usd, budget_period,
      is_stateful, created_at)
    VALUES ($name, $role, $hash, $label, $models, $rpm, $rps, $burst, $tpm, $max_concurrent, $budget_micro_usd,
      $budget_period, $is_stateful, $created_at)`)
  const deleteKey = prepare<unknown, [string]>('DELETE FROM keys WHERE name = ?')
  const selectKeys = prepare<KeyRow, []>('SELECT * FROM keys ORDER BY created_at, name')
  const markOnce = prepare<unknown, [string, string]>('INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)')
  const putUnfolded = prepare<unknown, [Uint8Array]>('INSERT INTO unfolded_calls (sequences) VALUES (?)')
  const selectUnfolded = prepare<{ sequences: Uint8Array }, []>('SELECT sequences FROM unfolded_calls')
  const clearUnfolded = prepare<unknown, []>('DELETE FROM unfolded_calls')
  const dataVersion = prepare<{ data_version: number }, []>('PRAGMA data_version')

  const pageCount = prepare<{ page_count: number }, []>('PRAGMA page_count')
  const freeCount = prepare<{ freelist_count: number }, []>('PRAGMA freelist_count')
  const pageBytes = sqlite.query<{ page_size: number }, []>('PRAGMA page_size').get()?.page_size ?? 4096

  /** Of the calls that are not folded; their rows have to stay. */
  let oldestUnfolded = Number.POSITIVE_INFINITY
  if (options.role === 'gateway') readUnfolded()

  function inTransaction(work: () => void): void {
    begin.run()
    try {
      work()
      commit.run()
    } catch (error) {
      // A full disk makes SQLite itself roll back.
      if (sqlite.inTransaction) sqlite.run('ROLLBACK')
      names.forget()
      totals.forget()
      throw error
    }
  }

  /** Those of a process that was killed. Only read, so that a disk in trouble keeps nobody from starting. */
  function readUnfolded(): void {
    for (const { sequences } of selectUnfolded.iterate()) {
      const numbers = new Float64Array(sequences.slice().buffer)
      const found = Array.from(numbers, rows.find).filter((record) => record !== null)
      count(found, numbers)
    }
  }

  function count(records: readonly UsageRecord[], sequences: Float64Array): void {
    totals.count(records)
    for (const sequence of sequences) oldestUnfolded = Math.min(oldestUnfolded, sequence)
  }

  function fold(): void {
    if (totals.unfolded().size === 0) return
    inTransaction(() => {
      totals.fold()
      clearUnfolded.run()
    })
    forgetUnfolded()
  }

  function forgetUnfolded(): void {
    totals.dropUnfolded()
    oldestUnfolded = Number.POSITIVE_INFINITY
  }

  /** Before a question of totals: while the disk is in trouble its answer is that of before. */
  function tryToFold(): void {
    try {
      fold()
    } catch {
      // Tried again, and reported, by those who call `fold`.
    }
  }

  /** Rows that are in no total yet stay until they are. */
  function deleteBelow(sequence: number, limit: number): number {
    const deleted = rows.deleteBelow(Math.min(sequence, oldestUnfolded), limit)
    if (deleted === limit || oldestUnfolded >= sequence) return deleted
    fold()
    return deleted + rows.deleteBelow(sequence, limit - deleted)
  }

  function apply(change: StateChange): void {
    switch (change.type) {
      case 'put_blacklist_entry':
        putBlacklistEntry.run(toBlacklistRow(change.entry))
        return
      case 'remove_blacklist_entry':
        removeBlacklistEntry.run(change.entry.provider, change.entry.credentialId, change.entry.scope)
        return
      case 'put_pin':
        putPin.run(change.pin.client, change.pin.provider, change.pin.credentialId)
    }
  }

  return {
    write({ records, changes }) {
      const sequences = new Float64Array(records.length)
      inTransaction(() => {
        for (const [index, record] of records.entries()) sequences[index] = rows.insert(record)
        if (records.length > 0) putUnfolded.run(new Uint8Array(sequences.buffer))
        for (const change of changes) apply(change)
      })
      count(records, sequences)
    },
    fold,
    unfoldedGroups: () => totals.unfolded().size,
    dropUnfolded() {
      const count = [...totals.unfolded().values()].reduce((sum, { sums }) => sum + sums.requests, 0)
      clearUnfolded.run()
      forgetUnfolded()
      return count
    },

    blacklist: () => selectBlacklist.all().map(fromBlacklistRow),
    pins: () => selectPins.all().map(fromPinRow),
    keys: () => selectKeys.all().map(fromKeyRow),

    addKey(key) {
      try {
        insertKey.run(toKeyRow(key))
      } catch (error) {
        if (!sqliteCode(error).startsWith('SQLITE_CONSTRAINT')) throw error
        throw new StoreError('exists', `a key named ${key.name} is already there: revoke it or choose another name`)
      }
    },

    revokeKey: (name) => deleteKey.run(name).changes > 0,

    totals(now) {
      tryToFold()
      return statistics.totals(now)
    },
    rangeStats(query) {
      tryToFold()
      return statistics.range(query)
    },
    spending(now) {
      tryToFold()
      return statistics.spending(now)
    },

    importTotals(imported) {
      let isNew = false
      inTransaction(() => {
        isNew = markOnce.run(`imported ${imported.source}`, new Date().toISOString()).changes > 0
        if (isNew) totals.addImported(imported)
      })
      return isNew
    },

    requests: rows.page,
    deleteRequests: ({ time, limit }) => deleteBelow(firstSequence(time), limit),
    deleteOldestRequests: (limit) => deleteBelow(Number.MAX_SAFE_INTEGER, limit),
    deleteOldHours: totals.deleteOldHours,

    size() {
      const free = freeCount.get()?.freelist_count ?? 0
      const used = (pageCount.get()?.page_count ?? 0) - free
      return { usedBytes: used * pageBytes, freeBytes: free * pageBytes }
    },
    shrink(maxPages) {
      // It frees a page for each row that is asked of it.
      sqlite.query(`PRAGMA incremental_vacuum(${maxPages})`).all()
      // Only with this does the file become shorter.
      sqlite.query('PRAGMA wal_checkpoint(PASSIVE)').all()
    },
    externalVersion: () => dataVersion.get()?.data_version ?? 0,
    isFileInPlace: connection.isFileInPlace,

    close() {
      tryToFold()
      // An unfinished statement would keep the file open, and with it the write-ahead log.
      for (const statement of statements) statement.finalize()
      for (const part of [rows, totals, names]) part.close()
      connection.close()
    },
  }
}

interface BlacklistRow {
  provider: string
  credential_id: string
  scope: string
  label: string
  reason: string
  detail: string
  since: number
  until: number | null
  [column: string]: string | number | null
}

function toBlacklistRow(entry: BlacklistEntry): BlacklistRow {
  return {
    provider: entry.provider,
    credential_id: entry.credentialId,
    scope: entry.scope,
    label: entry.label,
    reason: entry.reason,
    detail: text(entry.detail),
    since: integer(entry.since),
    until: entry.until === null ? null : integer(entry.until),
  }
}

function fromBlacklistRow(row: BlacklistRow): BlacklistEntry {
  return {
    provider: row.provider,
    credentialId: row.credential_id,
    label: row.label,
    scope: row.scope,
    reason: row.reason as FailureKind,
    detail: row.detail,
    since: row.since,
    until: row.until,
  }
}

interface PinRow {
  client: string
  provider: string
  credential_id: string
}

function fromPinRow(row: PinRow): Pin {
  return { client: row.client, provider: row.provider, credentialId: row.credential_id }
}

interface KeyRow {
  name: string
  role: string
  hash: string
  label: string
  models: string | null
  rpm: number | null
  rps: number | null
  burst: number | null
  tpm: number | null
  max_concurrent: number | null
  budget_micro_usd: number | null
  budget_period: string | null
  is_stateful: number | null
  created_at: number
  [column: string]: string | number | null
}

function toKeyRow(key: StoredKey): KeyRow {
  return {
    name: key.name,
    role: key.role,
    hash: key.hash,
    label: key.label,
    models: key.models === null ? null : JSON.stringify(key.models),
    rpm: key.limits.requestsPerMinute,
    rps: key.limits.requestsPerSecond,
    burst: key.limits.burst,
    tpm: key.limits.tokensPerMinute,
    max_concurrent: key.limits.maxConcurrent,
    budget_micro_usd: key.limits.budgetMicroUsd,
    budget_period: key.limits.budgetPeriod,
    is_stateful: key.isStateful === null ? null : Number(key.isStateful),
    created_at: integer(key.createdAt),
  }
}

function fromKeyRow(row: KeyRow): StoredKey {
  return {
    name: row.name,
    role: row.role as StoredKey['role'],
    hash: row.hash,
    label: row.label,
    models: row.models === null ? null : (JSON.parse(row.models) as string[]),
    limits: {
      requestsPerMinute: row.rpm,
      requestsPerSecond: row.rps,
      burst: row.burst,
      tokensPerMinute: row.tpm,
      maxConcurrent: row.max_concurrent,
      budgetMicroUsd: row.budget_micro_usd,
      budgetPeriod: row.budget_period as BudgetPeriod | null,
    },
    isStateful: row.is_stateful === null ? null : row.is_stateful === 1,
    createdAt: row.created_at,
  }
}
