/** All SQL, synchronous: what is kept and how it is asked for. Threads and queues are the business of `sqlite.ts` and `worker.ts`. */
import type { SQLQueryBindings } from 'bun:sqlite'
import type { BlacklistEntry, BudgetPeriod, FailureKind, Outcome, UsageRecord } from '../domain.ts'
import { periodAround } from './budget-period.ts'
import { openConnection, sqliteCode } from './connection.ts'
import { createLocalTime, type LocalTime } from './local-time.ts'
import type {
  ImportedCounts,
  ImportedTotals,
  PeriodSpending,
  Pin,
  RequestFilter,
  Spending,
  StatsTotals,
  StoredKey,
  Totals,
} from './store.ts'
import { StoreError } from './store-error.ts'

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
  write(batch: WriteBatch): void
  blacklist(): BlacklistEntry[]
  pins(): Pin[]
  keys(): StoredKey[]
  addKey(key: StoredKey): void
  revokeKey(name: string): boolean
  /** `now`: Unix milliseconds. */
  totals(now: number): StatsTotals
  /** False, and nothing is changed, when the totals of this source were added before. */
  importTotals(totals: ImportedTotals): boolean
  /** `now`: Unix milliseconds. */
  spending(now: number): Spending
  requests(filter: RequestFilter): UsageRecord[]
  /** Deletes at most so many rows of calls that began before `time`; returns how many. */
  deleteRequests(before: { readonly time: number; readonly limit: number }): number
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

/** Longest text in the columns that clients or upstreams have a say in. */
const maxTextLength = 256
const maxRequests = 1000
const shownDays = 30
const shownHours = 48
const hourMs = 3_600_000
const otherModel = 'other'

/** Columns of sums, in both tables of totals. */
const sumColumns = [
  'requests',
  'succeeded',
  'failed',
  'aborted',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'reasoning_tokens',
  'cost_micro_usd',
] as const
type Sums = Record<(typeof sumColumns)[number], number>

type Dimension = 'all' | 'model' | 'provider' | 'credential' | 'client' | 'hour'

