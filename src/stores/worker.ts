/** Hosts the database in a Worker, so that no SQL ever waits on the main thread. Has no exports: it talks by messages only. */
import { join } from 'node:path'
import type { UsageRecord } from '../domain.ts'
import { sqliteCode } from './connection.ts'
import { databaseFileName, openDatabase, type StateChange, type StoreDatabase } from './database.ts'
import { createRecordReader } from './packed-records.ts'
import { keptHoursMs } from './statistics.ts'
import { StoreError } from './store-error.ts'
import type { StoreLimits } from './store-options.ts'
import type { MessageFromWorker, MessageToWorker, Question, WorkerOptions, WriteMessage } from './worker-messages.ts'

declare const self: Worker

/** Failures of one record or statement: trying again would fail again. All others are of the disk, and may pass. */
const hopelessCodes = ['SQLITE_CONSTRAINT', 'SQLITE_MISMATCH', 'SQLITE_TOOBIG', 'SQLITE_RANGE']

const reader = createRecordReader()
let host: DatabaseHost | null = null

self.onmessage = ({ data }: MessageEvent<string | WriteMessage>) => {
  if (typeof data !== 'string') {
    host?.write(reader.read(data.records), data.changes)
    post({ type: 'taken' })
    return
  }
  const message = JSON.parse(data) as MessageToWorker
  if (message.type === 'open') host = open(message.options)
  else answer(message.id, message.question)
}

interface DatabaseHost {
  write(records: readonly UsageRecord[], changes: readonly StateChange[]): void
  ask(question: Question): unknown
}

function post(message: MessageFromWorker): void {
  self.postMessage(JSON.stringify(message))
}

function open(options: WorkerOptions): DatabaseHost | null {
  try {
    const { database, reason } = openOrFallBack(options)
    const opened = createDatabaseHost(database, options)
    post({ type: 'opened', persistence: reason === null ? 'sqlite' : 'memory', reason })
    return opened
  } catch (error) {
    post({ type: 'refused', kind: kindOf(error), message: messageOf(error) })
    return null
  }
}

/** Only a default directory that cannot be written makes state stay in memory: what is there but locked or damaged is an error. */
function openOrFallBack(options: WorkerOptions): { database: StoreDatabase; reason: string | null } {
  const { timezone, limits } = options
  const databaseOptions = { role: 'gateway', timezone, maxModels: limits.maxModels, maxPages: limits.maxPages } as const
  try {
    return { database: openDatabase(join(options.directory, databaseFileName), databaseOptions), reason: null }
  } catch (error) {
    if (options.isDirectoryNamed || kindOf(error) !== 'unusable') throw error
    return { database: openDatabase(':memory:', databaseOptions), reason: messageOf(error) }
  }
}

function answer(id: number, question: Question): void {
  try {
    if (host === null) throw new StoreError('failed', 'the database is not open')
    post({ type: 'answer', id, value: host.ask(question) ?? null })
  } catch (error) {
    post({ type: 'failure', id, kind: kindOf(error), message: messageOf(error) })
  }
}

function createDatabaseHost(database: StoreDatabase, options: WorkerOptions): DatabaseHost {
  const { limits } = options
  const backlog = createBacklog(database, limits)
  const retention = createRetention(database, options)
  let externalVersion = database.externalVersion()
  let knownKeys = JSON.stringify(database.keys())
  let wasInPlace = true

  const pollTimer = setInterval(poll, limits.pollMs)

  function poll(): void {
    const isInPlace = database.isFileInPlace()
    if (isInPlace !== wasInPlace) {
      wasInPlace = isInPlace
      backlog.setFileInPlace(isInPlace)
    }
    try {
      noticeKeys()
    } catch {
      // Unreadable now: the next poll tries again, and writes report what is wrong.
    }
  }

  function noticeKeys(): void {
    const version = database.externalVersion()
    if (version === externalVersion) return
    const keys = database.keys()
    // Only now: had reading them failed, the next poll should try again.
    externalVersion = version
    const serialized = JSON.stringify(keys)
    if (serialized === knownKeys) return
    knownKeys = serialized
    post({ type: 'keys', keys })
  }

  /** Our own changes are no news, and must not hide those of others since the last poll. */
  function changeKeys<Result>(change: () => Result): Result {
    noticeKeys()
    const result = change()
    knownKeys = JSON.stringify(database.keys())
    return result
  }

  function close(): void {
    clearInterval(pollTimer)
    retention.stop()
    backlog.writeAll()
    backlog.stop()
    database.close()
    host = null
  }

  function ask(question: Question): unknown {
    switch (question.type) {
      case 'blacklist':
        return database.blacklist()
      case 'pins':
        return database.pins()
      case 'keys':
        return database.keys()
      case 'addKey':
        return changeKeys(() => database.addKey(question.key))
      case 'revokeKey':
        return changeKeys(() => database.revokeKey(question.name))
      case 'totals':
        return database.totals(Date.now())
      case 'rangeStats':
        return database.rangeStats(question.query)
      case 'importTotals':
        return database.importTotals(question.totals)
      case 'spending':
        return database.spending(Date.now())
      case 'requests':
        return database.requests(question.filter)
      case 'flush':
        return backlog.writeAll()
      case 'close':
        return close()
    }
  }

  return { write: backlog.add, ask }
}

interface Backlog {
  add(records: readonly UsageRecord[], changes: readonly StateChange[]): void
  /** Tries to write everything, failing or not. */
  writeAll(): void
  setFileInPlace(isInPlace: boolean): void
  stop(): void
}

