import { Database } from 'bun:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { copyFileSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { UsageRecord } from '../../src/domain.ts'
import { openDatabase, type StoreDatabase } from '../../src/stores/database.ts'
import { openStore } from '../../src/stores/sqlite.ts'
import type { Store } from '../../src/stores/store.ts'
import type { StoreLimits } from '../../src/stores/store-options.ts'
import { createDataDirectory, type DataDirectory, eventually, gatewayOptions } from './fixtures/data-directory.ts'
import { usageRecord } from './fixtures/usage-record.ts'

const now = Date.parse('2025-06-15T12:20:00Z')
const dayMs = 86_400_000
const everything = { from: null, to: null, bucket: null, by: null, top: 8, filter: {}, now } as const

let directories: DataDirectory[]
let data: DataDirectory
const open: { close(): unknown }[] = []

beforeEach(() => {
  directories = []
  data = newDirectory()
})

afterEach(async () => {
  while (open.length > 0) await open.pop()?.close()
  for (const directory of directories) directory.remove()
})

describe('after a kill', () => {
  test('what was in no total yet is counted once, however often it happens', () => {
    const first = openGateway(data)
    const records = variousRecords(700)
    write(first, records.slice(0, 300))
    first.fold()
    write(first, records.slice(300, 500))
    write(first, records.slice(500))
    const killedEarly = asKilled(data)
    const whole = answersOf(first)
    expect(whole.totals.totals.requests).toBe(700)

    const second = openGateway(killedEarly)
    // Again, before it has written any total.
    const third = openGateway(asKilled(killedEarly))
    expect(answersOf(second)).toEqual(whole)
    expect(answersOf(third)).toEqual(whole)
    // And after it has.
    expect(answersOf(openGateway(asKilled(killedEarly)))).toEqual(whole)
    write(third, records.slice(0, 1))
    expect(third.totals(now).totals.requests).toBe(701)
  })

  test('rows that somebody has deleted meanwhile are left out', () => {
    const first = openGateway(data)
    write(first, variousRecords(10))
    const killed = asKilled(data)
    const other = new Database(killed.databasePath)
    other.run('DELETE FROM requests WHERE sequence IN (SELECT sequence FROM requests LIMIT 4)')
    other.close()
    expect(openGateway(killed).totals(now).totals.requests).toBe(6)
  })

  test('a gateway killed again and again, between rows and totals and during both, has counted every row once', async () => {
    for (const foldEveryMs of [3, 40, 30_000]) {
      const notesPath = join(data.directory, '..', `notes-${foldEveryMs}`)
      writeFileSync(notesPath, '')
      const script = join(import.meta.dir, 'fixtures/recorder.ts')
      const child = Bun.spawn([process.execPath, script, data.directory, notesPath, String(foldEveryMs)], {
        stdio: ['ignore', 'inherit', 'inherit'],
      })
      await eventually(() => statSync(notesPath).size > 1500, 15_000)
      child.kill('SIGKILL')
      await child.exited
    }
    const store = await openStoreHere()
    expect((await store.totals()).totals.requests).toBe(countIn(data, 'requests'))
    expect(countIn(data, 'unfolded_calls')).toBe(0)
  }, 60_000)
})

test.each<[string, (database: StoreDatabase) => number | undefined]>([
  ['totals', (database) => database.totals(now).totals.requests],
  ['a range', (database) => database.rangeStats(everything).totals.requests],
  [
    'percentiles',
    (database) => database.rangeStats({ ...everything, from: now - dayMs }).percentiles?.durationMs.count,
  ],
  ['spending', (database) => database.spending(now).month.costsMicroUsd.alice],
])('%s count calls recorded just before', (_, ask) => {
  const database = openGateway(data)
  for (const count of [1, 2, 3]) {
    write(database, [usageRecord({ time: now - 1000, costMicroUsd: 1 })])
    expect(ask(database)).toBe(count)
  }
})