/** `path` may be `:memory:`. Throws StoreError `locked`, `damaged`, `newer` or `unusable`, and has then changed nothing. */
export function openDatabase(path: string, options: DatabaseOptions): StoreDatabase {
  const localTime = createLocalTime(options.timezone)
  const connection = openConnection(path, options)
  const { sqlite } = connection
  const statements: { finalize(): void }[] = []

  function prepare<Row, Parameters extends SQLQueryBindings[]>(sql: string) {
    const statement = sqlite.prepare<Row, Parameters>(sql)
    statements.push(statement)
    return statement
  }

  const begin = prepare<unknown, []>('BEGIN IMMEDIATE')
  const commit = prepare<unknown, []>('COMMIT')
  // By position: binding by name costs more than writing the row.
  const insertRequest = prepare<unknown, (string | number | null)[]>(
    `INSERT INTO requests (${requestColumns.join(', ')}) VALUES (${requestColumns.map(() => '?').join(', ')})`,
  )
  const addHourly = prepare<unknown, [HourlyKey & Sums]>(
    addSql('hourly_totals', ['hour_start', 'model', 'provider', 'credential', 'client']),
  )
  const addSummed = prepare<unknown, [SummedKey & Sums]>(addSql('summed_totals', ['dimension', 'name']))
  const summed = prepare<{ name: string } & Sums, [Dimension, string]>(
    'SELECT * FROM summed_totals WHERE dimension = ? AND name >= ? ORDER BY name',
  )
  const spentSince = prepare<{ client: string; cost_micro_usd: number }, [number]>(
    'SELECT client, SUM(cost_micro_usd) AS cost_micro_usd FROM hourly_totals WHERE hour_start >= ? GROUP BY client',
  )
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
  const deleteOldRequests = prepare<unknown, [number, number]>(
    'DELETE FROM requests WHERE sequence IN (SELECT sequence FROM requests WHERE time < ? ORDER BY time LIMIT ?)',
  )
  const markOnce = prepare<unknown, [string, string]>('INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)')
  const dataVersion = prepare<{ data_version: number }, []>('PRAGMA data_version')

  const modelNames = new Set(summed.all('model', '').map((row) => row.name))

  function inTransaction(work: () => void): void {
    begin.run()
    try {
      work()
      commit.run()
    } catch (error) {
      // A full disk makes SQLite itself roll back.
      if (sqlite.inTransaction) sqlite.run('ROLLBACK')
      throw error
    }
  }

  function writeRecords(records: readonly UsageRecord[]): void {
    const hourly = new Map<string, HourlyKey & Sums>()
    for (const record of records) {
      const row = toRequestRow(record)
      insertRequest.run(...requestColumns.map((column) => row[column] ?? null))
      countRequest(rowOf(hourly, { ...hourlyKey(row, localTime), model: countedModel(row.model) }), row)
    }
    const sums = new Map<string, SummedKey & Sums>()
    for (const row of hourly.values()) {
      addHourly.run(row)
      for (const key of summedKeys(row)) addSums(rowOf(sums, key), row)
    }
    for (const row of sums.values()) addSummed.run(row)
  }

  /** Clients choose model names: without a bound one of them could fill the disk with rows that are kept for ever. */
  function countedModel(model: string): string {
    if (modelNames.has(model)) return model
    if (modelNames.size >= options.maxModels) return otherModel
    modelNames.add(model)
    return model
  }

  function addImported(totals: ImportedTotals): void {
    const provider = text(totals.provider)
    const add = (dimension: Dimension, name: string, counts: ImportedCounts) =>
      addSummed.run({ dimension, name: text(name), ...toSums(counts) })
    add('all', '', totals.all)
    add('provider', provider, totals.all)
    for (const [model, counts] of Object.entries(totals.models)) add('model', countedModel(text(model)), counts)
    for (const [label, counts] of Object.entries(totals.credentials)) add('credential', label, counts)
    for (const [label, counts] of Object.entries(totals.hours)) {
      const hourStart = localTime.hourOfLabel(label)
      if (hourStart === null) continue
      add('hour', new Date(hourStart).toISOString(), counts)
      // Which model, credential and client an hour's calls were of, the other program did not know.
      addHourly.run({ hour_start: hourStart, model: '', provider, credential: '', client: '', ...toSums(counts) })
    }
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

  /** Calls that name no model, or reached no provider or credential, are in the sum of all only. */
  function named(dimension: Dimension): Record<string, Totals> {
    return Object.fromEntries(
      summed
        .all(dimension, '')
        .filter((row) => row.name !== '')
        .map((row) => [row.name, toTotals(row)]),
    )
  }

  function spendingOf(kind: BudgetPeriod, now: number): PeriodSpending {
    const { startsAt } = periodAround(localTime, kind, now)
    const costs = spentSince.all(startsAt).map((row) => [row.client, row.cost_micro_usd] as const)
    return { startsAt, costsMicroUsd: Object.fromEntries(costs) }
  }

  function hoursSince(time: number): { start: number; sums: Sums }[] {
    const rows = summed.all('hour', new Date(time).toISOString())
    return rows.map((row) => ({ start: Date.parse(row.name), sums: row }))
  }

  return {
    write: ({ records, changes }) =>
      inTransaction(() => {
        writeRecords(records)
        for (const change of changes) apply(change)
      }),

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
      const [all] = summed.all('all', '')
      const recent = hoursSince(now - (shownDays + 1) * 24 * hourMs)
      const firstDay = localTime.dayLabel(now - (shownDays - 1) * 24 * hourMs)
      const firstHour = now - shownHours * hourMs
      return {
        totals: toTotals(all ?? noSums()),
        models: named('model'),
        providers: named('provider'),
        credentials: named('credential'),
        clients: named('client'),
        days: byLabel(recent, localTime.dayLabel, (hour) => localTime.dayLabel(hour.start) >= firstDay),
        hours: byLabel(recent, localTime.hourLabel, (hour) => hour.start > firstHour),
      }
    },

    importTotals(totals) {
      let isNew = false
      inTransaction(() => {
        isNew = markOnce.run(`imported ${totals.source}`, new Date().toISOString()).changes > 0
        if (isNew) addImported(totals)
      })
      return isNew
    },

    spending: (now) => ({ day: spendingOf('day', now), month: spendingOf('month', now) }),

    requests(filter) {
      const { sql, values } = requestsQuery(filter)
      // Few and various: not worth a held statement for each combination.
      const statement = sqlite.prepare<RequestRow, SQLQueryBindings[]>(sql)
      try {
        return statement.all(...values).map(fromRequestRow)
      } finally {
        statement.finalize()
      }
    },

    deleteRequests: ({ time, limit }) => deleteOldRequests.run(time, limit).changes,
    externalVersion: () => dataVersion.get()?.data_version ?? 0,
    isFileInPlace: connection.isFileInPlace,

    close() {
      // An unfinished statement would keep the file open, and with it the write-ahead log.
      for (const statement of statements) statement.finalize()
      connection.close()
    },
  }
}

