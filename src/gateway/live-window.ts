/** What happened in the last minutes, in a bounded number of slots, so that counting a call costs next to nothing. */
import type { UsageRecord } from '../domain.ts'
import { bucketCount, bucketOf, type LogHistogram, type Percentiles, percentilesOf } from '../stores/log-histogram.ts'

export interface LiveWindow {
  count(record: UsageRecord): void
  read(): LiveFigures
  /** Calls that ended after the one with this number, newest first, as far as they are remembered; and the last one's number. */
  callsSince(number: number): { readonly calls: readonly UsageRecord[]; readonly last: number }
}

export interface LiveFigures {
  readonly lastMinute: MinuteSums
  /** The last 60 seconds, oldest first; the last one is under way. */
  readonly seconds: { readonly requests: readonly number[]; readonly errors: readonly number[] }
  /** Of the last five minutes. */
  readonly firstByteMs: Percentiles
  readonly durationMs: Percentiles
}

export interface MinuteSums {
  requests: number
  errors: number
  aborted: number
  inputTokens: number
  outputTokens: number
  costMicroUsd: number
}

const shownSeconds = 60
/** Histograms stand in slots of ten seconds. */
const slotSeconds = 10
const slots = 30
const rememberedCalls = 50

/** `now`: monotonic milliseconds. */
export function createLiveWindow(now: () => number): LiveWindow {
  const seconds = Array.from({ length: shownSeconds }, () => ({ second: -1, sums: noSums() }))
  const firstByte = createSlots()
  const duration = createSlots()
  const calls: UsageRecord[] = []
  let counted = 0

  function sumsAt(second: number): MinuteSums {
    const slot = seconds[second % shownSeconds]
    if (slot === undefined) return noSums()
    if (slot.second !== second) {
      slot.second = second
      slot.sums = noSums()
    }
    return slot.sums
  }

  return {
    count(record) {
      const second = Math.floor(now() / 1000)
      const sums = sumsAt(second)
      sums.requests++
      if (record.outcome === 'aborted') sums.aborted++
      else if (record.outcome !== 'succeeded') sums.errors++
      sums.inputTokens += record.usage.inputTokens
      sums.outputTokens += record.usage.outputTokens
      sums.costMicroUsd += record.costMicroUsd
      const slot = Math.floor(second / slotSeconds)
      duration.add(slot, record.durationMs)
      if (record.firstByteMs !== null) firstByte.add(slot, record.firstByteMs)
      calls[counted % rememberedCalls] = record
      counted++
    },

    read() {
      const second = Math.floor(now() / 1000)
      const lastMinute = noSums()
      const requests: number[] = []
      const errors: number[] = []
      for (let one = second - shownSeconds + 1; one <= second; one++) {
        const slot = one < 0 ? undefined : seconds[one % shownSeconds]
        const sums = slot?.second === one ? slot.sums : noSums()
        requests.push(sums.requests)
        errors.push(sums.errors)
        for (const name of sumNames) lastMinute[name] += sums[name]
      }
      const slot = Math.floor(second / slotSeconds)
      return {
        lastMinute,
        seconds: { requests, errors },
        firstByteMs: percentilesOf(firstByte.read(slot)),
        durationMs: percentilesOf(duration.read(slot)),
      }
    },

    callsSince(number) {
      const found: UsageRecord[] = []
      for (let one = counted - 1; one >= Math.max(number, counted - rememberedCalls, 0); one--) {
        const record = calls[one % rememberedCalls]
        if (record !== undefined) found.push(record)
      }
      return { calls: found, last: counted }
    },
  }
}

function createSlots() {
  const counts = new Uint32Array(slots * bucketCount)
  const slotNumbers = new Array<number>(slots).fill(-1)
  return {
    add(slot: number, valueMs: number): void {
      const place = slot % slots
      const start = place * bucketCount
      if (slotNumbers[place] !== slot) {
        slotNumbers[place] = slot
        counts.fill(0, start, start + bucketCount)
      }
      const index = start + bucketOf(valueMs)
      counts[index] = (counts[index] ?? 0) + 1
    },
    read(now: number): LogHistogram {
      const histogram: LogHistogram = new Map()
      slotNumbers.forEach((slot, place) => {
        if (slot < 0 || slot <= now - slots) return
        for (let bucket = 0; bucket < bucketCount; bucket++) {
          const count = counts[place * bucketCount + bucket] ?? 0
          if (count > 0) histogram.set(bucket, (histogram.get(bucket) ?? 0) + count)
        }
      })
      return histogram
    },
  }
}

const sumNames = ['requests', 'errors', 'aborted', 'inputTokens', 'outputTokens', 'costMicroUsd'] as const

function noSums(): MinuteSums {
  return { requests: 0, errors: 0, aborted: 0, inputTokens: 0, outputTokens: 0, costMicroUsd: 0 }
}
