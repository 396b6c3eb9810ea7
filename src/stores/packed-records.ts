/**
 * Records as they wait and are posted to the Worker: a block of numbers, which is handed over and not copied, and every text once. As JSON
 * they would cost each call twice as much on either side, and as objects that wait they would be the garbage collector's work.
 */
import type { AttemptRecord, Outcome, UsageRecord, UsageSource } from '../domain.ts'

export interface PackedRecords {
  /** One a line: they are ours, and no two are alike. */
  readonly ids: string
  /** Whatever else is text; `numbers` has the places. */
  readonly names: readonly string[]
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
}

const numbersEach = 20
const firstRoom = 64

/** `most`: records that are taken together. */
export function createRecordQueue(most: number): RecordQueue {
  const full: ReturnType<RecordQueue['take']>[] = []
  let numbers = new Float64Array(firstRoom * numbersEach)
  let at = 0
  let ids: string[] = []
  let places = new Map<string, number>()
  let trails: [number, readonly AttemptRecord[]][] = []
  let size = 0

  function placeOf(name: string): number {
    const known = places.get(name)
    if (known !== undefined) return known
    places.set(name, places.size)
    return places.size - 1
  }

  function pack(): ReturnType<RecordQueue['take']> {
    const packed = { ids: ids.join('\n'), names: [...places.keys()], numbers: numbers.slice(0, at), trails }
    const count = ids.length
    at = 0
    ids = []
    places = new Map()
    trails = []
    return { count, packed }
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
      const taken = full.shift() ?? pack()
      size -= taken.count
      return taken
    },
    clear() {
      full.length = 0
      pack()
      size = 0
    },
  }
}

export function unpackRecords({ ids, names, numbers, trails }: PackedRecords): UsageRecord[] {
  if (numbers.length === 0) return []
  const trailOf = new Map(trails)
  let at = 0
  const number = () => numbers[at++] ?? 0
  const name = () => names[number()] ?? ''
  return ids.split('\n').map((id, index) => ({
    id,
    time: number(),
    client: name(),
    path: name(),
    model: name(),
    provider: name(),
    targetModel: name(),
    credential: name(),
    status: number(),
    outcome: name() as Outcome,
    isStream: number() === 1,
    errorCode: name(),
    attempts: number(),
    firstByteMs: numberOrNull(number()),
    durationMs: number(),
    usage: { inputTokens: number(), outputTokens: number(), cachedTokens: number(), reasoningTokens: number() },
    usageSource: name() as UsageSource,
    costMicroUsd: number(),
    trail: trailOf.get(index) ?? null,
  }))
}

function numberOrNull(value: number): number | null {
  return Number.isNaN(value) ? null : value
}
