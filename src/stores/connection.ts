/** Opens the SQLite file or says why not, before anything is changed in it. What is kept in it is the business of `database.ts`. */
import { constants, Database } from 'bun:sqlite'
import { accessSync, closeSync, mkdirSync, constants as modes, openSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import initial from './migrations/0001-initial.sql' with { type: 'text' }
import unfoldedCalls from './migrations/0002-unfolded-calls.sql' with { type: 'text' }
import { StoreError } from './store-error.ts'

/** Each brings the database from the version before, its position in this list, to the next. */
const migrations = [initial, unfoldedCalls]
export const schemaVersion = migrations.length

export interface ConnectionOptions {
  /** Whether this is the one gateway of the directory. `any2api keys` is not, and works beside it. */
  readonly role: 'gateway' | 'tool'
  /** Size of the file in pages; null: as much as the disk has. */
  readonly maxPages: number | null
}

export interface Connection {
  readonly sqlite: Database
  /** Whether the file is still where it was opened: SQLite itself goes on writing to a deleted one. */
  isFileInPlace(): boolean
  close(): void
}

const lockFileName = 'any2api.lock'
const gatewayBusyMs = 1000
const toolBusyMs = 5000
/** Checking the whole file takes at least two seconds per GB: of larger ones only the small tables are checked. */
const maxCheckedBytes = 64 * 1024 * 1024
const fileMode = 0o600
const directoryMode = 0o700

/** `path` may be `:memory:`. Throws StoreError. */
export function openConnection(path: string, options: ConnectionOptions): Connection {
  if (path === ':memory:') return openInMemory(options)
  const release: (() => void)[] = []
  try {
    prepareDirectory(dirname(path))
    if (options.role === 'gateway') release.push(holdGatewayLock(dirname(path)))
    requireWritable(path)
    inspect(path, options)
    createPrivately(path)
    const inode = inodeOf(path)
    const sqlite = new Database(path, { readwrite: true, strict: true })
    release.push(() => sqlite.close())
    configure(sqlite, options)
    migrate(sqlite)
    return { sqlite, isFileInPlace: () => inodeOf(path) === inode, close: () => releaseAll(release) }
  } catch (error) {
    releaseAll(release)
    throw toStoreError(error, path)
  }
}

/** The machine word of an SQLite error, empty for any other. */
export function sqliteCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : ''
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : ''
}

function openInMemory(options: ConnectionOptions): Connection {
  const sqlite = new Database(':memory:', { strict: true })
  if (options.maxPages !== null) sqlite.run(`PRAGMA max_page_count = ${options.maxPages}`)
  migrate(sqlite)
  return { sqlite, isFileInPlace: () => true, close: () => sqlite.close() }
}

function prepareDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: directoryMode })
  accessSync(directory, modes.R_OK | modes.W_OK | modes.X_OK)
}

/**
 * One gateway per directory: an exclusive transaction on an empty SQLite file of its own, because the database itself must stay
 * open to `any2api keys`. The kernel ends it with the process, whatever its end; a file with a process id would outlive a kill.
 */
function holdGatewayLock(directory: string): () => void {
  const path = join(directory, lockFileName)
  createPrivately(path)
  const sqlite = new Database(path, { readwrite: true })
  try {
    // Else a journal file lies beside it, and stays there after a kill.
    sqlite.run('PRAGMA journal_mode = MEMORY')
    sqlite.run('BEGIN EXCLUSIVE')
    return () => sqlite.close()
  } catch (error) {
    sqlite.close()
    if (!sqliteCode(error).startsWith('SQLITE_BUSY')) throw error
    const message = `another any2api is running on the data directory ${directory}: stop it, or give this one another with --data-dir`
    throw new StoreError('locked', message, { cause: error })
  }
}

/** Without this SQLite would open a read-only file quietly, and every write fail later. */
function requireWritable(path: string): void {
  if (sizeOf(path) !== null) accessSync(path, modes.R_OK | modes.W_OK)
}

/** Creates no file and changes none: a database that is refused is left as it was found. */
function inspect(path: string, options: ConnectionOptions): void {
  const sizeBytes = sizeOf(path) ?? 0
  if (sizeBytes === 0) return
  const sqlite = openForInspection(path)
  try {
    sqlite.run(`PRAGMA busy_timeout = ${busyMs(options)}`)
    const version = userVersion(sqlite)
    if (version > schemaVersion) {
      const message = `the database ${path} is of version ${version}, this program knows up to ${schemaVersion}: use the newer any2api, or another --data-dir`
      throw new StoreError('newer', message)
    }
    if (version === 0 && sqlite.query('SELECT 1 FROM sqlite_schema').get() !== null) {
      throw new StoreError(
        'damaged',
        `${path} is a database of another program: move it away, or use another --data-dir`,
      )
    }
    if (options.role === 'gateway' && !isSound(sqlite, sizeBytes)) throw new StoreError('damaged', damagedMessage(path))
  } finally {
    sqlite.close()
  }
}