describe('retention', () => {
  test('a row goes when it has been counted, not before', () => {
    const database = openGateway(data)
    write(database, variousRecords(10))
    expect(database.deleteRequests({ time: now, limit: 100 })).toBe(10)
    const killed = openGateway(asKilled(data))
    expect(killed.requests({ limit: 10 }).records).toEqual([])
    expect(killed.totals(now).totals.requests).toBe(10)
    write(database, variousRecords(5))
    const killedAgain = openGateway(asKilled(data))
    expect(killedAgain.deleteOldestRequests(3)).toBe(3)
    expect(killedAgain.totals(now).totals.requests).toBe(15)
    expect(database.deleteOldestRequests(3)).toBe(3)
    expect(openGateway(asKilled(data)).totals(now).totals.requests).toBe(15)
  })

  test('older rows go without totals being written for it', () => {
    const database = openGateway(data)
    write(database, [usageRecord({ time: now - 9 * dayMs }), usageRecord({ time: now - 8 * dayMs })])
    database.fold()
    write(database, [usageRecord({ time: now })])
    expect(database.deleteRequests({ time: now - 8.5 * dayMs, limit: 100 })).toBe(1)
    expect(database.deleteOldestRequests(1)).toBe(1)
    expect(countIn(data, 'unfolded_calls')).toBe(1)
  })
})

test('20,000 credentials in a row are each counted, and too many groups do not wait for the clock', async () => {
  const store = await openStoreHere({ maxUnfoldedGroups: 5000 })
  for (let number = 0; number < 20_000; number++)
    store.recordUsage(usageRecord({ credential: `c${number}`, costMicroUsd: number, time: now }))
  await store.flush()
  expect(countIn(data, 'totals_ever')).toBeGreaterThan(15_000)
  const { credentials, totals } = await store.totals()
  expect(Object.keys(credentials)).toHaveLength(20_000)
  expect(totals).toMatchObject({ requests: 20_000, cost_usd: 199.99 })
  expect(credentials.c19999).toMatchObject({ requests: 1, cost_usd: 0.019999 })
}, 20_000)

test('totals are written by the clock, and when the store is closed', async () => {
  const store = await openStoreHere({ foldEveryMs: 10 })
  store.recordUsage(usageRecord())
  await eventually(() => countIn(data, 'totals_by_hour') > 0 && countIn(data, 'unfolded_calls') === 0)
  await store.close()
  const slow = await openStoreHere({ foldEveryMs: 1_000_000 })
  slow.recordUsage(usageRecord())
  await slow.close()
  expect(requestsEver()).toBe(2)
  expect(countIn(data, 'unfolded_calls')).toBe(0)
})

describe('a disk in trouble', () => {
  test('totals that cannot be written are kept, told of and written later', async () => {
    const store = await openStoreHere({ foldEveryMs: 200, retryMs: 20 })
    store.recordUsage(usageRecord())
    await store.flush()
    const holder = new Database(data.databasePath)
    holder.run('BEGIN IMMEDIATE')
    await eventually(() => store.problem()?.includes('totals cannot be written') === true)
    holder.run('COMMIT')
    holder.close()
    await eventually(() => store.problem() === null)
    expect(requestsEver()).toBe(1)
  })

  test('what clients have spent is exact all the same', () => {
    const first = openGateway(data)
    write(first, [usageRecord({ time: now - 1000, costMicroUsd: 20 })])
    first.fold()
    const costs = [300, 4000]
    for (const costMicroUsd of costs) write(first, [usageRecord({ time: now - 1000, costMicroUsd })])
    write(first, [usageRecord({ time: now - 40 * dayMs, costMicroUsd: 50_000 })])
    const killed = asKilled(data)
    const second = openGateway(killed)
    const holder = new Database(killed.databasePath)
    holder.run('BEGIN IMMEDIATE')
    const { day, month } = second.spending(now)
    holder.close()
    expect([day.costsMicroUsd, month.costsMicroUsd]).toEqual([{ alice: 4320 }, { alice: 4320 }])
    expect(second.spending(now).day.costsMicroUsd).toEqual({ alice: 4320 })
  })

  test('groups that wait are bounded: when they cannot be written calls wait too, and nothing is lost', async () => {
    const store = await openStoreHere({ maxUnfoldedGroups: 5, maxBatchRecords: 5, foldEveryMs: 1_000_000, retryMs: 20 })
    for (let number = 0; number < 5; number++) store.recordUsage(usageRecord({ credential: `c${number}` }))
    await store.flush()
    change('ALTER TABLE totals_by_hour RENAME TO away')
    store.recordUsage(usageRecord({ credential: 'c5' }))
    await eventually(() => store.problem()?.includes('1 records wait, 0 were dropped') === true)
    expect(countIn(data, 'requests')).toBe(5)
    change('ALTER TABLE away RENAME TO totals_by_hour')
    await eventually(() => store.problem() === null)
    expect(countIn(data, 'requests')).toBe(6)
    expect((await store.totals()).totals.requests).toBe(6)
  })

  test('totals that can never be written are given up and told of, and calls are recorded on', async () => {
    const store = await openStoreHere({
      maxUnfoldedGroups: 5,
      maxBatchRecords: 5,
      foldEveryMs: 1_000_000,
      retryMs: 100,
    })
    for (let number = 0; number < 5; number++) store.recordUsage(usageRecord({ credential: `c${number}` }))
    await store.flush()
    change("CREATE TRIGGER spoilt BEFORE INSERT ON totals_by_day BEGIN SELECT RAISE(ABORT, 'spoilt'); END")
    store.recordUsage(usageRecord({ credential: 'c5' }))
    await eventually(() => store.problem()?.includes('5 calls are in none') === true)
    await eventually(() => countIn(data, 'requests') === 6)
    change('DROP TRIGGER spoilt')
    expect((await store.totals()).totals.requests).toBe(1)
    await eventually(() => store.problem() === null)
  })
})

