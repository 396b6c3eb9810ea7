/** Rewrites JSON with the mistakes models make into valid JSON; where a mistake could be meant in two ways, it gives up. */

export interface RepairedJson {
  /** Each as compact JSON. */
  readonly objects: readonly string[]
  /** From the first thing that is no object to the end; empty when all could be read. */
  readonly rest: string
}

/**
 * Reads the objects that stand in a text one after another, in a list or in a code fence. Strings and numbers stay as they
 * were spelt. Repaired: trailing commas, single and typographic quotes around strings, bare names of members, line breaks in
 * strings, unknown escapes, Python's constants, brackets too many, and, only where `isWhole` says that the text was not cut
 * off, brackets missing at the end.
 */
export function repairJsonObjects(text: string, isWhole: boolean): RepairedJson {
  const cursor: Cursor = { text, position: 0, isWhole }
  const objects: string[] = []
  for (;;) {
    take(cursor, betweenObjects)
    const start = cursor.position
    const object = text[start] === '{' ? readObject(cursor, 1) : null
    if (object === null) return { objects, rest: text.slice(start) }
    objects.push(object)
  }
}

/** The one object of a text; null when there is anything else in it. */
export function repairJsonObject(text: string): string | null {
  const { objects, rest } = repairJsonObjects(text, true)
  return objects.length === 1 && rest === '' ? (objects[0] ?? null) : null
}

interface Cursor {
  readonly text: string
  readonly isWhole: boolean
  position: number
}

const maxDepth = 100

// Brackets and commas of a list, a bracket too many, a code fence, tags of other formats.
const betweenObjects = /(?:[\s[\]},;]|`{3,}[\w-]*|<\/?[\w:.-]{1,64}>?)+/y
const spaces = /[\s\u00a0\ufeff]+/y
const numberText = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])/y
const wordText = /[A-Za-z_$][\w$-]*/y
const structureAhead = /\s*(?:[,:}\]]|$)/y
const hexDigits = /[0-9a-fA-F]{4}/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters must be escaped in JSON, and models forget it
const plainRun = /[^"'\u201c\u201d\u2018\u2019\\\u0000-\u001f]+/y

const words: Readonly<Record<string, string>> = {
  true: 'true',
  false: 'false',
  null: 'null',
  True: 'true',
  False: 'false',
  None: 'null',
}

/** Which quotes end a string that one of them began. */
const closingQuotes: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '\u201c': '\u201c\u201d"',
  '\u201d': '\u201c\u201d"',
  '\u2018': "\u2018\u2019'",
  '\u2019': "\u2018\u2019'",
}

/** Null in this and the functions below: it cannot be told what was meant. */
function readValue(cursor: Cursor, depth: number): string | null {
  take(cursor, spaces)
  const first = cursor.text[cursor.position] ?? ''
  if (first === '{' || first === '[') {
    if (depth >= maxDepth) return null
    return first === '{' ? readObject(cursor, depth + 1) : readArray(cursor, depth + 1)
  }
  if (Object.hasOwn(closingQuotes, first)) return readString(cursor)
  const number = take(cursor, numberText)
  if (number !== '') return number
  const word = take(cursor, wordText)
  return Object.hasOwn(words, word) ? (words[word] ?? null) : null
}

function readObject(cursor: Cursor, depth: number): string | null {
  return readMembers(cursor, '{}', () => {
    const name = readName(cursor)
    take(cursor, spaces)
    if (name === null || cursor.text[cursor.position] !== ':') return null
    cursor.position++
    const value = readValue(cursor, depth)
    return value === null ? null : `${name}:${value}`
  })
}

function readArray(cursor: Cursor, depth: number): string | null {
  return readMembers(cursor, '[]', () => readValue(cursor, depth))
}

function readMembers(cursor: Cursor, brackets: string, readMember: () => string | null): string | null {
  const close = brackets.charAt(1)
  const members: string[] = []
  cursor.position++
  for (;;) {
    take(cursor, spaces)
    if (isEnd(cursor, close)) break
    const member = readMember()
    if (member === null) return null
    members.push(member)
    take(cursor, spaces)
    if (isEnd(cursor, close)) break
    if (cursor.text[cursor.position] !== ',') return null
    cursor.position++
  }
  return `${brackets.charAt(0)}${members.join(',')}${close}`
}

/** Takes the closing bracket. The text's own end counts as one when nothing was cut off. */
function isEnd(cursor: Cursor, close: string): boolean {
  if (cursor.position >= cursor.text.length) return cursor.isWhole
  if (cursor.text[cursor.position] !== close) return false
  cursor.position++
  return true
}

function readName(cursor: Cursor): string | null {
  const first = cursor.text[cursor.position] ?? ''
  if (Object.hasOwn(closingQuotes, first)) return readString(cursor)
  const word = take(cursor, wordText)
  return word === '' ? null : JSON.stringify(word)
}

/** A string in other quotes than JSON's ends at a quote that something structural follows, so that apostrophes stay in it. */
function readString(cursor: Cursor): string | null {
  const open = cursor.text[cursor.position] ?? ''
  const closing = closingQuotes[open] ?? open
  const parts = ['"']
  cursor.position++
  while (cursor.position < cursor.text.length) {
    const run = take(cursor, plainRun)
    if (run !== '') {
      parts.push(run)
      continue
    }
    const character = cursor.text.charAt(cursor.position)
    cursor.position++
    if (closing.includes(character) && (open === '"' || isAhead(cursor, structureAhead))) {
      parts.push('"')
      return parts.join('')
    }
    parts.push(character === '\\' ? readEscape(cursor) : JSON.stringify(character).slice(1, -1))
  }
  return null
}

/** What follows a backslash. One that escapes nothing JSON knows was meant as a backslash (`\d` in a pattern). */
function readEscape(cursor: Cursor): string {
  const character = cursor.text.charAt(cursor.position)
  if (character === 'u') {
    cursor.position++
    const digits = take(cursor, hexDigits)
    return digits === '' ? '\\\\u' : `\\u${digits}`
  }
  if (character === "'") {
    cursor.position++
    return "'"
  }
  if (character === '' || !'"\\/bfnrt'.includes(character)) return '\\\\'
  cursor.position++
  return `\\${character}`
}

/** Takes what the sticky pattern matches here; empty when it does not. */
function take(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.position
  const found = pattern.exec(cursor.text)?.[0] ?? ''
  cursor.position += found.length
  return found
}

function isAhead(cursor: Cursor, pattern: RegExp): boolean {
  pattern.lastIndex = cursor.position
  return pattern.test(cursor.text)
}