/**
 * SQLite leaves files behind when it reads a database in WAL mode without one, except where it is told that nobody writes.
 * Where a WAL is left, after a kill, it has to be read: the newest pages are there.
 */
function openForInspection(path: string): Database {
  const hasWal = (sizeOf(`${path}-wal`) ?? 0) > 0
  if (hasWal) return new Database(path, { readonly: true })
  return new Database(
    `${pathToFileURL(path).href}?immutable=1`,
    constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_URI,
  )
}

function isSound(sqlite: Database, sizeBytes: number): boolean {
  const small = ['quick_check(keys)', 'quick_check(blacklist)', 'quick_check(pins)', 'quick_check(totals_ever)']
  const checks = sizeBytes <= maxCheckedBytes ? ['quick_check(1)'] : small
  return checks.every(
    (check) => sqlite.query<{ quick_check: string }, []>(`PRAGMA ${check}`).get()?.quick_check === 'ok',
  )
}

/** With the right mode from its first moment; SQLite gives `-wal` and `-shm` the mode of the database. */
function createPrivately(path: string): void {
  if (sizeOf(path) !== null) return
  closeSync(openSync(path, 'a', fileMode))
}

function configure(sqlite: Database, options: ConnectionOptions): void {
  sqlite.run(`PRAGMA busy_timeout = ${busyMs(options)}`)
  // Has an effect on a new file only: what is deleted can be given back to the disk piece by piece.
  sqlite.run('PRAGMA auto_vacuum = INCREMENTAL')
  useWriteAheadLog(sqlite, busyMs(options))
  sqlite.run('PRAGMA synchronous = NORMAL')
  sqlite.run('PRAGMA foreign_keys = ON')
  // After a long transaction the log keeps its size: give the disk back beyond this.
  sqlite.run(`PRAGMA journal_size_limit = ${16 * 1024 * 1024}`)
  if (options.maxPages !== null) sqlite.run(`PRAGMA max_page_count = ${options.maxPages}`)
}

/** The change to WAL of a new file does not wait for `busy_timeout` when two processes make it at once. */
function useWriteAheadLog(sqlite: Database, deadlineMs: number): void {
  const end = performance.now() + deadlineMs
  for (;;) {
    try {
      sqlite.run('PRAGMA journal_mode = WAL')
      return
    } catch (error) {
      if (performance.now() >= end || !sqliteCode(error).startsWith('SQLITE_BUSY')) throw error
      Bun.sleepSync(20)
    }
  }
}

/** The version is read again inside the transaction: another process may have migrated meanwhile. */
function migrate(sqlite: Database): void {
  if (userVersion(sqlite) === schemaVersion) return
  sqlite
    .transaction(() => {
      for (const migration of migrations.slice(userVersion(sqlite))) sqlite.run(migration)
      sqlite.run(`PRAGMA user_version = ${schemaVersion}`)
    })
    .immediate()
}

function userVersion(sqlite: Database): number {
  return sqlite.query<{ user_version: number }, []>('PRAGMA user_version').get()?.user_version ?? 0
}

function busyMs(options: ConnectionOptions): number {
  return options.role === 'gateway' ? gatewayBusyMs : toolBusyMs
}

function sizeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.size ?? null
}

function inodeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null
}

/** In reverse order: the lock goes last. */
function releaseAll(release: (() => void)[]): void {
  while (release.length > 0) release.pop()?.()
}

function toStoreError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error
  const code = sqliteCode(error)
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    const message = `the database ${path} is locked by another program: close that program, or use another --data-dir`
    return new StoreError('locked', message, { cause: error })
  }
  if (code.startsWith('SQLITE_NOTADB') || code.startsWith('SQLITE_CORRUPT')) {
    return new StoreError('damaged', damagedMessage(path), { cause: error })
  }
  const reason = error instanceof Error ? error.message : String(error)
  const message = `the data directory ${dirname(path)} cannot be used (${reason}): make it writable, or name another with --data-dir`
  return new StoreError('unusable', message, { cause: error })
}

function damagedMessage(path: string): string {
  return `the database ${path} is damaged: put a backup in its place, or move it away to start afresh`
}