/** Writes what comes, and while that fails keeps a bounded part of it to try again. */
function createBacklog(database: StoreDatabase, limits: StoreLimits): Backlog {
  let records: UsageRecord[] = []
  const changes = new Map<string, StateChange>()
  let retryTimer: ReturnType<typeof setTimeout> | null = null
  let foldTimer = setTimeout(fold, limits.foldEveryMs)
  let foldError: unknown = null
  let droppedCount = 0
  /** Calls that have rows but will be in no total. */
  let uncountedCount = 0
  let lastError: unknown = null
  let lastRefusal: unknown = null
  let isInPlace = true
  let reported: string | null = null

  function writeAll(): void {
    if (retryTimer !== null) clearTimeout(retryTimer)
    retryTimer = null
    lastError = null
    lastRefusal = null
    while (lastError === null && (records.length > 0 || changes.size > 0)) writeSome()
    if (lastError !== null) retryTimer = setTimeout(writeAll, limits.retryMs)
    report()
  }

  function writeSome(): void {
    const batch = { records: records.slice(0, limits.maxBatchRecords), changes: [...changes.values()] }
    if (isUnfoldedFull()) fold()
    if (isUnfoldedFull()) {
      lastError = foldError
      return
    }
    try {
      database.write(batch)
    } catch (error) {
      if (!isHopeless(error)) {
        lastError = error
        return
      }
      lastRefusal = error
      droppedCount += batch.records.length
    }
    records = records.slice(batch.records.length)
    changes.clear()
  }

  function isUnfoldedFull(): boolean {
    return database.unfoldedGroups() >= limits.maxUnfoldedGroups
  }

  function fold(): void {
    clearTimeout(foldTimer)
    foldError = null
    try {
      database.fold()
    } catch (error) {
      foldError = error
      if (isHopeless(error)) dropUnfolded()
    }
    foldTimer = setTimeout(fold, foldError === null ? limits.foldEveryMs : limits.retryMs)
    report()
  }

  function dropUnfolded(): void {
    try {
      uncountedCount += database.dropUnfolded()
    } catch {
      // They are still there, and so is what is wrong: tried again.
    }
  }

  function dropOldest(): void {
    const excess = records.length - limits.maxFailedRecords
    if (excess <= 0) return
    records = records.slice(excess)
    droppedCount += excess
  }

  function report(): void {
    const problem = problemText()
    if (problem === reported) return
    reported = problem
    post({ type: 'problem', problem })
  }

  function problemText(): string | null {
    if (lastError !== null) {
      return `usage cannot be written (${messageOf(lastError)}): ${records.length} records wait, ${droppedCount} were dropped`
    }
    if (lastRefusal !== null) {
      return `usage could not be written (${messageOf(lastRefusal)}): ${droppedCount} records were dropped`
    }
    if (foldError !== null) {
      return `totals cannot be written (${messageOf(foldError)}): they wait in memory, ${uncountedCount} calls are in none`
    }
    return isInPlace
      ? null
      : 'the database file was moved or deleted: what is recorded now is lost, restart to begin a new one'
  }

  return {
    add(newRecords, newChanges) {
      records.push(...newRecords)
      for (const change of newChanges) keepLatest(changes, change)
      // While writes fail the timer tries again: not every batch, on a disk that is in trouble.
      if (retryTimer === null) writeAll()
      dropOldest()
      report()
    },
    writeAll,
    setFileInPlace(value) {
      isInPlace = value
      report()
    },
    stop() {
      if (retryTimer !== null) clearTimeout(retryTimer)
      clearTimeout(foldTimer)
    },
  }
}

/** Of one credential or client only the last change matters, so this grows no further than the state itself. */
function keepLatest(changes: Map<string, StateChange>, change: StateChange): void {
  changes.set(subjectOf(change), change)
}

function subjectOf(change: StateChange): string {
  if (change.type === 'put_pin') return JSON.stringify(['pin', change.pin.client, change.pin.provider])
  const { provider, credentialId, scope } = change.entry
  return JSON.stringify(['blacklist', provider, credentialId, scope])
}

function isHopeless(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === '' || hopelessCodes.some((hopeless) => code.startsWith(hopeless))
}

/**
 * Deletes what is too old or too much in small chunks with pauses, between which writes and questions have their turn. Freed pages
 * are used again; only where there are many are they given back to the disk.
 */
function createRetention(database: StoreDatabase, options: WorkerOptions): { stop(): void } {
  const { limits, retentionMs, maxBytes } = options
  let timer = setTimeout(deleteSome, limits.retentionPauseMs)

  function deleteSome(): void {
    timer = setTimeout(deleteSome, deleteChunk() ? limits.retentionPauseMs : limits.retentionEveryMs)
  }

  /** Whether there may be more to do. */
  function deleteChunk(): boolean {
    try {
      const time = Date.now() - retentionMs
      const limit = limits.retentionChunkRows
      let deleted = database.deleteRequests({ time, limit })
      if (deleted < limit && database.size().usedBytes > maxBytes) deleted = database.deleteOldestRequests(limit)
      if (deleted > 0) return true
      if (database.deleteOldHours({ time: Date.now() - keptHoursMs, maxSubjects: limit })) return true
      const { usedBytes, freeBytes } = database.size()
      if (freeBytes < minFreeBytes || freeBytes < usedBytes * freeShare) return false
      database.shrink(shrinkPages)
      return true
    } catch {
      // A disk in trouble: writes report it, and old rows can wait.
      return false
    }
  }

  return { stop: () => clearTimeout(timer) }
}

/** Fewer free pages than this are soon used again. */
const minFreeBytes = 1024 * 1024
const freeShare = 0.1
/** Moving so many pages takes a few milliseconds. */
const shrinkPages = 256

function kindOf(error: unknown): StoreError['kind'] {
  return error instanceof StoreError ? error.kind : 'failed'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