test('a bound of model names holds over a write that fails', () => {
  const small = openDatabase(':memory:', { ...gatewayOptions, maxModels: 3, maxPages: 60 })
  write(
    small,
    ['a', 'b', 'c'].map((model) => usageRecord({ model })),
  )
  expect(() => write(small, variousRecords(5000))).toThrow('full')
  write(
    small,
    ['d', 'a'].map((model) => usageRecord({ model })),
  )
  expect(Object.keys(small.totals(now).models)).toEqual(['a', 'b', 'c', 'other'])
  small.close()
})

test('a directory of the version before is taken over', () => {
  const first = openGateway(data)
  write(first, variousRecords(3))
  first.close()
  const old = new Database(data.databasePath)
  old.run('DROP TABLE unfolded_calls')
  old.run('PRAGMA user_version = 1')
  old.close()
  const second = openGateway(data)
  write(second, variousRecords(4))
  expect(second.totals(now).totals.requests).toBe(7)
})

function newDirectory(): DataDirectory {
  const directory = createDataDirectory()
  directories.push(directory)
  return directory
}

function openGateway(directory: DataDirectory): StoreDatabase {
  const database = openDatabase(directory.databasePath, gatewayOptions)
  let isOpen = true
  const close = () => {
    if (isOpen) database.close()
    isOpen = false
  }
  open.push({ close })
  return { ...database, close }
}

async function openStoreHere(limits: Partial<StoreLimits> = {}): Promise<Store> {
  const store = await openStore({ ...data.storeOptions, limits })
  open.push(store)
  return store
}

/** A directory as a process leaves it that is killed now. */
function asKilled(directory: DataDirectory): DataDirectory {
  const copy = newDirectory()
  mkdirSync(copy.directory)
  for (const suffix of ['', '-wal']) {
    const path = `${directory.databasePath}${suffix}`
    if (existsSync(path)) copyFileSync(path, `${copy.databasePath}${suffix}`)
  }
  return copy
}

function write(database: StoreDatabase, records: readonly UsageRecord[]): void {
  database.write({ records, changes: [] })
}

function variousRecords(count: number): UsageRecord[] {
  return Array.from({ length: count }, (_, index) =>
    usageRecord({
      time: now - ((index * 7_919_000) % (20 * dayMs)) - 1,
      model: `model-${index % 7}`,
      provider: `provider-${index % 3}`,
      credential: `credential-${index % 50}`,
      client: `client-${index % 5}`,
      outcome: index % 10 === 0 ? 'failed' : 'succeeded',
      firstByteMs: index % 4 === 0 ? null : index,
      durationMs: 3 * index,
      costMicroUsd: index * index,
    }),
  )
}

function answersOf(database: StoreDatabase) {
  const byModel = database.rangeStats({ ...everything, by: 'model', filter: { client: 'client-2' } })
  const all = database.rangeStats({ ...everything, from: now - 3 * dayMs })
  return { totals: database.totals(now), byModel, all, spending: database.spending(now) }
}

function read<Value>(directory: DataDirectory, sql: string): Value | null {
  const reader = new Database(directory.databasePath, { readonly: true })
  try {
    return reader.query<{ value: Value }, []>(sql).get()?.value ?? null
  } finally {
    reader.close()
  }
}

function countIn(directory: DataDirectory, table: string): number {
  return read<number>(directory, `SELECT COUNT(*) AS value FROM ${table}`) ?? 0
}

function requestsEver(): number | null {
  return read<number>(data, 'SELECT MAX(requests) AS value FROM totals_ever')
}

function change(sql: string): void {
  const other = new Database(data.databasePath)
  other.run('PRAGMA busy_timeout = 2000')
  other.run(sql)
  other.close()
}
