import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { type BlacklistEntry, type Limits, noLimits, type Outcome, type UsageRecord } from '../../src/domain.ts'
import { openDatabase, type StoreDatabase } from '../../src/stores/database.ts'
import type { ImportedCounts, ImportedTotals, StoredKey, Totals } from '../../src/stores/store.ts'
import { toolOptions } from './fixtures/data-directory.ts'
import { usageRecord } from './fixtures/usage-record.ts'

const now = Date.parse('2025-06-15T12:20:00Z')
const hourMs = 3_600_000
const outcomes: readonly Outcome[] = ['succeeded', 'refused', 'failed', 'cut', 'aborted']

let database: StoreDatabase

beforeEach(() => {
  database = openDatabase(':memory:', toolOptions)
})

afterEach(() => database.close())

describe('requests', () => {
  test('a record comes back as it was written', () => {
    const plain = usageRecord({ time: now })
    const strange = usageRecord({
      time: now - 1,
      firstByteMs: null,
      outcome: 'cut',
      isStream: false,
      model: "o'; DROP TABLE requests; --\u0000żółć 🙂",
      costMicroUsd: Number.MAX_SAFE_INTEGER,
    })
    write([plain, strange])
    expect(database.requests({ limit: 10 })).toEqual({ records: [plain, strange], nextCursor: null })
  })

  test('ids and paths of every kind come back, and are found again', () => {
    const own = [Bun.randomUUIDv7('hex', now), Bun.randomUUIDv7('hex', now)]
    const ids = [
      ...own,
      `${own[0]?.slice(0, -1)}g`,
      `${own[0]?.slice(0, -1)}A`,
      `${own[0]?.slice(0, -1)}ż`,
      own[0]?.replace('-', '0'),
    ]
    const paths = ['', '/chat/completions', '/files/file-1/content', '/files/file-1', 'odd', 'odd/one']
    const records = ids.map((id, index) =>
      usageRecord({ id: `req_${id}`, path: paths[index] ?? '', time: now - index }),
    )
    write(records)
    expect(database.requests({ limit: 10 }).records).toEqual(records)
    for (const record of records) expect(database.requests({ limit: 10, id: record.id }).records).toEqual([record])
  })

  test('texts are cut, fractions rounded, and what is no number counts as 0', () => {
    const usage = { inputTokens: Number.NaN, outputTokens: 1.4, cachedTokens: 0, reasoningTokens: 0 }
    write([usageRecord({ model: `${'m'.repeat(255)}🙂`, durationMs: 12.6, usage })])
    const [record] = database.requests({ limit: 1 }).records
    expect(record?.model).toBe(`${'m'.repeat(255)}\uFFFD`)
    expect(record?.durationMs).toBe(13)
    expect(record?.usage).toEqual({ ...usage, inputTokens: 0, outputTokens: 1 })
  })

  test('they come newest first, filtered by each column, from before a time, within the limit', () => {
    write([
      usageRecord({ id: 'a', time: 1, model: 'm1', provider: 'p1', client: 'c1', outcome: 'failed' }),
      usageRecord({ id: 'b', time: 2, model: 'm2', provider: 'p1', client: 'c1' }),
      usageRecord({ id: 'c', time: 2, model: 'm1', provider: 'p2', client: 'c2' }),
      usageRecord({ id: 'd', time: 3, model: 'm1', provider: 'p2', client: 'c1' }),
    ])
    const ids = (filter: object) =>
      database
        .requests({ limit: 100, ...filter })
        .records.map((record) => record.id)
        .join('')
    expect(ids({})).toBe('dcba')
    expect(ids({ model: 'm1' })).toBe('dca')
    expect(ids({ provider: 'p1' })).toBe('ba')
    expect(ids({ client: 'c1' })).toBe('dba')
    expect(ids({ outcome: 'failed' })).toBe('a')
    expect(ids({ to: 3 })).toBe('cba')
    expect(ids({ from: 2, to: 3 })).toBe('cb')
    expect(ids({ model: 'm1', client: 'c1', to: 3 })).toBe('a')
    expect(ids({ credential: 'nobody' })).toBe('')
    expect(ids({ id: 'c' })).toBe('c')
    expect(ids({ status: { least: 500, most: 599 } })).toBe('')
    expect(ids({ minDurationMs: 2310 })).toBe('dcba')
    expect(ids({ minDurationMs: 2311 })).toBe('')
    expect(ids({ limit: 2 })).toBe('dc')
    expect(ids({ limit: -1 })).toBe('d')
  })

  test('old ones are deleted in chunks and the totals stay', () => {
    write(Array.from({ length: 25 }, (_, index) => usageRecord({ time: now - index * hourMs })))
    const before = { time: now - 4 * hourMs, limit: 15 }
    expect(database.deleteRequests(before)).toBe(15)
    expect(database.deleteRequests(before)).toBe(5)
    expect(database.deleteRequests(before)).toBe(0)
    expect(database.requests({ limit: 100 }).records).toHaveLength(5)
    expect(database.totals(now).totals.requests).toBe(25)
  })
})

