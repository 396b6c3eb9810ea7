/** Takes the chunks of a body apart (RFC 9112, section 7.1), in whatever pieces they come. Extensions and trailers are left out. */
import { HttpProtocolError } from './http-protocol-error.ts'

export interface ChunkDecoder {
  /**
   * Moves the data that stands in `bytes` from `from` on together, within the same bytes, and returns where what follows the body
   * begins; -1: it goes on. The data is then between `start` and `end`. Throws HttpProtocolError.
   */
  push(bytes: Buffer, from: number): number
  readonly start: number
  readonly end: number
  /** For the next body. */
  reset(): void
}

type Phase = 'size' | 'extension' | 'size_feed' | 'data' | 'data_return' | 'data_feed' | 'trailer' | 'trailer_feed'

/** Of one line with a size, and of all trailers. */
const maxExtensionBytes = 4096
const maxTrailerBytes = 16 * 1024
/** Up to 2^52: the number stays exact. */
const maxDigits = 13

const carriageReturn = 0x0d
const lineFeed = 0x0a
const semicolon = 0x3b

export function createChunkDecoder(): ChunkDecoder {
  let phase: Phase = 'size'
  /** Of the size that is being read, then of the data that is still to come. */
  let size = 0
  let digits = 0
  /** Of an extension, or of trailers. */
  let extraBytes = 0
  let isLineEmpty = true

  function endOfSize(): void {
    if (digits === 0) throw invalid()
    phase = size === 0 ? 'trailer' : 'data'
    digits = 0
    extraBytes = 0
    isLineEmpty = true
  }

  function take(bytes: Buffer, index: number, count: number): void {
    if (decoder.end === decoder.start) {
      decoder.start = index
      decoder.end = index + count
    } else {
      bytes.copyWithin(decoder.end, index, index + count)
      decoder.end += count
    }
  }

  /** Where a chunk begins: all that stand here whole and plain, as nearly all do. Returns where the first other one begins. */
  function takePlain(bytes: Buffer, from: number): number {
    let index = from
    for (;;) {
      let at = index
      let count = 0
      let digit = hexDigit(bytes[at] ?? 0)
      while (digit >= 0 && at - index < maxDigits) {
        count = count * 16 + digit
        digit = hexDigit(bytes[++at] ?? 0)
      }
      const data = at + 2
      const end = data + count
      const isPlain =
        count > 0 &&
        end + 2 <= bytes.length &&
        bytes[at] === carriageReturn &&
        bytes[at + 1] === lineFeed &&
        bytes[end] === carriageReturn &&
        bytes[end + 1] === lineFeed
      if (!isPlain) return index
      take(bytes, data, count)
      index = end + 2
    }
  }

  const decoder = {
    start: 0,
    end: 0,
    push(bytes: Buffer, from: number): number {
      decoder.start = from
      decoder.end = from
      let index = from
      while (index < bytes.length) {
        if (phase === 'data') {
          const count = Math.min(size, bytes.length - index)
          take(bytes, index, count)
          index += count
          size -= count
          if (size === 0) phase = 'data_return'
          continue
        }
        if (phase === 'size' && digits === 0) {
          index = takePlain(bytes, index)
          if (index === bytes.length) break
        }
        const byte = bytes[index++] as number
        if (phase === 'size') {
          const digit = hexDigit(byte)
          if (digit >= 0) {
            if (++digits > maxDigits) throw invalid()
            size = size * 16 + digit
          } else if (byte === carriageReturn) phase = 'size_feed'
          else if (byte === semicolon && digits > 0) phase = 'extension'
          else throw invalid()
        } else if (phase === 'data_return') {
          if (byte !== carriageReturn) throw invalid()
          phase = 'data_feed'
        } else if (phase === 'data_feed') {
          if (byte !== lineFeed) throw invalid()
          phase = 'size'
        } else if (phase === 'size_feed') {
          if (byte !== lineFeed) throw invalid()
          endOfSize()
        } else if (phase === 'extension') {
          if (byte === carriageReturn) phase = 'size_feed'
          else if (byte === lineFeed || ++extraBytes > maxExtensionBytes) throw invalid()
        } else if (phase === 'trailer') {
          if (byte === carriageReturn) phase = 'trailer_feed'
          else if (byte === lineFeed || ++extraBytes > maxTrailerBytes) throw invalid()
          else isLineEmpty = false
        } else {
          if (byte !== lineFeed) throw invalid()
          if (isLineEmpty) return index
          isLineEmpty = true
          phase = 'trailer'
        }
      }
      return -1
    },
    reset() {
      phase = 'size'
      size = 0
      digits = 0
      extraBytes = 0
      isLineEmpty = true
    },
  }
  return decoder
}

/** -1: it is none. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function invalid(): HttpProtocolError {
  return new HttpProtocolError('InvalidHTTPResponse')
}
