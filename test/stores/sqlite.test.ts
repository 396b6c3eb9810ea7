import { Database } from 'bun:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BlacklistEntry, noLimits } from '../../src/domain.ts'
import { openDatabase } from '../../src/stores/database.ts'
import { openStore } from '../../src/stores/sqlite.ts'
import type { Store, StoredKey } from '../../src/stores/store.ts'
import type { StoreLimits } from '../../src/stores/store-options.ts'
import {
  createDataDirectory,
  type DataDirectory,
  eventually,
  recordedIds,
  toolOptions,
} from './fixtures/data-directory.ts'
import { usageRecord } from './fixtures/usage-record.ts'

const key: StoredKey = {
  name: 'alice',
  role: 'client',
  hash: 'a1',
  label: 'sk-…wxyz',
  models: ['gpt-4o*'],
  limits: { ...noLimits, requestsPerSecond: 0.5, budgetMicroUsd: 5_000_000, budgetPeriod: 'day' },
  isStateful: null,
  createdAt: 1,
}

const entry: BlacklistEntry = {
  provider: 'openai',
  credentialId: 'c1',
  label: '3f2a…wxyz',
  scope: '',
  reason: 'quota_exhausted',
  detail: 'insufficient_quota',
  since: 1,
  until: null,
}

let data: DataDirectory
let stores: Store[]
let restoreWorker = () => {}

beforeEach(() => {
  data = createDataDirectory()
  stores = []
})

afterEach(async () => {
  for (const store of stores) await store.close()
  restoreWorker()
  data.remove()
})

async function open(limits: Partial<StoreLimits> = {}): Promise<Store> {
  const store = await openStore({ ...data.storeOptions, limits })
  stores.push(store)
  return store
}

test('totals of another program are added once, restarts included', async () => {
  const counts = { requests: 3, succeeded: 2, failed: 1, inputTokens: 5, outputTokens: 7, costMicroUsd: 9 }
  const imported = { source: 'other', provider: 'p', all: counts, models: { m: counts }, credentials: {}, hours: {} }
  const first = await open()
  expect(await first.importTotals(imported)).toBe(true)
  await first.close()
  const second = await open()
  expect(await second.importTotals(imported)).toBe(false)
  const { totals, models, providers } = await second.totals()
  expect([totals.requests, models.m?.succeeded, providers.p?.output_tokens]).toEqual([3, 2, 7])
})

