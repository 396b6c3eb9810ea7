/** Answers in memory, bounded in bytes and time; the one not asked for longest goes first. What may be kept is not decided here. */
import type { Clock } from '../clock.ts'
import type { CacheConfig, Target } from '../domain.ts'

/** A whole answer as upstream gave it, its own name for the model included. */
export interface KeptAnswer {
  /** `events`: a stream that could not be put together to JSON; it serves streams only. */
  readonly form: 'json' | 'events'
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly headers: Readonly<Record<string, string>>
  readonly target: Target
  /** False for a stream that was not asked for its usage, or had none. */
  readonly hasUsage: boolean
}

export interface KeptAnswers {
  /** Null when there is none, or it is older than `maxAgeMs` or the settings allow. */
  find(key: string, maxAgeMs: number): KeptAnswer | null
  /** Too large a one is not kept. */
  put(key: string, answer: KeptAnswer): void
  /** A smaller bound holds at once. */
  configure(limits: Pick<CacheConfig, 'ttlMs' | 'maxBytes'>): void
  /** How many there were. */
  clear(): number
  /** The body of an answer that is kept may be so long. */
  largestBytes(): number
  size(): { readonly entries: number; readonly bytes: number; readonly evictions: number }
}

interface Entry {
  readonly answer: KeptAnswer
  readonly bytes: number
  /** `Clock.monotonic`. */
  readonly storedMs: number
}

/** One answer must not push out all others. */
const largestShare = 8
/** The objects, strings and map slots around an answer's bytes, roughly and rather too many. */
const overheadBytes = 1024
/** Looked at with each answer that comes: in the end every old one is found. */
const sweptEntries = 8

export function createKeptAnswers(clock: Clock): KeptAnswers {
  const entries = new Map<string, Entry>()
  let limits = { ttlMs: 0, maxBytes: 0 }
  let bytes = 0
  let evictions = 0
  let sweep = entries.entries()

  function remove(key: string, entry: Entry): void {
    entries.delete(key)
    bytes -= entry.bytes
  }

  function ageOf(entry: Entry): number {
    return clock.monotonic() - entry.storedMs
  }

  function evict(): void {
    for (const [key, entry] of entries) {
      if (bytes <= limits.maxBytes) return
      remove(key, entry)
      evictions++
    }
  }

  function removeSomeOld(): void {
    for (let looked = 0; looked < sweptEntries; looked++) {
      const { done, value } = sweep.next()
      if (done) {
        sweep = entries.entries()
        return
      }
      const [key, entry] = value
      if (ageOf(entry) >= limits.ttlMs) remove(key, entry)
    }
  }

  return {
    find(key, maxAgeMs) {
      const entry = entries.get(key)
      if (entry === undefined) return null
      const ageMs = ageOf(entry)
      if (ageMs >= limits.ttlMs) {
        remove(key, entry)
        return null
      }
      if (ageMs > maxAgeMs) return null
      // The order of a map is that of insertion.
      entries.delete(key)
      entries.set(key, entry)
      return entry.answer
    },
    put(key, answer) {
      removeSomeOld()
      const known = entries.get(key)
      if (known !== undefined) remove(key, known)
      const size = sizeOf(key, answer)
      if (size > limits.maxBytes / largestShare) return
      entries.set(key, { answer, bytes: size, storedMs: clock.monotonic() })
      bytes += size
      evict()
    },
    configure({ ttlMs, maxBytes }) {
      limits = { ttlMs, maxBytes }
      evict()
    },
    clear() {
      const count = entries.size
      entries.clear()
      bytes = 0
      return count
    },
    largestBytes: () => Math.floor(limits.maxBytes / largestShare),
    size: () => ({ entries: entries.size, bytes, evictions }),
  }
}

function sizeOf(key: string, { bytes, headers }: KeptAnswer): number {
  let size = overheadBytes + key.length + bytes.byteLength
  for (const name in headers) size += 2 * (name.length + (headers[name]?.length ?? 0))
  return size
}
