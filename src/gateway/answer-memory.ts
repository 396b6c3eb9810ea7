/**
 * Remembers the beginnings of running streams, so that what a model has written can be counted when its usage never comes: the client
 * leaves, the upstream breaks off. Whether they are needed is known at the end.
 */

export interface AnswerMemory {
  begin(): RememberedAnswer
}

export interface RememberedAnswer {
  push(chunk: Uint8Array): void
  /** Ends the remembering, and says what there is: the stream's first bytes without a gap. */
  take(): readonly Uint8Array[]
}

/** All streams together. */
const defaultMaxBytes = 8 * 1024 * 1024
/** What a piece takes beside its bytes. */
const overheadBytes = 128
/** A longer chunk is kept as it is; shorter ones, which models send by the hundred, are copied into blocks. */
const maxCopiedBytes = 512
const minBlockBytes = 1024
const maxBlockBytes = 32 * 1024
/**
 * One stream gets at most this share of what is left: 512 kB while there are few, about 1.5 kB each while there are 5,000. So none takes
 * it all, and each has at least a beginning from which the rest can be judged.
 */
const share = 1 / 16

export function createAnswerMemory(maxBytes: number = defaultMaxBytes): AnswerMemory {
  let freeBytes = maxBytes
  return {
    begin() {
      let pieces: Uint8Array[] = []
      let block: Uint8Array | null = null
      let filledBytes = 0
      let takenBytes = 0
      let isFull = false

      function reserve(size: number): boolean {
        const bytes = size + overheadBytes
        isFull = takenBytes + bytes > freeBytes * share
        if (isFull) return false
        takenBytes += bytes
        freeBytes -= bytes
        return true
      }

      function endBlock(): void {
        if (block !== null) pieces.push(block.subarray(0, filledBytes))
        block = null
        filledBytes = 0
      }

      return {
        push(chunk) {
          if (isFull) return
          const { byteLength } = chunk
          if (byteLength > maxCopiedBytes) {
            endBlock()
            if (reserve(byteLength)) pieces.push(chunk)
            return
          }
          if (block === null || filledBytes + byteLength > block.byteLength) {
            endBlock()
            const size = Math.min(Math.max(takenBytes, minBlockBytes), maxBlockBytes)
            if (!reserve(size)) return
            block = new Uint8Array(size)
          }
          block.set(chunk, filledBytes)
          filledBytes += byteLength
        },
        take() {
          endBlock()
          freeBytes += takenBytes
          takenBytes = 0
          isFull = true
          const taken = pieces
          pieces = []
          return taken
        },
      }
    },
  }
}
