/** Counts the tokens of a text in one of tiktoken's encodings, in time that grows with the length of the text, whatever it holds. */

import { readTokenRanks } from './token-ranks.ts'

/** An encoding as js-tiktoken publishes it: the pattern that cuts a text into pieces, and the tokens in lines of `name first-rank base64…`. */
export interface RankFile {
  readonly pat_str: string
  readonly bpe_ranks: string
}

export interface TokenEncoder {
  /**
   * The tokens of the text's beginning, and how long (in UTF-16 units) that is: the whole text, unless more than about `maxSteps` were taken.
   * What stands for a special token (`<|endoftext|>`) is text like any other.
   */
  count(text: string, maxSteps?: number): { tokens: number; length: number }
  /** Looked-up ranks and steps of the merge since the beginning: the measure of its work. */
  steps(): number
}

/**
 * A longer piece (no ordinary text has one) is cut, so that merging takes no time or memory that grows with it. Only there the count
 * may differ from tiktoken's, by less than one token for each cut.
 */
const maxBlockBytes = 4096
const maxCachedPieces = 8000
/** Long ones are the rows of white space and lines in tables: always the same. */
const maxCachedLength = 512
const none = -1

export function createTokenEncoder(file: RankFile): TokenEncoder {
  const ranks = readTokenRanks(file.bpe_ranks)
  const { longest } = ranks
  const pattern = new RegExp(file.pat_str, 'gu')
  /** Counts of pieces that are no token themselves. */
  let cache = new Map<string, number>()
  let steps = 0
  const heap = createHeap(3 * maxBlockBytes)
  const nextStart = new Int32Array(maxBlockBytes + 1)
  const previousStart = new Int32Array(maxBlockBytes + 1)
  /** The rank of a part merged with the one after it. */
  const pairRank = new Int32Array(maxBlockBytes + 1)

  function isToken(bytes: string): boolean {
    return bytes.length <= longest && ranks.find(bytes, 0, bytes.length) !== none
  }

  function countPiece(piece: string): number {
    const isAscii = isAsciiText(piece)
    if (isAscii && isToken(piece)) return 1
    if (piece.length > maxCachedLength) return countBytes(isAscii ? piece : bytesOf(piece))
    const known = cache.get(piece)
    if (known !== undefined) return known
    const counted = countBytes(isAscii ? piece : bytesOf(piece))
    if (cache.size >= maxCachedPieces) cache = new Map()
    cache.set(piece, counted)
    return counted
  }

  function countBytes(bytes: string): number {
    if (isToken(bytes)) return 1
    return bytes.length <= maxBlockBytes ? countBlock(bytes) : countBlocks(bytes, Number.POSITIVE_INFINITY).tokens
  }

  /** `share` is how much of the bytes was counted before the last step. */
  function countBlocks(bytes: string, lastStep: number): { tokens: number; share: number } {
    let tokens = 0
    let start = 0
    while (start < bytes.length && steps < lastStep) {
      const end = endOfBlock(bytes, start)
      tokens += countBlock(bytes.slice(start, end))
      start = end
    }
    return { tokens, share: start / bytes.length }
  }

  /** Merges the two neighbours of lowest rank, the leftmost of equals, until none can be merged: the rule of byte pair encoding. */
  function countBlock(block: string): number {
    const { length } = block
    for (let start = 0; start < length; start++) {
      nextStart[start] = start + 1
      previousStart[start] = start - 1
    }
    heap.clear()
    for (let start = 0; start < length; start++) rank(start, block)
    let parts = length
    for (let entry = heap.take(); entry !== none; entry = heap.take()) {
      steps++
      const start = entry % maxBlockBytes
      // An entry of a pair that is no more.
      if (pairRank[start] !== Math.floor(entry / maxBlockBytes)) continue
      const merged = nextStart[start] ?? length
      const after = nextStart[merged] ?? length
      pairRank[merged] = none
      nextStart[start] = after
      if (after < length) previousStart[after] = start
      parts--
      rank(start, block)
      const before = previousStart[start] ?? none
      if (before >= 0) rank(before, block)
    }
    return parts
  }

  function rank(start: number, block: string): void {
    const middle = nextStart[start] ?? block.length
    pairRank[start] = none
    if (middle >= block.length) return
    const end = nextStart[middle] ?? block.length
    if (end - start > longest) return
    steps++
    const found = ranks.find(block, start, end)
    if (found === none) return
    pairRank[start] = found
    heap.add(found * maxBlockBytes + start)
  }

  return {
    count(text, maxSteps = Number.POSITIVE_INFINITY) {
      const lastStep = steps + maxSteps
      let tokens = 0
      let length = 0
      pattern.lastIndex = 0
      while (steps < lastStep && pattern.test(text)) {
        steps++
        const piece = text.slice(length, pattern.lastIndex)
        if (piece.length > maxBlockBytes) {
          const { tokens: counted, share } = countBlocks(bytesOf(piece), lastStep)
          tokens += counted
          length += Math.floor(piece.length * share)
        } else {
          tokens += countPiece(piece)
          length = pattern.lastIndex
        }
      }
      return { tokens, length }
    },
    steps: () => steps,
  }
}

/** Not in the middle of a character. */
function endOfBlock(bytes: string, start: number): number {
  const end = start + maxBlockBytes
  if (end >= bytes.length) return bytes.length
  for (let at = end; at > end - 4; at--) if ((bytes.charCodeAt(at) & 0xc0) !== 0x80) return at
  return end
}

function isAsciiText(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false
  return true
}

function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** The smallest number first. */
function createHeap(capacity: number) {
  const entries = new Float64Array(capacity)
  let size = 0

  function at(index: number): number {
    return entries[index] ?? 0
  }

  return {
    clear() {
      size = 0
    },
    add(entry: number) {
      let hole = size++
      while (hole > 0) {
        const parent = (hole - 1) >> 1
        if (at(parent) <= entry) break
        entries[hole] = at(parent)
        hole = parent
      }
      entries[hole] = entry
    },
    /** `none` when it is empty. */
    take(): number {
      if (size === 0) return none
      const top = at(0)
      const last = at(--size)
      let hole = 0
      for (;;) {
        let child = 2 * hole + 1
        if (child >= size) break
        if (child + 1 < size && at(child + 1) < at(child)) child++
        if (at(child) >= last) break
        entries[hole] = at(child)
        hole = child
      }
      entries[hole] = last
      return top
    },
  }
}
