/** Builds a large database and measures it: `bun bench/storage.ts [--rows 1000000] [--years 3] [--keep DIRECTORY]`. */
import { Database } from 'bun:sqlite'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpuUsage } from 'node:process'
import { parseArgs } from 'node:util'
import type { Outcome, UsageRecord } from '../src/domain.ts'
import { type DatabaseOptions, openDatabase, type StoreDatabase } from '../src/stores/database.ts'
import { defaultStoreLimits } from '../src/stores/store-options.ts'

const { values: flags } = parseArgs({
  options: { rows: { type: 'string' }, years: { type: 'string' }, keep: { type: 'string' } },
})
const rowCount = Number(flags.rows ?? 1_000_000)
const years = Number(flags.years ?? 3)
const directory = flags.keep ?? mkdtempSync(join(tmpdir(), 'any2api-bench-'))
const path = join(directory, 'any2api.db')

const hourMs = 3_600_000
const now = Math.floor(Date.now() / hourMs) * hourMs
const batchSize = 450
const options: DatabaseOptions = { role: 'tool', timezone: 'UTC', maxModels: 2000, maxPages: null }

const models = names(30, (index) => `model-of-some-length-${index}`)
const credentials = names(50, (index) => `1f0c9a${index}…9abc`)
/** Of a hundred calls one fails and one is left. */
const outcomes: Outcome[] = [...Array.from({ length: 98 }, (): Outcome => 'succeeded'), 'failed', 'aborted']
const clients = names(20, (index) => `client-${index}`)

for (const [name, isVaried] of [
  ['one model, one client, 50 credentials', false],
  ['30 models, 20 clients, 50 credentials', true],
] as const) {
  const each = measureInserts(isVaried)
  console.log(`insert, ${name}: ${each.cpuUs.toFixed(2)} µs CPU, ${each.wallUs.toFixed(2)} µs per row`)
}

const database = openDatabase(path, options)
fillRequests(database)
// The first call there is, so that it is the last one found.
database.write({ records: [{ ...record(now - 91 * 24 * hourMs, true), client: 'client-rare' }], changes: [] })
database.close()
console.log(
  `${rowCount} rows in the last 90 days: ${megabytes()} MB, ${(statSync(path).size / rowCount).toFixed(0)} bytes each`,
)
const before = statSync(path).size
fillTotals(years)
const filled = openDatabase(path, options)
console.log(
  `with totals of ${years} years: ${megabytes()} MB, totals ${((statSync(path).size - before) / 1e6).toFixed(0)} MB`,
)
measureQuestions(filled)
filled.close()
if (flags.keep === undefined) rmSync(directory, { recursive: true, force: true })

function names(count: number, name: (index: number) => string): string[] {
  return Array.from({ length: count }, (_, index) => name(index))
}

function pick<Value>(values: readonly Value[]): Value {
  return values[Math.floor(Math.random() * values.length)] as Value
}

function record(time: number, isVaried: boolean): UsageRecord {
  const outcome = pick(outcomes)
  return {
    id: `req_${Bun.randomUUIDv7('hex', Math.floor(time))}`,
    time: Math.floor(time),
    client: isVaried ? pick(clients) : 'client-0',
    path: '/chat/completions',
    model: isVaried ? pick(models) : 'model-0',
    provider: 'openai',
    targetModel: 'gpt-4o',
    credential: pick(credentials),
    status: outcome === 'succeeded' ? 200 : 502,
    outcome,
    isStream: true,
    errorCode: outcome === 'succeeded' ? '' : 'upstream_error',
    attempts: 1,
    firstByteMs: Math.round(200 + Math.random() * 800),
    durationMs: Math.round(1000 + Math.random() * 8000),
    usage: { inputTokens: Math.round(Math.random() * 3000), outputTokens: 300, cachedTokens: 0, reasoningTokens: 0 },
    usageSource: 'upstream',
    costMicroUsd: Math.round(Math.random() * 10_000),
    trail: null,
  }
}

/** As the Worker gets them at 18,000 calls a second: every 25 ms a batch. */
function measureInserts(isVaried: boolean): { cpuUs: number; wallUs: number } {
  const place = mkdtempSync(join(tmpdir(), 'any2api-bench-'))
  const one = openDatabase(join(place, 'any2api.db'), options)
  const count = 200_000
  const batches = Array.from({ length: Math.ceil(count / batchSize) }, (_, batch) =>
    Array.from({ length: batchSize }, (_, index) => record(now - 100_000 + (batch * batchSize + index) / 18, isVaried)),
  )
  const cpu = cpuUsage()
  const start = performance.now()
  for (const records of batches) write(one, records)
  one.fold()
  const wallMs = performance.now() - start
  const { user, system } = cpuUsage(cpu)
  one.close()
  rmSync(place, { recursive: true, force: true })
  const rows = batches.length * batchSize
  return { cpuUs: (user + system) / rows, wallUs: (wallMs * 1000) / rows }
}

function fillRequests(one: StoreDatabase): void {
  const startMs = now - 90 * 24 * hourMs
  const stepMs = (now - startMs) / rowCount
  for (let index = 0; index < rowCount; index += 1000) {
    const records = Array.from({ length: 1000 }, (_, at) => record(startMs + (index + at) * stepMs, true))
    write(one, records)
  }
}

