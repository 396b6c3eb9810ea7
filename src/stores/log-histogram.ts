/** Histograms of durations in buckets that grow by a fixed factor, so that they can be added up and written in few bytes. */

/** Count by bucket; buckets without any are left out. */
export type LogHistogram = Map<number, number>

export interface Percentiles {
  readonly count: number
  /** Milliseconds; null when nothing was counted. */
  readonly p50: number | null
  readonly p90: number | null
  readonly p95: number | null
  readonly p99: number | null
}

/** Four buckets from one power of two to the next: a percentile read from them is within 10 % of the true one. */
const bucketsPerOctave = 4
/** The last one takes whatever is longer, from about a day on. */
export const bucketCount = 108

/** Bucket 0 is for less than a millisecond. */
export function bucketOf(valueMs: number): number {
  return shortBuckets[valueMs] ?? findBucket(valueMs)
}

function findBucket(valueMs: number): number {
  if (!(valueMs >= 1)) return 0
  return Math.min(1 + Math.floor(Math.log2(valueMs) * bucketsPerOctave + 1e-9), bucketCount - 1)
}

/** Of whole milliseconds, as nearly all are. */
const shortBuckets = Array.from({ length: 1024 }, (_, valueMs) => findBucket(valueMs))

export function observe(histogram: LogHistogram, valueMs: number): void {
  const bucket = bucketOf(valueMs)
  histogram.set(bucket, (histogram.get(bucket) ?? 0) + 1)
}

export function addHistogram(histogram: LogHistogram, other: Iterable<readonly [number, number]>): void {
  for (const [bucket, count] of other) histogram.set(bucket, (histogram.get(bucket) ?? 0) + count)
}

export function percentilesOf(histogram: LogHistogram): Percentiles {
  const buckets = [...histogram].sort(([a], [b]) => a - b)
  const count = buckets.reduce((total, [, one]) => total + one, 0)
  const at = (share: number) => (count === 0 ? null : Math.round(valueAt(buckets, share * count)))
  return { count, p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99) }
}

/** Several histograms one after the other: how many buckets each has, then the distance to each and its count, as varints. */
export function writeHistograms(histograms: readonly LogHistogram[]): Uint8Array {
  const bytes: number[] = []
  for (const histogram of histograms) {
    putVarint(bytes, histogram.size)
    let last = 0
    for (const bucket of [...histogram.keys()].sort((a, b) => a - b)) {
      putVarint(bytes, bucket - last)
      putVarint(bytes, histogram.get(bucket) ?? 0)
      last = bucket
    }
  }
  return Uint8Array.from(bytes)
}

/** Adds what was written to as many histograms. */
export function readHistograms(bytes: Uint8Array, histograms: readonly LogHistogram[]): void {
  let position = 0
  const next = (): number => {
    let value = 0
    for (let factor = 1; position < bytes.length; factor *= 128) {
      const byte = bytes[position++] ?? 0
      value += (byte & 127) * factor
      if (byte < 128) break
    }
    return value
  }
  for (const histogram of histograms) {
    const size = next()
    let bucket = 0
    for (let index = 0; index < size; index++) {
      bucket += next()
      histogram.set(bucket, (histogram.get(bucket) ?? 0) + next())
    }
  }
}

/** In between, as if a bucket's values lay evenly in it. */
function valueAt(buckets: readonly (readonly [number, number])[], rank: number): number {
  let below = 0
  for (const [bucket, count] of buckets) {
    if (below + count >= rank) return lowerBound(bucket) * growth ** ((rank - below) / count)
    below += count
  }
  return 0
}

const growth = 2 ** (1 / bucketsPerOctave)

function lowerBound(bucket: number): number {
  return bucket === 0 ? 0 : 2 ** ((bucket - 1) / bucketsPerOctave)
}

function putVarint(bytes: number[], value: number): void {
  let rest = value
  while (rest >= 128) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
}