describe('totals', () => {
  test('sums are exact over random records, whatever the batches', () => {
    const random = createRandom(7)
    const records = Array.from({ length: 3000 }, () => randomRecord(random))
    for (let start = 0; start < records.length; ) {
      const end = start + 1 + random(200)
      write(records.slice(start, end))
      start = end
    }
    const totals = database.totals(now)
    expect(totals.totals).toEqual(sumOf(records))
    expect(totals.models).toEqual(sumsBy(records, (record) => record.model))
    expect(totals.providers).toEqual(sumsBy(records, (record) => record.provider))
    expect(totals.credentials).toEqual(sumsBy(records, (record) => record.credential))
    expect(totals.clients).toEqual(sumsBy(records, (record) => record.client))
    const hourOf = (record: UsageRecord) => `${new Date(record.time).toISOString().slice(0, 13)}:00`
    const isShownHour = (record: UsageRecord) => Math.floor(record.time / hourMs) * hourMs > now - 48 * hourMs
    expect(totals.hours).toEqual(sumsBy(records.filter(isShownHour), hourOf))
    const dayOf = (record: UsageRecord) => new Date(record.time).toISOString().slice(0, 10)
    const isShownDay = (record: UsageRecord) => dayOf(record) >= '2025-05-17'
    expect(totals.days).toEqual(sumsBy(records.filter(isShownDay), dayOf))
    expect(Object.keys(totals.days)).toHaveLength(30)
    expect(Object.keys(totals.days)).toEqual(Object.keys(totals.days).sort())
  })

  test('an empty database has zeros', () => {
    expect(database.totals(now)).toEqual({
      totals: sumOf([]),
      models: {},
      providers: {},
      credentials: {},
      clients: {},
      days: {},
      hours: {},
    })
  })

  test('days and hours are those of the configured zone', () => {
    const kolkata = openDatabase(':memory:', { ...toolOptions, timezone: 'Asia/Kolkata' })
    const times = ['2025-06-14T18:29:59Z', '2025-06-14T18:30:00Z', '2025-06-14T19:29:59Z']
    kolkata.write({ records: times.map((time) => usageRecord({ time: Date.parse(time) })), changes: [] })
    const totals = kolkata.totals(now)
    expect(countsOf(totals.days)).toEqual({ '2025-06-14': 1, '2025-06-15': 2 })
    expect(countsOf(totals.hours)).toEqual({ '2025-06-14T23:00': 1, '2025-06-15T00:00': 2 })
    kolkata.close()
  })

  test('model names beyond the bound count as other, known ones on', () => {
    const small = openDatabase(':memory:', { ...toolOptions, maxModels: 3 })
    const models = ['a', 'b', 'c', 'd', 'e', 'a', '__proto__']
    small.write({ records: models.map((model) => usageRecord({ model })), changes: [] })
    expect(countsOf(small.totals(now).models)).toEqual({ a: 2, b: 1, c: 1, other: 3 })
    expect(small.requests({ limit: 1, model: 'd' }).records).toHaveLength(1)
    small.close()
  })

  test('a hostile model name is a name like any other', () => {
    write([usageRecord({ model: '__proto__' }), usageRecord({ model: 'constructor' })])
    expect(Object.keys(database.totals(now).models)).toEqual(['__proto__', 'constructor'])
  })

  test('a call that names no model and reached no credential is in the sum of all only', () => {
    write([usageRecord({ model: '', provider: '', credential: '', outcome: 'refused' })])
    const totals = database.totals(now)
    expect(totals.totals.failed).toBe(1)
    expect([totals.models, totals.providers, totals.credentials]).toEqual([{}, {}, {}])
  })
})