describe('writes', () => {
  test('a record is in the file within 100 ms, and nobody asked for it', async () => {
    const store = await open()
    const delaysMs: number[] = []
    for (let number = 1; number <= 7; number++) {
      const start = performance.now()
      store.recordUsage(usageRecord({ id: `req_${number}` }))
      await eventually(() => recordedIds(data.databasePath).has(`req_${number}`))
      delaysMs.push(performance.now() - start)
    }
    // The middle one: what a busy machine adds to one of them is not the store's.
    expect(delaysMs.sort((a, b) => a - b)[3]).toBeLessThan(100)
  })

  test('kill -9 loses nothing that is older than 100 ms, and leaves no lock behind', async () => {
    const notesPath = join(data.directory, '..', 'notes')
    writeFileSync(notesPath, '')
    const child = Bun.spawn(
      [process.execPath, join(import.meta.dir, 'fixtures/recorder.ts'), data.directory, notesPath],
      {
        stdio: ['ignore', 'inherit', 'inherit'],
      },
    )
    await eventually(() => statSync(notesPath).size > 5000, 15_000)
    const killedAt = Date.now()
    child.kill('SIGKILL')
    await child.exited

    const store = await open()
    const ids = recordedIds(data.databasePath)
    const promised = notesOf(notesPath).filter((note) => note.time < killedAt - 100)
    expect(promised.length).toBeGreaterThan(50)
    expect(promised.filter((note) => !ids.has(note.id))).toEqual([])
    expect((await store.totals()).totals.requests).toBe(ids.size)
  }, 30_000)

  test('questions are answered after earlier writes', async () => {
    const store = await open({ maxBatchRecords: 10 })
    for (let number = 1; number <= 95; number++) store.recordUsage(usageRecord({ id: `req_${number}` }))
    store.putBlacklistEntry(entry)
    const [requests, totals, blacklist] = await Promise.all([
      store.requests({ limit: 1000 }),
      store.totals(),
      store.blacklist(),
    ])
    expect(requests.records).toHaveLength(95)
    expect(totals.totals.requests).toBe(95)
    expect(blacklist).toEqual([entry])
  })

  test('closing writes what is queued, and closing twice is once', async () => {
    const store = await open()
    for (let number = 1; number <= 3000; number++) store.recordUsage(usageRecord({ id: `req_${number}` }))
    await Promise.all([store.close(), store.close()])
    expect(recordedIds(data.databasePath).size).toBe(3000)
    store.recordUsage(usageRecord())
    expect(await failureOf(store.totals())).toMatchObject({ kind: 'failed', message: 'the store is closed' })
  })

  test('a full queue drops, says so, and recovers', async () => {
    const store = await open({ maxQueuedRecords: 10 })
    for (let number = 1; number <= 15; number++) store.recordUsage(usageRecord())
    expect(store.problem()).toContain('5 records were dropped')
    await store.flush()
    expect((await store.totals()).totals.requests).toBe(10)
    expect(store.problem()).toBeNull()
  })

  test('blacklist and pins survive a restart', async () => {
    const first = await open()
    first.putBlacklistEntry(entry)
    first.putBlacklistEntry({ ...entry, scope: 'gpt-4o' })
    first.removeBlacklistEntry({ ...entry, scope: 'gpt-4o' })
    first.putPin({ client: 'alice', provider: 'openai', credentialId: 'c1' })
    await first.close()
    const second = await open()
    expect(await second.blacklist()).toEqual([entry])
    expect(await second.pins()).toEqual([{ client: 'alice', provider: 'openai', credentialId: 'c1' }])
  })
})

describe('a disk in trouble', () => {
  test('full: accounting stops and says so, service goes on, and room heals it', async () => {
    const store = await open({ maxPages: 80, retryMs: 20, maxFailedRecords: 50 })
    await eventually(async () => {
      for (let count = 0; count < 100; count++) store.recordUsage(usageRecord())
      await store.flush()
      return store.problem() !== null
    })
    expect(store.problem()).toContain('full')
    for (let count = 0; count < 100; count++) store.recordUsage(usageRecord())
    await store.flush()
    expect(store.problem()).toMatch(/50 records wait, [1-9]\d* were dropped/)
    expect((await store.totals()).totals.requests).toBeGreaterThan(0)

    makeRoom()
    await eventually(() => store.problem() === null)
    store.putBlacklistEntry(entry)
    store.recordUsage(usageRecord({ id: 'after' }))
    expect(await store.blacklist()).toEqual([entry])
    expect(recordedIds(data.databasePath).has('after')).toBe(true)
  })

  test('locked for a while: records wait and nothing is dropped', async () => {
    const store = await open({ retryMs: 20 })
    const holder = new Database(data.databasePath)
    holder.run('BEGIN IMMEDIATE')
    store.recordUsage(usageRecord({ id: 'patient' }))
    await eventually(() => store.problem() !== null)
    expect(store.problem()).toContain('1 records wait, 0 were dropped')
    holder.run('COMMIT')
    holder.close()
    await eventually(() => store.problem() === null)
    expect(recordedIds(data.databasePath).has('patient')).toBe(true)
  })

  test('a deleted file is noticed', async () => {
    const store = await open({ pollMs: 10 })
    rmSync(data.databasePath)
    await eventually(() => store.problem()?.includes('moved or deleted') === true)
  })

  test('rows past their retention go, newer ones and totals stay', async () => {
    const first = await open()
    for (let number = 1; number <= 30; number++) {
      first.recordUsage(usageRecord({ id: `req_${number}`, time: Date.now() - number * 86_400_000 }))
    }
    await first.close()
    const options = { ...data.storeOptions, retentionMs: 10.5 * 86_400_000 }
    const second = await openStore({ ...options, limits: { retentionChunkRows: 7, retentionPauseMs: 1 } })
    stores.push(second)
    await eventually(() => recordedIds(data.databasePath).size === 10)
    expect((await second.totals()).totals.requests).toBe(30)
  })
})

