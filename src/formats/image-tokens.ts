/** What a picture, a sound or a file in a request counts, by OpenAI's rules where there are any. Nothing is decoded but the first bytes. */

export interface Picture {
  /** A `data:` URL, an address, or empty (a file's id). */
  readonly url: string
  readonly detail: string
}

/**
 * OpenAI's guide "Images and vision", section "Calculating costs" (platform.openai.com/docs/guides/images-vision, 2025). Smaller models count
 * patches of 32 pixels, at most 1,536, times a factor, whatever the detail; the others a base and tiles of 512 pixels. Models the guide does
 * not name count like gpt-4o. The size of a picture that is only linked to is not known: it counts as 1024 by 1024.
 */
export function pictureTokens(picture: Picture, model: string): number {
  const patchFactor = patchFactors.find(([pattern]) => pattern.test(model))?.[1]
  const size = sizeOfDataUrl(picture.url) ?? assumedSize
  if (patchFactor !== undefined) return Math.ceil(patchesOf(size) * patchFactor)
  const [base, tile] = tilePrices.find(([pattern]) => pattern.test(model))?.[1] ?? defaultTilePrice
  return picture.detail === 'low' ? base : base + tile * tilesOf(size)
}

/**
 * OpenAI's guide to the Realtime API counts a token for each 100 ms of what a user says. A WAV file names its bytes per second; any other
 * is taken for 128 kbit/s.
 */
export function soundTokens(base64: string): number {
  const header = Buffer.from(base64.slice(0, 64), 'base64')
  const isWave = header.length >= 32 && header.toString('latin1', 0, 4) === 'RIFF'
  const bytesPerSecond = (isWave ? header.readUInt32LE(28) : 0) || assumedBytesPerSecond
  return Math.ceil((decodedLength(base64) / bytesPerSecond) * soundTokensPerSecond)
}

/**
 * OpenAI gives a model the text of each page of a PDF and a picture of it (guide "File inputs"). How many pages there are is not known
 * without reading the file: one is assumed for each 50 kB begun, and of a file that is only named, one.
 */
export function fileTokens(base64: string, model: string): number {
  const pages = Math.max(1, Math.ceil(decodedLength(base64) / assumedPageBytes))
  return pages * (assumedPageTokens + pictureTokens({ url: '', detail: 'high' }, model))
}

interface Size {
  readonly width: number
  readonly height: number
}

const assumedSize: Size = { width: 1024, height: 1024 }
const assumedBytesPerSecond = 16_000
const soundTokensPerSecond = 10
const assumedPageBytes = 50_000
const assumedPageTokens = 500

const patchFactors: readonly (readonly [RegExp, number])[] = [
  [/^gpt-(?:5|4\.1)-mini/, 1.62],
  [/^gpt-(?:5|4\.1)-nano/, 2.46],
  [/^o4-mini/, 1.72],
]

/** Base and tile. */
const tilePrices: readonly (readonly [RegExp, readonly [number, number]])[] = [
  [/^gpt-4o-mini/, [2833, 5667]],
  [/^gpt-5/, [70, 140]],
  [/^o[13](?!-mini)/, [75, 150]],
  [/^computer-use/, [65, 129]],
]
const defaultTilePrice = [85, 170] as const

const patchPixels = 32
const maxPatches = 1536

function patchesOf({ width, height }: Size): number {
  const patches = Math.ceil(width / patchPixels) * Math.ceil(height / patchPixels)
  if (patches <= maxPatches) return patches
  const shrink = Math.sqrt((patchPixels * patchPixels * maxPatches) / (width * height))
  // A little more, so that whole patches fit at one of its sides.
  const across = (width * shrink) / patchPixels
  const down = (height * shrink) / patchPixels
  const fitted = shrink * Math.min(Math.floor(across) / across, Math.floor(down) / down)
  return Math.min(maxPatches, coverOf((width * fitted) / patchPixels) * coverOf((height * fitted) / patchPixels))
}

const maxSide = 2048
const maxShortSide = 768
const tilePixels = 512

/** Fitted into 2,048 by 2,048, then its shorter side brought to 768, never enlarged. */
function tilesOf({ width, height }: Size): number {
  const fitted = Math.min(1, maxSide / Math.max(width, height))
  const scale = fitted * Math.min(1, maxShortSide / (Math.min(width, height) * fitted))
  return coverOf((width * scale) / tilePixels) * coverOf((height * scale) / tilePixels)
}

/** Whole ones that cover so many, what is only a rounding error not counted. */
function coverOf(count: number): number {
  return Math.max(1, Math.ceil(Number(count.toFixed(6))))
}

function decodedLength(base64: string): number {
  return Math.floor((base64.length * 3) / 4)
}

/** A JPEG may have so much in front of its size: a preview, colour profiles. */
const maxHeaderLength = 256 * 1024

/** Null for what is no `data:` URL, or of a kind whose beginning is not known. */
function sizeOfDataUrl(url: string): Size | null {
  if (!url.startsWith('data:')) return null
  const comma = url.slice(0, 256).indexOf(',')
  if (comma < 0) return null
  const bytes = Buffer.from(url.slice(comma + 1, comma + 1 + maxHeaderLength), 'base64')
  const size = sizeOf(bytes)
  return size !== null && size.width > 0 && size.height > 0 ? size : null
}

function sizeOf(bytes: Buffer): Size | null {
  if (bytes.length < 30) return null
  const mark = bytes.toString('latin1', 0, 16)
  if (mark.startsWith('\x89PNG')) return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
  if (mark.startsWith('GIF8')) return { width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) }
  if (mark.startsWith('\xff\xd8')) return sizeOfJpeg(bytes)
  return mark.startsWith('RIFF') && mark.slice(8, 12) === 'WEBP' ? sizeOfWebp(bytes, mark.slice(12, 16)) : null
}

/** The size stands in the frame header; each segment before it names its own length. */
function sizeOfJpeg(bytes: Buffer): Size | null {
  let at = 2
  while (at + 9 <= bytes.length && bytes[at] === 0xff) {
    const kind = bytes[at + 1] ?? 0
    const isFrame = kind >= 0xc0 && kind <= 0xcf && kind !== 0xc4 && kind !== 0xc8 && kind !== 0xcc
    if (isFrame) return { width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) }
    at += kind === 0xff ? 1 : 2 + bytes.readUInt16BE(at + 2)
  }
  return null
}

/** RFC 6386 (lossy), RFC 9649 (lossless and extended). */
function sizeOfWebp(bytes: Buffer, kind: string): Size | null {
  if (kind === 'VP8 ') return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff }
  if (kind === 'VP8X') return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 }
  if (kind !== 'VP8L') return null
  const packed = bytes.readUInt32LE(21)
  return { width: (packed & 0x3fff) + 1, height: ((packed >>> 14) & 0x3fff) + 1 }
}
