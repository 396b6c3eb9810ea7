/** The sums that are kept for ever: what is counted together, in which periods, and how it is asked for. */
import type { Database } from 'bun:sqlite'
import type { UsageRecord } from '../domain.ts'
import { integer, text } from './column-values.ts'
import type { LocalTime } from './local-time.ts'
import { addHistogram, type LogHistogram, observe, readHistograms, writeHistograms } from './log-histogram.ts'
import type { ImportedCounts, ImportedTotals, TotalsDimension } from './store.ts'

export interface TotalsTables {
  /** Adds calls up in memory, where they stay through a transaction that fails. */
  count(records: readonly UsageRecord[]): void
  /** What is in memory only, alike calls of one hour together. */
  unfolded(): ReadonlyMap<string, UnfoldedCalls>
  /** Adds that to the tables. It is `dropUnfolded` that ends its being in memory, after the transaction. */
  fold(): void
  dropUnfolded(): void
  addImported(totals: ImportedTotals): void
  /** Subjects of the smallest kind that knows these columns, narrowed to the filter; null: no kind does. */
  subjects(filter: SubjectFilter, by: TotalsDimension | null): Subject[] | null
  /** Of all times. */
  ever(subject: Subject): Sums | null
  /** The sum over a range of periods, its end excluded. */
  sum(subject: Subject, range: PeriodRange): Sums | null
  /** Period by period, in order. */
  periods(subject: Subject, range: PeriodRange): ({ start: number } & Sums)[]
  /** Adds the histograms of a range; subjects of several columns have none. */
  addTimings(subject: Subject, range: PeriodRange, timings: Timings): void
  /** The first day that anything was counted on, as a day number. */
  firstDay(): number | null
  /** Deletes what is kept by the hour for a while only, of so many subjects at a time; returns whether there may be more. */
  deleteOldHours(before: { readonly time: number; readonly maxSubjects: number }): boolean
  /** After a transaction that failed. */
  forget(): void
  close(): void
}

export type SubjectFilter = Readonly<Partial<Record<TotalsDimension, string>>>

/** What sums are of; null: whatever it was. */
export interface Subject extends Readonly<Record<TotalsDimension, string | null>> {
  readonly id: number
}

export interface PeriodRange {
  readonly table: 'day' | 'hour'
  /** Day numbers, or quarters of an hour since 1970; the end is excluded. */
  readonly start: number
  readonly end: number
}

export interface Timings {
  readonly firstByte: LogHistogram
  readonly duration: LogHistogram
}