test('blacklist entries are put, replaced and removed by provider, credential and scope', () => {
  const entry: BlacklistEntry = {
    provider: 'openai',
    credentialId: 'c1',
    label: '3f2a…wxyz',
    scope: '',
    reason: 'invalid_credential',
    detail: 'refused twice',
    since: now,
    until: null,
  }
  const scoped: BlacklistEntry = {
    ...entry,
    scope: 'gpt-4o',
    reason: 'rate_limited',
    since: now + 1,
    until: now + 60_000,
  }
  database.write({
    records: [],
    changes: [
      { type: 'put_blacklist_entry', entry: { ...entry, detail: 'refused' } },
      { type: 'put_blacklist_entry', entry: scoped },
      { type: 'put_blacklist_entry', entry },
    ],
  })
  expect(database.blacklist()).toEqual([entry, scoped])
  database.write({ records: [], changes: [{ type: 'remove_blacklist_entry', entry }] })
  expect(database.blacklist()).toEqual([scoped])
})

test('a client has one pin for each provider, the last', () => {
  const pins = ['c1', 'c2'].map((credentialId) => ({ client: 'alice', provider: 'openai', credentialId }))
  database.write({ records: [], changes: pins.map((pin) => ({ type: 'put_pin', pin })) })
  expect(database.pins()).toEqual([{ client: 'alice', provider: 'openai', credentialId: 'c2' }])
})

test('keys are added, listed and revoked; a name or hash that is taken is refused', () => {
  const limits: Limits = {
    requestsPerMinute: 60,
    requestsPerSecond: 0.5,
    burst: 3,
    tokensPerMinute: 1000,
    maxConcurrent: 2,
    budgetMicroUsd: 5_000_000,
    budgetPeriod: 'day',
  }
  const alice = storedKey({ name: 'alice', hash: 'h1', models: ['gpt-4o*'], limits, isStateful: true })
  const admin = storedKey({ name: 'admin', hash: 'h2', role: 'admin' })
  database.addKey(alice)
  database.addKey(admin)
  expect(() => database.addKey({ ...alice, hash: 'h3' })).toThrow('a key named alice is already there')
  expect(() => database.addKey({ ...alice, name: 'bob' })).toThrow('already there')
  expect(database.keys()).toEqual([admin, alice])
  expect(database.revokeKey('alice')).toBe(true)
  expect(database.revokeKey('alice')).toBe(false)
  expect(database.keys()).toEqual([admin])
})

test.each([
  ['Asia/Tokyo', 'T15:00:00Z'],
  ['Asia/Kathmandu', 'T18:15:00Z'],
])('what a client has spent is summed over the day and the month of now, as they begin in %s', (timezone, midnight) => {
  const zoned = openDatabase(':memory:', { ...toolOptions, timezone })
  const monthStart = Date.parse(`2025-05-31${midnight}`)
  const dayStart = Date.parse(`2025-06-14${midnight}`)
  const costs: [string, number, number][] = [
    ['alice', monthStart - 1, 1],
    ['alice', monthStart, 20],
    ['alice', dayStart - 1, 300],
    ['alice', dayStart, 4000],
    ['alice', now - 1000, 50_000],
    ['bob', now - 1000, 7],
  ]
  const records = costs.map(([client, time, costMicroUsd]) => usageRecord({ client, time, costMicroUsd }))
  zoned.write({ records, changes: [] })
  // What is kept by the hour for a while only is not what budgets are made of.
  while (zoned.deleteOldHours({ time: now, maxSubjects: 100 }));
  expect(zoned.spending(now)).toEqual({
    day: { startsAt: dayStart, costsMicroUsd: { alice: 54_000, bob: 7 } },
    month: { startsAt: monthStart, costsMicroUsd: { alice: 54_320, bob: 7 } },
  })
  zoned.close()
})

test('a write that fails has changed nothing', () => {
  const full = openDatabase(':memory:', { ...toolOptions, maxPages: 60 })
  const records = Array.from({ length: 5000 }, () => usageRecord())
  expect(() => full.write({ records, changes: [] })).toThrow('full')
  expect(full.requests({ limit: 1 }).records).toEqual([])
  expect(full.totals(now).totals.requests).toBe(0)
  full.write({ records: [usageRecord()], changes: [] })
  expect(full.totals(now).totals.requests).toBe(1)
  full.close()
})

function write(records: UsageRecord[]): void {
  database.write({ records, changes: [] })
}

