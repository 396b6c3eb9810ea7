/**
 * Records as they wait and are posted to the Worker: a block of numbers, which is handed over and not copied, and every text that
 * the Worker has not met yet. As JSON
 * they would cost each call twice as much on either side, and as objects that wait they would be the garbage collector's work.
 */
import type { AttemptRecord, Outcome, UsageRecord, UsageSource } from '../domain.ts'

export interface PackedRecords {
  /** One a line: they are ours, and no two are alike. */
  readonly ids: string
  /** Whatever else is text, as far as the reader does not have it; `numbers` has the places. */
  readonly names: readonly string[]
  /** The place of the first of them: what the reader has from there on is no longer true. */
  readonly firstName: number
  readonly numbers: Float64Array<ArrayBuffer>
  /** By the number of the record; most have none. */
  readonly trails: readonly (readonly [number, readonly AttemptRecord[]])[]
}

export interface RecordQueue {
  add(record: UsageRecord): void
  size(): number
  /** The oldest ones, at most as many as belong together. */
  take(): { readonly count: number; readonly packed: PackedRecords }
  clear(): void
  /** Another reader takes the place of the one that was: it has no names yet. */
  changeReader(): void
}

export interface RecordReader {
  read(packed: PackedRecords): UsageRecord[]
}

/** Names kept on either side; clients choose some of them. Beyond it both begin anew. */
const maxNames = 20_000
const maxNameCharacters = 1_000_000
const numbersEach = 20
const firstRoom = 64

/** `most`: records that are taken together. */
export function createRecordQueue(most: number): RecordQueue {
  const full: Batch[] = []
  let dictionary = createDictionary()
  /** The one the reader has. */
  let told: Dictionary | null = null
  let numbers = new Float64Array(firstRoom * numbersEach)
  let at = 0
  let ids: string[] = []
  let trails: [number, readonly AttemptRecord[]][] = []
  let size = 0

  function placeOf(name: string): number {
    const { places, names } = dictionary
    const known = places.get(name)
    if (known !== undefined) return known
    dictionary.characters += name.length
    places.set(name, names.length)
    return names.push(name) - 1
  }

  function pack(): Batch {
    const batch = { ids, numbers: numbers.slice(0, at), trails, dictionary, nameCount: dictionary.names.length }
    at = 0
    ids = []
    trails = []
    if (batch.nameCount >= maxNames || dictionary.characters >= maxNameCharacters) dictionary = createDictionary()
    return batch
  }

  function add(record: UsageRecord): void {
    if (ids.length === most) full.push(pack())
    if (at === numbers.length) {
      const larger = new Float64Array(2 * numbers.length)
      larger.set(numbers)
      numbers = larger
    }
    const { usage } = record
    if (record.trail !== null) trails.push([ids.length, record.trail])
    ids.push(record.id)
    size++
    numbers[at++] = record.time
    numbers[at++] = placeOf(record.client)
    numbers[at++] = placeOf(record.path)
    numbers[at++] = placeOf(record.model)
    numbers[at++] = placeOf(record.provider)
    numbers[at++] = placeOf(record.targetModel)
    numbers[at++] = placeOf(record.credential)
    numbers[at++] = record.status
    numbers[at++] = placeOf(record.outcome)
    numbers[at++] = record.isStream ? 1 : 0
    numbers[at++] = placeOf(record.errorCode)
    numbers[at++] = record.attempts
    numbers[at++] = record.firstByteMs ?? Number.NaN
    numbers[at++] = record.durationMs
    numbers[at++] = usage.inputTokens
    numbers[at++] = usage.outputTokens
    numbers[at++] = usage.cachedTokens
    numbers[at++] = usage.reasoningTokens
    numbers[at++] = placeOf(record.usageSource)
    numbers[at++] = record.costMicroUsd
  }

  return {
    add,
    size: () => size,
    take() {
      const batch = full.shift() ?? pack()
      const { names } = batch.dictionary
      const firstName = told === batch.dictionary ? told.toldCount : 0
      told = batch.dictionary
      told.toldCount = batch.nameCount
      size -= batch.ids.length
      const { numbers, trails } = batch
      const packed = {
        ids: batch.ids.join('\n'),
        names: names.slice(firstName, batch.nameCount),
        firstName,
        numbers,
        trails,
      }
      return { count: batch.ids.length, packed }
    },
    clear() {
      full.length = 0
      pack()
      size = 0
    },
    changeReader() {
      told = null
    },
  }
}

/** What is taken together, before it is said which names are new to the reader. */
interface Batch extends Pick<PackedRecords, 'numbers' | 'trails'> {
  readonly ids: readonly string[]
  readonly dictionary: Dictionary
  /** How many names it had then. */
  readonly nameCount: number
}

interface Dictionary {
  readonly places: Map<string, number>
  readonly names: string[]
  characters: number
  /** So many the reader has. */
  toldCount: number
}

function createDictionary(): Dictionary {
  return { places: new Map(), names: [], characters: 0, toldCount: 0 }
}

/** Reads what one queue was asked for, all of it, in order. */
export function createRecordReader(): RecordReader {
  const names: string[] = []
  return {
    read(packed) {
      names.length = packed.firstName
      for (const name of packed.names) names.push(name)
      return unpack(packed, names)
    },
  }
}

function unpack({ ids, numbers, trails }: PackedRecords, names: readonly string[]): UsageRecord[] {
  if (numbers.length === 0) return []
  const trailOf = new Map(trails)
  const number = (at: number) => numbers[at] ?? 0
  const name = (at: number) => names[number(at)] ?? ''
  return ids.split('\n').map((id, index) => {
    const at = index * numbersEach
    return {
      id,
      time: number(at),
      client: name(at + 1),
      path: name(at + 2),
      model: name(at + 3),
      provider: name(at + 4),
      targetModel: name(at + 5),
      credential: name(at + 6),
      status: number(at + 7),
      outcome: name(at + 8) as Outcome,
      isStream: number(at + 9) === 1,
      errorCode: name(at + 10),
      attempts: number(at + 11),
      firstByteMs: numberOrNull(number(at + 12)),
      durationMs: number(at + 13),
      usage: {
        inputTokens: number(at + 14),
        outputTokens: number(at + 15),
        cachedTokens: number(at + 16),
        reasoningTokens: number(at + 17),
      },
      usageSource: name(at + 18) as UsageSource,
      costMicroUsd: number(at + 19),
      trail: trailOf.get(index) ?? null,
    }
  })
}

function numberOrNull(value: number): number | null {
  return Number.isNaN(value) ? null : value
}
