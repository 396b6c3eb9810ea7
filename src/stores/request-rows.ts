/** The table of single calls: how a record becomes a row, and how rows are found again. */
import type { Database, SQLQueryBindings } from 'bun:sqlite'
import { type AttemptRecord, type Outcome, outcomes, type UsageRecord } from '../domain.ts'
import { integer, text } from './column-values.ts'
import type { Names } from './names.ts'
import type { RequestFilter, RequestPage } from './store.ts'

export interface RequestRows {
  /** Returns its sequence. */
  insert(record: UsageRecord): number
  /** Null where it is no longer there. */
  find(sequence: number): UsageRecord | null
  /** Newest first by start. Reads for a bounded time: a page may be short although there are more. */
  page(filter: RequestFilter): RequestPage
  /** The oldest ones below a sequence, at most so many; returns how many. */
  deleteBelow(sequence: number, limit: number): number
  close(): void
}

/** Calls that begin in one millisecond have places of their own up to so many. */
const placesPerMs = 2048
/** Times as they fit into a sequence that a double holds exactly: until the year 2109. */
const maxTime = Math.floor(Number.MAX_SAFE_INTEGER / placesPerMs) - 60_000
const maxRememberedMs = 20_000
const maxLimit = 1000
/** A question stops at the first window's end after so long: writes wait meanwhile. */
const budgetMs = 15
/** Rows are read over by windows of time, the next one as long as the last one's cost allows. */
const firstWindowMs = 60_000
const cheapMs = 2
const dearMs = 6
const slowMs = 60_000
/** An id has the time in it at which its call was let in; its body was read after that. */
const idSlackMs = { before: 2000, after: 15 * 60_000 }

const columns = [
  'sequence',
  'outcome',
  'model',
  'provider',
  'client',
  'credential',
  'status',
  'duration_ms',
  'id',
  'path',
  'target_model',
  'is_stream',
  'error_code',
  'attempts',
  'first_byte_ms',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'reasoning_tokens',
  'usage_source',
  'cost_micro_usd',
  'trail',
] as const

type Name = number | string

interface Row {
  sequence: number
  outcome: number
  model: Name
  provider: Name
  client: Name
  credential: Name
  status: number
  duration_ms: number
  id: string | Uint8Array
  path: Name
  target_model: Name
  is_stream: number
  error_code: Name
  attempts: number
  first_byte_ms: number | null
  input_tokens: number
  output_tokens: number
  cached_tokens: number
  reasoning_tokens: number
  usage_source: Name
  cost_micro_usd: number
  trail: string | null
}

