import { Database } from 'bun:sqlite'
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { openDatabase } from '../../src/stores/database.ts'
import { StoreError } from '../../src/stores/store-error.ts'
import {
  createDataDirectory,
  type DataDirectory,
  gatewayOptions,
  snapshot,
  toolOptions,
} from './fixtures/data-directory.ts'
import { usageRecord } from './fixtures/usage-record.ts'

let data: DataDirectory

beforeEach(() => {
  data = createDataDirectory()
})

afterEach(() => data.remove())

test('an empty directory gets a database of the current version, for its owner only', () => {
  const database = openDatabase(data.databasePath, gatewayOptions)
  const reader = new Database(data.databasePath, { readonly: true })
  expect(reader.query('PRAGMA user_version').get()).toEqual({ user_version: 2 })
  expect(reader.query('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
  reader.close()
  expect(modeOf(data.directory)).toBe('700')
  for (const name of Object.keys(snapshot(data.directory))) expect(modeOf(`${data.directory}/${name}`)).toBe('600')
  database.close()
  expect(Object.keys(snapshot(data.directory))).toEqual(['any2api.db', 'any2api.lock'])
})

test('what was written is there when it is opened again', () => {
  const first = openDatabase(data.databasePath, gatewayOptions)
  first.write({ records: [usageRecord()], changes: [] })
  first.close()
  const second = openDatabase(data.databasePath, gatewayOptions)
  expect(second.requests({ limit: 10 }).records).toHaveLength(1)
  second.close()
})

test('an empty file is a new database', () => {
  mkdirSync(data.directory)
  writeFileSync(data.databasePath, '')
  openDatabase(data.databasePath, gatewayOptions).close()
})

test.each([gatewayOptions, toolOptions])(
  'a database newer than the program is refused and left alone ($role)',
  (options) => {
    openDatabase(data.databasePath, toolOptions).close()
    changeSchemaVersion(99)
    expectRefusal({ kind: 'newer', mentions: 'use the newer any2api', options })
  },
)

test('a newer version that is still in the write-ahead log is seen', () => {
  openDatabase(data.databasePath, toolOptions).close()
  const holder = new Database(data.databasePath)
  holder.run('PRAGMA journal_mode = WAL')
  holder.run('PRAGMA user_version = 99')
  expect(() => openDatabase(data.databasePath, gatewayOptions)).toThrow('use the newer any2api')
  holder.close()
})

test.each([gatewayOptions, toolOptions])('a file that is no database is refused and left alone ($role)', (options) => {
  mkdirSync(data.directory)
  writeFileSync(data.databasePath, 'this is no database at all. '.repeat(500))
  expectRefusal({ kind: 'damaged', mentions: 'is damaged', options })
})

test('a short file that is no database is refused and left alone', () => {
  mkdirSync(data.directory)
  writeFileSync(data.databasePath, 'hello')
  expectRefusal({ kind: 'damaged', mentions: 'is damaged', options: gatewayOptions })
})

test('a truncated database is refused and left alone', () => {
  fill()
  truncateSync(data.databasePath, 40_960)
  expectRefusal({ kind: 'damaged', mentions: 'is damaged', options: gatewayOptions })
})

test('a database with overwritten pages is refused and left alone', () => {
  fill()
  const bytes = readFileSync(data.databasePath)
  bytes.fill(0xa5, 8192, bytes.length - 8192)
  writeFileSync(data.databasePath, bytes)
  expectRefusal({ kind: 'damaged', mentions: 'is damaged', options: gatewayOptions })
})

test('a database of another program is refused and left alone', () => {
  mkdirSync(data.directory)
  const other = new Database(data.databasePath)
  other.run('CREATE TABLE invoices (number INTEGER)')
  other.close()
  expectRefusal({ kind: 'damaged', mentions: 'another program', options: gatewayOptions })
})

test('a database that another program locks is refused', () => {
  openDatabase(data.databasePath, toolOptions).close()
  const holder = new Database(data.databasePath)
  holder.run('PRAGMA locking_mode = EXCLUSIVE')
  holder.run('BEGIN EXCLUSIVE')
  expectRefusal({ kind: 'locked', mentions: 'locked by another program', options: gatewayOptions })
  holder.close()
})

test('a directory that cannot be made is unusable', () => {
  writeFileSync(data.directory, 'a file, not a directory')
  const refusal = refusalOf(() => openDatabase(`${data.directory}/deeper/any2api.db`, gatewayOptions))
  expect(refusal.kind).toBe('unusable')
  expect(refusal.message).toContain('make it writable, or name another with --data-dir')
})

test('a second gateway on the directory is refused, a tool is not, and the lock ends with the first', () => {
  const first = openDatabase(data.databasePath, gatewayOptions)
  const refusal = refusalOf(() => openDatabase(data.databasePath, gatewayOptions))
  expect(refusal.kind).toBe('locked')
  expect(refusal.message).toContain('another any2api is running')
  openDatabase(data.databasePath, toolOptions).close()
  first.close()
  openDatabase(data.databasePath, gatewayOptions).close()
})

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8)
}

/** Without a write-ahead log beside it, as a clean end leaves it. */
function changeSchemaVersion(version: number): void {
  const writer = new Database(data.databasePath)
  writer.run(`PRAGMA user_version = ${version}`)
  writer.close()
}

function fill(): void {
  const database = openDatabase(data.databasePath, gatewayOptions)
  const records = Array.from({ length: 500 }, (_, index) => usageRecord({ id: `req_${index}` }))
  database.write({ records, changes: [] })
  database.close()
}

function refusalOf(open: () => unknown): StoreError {
  try {
    open()
  } catch (error) {
    if (error instanceof StoreError) return error
    throw error
  }
  throw new Error('was not refused')
}

function expectRefusal(expected: { kind: string; mentions: string; options: typeof gatewayOptions }): void {
  if (expected.options.role === 'gateway') writeFileSync(`${data.directory}/any2api.lock`, '')
  const before = snapshot(data.directory)
  const refusal = refusalOf(() => openDatabase(data.databasePath, expected.options))
  expect(refusal.kind).toBe(expected.kind as StoreError['kind'])
  expect(refusal.message).toContain(expected.mentions)
  expect(refusal.message).not.toContain('\n')
  expect(snapshot(data.directory)).toEqual(before)
  expect(existsSync(data.databasePath)).toBe(true)
}
