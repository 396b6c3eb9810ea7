/**
 * Regular expressions of strangers, matched in time proportional to text and pattern: a native RegExp backtracks, and
 * `^(a+)+$` would stop the whole process for as long as its author likes. Thompson's construction, all branches in step.
 */

/** Whether a text holds a match, and the steps it took. When `maxSteps` do not suffice, `steps` is greater than that. */
export type LinearPattern = (text: string, maxSteps: number) => { isMatch: boolean; steps: number }

/** Null for what is no pattern, or cannot be matched this way (look-around, back references), or is too large. */
export function createLinearPattern(source: string): LinearPattern | null {
  if (source.length > maxPatternLength) return null
  const parser: Parser = { source, position: 0, program: [], tests: new Map() }
  if (!parseChoice(parser, 0) || parser.position < source.length) return null
  const program: readonly Instruction[] = [...parser.program, { kind: 'match' }]
  return (text, maxSteps) => run(program, text, maxSteps)
}

const maxPatternLength = 2000
const maxProgramLength = 2000
const maxDepth = 50

/** Targets are relative, so that a repeated part can be copied. */
type Instruction =
  | { readonly kind: 'character'; readonly test: CharacterTest }
  | { readonly kind: 'split'; readonly left: number; readonly right: number }
  | { readonly kind: 'jump'; readonly to: number }
  | { readonly kind: 'assert'; readonly holds: (before: string, after: string) => boolean }
  | { readonly kind: 'match' }

type CharacterTest = (character: string) => boolean

interface Parser {
  readonly source: string
  readonly program: Instruction[]
  readonly tests: Map<string, CharacterTest>
  position: number
}

/** The functions below append to the program; false: this cannot be matched. */
function parseChoice(parser: Parser, depth: number): boolean {
  if (depth > maxDepth) return false
  const start = parser.program.length
  if (!parseSequence(parser, depth)) return false
  if (parser.source[parser.position] !== '|') return true
  parser.position++
  const left = parser.program.splice(start)
  if (!parseChoice(parser, depth + 1)) return false
  const right = parser.program.splice(start)
  return append(parser, [
    { kind: 'split', left: 1, right: left.length + 2 },
    ...left,
    { kind: 'jump', to: right.length + 1 },
    ...right,
  ])
}

function parseSequence(parser: Parser, depth: number): boolean {
  while (parser.position < parser.source.length) {
    const character = parser.source[parser.position]
    if (character === '|' || character === ')') return true
    const start = parser.program.length
    if (!parseAtom(parser, depth) || !parseQuantifier(parser, start)) return false
  }
  return true
}