/** `now`: monotonic milliseconds. */
export function createRequestRows(
  sqlite: Database,
  names: Names,
  now: () => number = () => performance.now(),
): RequestRows {
  const insertRow = sqlite.prepare<unknown, SQLQueryBindings[]>(
    `INSERT OR IGNORE INTO requests (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
  )
  const lastOfMs = sqlite.prepare<{ last: number | null }, [number, number]>(
    'SELECT MAX(sequence) AS last FROM requests WHERE sequence BETWEEN ? AND ?',
  )
  const selectOne = sqlite.prepare<Row, [number]>('SELECT * FROM requests WHERE sequence = ?')
  const newest = sqlite.prepare<{ last: number | null }, []>('SELECT MAX(sequence) AS last FROM requests')
  const oldest = sqlite.prepare<{ first: number | null }, []>('SELECT MIN(sequence) AS first FROM requests')
  const deleteOld = sqlite.prepare<unknown, [number, number]>(
    'DELETE FROM requests WHERE sequence IN (SELECT sequence FROM requests WHERE sequence < ? ORDER BY sequence LIMIT ?)',
  )
  const write = {
    model: names.writerOf('model'),
    provider: names.writerOf('provider'),
    client: names.writerOf('client'),
    credential: names.writerOf('credential'),
    path: names.writerOf('path'),
    targetModel: names.writerOf('target_model'),
    errorCode: names.writerOf('error_code'),
    usageSource: names.writerOf('usage_source'),
  }
  /** The next free place in a millisecond, as far as we have filled it ourselves. */
  const places = new Map<number, number>()

  function insert(record: UsageRecord): number {
    const { usage } = record
    const isInserted = (sequence: number) =>
      insertRow.run(
        sequence,
        Math.max(outcomes.indexOf(record.outcome), 0),
        write.model(record.model),
        write.provider(record.provider),
        write.client(record.client),
        write.credential(record.credential),
        integer(record.status),
        integer(record.durationMs),
        packId(text(record.id), idBytes),
        writePath(record.path),
        write.targetModel(record.targetModel),
        record.isStream ? 1 : 0,
        write.errorCode(record.errorCode),
        integer(record.attempts),
        record.firstByteMs === null ? null : integer(record.firstByteMs),
        integer(usage.inputTokens),
        integer(usage.outputTokens),
        integer(usage.cachedTokens),
        integer(usage.reasoningTokens),
        write.usageSource(record.usageSource),
        integer(record.costMicroUsd),
        record.trail === null ? null : JSON.stringify(record.trail),
      ).changes > 0
    let time = Math.min(Math.max(integer(record.time), 0), maxTime)
    for (let place = nextPlace(time); ; place = nextPlace(time)) {
      const sequence = time * placesPerMs + place
      if (place >= placesPerMs) time += 1
      else if (isInserted(sequence)) return sequence
      else places.set(time, placeAfterLast(time))
    }
  }

  function nextPlace(time: number): number {
    const place = places.get(time) ?? 0
    if (place < placesPerMs) {
      if (places.size >= maxRememberedMs) places.clear()
      places.set(time, place + 1)
    }
    return place
  }

  function placeAfterLast(time: number): number {
    const first = time * placesPerMs
    const last = lastOfMs.get(first, first + placesPerMs - 1)?.last ?? null
    return last === null ? 0 : last - first + 1
  }

  /** Paths below a collection carry ids of objects: those are not worth a number. */
  function writePath(path: string): Name {
    return deepPath.test(path) ? text(path) : write.path(path)
  }

  function page(filter: RequestFilter): RequestPage {
    const limit = Math.min(Math.max(integer(filter.limit), 1), maxLimit)
    const range = rangeOf(filter)
    const { conditions, values, isNarrow } = conditionsOf(filter, names)
    // Few and various: not worth a held statement for each combination.
    const select = sqlite.prepare<Row, SQLQueryBindings[]>(
      `SELECT * FROM requests WHERE sequence >= ? AND sequence < ? ${conditions} ORDER BY sequence DESC LIMIT ?`,
    )
    const rows: Row[] = []
    const beganMs = now()
    // Where there are no rows nothing is to be read.
    let end = Math.min(range.end, (newest.get()?.last ?? -1) + 1)
    const first = Math.max(range.start, oldest.get()?.first ?? 0)
    // Where every row matches, or an index finds them, there is no need to go step by step.
    let windowMs = isNarrow || conditions === '' ? maxTime : firstWindowMs
    try {
      for (let lastMs = beganMs; rows.length < limit && end > first && lastMs - beganMs < budgetMs; ) {
        const start = Math.max(end - windowMs * placesPerMs, first)
        const found = select.all(start, end, ...values, limit - rows.length)
        rows.push(...found)
        const last = found.at(-1)
        end = rows.length < limit || last === undefined ? start : last.sequence
        const tookMs = now() - lastMs
        lastMs += tookMs
        if (tookMs < cheapMs) windowMs = Math.min(windowMs * 8, maxTime)
        else if (tookMs < dearMs) windowMs = Math.min(windowMs * 2, maxTime)
      }
    } finally {
      select.finalize()
    }
    return { records: rows.map((row) => fromRow(row, names)), nextCursor: end > first ? end.toString(36) : null }
  }

  return {
    insert,
    find(sequence) {
      const row = selectOne.get(sequence)
      return row === null ? null : fromRow(row, names)
    },
    page,
    deleteBelow: (sequence, limit) => deleteOld.run(sequence, limit).changes,
    close() {
      for (const statement of [insertRow, lastOfMs, selectOne, newest, oldest, deleteOld]) statement.finalize()
    },
  }
}

/** Below all of calls that begin at this Unix millisecond. */
export function firstSequence(time: number): number {
  return Math.min(Math.max(integer(time), 0), maxTime) * placesPerMs
}

/** What `nextCursor` looks like. */
export const cursorPattern = /^[0-9a-z]{1,11}$/

function rangeOf(filter: RequestFilter): { start: number; end: number } {
  const idTime = filter.id === undefined ? null : timeOfId(filter.id)
  const fromTime = Math.max(filter.from ?? 0, idTime === null ? 0 : idTime - idSlackMs.before)
  const toTime = Math.min(filter.to ?? maxTime, idTime === null ? maxTime : idTime + idSlackMs.after)
  const end = Math.ceil(Math.min(Math.max(toTime, 0), maxTime + 60_000)) * placesPerMs
  const cursor = filter.cursor === undefined ? end : Number.parseInt(filter.cursor, 36)
  return { start: Math.ceil(Math.max(fromTime, 0)) * placesPerMs, end: Math.min(end, cursor) }
}

function conditionsOf(filter: RequestFilter, names: Names) {
  const conditions: string[] = []
  const values: SQLQueryBindings[] = []
  const add = (condition: string, ...operands: SQLQueryBindings[]) => {
    conditions.push(`AND ${condition}`)
    values.push(...operands)
  }
  for (const column of ['model', 'provider', 'client', 'credential'] as const) {
    const value = filter[column]
    if (value !== undefined) add(`${column} = ?`, names.find(column, value))
  }
  const outcome = filter.outcome === undefined ? 0 : outcomes.indexOf(filter.outcome)
  if (filter.outcome !== undefined) add('outcome = ?', outcome)
  if (filter.status !== undefined) add('status BETWEEN ? AND ?', filter.status.least, filter.status.most)
  if (filter.minDurationMs !== undefined) add('duration_ms >= ?', integer(filter.minDurationMs))
  if (filter.id !== undefined) add('id = ?', packId(text(filter.id), new Uint8Array(digitsAt.length)))
  // Said in the words of an index, which is then used.
  const isFailed = outcome !== 0 || (filter.status !== undefined && filter.status.least >= 400)
  const isSlow = (filter.minDurationMs ?? 0) >= slowMs
  if (isFailed) add('outcome <> 0')
  else if (isSlow) add(`duration_ms >= ${slowMs}`)
  const isNarrow = isFailed || isSlow || filter.id !== undefined
  return { conditions: conditions.join(' '), values, isNarrow }
}

function fromRow(row: Row, names: Names): UsageRecord {
  return {
    id: unpackId(row.id),
    time: Math.floor(row.sequence / placesPerMs),
    client: names.read(row.client),
    path: names.read(row.path),
    model: names.read(row.model),
    provider: names.read(row.provider),
    targetModel: names.read(row.target_model),
    credential: names.read(row.credential),
    status: row.status,
    outcome: outcomes[row.outcome] as Outcome,
    isStream: row.is_stream === 1,
    errorCode: names.read(row.error_code),
    attempts: row.attempts,
    firstByteMs: row.first_byte_ms,
    durationMs: row.duration_ms,
    usage: {
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      cachedTokens: row.cached_tokens,
      reasoningTokens: row.reasoning_tokens,
    },
    usageSource: names.read(row.usage_source) as UsageRecord['usageSource'],
    costMicroUsd: row.cost_micro_usd,
    trail: row.trail === null ? null : (JSON.parse(row.trail) as AttemptRecord[]),
  }
}

const deepPath = /^(?:[^/]*\/){3}/
const ownIdLength = 40
const ownId = /^req_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
/** Where the digits of a byte begin in an id of ours. */
const digitsAt = [4, 6, 8, 10, 13, 15, 18, 20, 23, 25, 28, 30, 32, 34, 36, 38]

const dashesAt = [12, 17, 22, 27]
const dash = 0x2d
/** By the code of a letter or figure; what is none has more than four bits. */
const digits = Uint8Array.from(
  { length: 128 },
  (_, code) => '0123456789abcdef'.indexOf(String.fromCharCode(code)) & 255,
)
const noDigit = 255
/** Filled anew for every row: it has been copied when the row is written. */
const idBytes = new Uint8Array(digitsAt.length)

/** 16 bytes instead of 40 letters where it is an id of ours. */
function packId(id: string, bytes: Uint8Array): string | Uint8Array {
  if (id.length !== ownIdLength || !id.startsWith('req_')) return id
  for (const at of dashesAt) if (id.charCodeAt(at) !== dash) return id
  for (let index = 0; index < bytes.length; index++) {
    const at = digitsAt[index] ?? 0
    const high = digits[id.charCodeAt(at)] ?? noDigit
    const low = digits[id.charCodeAt(at + 1)] ?? noDigit
    if ((high | low) > 15) return id
    bytes[index] = high * 16 + low
  }
  return bytes
}

function unpackId(id: string | Uint8Array): string {
  if (typeof id === 'string') return id
  const hex = Buffer.from(id).toString('hex')
  return `req_${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Our ids begin with the time they were made at (UUID version 7). */
function timeOfId(id: string): number | null {
  return ownId.test(id) && id[18] === '7' ? Number.parseInt(id.slice(4, 12) + id.slice(13, 17), 16) : null
}