/** As the Worker does, but for the clock. */
function write(one: StoreDatabase, records: readonly UsageRecord[]): void {
  if (one.unfoldedGroups() >= defaultStoreLimits.maxUnfoldedGroups) one.fold()
  one.write({ records, changes: [] })
}

/** Every subject that the rows have made gets sums for every hour and day of the years before: the most that there can be. */
function fillTotals(count: number): void {
  const sqlite = new Database(path)
  const day = Math.floor(now / hourMs / 24)
  const sums = '10, 9, 1, 0, 10000, 3000, 0, 0, 50000'
  const hours = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count * 365 * 24})`
  const days = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count * 365})`
  const simple = '(credential IS NOT NULL OR (model IS NOT NULL) + (provider IS NOT NULL) + (client IS NOT NULL) < 2)'
  sqlite.run('PRAGMA synchronous = OFF')
  sqlite.run(`INSERT OR IGNORE INTO totals_by_hour ${hours}
    SELECT subjects.id, (${now / 900_000} - 4 * i), ${sums} FROM subjects, n WHERE ${simple}`)
  sqlite.run(`INSERT OR IGNORE INTO totals_by_day ${days} SELECT subjects.id, ${day} - i, ${sums} FROM subjects, n`)
  sqlite.run(`INSERT OR IGNORE INTO timings_by_day ${days}
    SELECT subjects.id, ${day} - i, (SELECT timings FROM timings_by_day LIMIT 1) FROM subjects, n WHERE ${simple}`)
  sqlite.close()
}

function measureQuestions(one: StoreDatabase): void {
  const dayMs = 24 * hourMs
  const base = { from: null, to: null, bucket: null, by: null, top: 8, filter: {}, now: now + 1 } as const
  const client = { client: 'client-3' }
  const questions: [string, () => unknown][] = [
    ['/stats', () => one.totals(now)],
    ['/stats?from=24h&by=model', () => one.rangeStats({ ...base, from: now - dayMs, by: 'model' })],
    [
      '/stats?from=7d&bucket=hour&by=model',
      () => one.rangeStats({ ...base, from: now - 7 * dayMs, bucket: 'hour', by: 'model' }),
    ],
    [
      '/stats?from=60d&bucket=hour&by=credential',
      () => one.rangeStats({ ...base, from: now - 60 * dayMs, bucket: 'hour', by: 'credential' }),
    ],
    [
      '/stats?from=30d&by=model&client=…',
      () => one.rangeStats({ ...base, from: now - 30 * dayMs, by: 'model', filter: client }),
    ],
    [
      '/stats?from=7d&bucket=hour&by=model&client=…',
      () => one.rangeStats({ ...base, from: now - 7 * dayMs, bucket: 'hour', by: 'model', filter: client }),
    ],
    ['/stats?by=model (all years)', () => one.rangeStats({ ...base, by: 'model' })],
    ['/stats?from=700d&by=model', () => one.rangeStats({ ...base, from: now - 700 * dayMs, by: 'model' })],
    [
      '/stats?from=700d&by=model&client=…',
      () => one.rangeStats({ ...base, from: now - 700 * dayMs, by: 'model', filter: client }),
    ],
    ['/admin/requests', () => one.requests({ limit: 100 })],
    ['/admin/requests, 1000 of them', () => one.requests({ limit: 1000 })],
    ['/admin/requests?model=…&client=…', () => one.requests({ limit: 100, ...client, model: models[3] ?? '' })],
    ['/admin/requests?outcome=failed', () => one.requests({ limit: 100, outcome: 'failed' })],
    ['/admin/requests?outcome=cut (none)', () => toTheEnd(one, { outcome: 'cut' })],
    ['/admin/requests?status=429 (none)', () => toTheEnd(one, { status: { least: 429, most: 429 } })],
    ['/admin/requests?min_duration=60s (none)', () => toTheEnd(one, { minDurationMs: 60_000 })],
    ['/admin/requests?client=… (one, the oldest)', () => toTheEnd(one, { client: 'client-rare' })],
    ['/admin/requests?client=… , its longest step', () => one.requests({ limit: 100, client: 'client-rare' })],
    [
      '/admin/requests/{id}',
      () => one.requests({ limit: 1, id: one.requests({ limit: 1, to: now - 45 * dayMs }).records[0]?.id ?? '' }),
    ],
    ['all rows, 1000 at a time', () => exportAll(one)],
  ]
  for (const [name, ask] of questions) {
    const times = Array.from({ length: name.startsWith('all') ? 1 : 7 }, () => {
      const start = performance.now()
      ask()
      return performance.now() - start
    }).sort((a, b) => a - b)
    const median = times[Math.floor(times.length / 2)] ?? 0
    console.log(`| ${name} | ${median.toFixed(1)} | ${(times.at(-1) ?? 0).toFixed(1)} |`)
  }
}

function toTheEnd(one: StoreDatabase, filter: object): void {
  let page = one.requests({ limit: 100, ...filter })
  while (page.nextCursor !== null && page.records.length < 100) {
    page = one.requests({ limit: 100, ...filter, cursor: page.nextCursor })
  }
}

function exportAll(one: StoreDatabase): void {
  let page = one.requests({ limit: 1000 })
  while (page.nextCursor !== null) page = one.requests({ limit: 1000, cursor: page.nextCursor })
}

function megabytes(): string {
  return (statSync(path).size / 1e6).toFixed(0)
}