interface RequestRow {
  id: string
  time: number
  client: string
  path: string
  model: string
  provider: string
  target_model: string
  credential: string
  status: number
  outcome: string
  is_stream: number
  error_code: string
  attempts: number
  first_byte_ms: number | null
  duration_ms: number
  input_tokens: number
  output_tokens: number
  cached_tokens: number
  reasoning_tokens: number
  usage_source: string
  cost_micro_usd: number
  [column: string]: string | number | null
}

const requestColumns = [
  'id',
  'time',
  'client',
  'path',
  'model',
  'provider',
  'target_model',
  'credential',
  'status',
  'outcome',
  'is_stream',
  'error_code',
  'attempts',
  'first_byte_ms',
  'duration_ms',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'reasoning_tokens',
  'usage_source',
  'cost_micro_usd',
] as const

function insertSql(table: string, columns: readonly string[]): string {
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((column) => `$${column}`).join(', ')})`
}

function addSql(table: string, keyColumns: readonly string[]): string {
  const additions = sumColumns.map((column) => `${column} = ${column} + excluded.${column}`)
  return `${insertSql(table, [...keyColumns, ...sumColumns])} ON CONFLICT DO UPDATE SET ${additions.join(', ')}`
}

function toRequestRow(record: UsageRecord): RequestRow {
  return {
    id: text(record.id),
    time: integer(record.time),
    client: text(record.client),
    path: text(record.path),
    model: text(record.model),
    provider: text(record.provider),
    target_model: text(record.targetModel),
    credential: text(record.credential),
    status: integer(record.status),
    outcome: text(record.outcome),
    is_stream: record.isStream ? 1 : 0,
    error_code: text(record.errorCode),
    attempts: integer(record.attempts),
    first_byte_ms: record.firstByteMs === null ? null : integer(record.firstByteMs),
    duration_ms: integer(record.durationMs),
    input_tokens: integer(record.usage.inputTokens),
    output_tokens: integer(record.usage.outputTokens),
    cached_tokens: integer(record.usage.cachedTokens),
    reasoning_tokens: integer(record.usage.reasoningTokens),
    usage_source: text(record.usageSource),
    cost_micro_usd: integer(record.costMicroUsd),
  }
}

function fromRequestRow(row: RequestRow): UsageRecord {
  return {
    id: row.id,
    time: row.time,
    client: row.client,
    path: row.path,
    model: row.model,
    provider: row.provider,
    targetModel: row.target_model,
    credential: row.credential,
    status: row.status,
    outcome: row.outcome as Outcome,
    isStream: row.is_stream === 1,
    errorCode: row.error_code,
    attempts: row.attempts,
    firstByteMs: row.first_byte_ms,
    durationMs: row.duration_ms,
    usage: {
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      cachedTokens: row.cached_tokens,
      reasoningTokens: row.reasoning_tokens,
    },
    usageSource: row.usage_source as UsageRecord['usageSource'],
    costMicroUsd: row.cost_micro_usd,
  }
}

/** SQLite keeps UTF-8: half a surrogate pair, cut here or sent by a client, would not come back as it went in. */
function text(value: string): string {
  return value.slice(0, maxTextLength).toWellFormed()
}

/** One strange number must not make a whole batch fail. */
function integer(value: number): number {
  return Number.isFinite(value) ? Math.round(value) : 0
}

type HourlyKey = {
  hour_start: number
  model: string
  provider: string
  credential: string
  client: string
}

type SummedKey = { dimension: Dimension; name: string }

/**
 * Hours begin where the configured zone has them, so that zones half an hour off are right too. After a change to a zone that
 * is off by other minutes, the older hours count where they began.
 */
function hourlyKey(row: RequestRow, localTime: LocalTime): HourlyKey {
  const { model, provider, credential, client } = row
  return { hour_start: localTime.hourStart(row.time), model, provider, credential, client }
}

function summedKeys(key: HourlyKey): SummedKey[] {
  return [
    { dimension: 'all', name: '' },
    { dimension: 'model', name: key.model },
    { dimension: 'provider', name: key.provider },
    { dimension: 'credential', name: key.credential },
    { dimension: 'client', name: key.client },
    { dimension: 'hour', name: new Date(key.hour_start).toISOString() },
  ]
}

function rowOf<Key extends object>(rows: Map<string, Key & Sums>, key: Key): Key & Sums {
  const name = Object.values(key).join('\0')
  let row = rows.get(name)
  if (row === undefined) {
    row = { ...key, ...noSums() }
    rows.set(name, row)
  }
  return row
}

function countRequest(row: Sums, request: RequestRow): void {
  row.requests += 1
  row[countedOutcome(request.outcome)] += 1
  row.input_tokens += request.input_tokens
  row.output_tokens += request.output_tokens
  row.cached_tokens += request.cached_tokens
  row.reasoning_tokens += request.reasoning_tokens
  row.cost_micro_usd += request.cost_micro_usd
}

function addSums(row: Sums, other: Sums): void {
  for (const column of sumColumns) row[column] += other[column]
}

function countedOutcome(outcome: string): 'succeeded' | 'failed' | 'aborted' {
  return outcome === 'succeeded' || outcome === 'aborted' ? outcome : 'failed'
}

function noSums(): Sums {
  return {
    requests: 0,
    succeeded: 0,
    failed: 0,
    aborted: 0,
    input_tokens: 0,
    output_tokens: 0,
    cached_tokens: 0,
    reasoning_tokens: 0,
    cost_micro_usd: 0,
  }
}

function toSums(counts: ImportedCounts): Sums {
  return {
    ...noSums(),
    requests: integer(counts.requests),
    succeeded: integer(counts.succeeded),
    failed: integer(counts.failed),
    input_tokens: integer(counts.inputTokens),
    output_tokens: integer(counts.outputTokens),
    cost_micro_usd: integer(counts.costMicroUsd),
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

function byLabel(
  hours: readonly { start: number; sums: Sums }[],
  label: (time: number) => string,
  isShown: (hour: { start: number }) => boolean,
): Record<string, Totals> {
  const sumsByLabel = new Map<string, Sums>()
  for (const hour of hours.filter(isShown)) {
    const sums = sumsByLabel.get(label(hour.start)) ?? noSums()
    for (const column of sumColumns) sums[column] += hour.sums[column]
    sumsByLabel.set(label(hour.start), sums)
  }
  return Object.fromEntries([...sumsByLabel].map(([name, sums]) => [name, toTotals(sums)]))
}

function toTotals(sums: Sums): Totals {
  return {
    requests: sums.requests,
    succeeded: sums.succeeded,
    failed: sums.failed,
    aborted: sums.aborted,
    input_tokens: sums.input_tokens,
    output_tokens: sums.output_tokens,
    cached_tokens: sums.cached_tokens,
    reasoning_tokens: sums.reasoning_tokens,
    cost_usd: sums.cost_micro_usd / 1_000_000,
  }
}

/** Newest first. */
function requestsQuery(filter: RequestFilter): { sql: string; values: SQLQueryBindings[] } {
  const conditions: string[] = []
  const values: SQLQueryBindings[] = []
  for (const column of ['model', 'provider', 'client', 'outcome'] as const) {
    const value = filter[column]
    if (value === undefined) continue
    conditions.push(`${column} = ?`)
    values.push(text(value))
  }
  if (filter.before !== undefined) {
    conditions.push('time < ?')
    values.push(integer(filter.before))
  }
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  values.push(Math.min(Math.max(integer(filter.limit), 1), maxRequests))
  return { sql: `SELECT * FROM requests ${where} ORDER BY time DESC, sequence DESC LIMIT ?`, values }
}