describe('keys', () => {
  test('they are added and revoked, and a taken name is refused', async () => {
    const store = await open()
    await store.addKey(key)
    expect(await store.keys()).toEqual([key])
    expect(await failureOf(store.addKey({ ...key, hash: 'a2' }))).toMatchObject({ name: 'StoreError', kind: 'exists' })
    expect(await store.revokeKey('alice')).toBe(true)
    expect(await store.revokeKey('alice')).toBe(false)
  })

  test('another process changes them while a second gateway is refused; the first notices', async () => {
    const store = await open({ pollMs: 20 })
    const seen: StoredKey[][] = []
    store.onKeysChanged((keys) => seen.push(keys))
    expect(await failureOf(open())).toMatchObject({ kind: 'locked' })
    await store.addKey({ ...key, name: 'own', hash: 'own' })

    await addKeyInAnotherProcess()
    await eventually(() => seen.length === 1)
    expect(seen[0]?.map((stored) => stored.name).sort()).toEqual(['alice', 'own'])

    const tool = openDatabase(data.databasePath, toolOptions)
    tool.write({ records: [], changes: [{ type: 'put_blacklist_entry', entry }] })
    tool.revokeKey('own')
    tool.close()
    await eventually(() => seen.length === 2)
    expect(seen[1]).toEqual([key])
  })
})