function storedKey(changes: Partial<StoredKey>): StoredKey {
  return {
    name: 'n',
    role: 'client',
    hash: 'h',
    label: 'l',
    models: null,
    limits: noLimits,
    isStateful: null,
    createdAt: now,
    ...changes,
  }
}

/** A small linear congruential generator: the same records in every run. */
function createRandom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * below)
  }
}

function randomRecord(random: (below: number) => number): UsageRecord {
  return usageRecord({
    time: now - random(40 * 24 * hourMs),
    model: `model-${random(20)}`,
    provider: `provider-${random(3)}`,
    credential: `credential-${random(50)}`,
    client: `client-${random(5)}`,
    outcome: outcomes[random(outcomes.length)] ?? 'failed',
    usage: {
      inputTokens: random(100_000),
      outputTokens: random(10_000),
      cachedTokens: random(1000),
      reasoningTokens: random(1000),
    },
    costMicroUsd: random(10_000_000),
  })
}

function sumOf(records: readonly UsageRecord[]): Totals {
  const count = (...counted: Outcome[]) => records.filter((record) => counted.includes(record.outcome)).length
  const sum = (value: (record: UsageRecord) => number) => records.reduce((total, record) => total + value(record), 0)
  return {
    requests: records.length,
    succeeded: count('succeeded'),
    failed: count('refused', 'failed', 'cut'),
    aborted: count('aborted'),
    input_tokens: sum((record) => record.usage.inputTokens),
    output_tokens: sum((record) => record.usage.outputTokens),
    cached_tokens: sum((record) => record.usage.cachedTokens),
    reasoning_tokens: sum((record) => record.usage.reasoningTokens),
    cost_usd: sum((record) => record.costMicroUsd) / 1_000_000,
  }
}

function sumsBy(records: readonly UsageRecord[], name: (record: UsageRecord) => string): Record<string, Totals> {
  const groups = Map.groupBy(records, name)
  return Object.fromEntries([...groups].map(([key, group]) => [key, sumOf(group)]))
}

function countsOf(totals: Record<string, Totals>): Record<string, number> {
  return Object.fromEntries(Object.entries(totals).map(([name, value]) => [name, value.requests]))
}

describe('totals of another program', () => {
  const counts = (requests: number, changes: Partial<ImportedCounts> = {}): ImportedCounts => ({
    requests,
    succeeded: requests,
    failed: 0,
    inputTokens: 0,
    outputTokens: 0,
    costMicroUsd: 0,
    ...changes,
  })
  const imported: ImportedTotals = {
    source: 'other program',
    provider: 'ondemand',
    all: counts(12, { succeeded: 10, failed: 2, inputTokens: 750, outputTokens: 250, costMicroUsd: 1500 }),
    models: { 'gpt-4o': counts(7), o3: counts(3) },
    credentials: { 'a***@example.com': counts(10) },
    hours: { '2025-06-15T10:00': counts(4), '2025-06-14T09:00': counts(6), nonsense: counts(1) },
  }

  test('are added to what was counted here, each to the totals that it is of', () => {
    write([usageRecord({ time: now, model: 'gpt-4o', provider: 'openai', outcome: 'succeeded' })])
    expect(database.importTotals(imported)).toBe(true)
    const totals = database.totals(now)
    expect(totals.totals).toMatchObject({ requests: 13, succeeded: 11, failed: 2 })
    expect(totals.models['gpt-4o']?.requests).toBe(8)
    expect(totals.models.o3?.requests).toBe(3)
    expect(totals.providers.ondemand).toMatchObject({
      requests: 12,
      input_tokens: 750,
      output_tokens: 250,
      cost_usd: 0.0015,
    })
    expect(totals.credentials['a***@example.com']?.requests).toBe(10)
    expect(totals.days).toMatchObject({ '2025-06-14': { requests: 6 }, '2025-06-15': { requests: 5 } })
    expect(totals.hours).toMatchObject({ '2025-06-15T10:00': { requests: 4 }, '2025-06-14T09:00': { requests: 6 } })
  })

  test('are added once', () => {
    expect(database.importTotals(imported)).toBe(true)
    expect(database.importTotals(imported)).toBe(false)
    expect(database.importTotals({ ...imported, all: counts(99) })).toBe(false)
    expect(database.totals(now).totals.requests).toBe(12)
    expect(database.importTotals({ ...imported, source: 'a third program' })).toBe(true)
    expect(database.totals(now).totals.requests).toBe(24)
  })
})
