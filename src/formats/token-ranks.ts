/**
 * The ranks of an encoding's tokens by their bytes, in a few arrays of numbers: a `Map` of two hundred thousand strings takes ten times the
 * memory, and has to be asked with a string made for it.
 */

export interface TokenRanks {
  /** The rank of the token whose bytes stand, one character for each, in `text` from `start` to `end`; -1: there is none. */
  find(text: string, start: number, end: number): number
  /** Bytes of the longest token. */
  readonly longest: number
}

/** Reads lines of `name first-rank base64 base64 …`, as js-tiktoken publishes them. */
export function readTokenRanks(lines: string): TokenRanks {
  const { bytes, starts, ranks, count } = readTokens(lines)
  // At most half full: nearly every search ends at once.
  const mask = 2 ** Math.ceil(Math.log2(2 * count + 2)) - 1
  /** The token's place in `starts` and one; 0: free. */
  const slots = new Uint32Array(mask + 1)
  let longest = 0
  for (let token = 0; token < count; token++) {
    const start = starts[token] ?? 0
    const end = starts[token + 1] ?? 0
    longest = Math.max(longest, end - start)
    let hash = firstHash
    for (let at = start; at < end; at++) hash = nextHash(hash, bytes[at] ?? 0)
    let slot = slotOf(hash, mask)
    while (slots[slot] !== 0) slot = (slot + 1) & mask
    slots[slot] = token + 1
  }

  function isAt(token: number, text: string, start: number): boolean {
    const end = starts[token + 1] ?? 0
    for (let at = starts[token] ?? 0; at < end; at++) if (bytes[at] !== text.charCodeAt(start++)) return false
    return true
  }

  return {
    longest,
    find(text, start, end) {
      let hash = firstHash
      for (let at = start; at < end; at++) hash = nextHash(hash, text.charCodeAt(at))
      for (let slot = slotOf(hash, mask); ; slot = (slot + 1) & mask) {
        const token = (slots[slot] ?? 0) - 1
        if (token < 0) return -1
        const length = (starts[token + 1] ?? 0) - (starts[token] ?? 0)
        if (length === end - start && isAt(token, text, start)) return ranks[token] ?? -1
      }
    },
  }
}

const firstHash = 0x811c9dc5

/** FNV-1a. */
function nextHash(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193)
}

/** The upper bits are the better mixed ones. */
function slotOf(hash: number, mask: number): number {
  return (hash ^ (hash >>> 15)) & mask
}

/** The bytes of all tokens one after the other, where each begins (and the last one ends), and its rank. No string is made on the way. */
function readTokens(lines: string) {
  const bytes = new Uint8Array(Math.ceil(lines.length * 0.75))
  const starts: number[] = [0]
  const ranks: number[] = []
  let length = 0
  for (let at = 0; at < lines.length; ) {
    const lineEnd = endAt(lines, '\n', at)
    const nameEnd = endAt(lines, ' ', at)
    const firstEnd = endAt(lines, ' ', nameEnd + 1)
    at = lineEnd + 1
    if (firstEnd >= lineEnd) continue
    let rank = Number(lines.slice(nameEnd + 1, firstEnd))
    let held = 0
    let bits = 0
    for (let index = firstEnd + 1; index <= lineEnd; index++) {
      const code = lines.charCodeAt(index)
      const digit = digits[code] ?? none
      if (digit >= 0) {
        held = (held << 6) | digit
        bits += 6
        if (bits < 8) continue
        bits -= 8
        bytes[length++] = (held >> bits) & 0xff
      } else if (code !== padding) {
        // A blank, or the end of the line: of the token, too.
        if (length > (starts.at(-1) ?? 0)) {
          ranks.push(rank++)
          starts.push(length)
        }
        bits = 0
      }
    }
  }
  return {
    bytes: bytes.slice(0, length),
    starts: Uint32Array.from(starts),
    ranks: Int32Array.from(ranks),
    count: ranks.length,
  }
}

function endAt(text: string, mark: string, from: number): number {
  const found = text.indexOf(mark, from)
  return found < 0 ? text.length : found
}

const padding = 0x3d
const none = -1
const digits = new Int8Array(128).fill(none)
for (const [value, digit] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries())
  digits[digit.charCodeAt(0)] = value