describe('opening', () => {
  test('a named directory that cannot be used is an error', async () => {
    writeFileSync(data.directory, 'a file')
    expect(await failureOf(open())).toMatchObject({ name: 'StoreError', kind: 'unusable' })
  })

  test('where only the default directory cannot be used, state stays in memory', async () => {
    writeFileSync(data.directory, 'a file')
    const store = await openStore({ ...data.storeOptions, isDirectoryNamed: false })
    stores.push(store)
    expect(store.persistence).toBe('memory')
    expect(store.memoryReason).toContain(data.directory)
    store.recordUsage(usageRecord())
    await store.addKey(key)
    expect((await store.totals()).totals.requests).toBe(1)
    expect(await store.keys()).toEqual([key])
  })

  test('a damaged database in the default directory is an error all the same', async () => {
    const store = await open()
    await store.close()
    writeFileSync(data.databasePath, 'broken '.repeat(1000))
    expect(await failureOf(openStore({ ...data.storeOptions, isDirectoryNamed: false }))).toMatchObject({
      kind: 'damaged',
    })
  })

  test('a closed store does not keep the process alive', async () => {
    const script = join(import.meta.dir, 'fixtures/closer.ts')
    const child = Bun.spawn([process.execPath, script, data.directory], { stdio: ['ignore', 'inherit', 'inherit'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
    expect(await child.exited).toBe(0)
    clearTimeout(timer)
    expect(existsSync(`${data.databasePath}-wal`)).toBe(false)
    expect(recordedIds(data.databasePath)).toEqual(new Set(['last']))
  }, 15_000)
})

test('a Worker that ends is reported and replaced, and what was queued meanwhile is written', async () => {
  const { store, workers } = await openWithItsWorkers({ restartDelaysMs: [1, 1] })
  store.recordUsage(usageRecord({ id: 'before' }))
  await store.flush()
  expect(store.problem()).toBeNull()
  workers[0]?.terminate()
  await eventually(() => store.problem() !== null)
  expect(store.problem()).toContain('another one is being started')
  const meanwhile = usageRecord({ id: 'meanwhile' })
  store.recordUsage(meanwhile)
  store.putBlacklistEntry(entry)
  await eventually(() => store.problem() === null)
  expect(workers).toHaveLength(2)
  await store.flush()
  expect(recordedIds(data.databasePath)).toEqual(new Set(['before', 'meanwhile']))
  expect((await store.requests({ limit: 1, id: 'meanwhile' })).records).toEqual([meanwhile])
  expect(await store.blacklist()).toEqual([entry])
  expect((await store.totals()).totals.requests).toBe(2)
})

test('a Worker that ends again and again is given up: it says so, fails questions, and does not end the process', async () => {
  const { store, workers } = await openWithItsWorkers({ restartDelaysMs: [1] })
  workers[0]?.terminate()
  await eventually(() => workers.length === 2 && store.problem() === null)
  workers[1]?.terminate()
  await eventually(() => store.problem()?.includes('nothing is recorded until a restart') === true)
  store.recordUsage(usageRecord())
  expect(await failureOf(store.totals())).toMatchObject({ kind: 'failed' })
  expect(workers).toHaveLength(2)
  await store.close()
})

test('beyond its size the oldest rows go, the totals stay, and the disk gets its room back', async () => {
  const first = await open()
  for (let number = 0; number < 60_000; number++) {
    first.recordUsage(usageRecord({ id: `req_${number}`, time: Date.now() - 60_000_000 + number * 1000 }))
  }
  await first.close()
  const before = statSync(data.databasePath).size
  const limits = { retentionPauseMs: 1, retentionEveryMs: 5 }
  const second = await openStore({ ...data.storeOptions, maxBytes: 500_000, limits })
  stores.push(second)
  await eventually(() => statSync(data.databasePath).size < before / 2, 10_000)
  const ids = recordedIds(data.databasePath)
  expect(ids.has('req_59999')).toBe(true)
  expect(ids.has('req_0')).toBe(false)
  expect((await second.totals()).totals.requests).toBe(60_000)
}, 20_000)

test('a question that is not answered in time fails', async () => {
  const store = await open({ questionMs: 100 })
  const holder = new Database(data.databasePath)
  holder.run('BEGIN IMMEDIATE')
  store.recordUsage(usageRecord())
  // Stands behind a write that waits a second for the lock.
  expect(await failureOf(store.totals())).toMatchObject({ kind: 'timeout' })
  holder.close()
})

/** Not `expect().rejects`: that turns the event loop on the spot, and inside a Worker's message the next one never comes. */
async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('did not fail')
}

function notesOf(path: string): { id: string; time: number }[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  return lines.map((line) => {
    const [id = '', time = ''] = line.split(' ')
    return { id, time: Number(time) }
  })
}

/** As retention, or whoever cares for the disk, would. */
function makeRoom(): void {
  const other = new Database(data.databasePath)
  other.run('PRAGMA busy_timeout = 2000')
  other.run('DELETE FROM requests')
  other.close()
}

async function addKeyInAnotherProcess(): Promise<void> {
  const source = `
    import { openDatabase } from ${JSON.stringify(join(import.meta.dir, '../../src/stores/database.ts'))}
    const database = openDatabase(${JSON.stringify(data.databasePath)}, ${JSON.stringify(toolOptions)})
    database.addKey(${JSON.stringify(key)})
    database.close()`
  const child = Bun.spawn([process.execPath, '-e', source], { stdio: ['ignore', 'inherit', 'inherit'] })
  expect(await child.exited).toBe(0)
}

/** The store hides its Workers; those it makes are caught on the way. */
async function openWithItsWorkers(limits: Partial<StoreLimits>): Promise<{ store: Store; workers: Worker[] }> {
  const OriginalWorker = globalThis.Worker
  const workers: Worker[] = []
  globalThis.Worker = class extends OriginalWorker {
    constructor(url: string | URL) {
      super(url)
      workers.push(this)
    }
  }
  restoreWorker = () => {
    globalThis.Worker = OriginalWorker
  }
  return { store: await open(limits), workers }
}
