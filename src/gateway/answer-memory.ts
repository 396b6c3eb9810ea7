/**
 * Remembers the beginnings of running streams, so that what a model has written can be counted when its usage never comes: the client
 * leaves, the upstream breaks off. References only; whether they are needed is known at the end.
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
const defaultMaxBytes = 16 * 1024 * 1024
/** What a chunk takes beside its bytes. */
const chunkOverheadBytes = 256
/**
 * One stream gets at most this share of what is left: 1 MiB while there are few, about 3 kB each while there are 5,000. So none takes it
 * all, and each has at least a beginning from which the rest can be judged.
 */
const share = 1 / 16

export function createAnswerMemory(maxBytes: number = defaultMaxBytes): AnswerMemory {
  let freeBytes = maxBytes
  return {
    begin() {
      let pieces: Uint8Array[] = []
      let takenBytes = 0
      let isFull = false
      return {
        push(chunk) {
          if (isFull) return
          const bytes = chunk.byteLength + chunkOverheadBytes
          if (takenBytes + bytes > freeBytes * share) {
            isFull = true
            return
          }
          takenBytes += bytes
          freeBytes -= bytes
          pieces.push(chunk)
        },
        take() {
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
