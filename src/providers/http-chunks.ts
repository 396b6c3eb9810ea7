/** Takes the chunks of a body apart (RFC 9112, section 7.1), in whatever pieces they come. Extensions and trailers are left out. */
import { HttpProtocolError } from './http-protocol-error.ts'

/** Of one body. A plain object without functions of its own: there is one for each answer that is streamed. */
export interface ChunkDecoder {
  /** The data that was found last, in the bytes it was found in. */
  start: number
  end: number
  phase: Phase
  /** Of the size that is being read, then of the data that is still to come. */
  size: number
  digits: number
  /** Of an extension, or of trailers. */
  extraBytes: number
  isLineEmpty: boolean
}

export function createChunkDecoder(): ChunkDecoder {
  return { start: 0, end: 0, phase: 'size', size: 0, digits: 0, extraBytes: 0, isLineEmpty: true }
}

/**
 * Moves the data that stands in `bytes` from `from` on together, within the same bytes, and returns where what follows the body
 * begins; -1: it goes on. The data is then between `start` and `end`. Throws HttpProtocolError.
 */
export function decodeChunks(decoder: ChunkDecoder, bytes: Buffer, from: number): number {
  decoder.start = from
  decoder.end = from
  let index = from
  while (index < bytes.length) {
    if (decoder.phase === 'data') {
      const count = Math.min(decoder.size, bytes.length - index)
      take(decoder, bytes, index, count)
      index += count
      decoder.size -= count
      if (decoder.size === 0) decoder.phase = 'data_return'
      continue
    }
    if (decoder.phase === 'size' && decoder.digits === 0) {
      index = takePlain(decoder, bytes, index)
      if (index === bytes.length) break
    }
    const byte = bytes[index++] as number
    if (decoder.phase === 'size') {
      const digit = hexDigit(byte)
      if (digit >= 0) {
        if (++decoder.digits > maxDigits) throw invalid()
        decoder.size = decoder.size * 16 + digit
      } else if (byte === carriageReturn) decoder.phase = 'size_feed'
      else if (byte === semicolon && decoder.digits > 0) decoder.phase = 'extension'
      else throw invalid()
    } else if (decoder.phase === 'data_return') {
      if (byte !== carriageReturn) throw invalid()
      decoder.phase = 'data_feed'
    } else if (decoder.phase === 'data_feed') {
      if (byte !== lineFeed) throw invalid()
      decoder.phase = 'size'
    } else if (decoder.phase === 'size_feed') {
      if (byte !== lineFeed) throw invalid()
      endOfSize(decoder)
    } else if (decoder.phase === 'extension') {
      if (byte === carriageReturn) decoder.phase = 'size_feed'
      else if (byte === lineFeed || ++decoder.extraBytes > maxExtensionBytes) throw invalid()
    } else if (decoder.phase === 'trailer') {
      if (byte === carriageReturn) decoder.phase = 'trailer_feed'
      else if (byte === lineFeed || ++decoder.extraBytes > maxTrailerBytes) throw invalid()
      else decoder.isLineEmpty = false
    } else {
      if (byte !== lineFeed) throw invalid()
      if (decoder.isLineEmpty) return index
      decoder.isLineEmpty = true
      decoder.phase = 'trailer'
    }
  }
  return -1
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

function endOfSize(decoder: ChunkDecoder): void {
  if (decoder.digits === 0) throw invalid()
  decoder.phase = decoder.size === 0 ? 'trailer' : 'data'
  decoder.digits = 0
  decoder.extraBytes = 0
  decoder.isLineEmpty = true
}

function take(decoder: ChunkDecoder, bytes: Buffer, index: number, count: number): void {
  if (decoder.end === decoder.start) {
    decoder.start = index
    decoder.end = index + count
  } else {
    bytes.copyWithin(decoder.end, index, index + count)
    decoder.end += count
  }
}

/** Where a chunk begins: all that stand here whole and plain, as nearly all do. Returns where the first other one begins. */
function takePlain(decoder: ChunkDecoder, bytes: Buffer, from: number): number {
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
    take(decoder, bytes, data, count)
    index = end + 2
  }
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