function parseAtom(parser: Parser, depth: number): boolean {
  const { source } = parser
  const assertion = assertions.find(({ text }) => source.startsWith(text, parser.position))
  if (assertion !== undefined) {
    parser.position += assertion.text.length
    return append(parser, [{ kind: 'assert', holds: assertion.holds }])
  }
  const group = take(parser, /\((?:\?:|\?<[A-Za-z_$][\w$]*>|(?!\?))/y)
  if (group !== '') {
    if (!parseChoice(parser, depth + 1) || source[parser.position] !== ')') return false
    parser.position++
    return true
  }
  const test = characterTest(parser, take(parser, atomText))
  return test !== null && append(parser, [{ kind: 'character', test }])
}

// A class, an escape that stands for characters (no back reference), a dot, or a character without a meaning of its own.
const atomText =
  /\[(?:[^\]\\]|\\[\s\S])*\]|\\(?:[pP]\{[\w=]+\}|u\{[\da-fA-F]+\}|u[\da-fA-F]{4}|x[\da-fA-F]{2}|c[A-Za-z]|0(?!\d)|[^1-9k])|[^\\()[|*+?^$]/uy

const isWordCharacter = (character: string) => /^\w$/.test(character)

const assertions = [
  { text: '^', holds: (before: string) => before === '' },
  { text: '$', holds: (_: string, after: string) => after === '' },
  { text: '\\b', holds: (before: string, after: string) => isWordCharacter(before) !== isWordCharacter(after) },
  { text: '\\B', holds: (before: string, after: string) => isWordCharacter(before) === isWordCharacter(after) },
] as const

/** A native expression for one character cannot backtrack. Escapes that the unicode mode refuses are read without it. */
function characterTest(parser: Parser, atom: string): CharacterTest | null {
  if (atom === '') return null
  const known = parser.tests.get(atom)
  if (known !== undefined) return known
  const expression = compile(atom, 'u') ?? (unicodeEscape.test(atom) ? null : compile(atom, ''))
  if (expression === null) return null
  const test = (character: string) => expression.test(character)
  parser.tests.set(atom, test)
  return test
}

// Without the unicode mode these, and letters that mean nothing in ECMAScript (`\\Z`), would silently be plain letters.
const unicodeEscape = /\\(?:u\{|[^\W\d_dDwWsSbBfnrtvxuc])/

function compile(atom: string, flags: string): RegExp | null {
  try {
    return new RegExp(`^(?:${atom})$`, flags)
  } catch {
    return null
  }
}

/** Repeats what was appended since `start`. Greedy or not makes no difference to whether there is a match. */
function parseQuantifier(parser: Parser, start: number): boolean {
  const quantifier = take(parser, /(?:[*+?]|\{\d{1,6}(?:,\d{0,6})?\})\??/y)
  if (quantifier === '') return true
  const [least, most] = bounds(quantifier)
  const part = parser.program.splice(start)
  if (most < least || part.length * Math.max(least, Number.isFinite(most) ? most : 1) > maxProgramLength) return false
  for (let count = 0; count < least; count++) if (!append(parser, part)) return false
  if (most === Number.POSITIVE_INFINITY) {
    return append(parser, [
      { kind: 'split', left: 1, right: part.length + 2 },
      ...part,
      { kind: 'jump', to: -part.length - 1 },
    ])
  }
  const optional: Instruction[] = [{ kind: 'split', left: 1, right: part.length + 1 }, ...part]
  for (let count = least; count < most; count++) if (!append(parser, optional)) return false
  return true
}

function bounds(quantifier: string): readonly [number, number] {
  switch (quantifier[0]) {
    case '*':
      return [0, Number.POSITIVE_INFINITY]
    case '+':
      return [1, Number.POSITIVE_INFINITY]
    case '?':
      return [0, 1]
    default: {
      const [, least = '', comma, most = ''] = /\{(\d+)(,)?(\d*)\}/.exec(quantifier) ?? []
      if (comma === undefined) return [Number(least), Number(least)]
      return [Number(least), most === '' ? Number.POSITIVE_INFINITY : Number(most)]
    }
  }
}

function append(parser: Parser, part: readonly Instruction[]): boolean {
  if (parser.program.length + part.length > maxProgramLength) return false
  parser.program.push(...part)
  return true
}

function take(parser: Parser, pattern: RegExp): string {
  pattern.lastIndex = parser.position
  const found = pattern.exec(parser.source)?.[0] ?? ''
  parser.position += found.length
  return found
}

/** Follows every branch at once, one character after another; a branch that is already followed is not taken up again. */
function run(program: readonly Instruction[], text: string, maxSteps: number): { isMatch: boolean; steps: number } {
  const seenAt = new Int32Array(program.length).fill(-1)
  let steps = 0
  let round = 0
  let waiting: number[] = []
  let before = ''
  for (let index = 0; ; round++) {
    const after = index < text.length ? String.fromCodePoint(text.codePointAt(index) ?? 0) : ''
    const open = [...waiting, 0]
    const next: number[] = []
    while (open.length > 0) {
      const at = open.pop() ?? 0
      const instruction = program[at]
      if (instruction === undefined || seenAt[at] === round) continue
      seenAt[at] = round
      steps++
      if (instruction.kind === 'match') return { isMatch: true, steps }
      if (instruction.kind === 'split') open.push(at + instruction.left, at + instruction.right)
      else if (instruction.kind === 'jump') open.push(at + instruction.to)
      else if (instruction.kind === 'assert') {
        if (instruction.holds(before, after)) open.push(at + 1)
      } else if (after !== '' && instruction.test(after)) next.push(at + 1)
    }
    if (steps > maxSteps || index >= text.length) return { isMatch: false, steps }
    waiting = next
    before = after
    index += after.length
  }
}
