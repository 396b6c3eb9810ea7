/**
 * Finds members of a JSON text without changing a byte of it, so that one string can be replaced and everything else
 * (number spellings, key order, escapes, whitespace) arrives as it was sent. Works on latin1 text: one character is one byte.
 * The text must already be known to be valid JSON.
 */

/** Where a value stands: byte offsets, the end exclusive. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Replaces `span` by `text`, which is written as UTF-8. */
export interface Edit extends Span {
  readonly text: string
}

/** The value at a path of member names (`['response', 'model']`); null when there is none. Stops at the first. */
export function findMember(latin1: string, path: readonly string[], from = 0): Span | null {
  const name = path[0]
  if (name === undefined) return null
  for (const member of membersOf(latin1, from)) {
    if (member.name !== name) continue
    return path.length === 1 ? member : findMember(latin1, path.slice(1), member.start)
  }
  return null
}

/** Every value that stands under one name at the top level, however the name is spelt. There must be at least one. */
export function findAllMembers(latin1: string, name: string): Span[] {
  const literal = `"${name}"`
  const first = latin1.indexOf(literal)
  // The one literal occurrence in a text without \u escapes can only be the member that is known to be there.
  if (first >= 0 && latin1.indexOf(literal, first + 1) < 0 && !latin1.includes('\\u')) {
    const start = valueStart(latin1, first + literal.length)
    if (start >= 0) return [{ start, end: valueEnd(latin1, start) }]
  }
  const found: Span[] = []
  for (const member of membersOf(latin1, 0)) if (member.name === name) found.push(member)
  return found
}

/** The bytes with every edit made, in pieces: what stays is not copied. Edits must not overlap. */
export function cutByEdits(bytes: Uint8Array<ArrayBuffer>, edits: readonly Edit[]): Uint8Array<ArrayBuffer>[] {
  if (edits.length === 0) return [bytes]
  const pieces: Uint8Array<ArrayBuffer>[] = []
  let position = 0
  for (const edit of edits.length === 1 ? edits : [...edits].sort((a, b) => a.start - b.start)) {
    pieces.push(bytes.subarray(position, edit.start), Buffer.from(edit.text, 'utf8'))
    position = edit.end
  }
  pieces.push(bytes.subarray(position))
  return pieces
}

/** One edit of latin1 text, for pieces of a stream. */
export function applyEdit(latin1: string, edit: Edit): string {
  return latin1.slice(0, edit.start) + Buffer.from(edit.text, 'utf8').toString('latin1') + latin1.slice(edit.end)
}

export interface Member extends Span {
  readonly name: string
}

/** The members of the object that begins at or after `from`, as often and in the order as they are written. */
export function* membersOf(latin1: string, from: number): Generator<Member> {
  let position = skipSpace(latin1, from)
  if (latin1[position] !== '{') return
  position = skipSpace(latin1, position + 1)
  while (latin1[position] === '"') {
    const nameEnd = stringEnd(latin1, position)
    const name = readName(latin1.slice(position, nameEnd))
    const start = valueStart(latin1, nameEnd)
    if (start < 0) return
    const end = valueEnd(latin1, start)
    yield { name, start, end }
    position = skipSpace(latin1, end)
    if (latin1[position] !== ',') return
    position = skipSpace(latin1, position + 1)
  }
}

function readName(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1)
  try {
    return String(JSON.parse(literal))
  } catch {
    return literal
  }
}

/** Start of the value whose member name ends at `nameEnd`; -1 when no colon follows, so that it was no name. */
function valueStart(latin1: string, nameEnd: number): number {
  const colon = skipSpace(latin1, nameEnd)
  return latin1[colon] === ':' ? skipSpace(latin1, colon + 1) : -1
}

function valueEnd(latin1: string, start: number): number {
  const first = latin1[start]
  if (first === '"') return stringEnd(latin1, start)
  if (first !== '{' && first !== '[') {
    let end = start
    while (end < latin1.length && !',]} \t\r\n'.includes(latin1[end] as string)) end++
    return end
  }
  let depth = 0
  let position = start
  while (position < latin1.length) {
    const code = latin1.charCodeAt(position)
    if (code === 0x22) {
      position = stringEnd(latin1, position)
      continue
    }
    if (code === 0x7b || code === 0x5b) depth++
    else if ((code === 0x7d || code === 0x5d) && --depth === 0) return position + 1
    position++
  }
  return latin1.length
}

/** Position after the closing quote of the string that begins at `start`. */
function stringEnd(latin1: string, start: number): number {
  let quote = latin1.indexOf('"', start + 1)
  while (quote >= 0) {
    let slashes = 0
    while (latin1.charCodeAt(quote - 1 - slashes) === 0x5c) slashes++
    if (slashes % 2 === 0) return quote + 1
    quote = latin1.indexOf('"', quote + 1)
  }
  return latin1.length
}

function skipSpace(latin1: string, from: number): number {
  let position = from
  for (;;) {
    const code = latin1.charCodeAt(position)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return position
    position++
  }
}
