/**
 * Gives memory back around a flood of streams. Left alone, the runtime (Bun 1.4.5) lets its heap grow to twice of what lives before it
 * collects, and keeps what it had at the peak for as long as little is going on. With few streams nothing is done here.
 */

export interface HeapCare {
  /** A stream has begun. */
  begin(): void
  /** A piece of it goes out. */
  wrote(): void
  /** It has ended. */
  end(): void
}

export interface HeapCareParts {
  /** Thorough: at once, and free pages go back to the system; otherwise in other threads, while work goes on. */
  readonly collect: (isThorough: boolean) => void
  readonly residentBytes: () => number
}

/** So many at once are a flood. */
const manyStreams = 500
/** So few are left when it is over: the thorough collection takes the main thread 20 to 100 ms. */
const fewStreams = 10
const lookEveryMs = 250
/** And each time so many pieces have gone out: in a flood the runtime's timers come a second late, in which memory grows by a third. */
const lookEveryPieces = 500
/** It is collected again when memory has grown by this since: streams that only go on cost nothing. */
const growth = 1.01

export function createHeapCare(parts: HeapCareParts = ownHeap) {
  let open = 0
  let pieces = 0
  let timer: Timer | null = null
  let collectedBytes = 0

  /** Runs until the flood is over. */
  function look(): void {
    if (open < fewStreams) {
      if (timer !== null) clearInterval(timer)
      timer = null
      collectedBytes = 0
      parts.collect(true)
      return
    }
    const bytes = parts.residentBytes()
    if (bytes < collectedBytes * growth) {
      collectedBytes = Math.min(collectedBytes, bytes)
      return
    }
    collectedBytes = bytes
    parts.collect(false)
  }

  return {
    look,
    begin() {
      open++
      if (open < manyStreams || timer !== null) return
      timer = setInterval(look, lookEveryMs)
      timer.unref()
    },
    wrote() {
      if (timer === null || ++pieces < lookEveryPieces) return
      pieces = 0
      look()
    },
    end() {
      open--
    },
  }
}

const ownHeap: HeapCareParts = { collect: (isThorough) => Bun.gc(isThorough), residentBytes: process.memoryUsage.rss }

/** The process has one heap, however many gateways are in it. */
export const heapCare: HeapCare = createHeapCare()