/** Columns of sums, in every table of totals. */
export const sumColumns = [
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
export type Sums = Record<(typeof sumColumns)[number], number>

export const quarterHourMs = 900_000
const otherModel = 'other'
const maxRememberedGroups = 10_000
const dimensions = ['model', 'provider', 'credential', 'client'] as const

/**
 * The smallest first. Credentials stand with nothing but their provider: as they take turns, every model and client meets every
 * one of them, and the rows would hardly be fewer than the calls.
 */
const kinds: readonly (readonly TotalsDimension[])[] = [
  [],
  ['provider'],
  ['client'],
  ['model'],
  ['provider', 'credential'],
  ['provider', 'client'],
  ['model', 'provider'],
  ['model', 'provider', 'client'],
]

/** Kinds whose hours are kept for ever, and which have histograms. */
function isSimple(subject: Readonly<Record<TotalsDimension, string | null>>): boolean {
  const set = dimensions.filter((one) => subject[one] !== null)
  return set.length < 2 || (set.length === 2 && subject.credential !== null)
}

/** What calls of one hour, alike in every column, add up to. */
export interface UnfoldedCalls {
  /** The names in one. */
  readonly key: string
  readonly names: Record<TotalsDimension, string>
  /** When the hour began, in Unix milliseconds. */
  readonly time: number
  readonly sums: Sums
  readonly timings: Timings
}

interface Addition {
  readonly subject: Subject
  readonly start: number
  /** When its first hour began. */
  readonly time: number
  readonly sums: Sums
  readonly timings: Timings | null
}

export interface TotalsOptions {
  readonly localTime: LocalTime
  /** Distinct model names; further ones are counted as `other`. */
  readonly maxModels: number
}

export function createTotalsTables(sqlite: Database, { localTime, maxModels }: TotalsOptions): TotalsTables {
  const statements: { finalize(): void }[] = []
  const prepare = <Row, Parameters extends (string | number | Uint8Array | null)[]>(sql: string) => {
    const statement = sqlite.prepare<Row, Parameters>(sql)
    statements.push(statement)
    return statement
  }
  const selectSubjects = prepare<Subject, []>('SELECT id, model, provider, credential, client FROM subjects')
  const insertSubject = prepare<{ id: number }, (string | null)[]>(
    'INSERT INTO subjects (model, provider, credential, client) VALUES (?, ?, ?, ?) RETURNING id',
  )
  const addEver = prepare<unknown, number[]>(addSql('totals_ever', ['subject']))
  const selectEver = prepare<Sums, [number]>(`SELECT ${sumColumns.join(', ')} FROM totals_ever WHERE subject = ?`)
  const period = (name: 'day' | 'hour') => ({
    add: prepare<unknown, number[]>(addSql(`totals_by_${name}`, ['subject', 'start'])),
    select: prepare<{ start: number } & Sums, [number, number, number]>(
      `SELECT start, ${sumColumns.join(', ')} FROM totals_by_${name} WHERE subject = ? AND start >= ? AND start < ? ORDER BY start`,
    ),
    sum: prepare<Sums, [number, number, number]>(
      `SELECT ${sumColumns.map((column) => `SUM(${column}) AS ${column}`).join(', ')}
       FROM totals_by_${name} WHERE subject = ? AND start >= ? AND start < ?`,
    ),
    delete: prepare<unknown, [number, number]>(`DELETE FROM totals_by_${name} WHERE subject = ? AND start < ?`),
    timings: prepare<{ timings: Uint8Array }, [number, number, number]>(
      `SELECT timings FROM timings_by_${name} WHERE subject = ? AND start >= ? AND start < ?`,
    ),
    putTimings: prepare<unknown, [number, number, Uint8Array]>(
      `INSERT OR REPLACE INTO timings_by_${name} (subject, start, timings) VALUES (?, ?, ?)`,
    ),
    deleteTimings: prepare<unknown, [number, number]>(`DELETE FROM timings_by_${name} WHERE subject = ? AND start < ?`),
  })
  const tables = { day: period('day'), hour: period('hour') }
  const selectFirstDay = prepare<{ first: number | null }, [number]>(
    'SELECT MIN(start) AS first FROM totals_by_day WHERE subject = ?',
  )
  const subjectsByKind = kinds.map(() => new Map<string, Subject>())
  const modelNames = new Set<string>()
  /** The subjects of each kind that calls of these names belong to. */
  const groupSubjects = new Map<string, Subject[]>()
  const unfolded = new Map<string, UnfoldedCalls>()
  let cleanedSubjects = 0
  load()

  function load(): void {
    for (const known of subjectsByKind) known.clear()
    modelNames.clear()
    groupSubjects.clear()
    for (const subject of selectSubjects.all()) keep(subject)
    for (const { names } of unfolded.values()) modelNames.add(names.model)
  }

  function keep(subject: Subject): void {
    const set = dimensions.filter((one) => subject[one] !== null)
    const kind = kinds.findIndex((one) => one.length === set.length && one.every((name) => set.includes(name)))
    subjectsByKind[kind]?.set(keyOf(kinds[kind] ?? [], subject), subject)
    if (set.length === 1 && subject.model !== null) modelNames.add(subject.model)
  }

  function subjectOf(kind: number, names: Readonly<Record<TotalsDimension, string>>): Subject {
    const columns = kinds[kind] ?? []
    const known = subjectsByKind[kind]?.get(keyOf(columns, names))
    if (known !== undefined) return known
    const [model, provider, credential, client] = dimensions.map((one) => (columns.includes(one) ? names[one] : null))
    const values = [model ?? null, provider ?? null, credential ?? null, client ?? null] as const
    const id = insertSubject.get(...values)?.id ?? 0
    const subject = { id, model: values[0], provider: values[1], credential: values[2], client: values[3] }
    keep(subject)
    return subject
  }

  /** Clients choose model names: without a bound one of them could fill the disk with rows that are kept for ever. */
  function countedModel(model: string): string {
    if (modelNames.has(model)) return model
    if (modelNames.size >= maxModels) return otherModel
    modelNames.add(model)
    return model
  }

  /** Groups are added up by subject and hour, and those by day: each step has far less to add than the one before. */
  function fold(): void {
    const hours = new Map<number, Addition>()
    const days = new Map<number, Addition>()
    const ever = new Map<number, Addition>()
    for (const group of unfolded.values()) {
      const hour = Math.round(group.time / quarterHourMs)
      for (const subject of subjectsOf(group))
        merge(hours, { ...group, subject, start: hour, isTimed: isSimple(subject) })
    }
    for (const { subject, time, sums, timings } of hours.values()) {
      const part = { subject, time, sums, timings: timings ?? noTimings(), isTimed: timings !== null }
      merge(days, { ...part, start: localTime.dayNumber(time) })
      // Of the others there are many, and people seldom ask what they were in all times: their days say it too.
      if (timings !== null) merge(ever, { ...part, start: 0, isTimed: false })
    }
    for (const { subject, sums } of ever.values()) addEver.run(subject.id, ...valuesOf(sums))
    write('day', days.values())
    write('hour', hours.values())
  }

  function subjectsOf({ key, names }: UnfoldedCalls): Subject[] {
    const known = groupSubjects.get(key)
    if (known !== undefined) return known
    const subjects = kinds.map((_, kind) => subjectOf(kind, names))
    if (groupSubjects.size >= maxRememberedGroups) groupSubjects.clear()
    groupSubjects.set(key, subjects)
    return subjects
  }

  function count(records: readonly UsageRecord[]): void {
    for (const record of records) {
      const model = countedModel(text(record.model))
      const time = localTime.hourStart(integer(record.time))
      const key = `${model}\0${record.provider}\0${record.credential}\0${record.client}`
      const timedKey = `${time}\0${key}`
      let group = unfolded.get(timedKey)
      if (group === undefined) {
        const names = {
          model,
          provider: text(record.provider),
          credential: text(record.credential),
          client: text(record.client),
        }
        group = { key, names, time, sums: noSums(), timings: noTimings() }
        unfolded.set(timedKey, group)
      }
      countRecord(group.sums, record)
      if (record.firstByteMs !== null) observe(group.timings.firstByte, record.firstByteMs)
      observe(group.timings.duration, record.durationMs)
    }
  }

  function write(table: 'day' | 'hour', additions: Iterable<Addition>): void {
    const { add, timings: select, putTimings } = tables[table]
    for (const { subject, start, sums, timings } of additions) {
      add.run(subject.id, start, ...valuesOf(sums))
      if (timings === null) continue
      const both = [timings.firstByte, timings.duration]
      for (const row of select.all(subject.id, start, start + 1)) readHistograms(row.timings, both)
      putTimings.run(subject.id, start, writeHistograms(both))
    }
  }

  function addImported(totals: ImportedTotals): void {
    const noNames = { model: '', provider: text(totals.provider), credential: '', client: '' }
    const addTo = (subject: Subject, counts: ImportedCounts) => addEver.run(subject.id, ...valuesOf(toSums(counts)))
    const named = (...columns: TotalsDimension[]) =>
      kinds.findIndex((kind) => kind.length === columns.length && columns.every((column) => kind.includes(column)))
    const all = subjectOf(0, noNames)
    const provider = subjectOf(named('provider'), noNames)
    addTo(all, totals.all)
    addTo(provider, totals.all)
    for (const [model, counts] of Object.entries(totals.models))
      addTo(subjectOf(named('model'), { ...noNames, model: countedModel(text(model)) }), counts)
    for (const [label, counts] of Object.entries(totals.credentials))
      addTo(subjectOf(named('provider', 'credential'), { ...noNames, credential: text(label) }), counts)
    // Which model, credential and client an hour's calls were of, the other program did not know.
    for (const [label, counts] of Object.entries(totals.hours)) {
      const time = localTime.hourOfLabel(label)
      if (time === null) continue
      for (const { id } of [all, provider]) {
        const values = valuesOf(toSums(counts))
        tables.hour.add.run(id, Math.round(localTime.hourStart(time) / quarterHourMs), ...values)
        tables.day.add.run(id, localTime.dayNumber(time), ...values)
      }
    }
  }

  function sumOf(subject: Subject, { table, start, end }: PeriodRange): Sums | null {
    const sums = tables[table].sum.get(subject.id, start, end)
    return sums === null || sums.requests === null ? null : sums
  }

  return {
    count,
    addImported,

    subjects(filter, by) {
      const fixed = dimensions.filter((one) => filter[one] !== undefined)
      const needed = by === null ? fixed : [...fixed, by]
      const kind = kinds.findIndex((columns) => needed.every((one) => columns.includes(one)))
      if (kind < 0) return null
      return [...(subjectsByKind[kind]?.values() ?? [])].filter((subject) =>
        fixed.every((one) => subject[one] === filter[one]),
      )
    },

    unfolded: () => unfolded,
    fold,
    dropUnfolded: () => unfolded.clear(),
    ever: (subject) =>
      isSimple(subject)
        ? selectEver.get(subject.id)
        : sumOf(subject, { table: 'day', start: 0, end: Number.MAX_SAFE_INTEGER }),
    sum: sumOf,
    periods: (subject, { table, start, end }) => tables[table].select.all(subject.id, start, end),

    addTimings(subject, { table, start, end }, timings) {
      for (const row of tables[table].timings.iterate(subject.id, start, end))
        readHistograms(row.timings, [timings.firstByte, timings.duration])
    },

    firstDay() {
      const all = subjectsByKind[0]?.get('')
      return all === undefined ? null : (selectFirstDay.get(all.id)?.first ?? null)
    },

    deleteOldHours({ time, maxSubjects }) {
      const before = Math.floor(time / quarterHourMs)
      const all = subjectsByKind.flatMap((known) => [...known.values()])
      const some = all.slice(cleanedSubjects, cleanedSubjects + maxSubjects)
      for (const subject of some) {
        if (isSimple(subject)) tables.hour.deleteTimings.run(subject.id, before)
        else tables.hour.delete.run(subject.id, before)
      }
      cleanedSubjects += some.length
      if (cleanedSubjects < all.length) return true
      cleanedSubjects = 0
      return false
    },

    forget: load,
    close() {
      for (const statement of statements) statement.finalize()
    },
  }
}

export function addSums(sums: Sums, other: Sums): void {
  for (const column of sumColumns) sums[column] += other[column]
}

export function noSums(): Sums {
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

export function noTimings(): Timings {
  return { firstByte: new Map(), duration: new Map() }
}

interface Part extends Pick<Addition, 'subject' | 'start' | 'time' | 'sums'> {
  readonly timings: Timings
  readonly isTimed: boolean
}

/** Starts are below this until the year 2209. */
const startsPerSubject = 2 ** 23

function merge(additions: Map<number, Addition>, { subject, start, time, sums, timings, isTimed }: Part): void {
  const key = subject.id * startsPerSubject + start
  let addition = additions.get(key)
  if (addition === undefined) {
    addition = { subject, start, time, sums: noSums(), timings: isTimed ? noTimings() : null }
    additions.set(key, addition)
  }
  addSums(addition.sums, sums)
  if (addition.timings === null) return
  addHistogram(addition.timings.firstByte, timings.firstByte)
  addHistogram(addition.timings.duration, timings.duration)
}

function keyOf(columns: readonly TotalsDimension[], names: Readonly<Record<TotalsDimension, string | null>>): string {
  return columns.map((column) => names[column]).join('\0')
}

function addSql(table: string, keyColumns: readonly string[]): string {
  const columns = [...keyColumns, ...sumColumns]
  const additions = sumColumns.map((column) => `${column} = ${column} + excluded.${column}`)
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})
    ON CONFLICT DO UPDATE SET ${additions.join(', ')}`
}

function valuesOf(sums: Sums): number[] {
  return sumColumns.map((column) => sums[column])
}

function countRecord(sums: Sums, { outcome, usage, costMicroUsd }: UsageRecord): void {
  sums.requests += 1
  sums[outcome === 'succeeded' || outcome === 'aborted' ? outcome : 'failed'] += 1
  sums.input_tokens += integer(usage.inputTokens)
  sums.output_tokens += integer(usage.outputTokens)
  sums.cached_tokens += integer(usage.cachedTokens)
  sums.reasoning_tokens += integer(usage.reasoningTokens)
  sums.cost_micro_usd += integer(costMicroUsd)
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
