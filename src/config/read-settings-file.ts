/** Reads one settings file of any kind, and puts the environment's values where it says `${NAME}`. */
import type { Report } from './report.ts'
import { childPointer, isTree, type SettingsTree, showPointer } from './settings-tree.ts'

/** Null when the text is no settings; the report then says why. */
export function parseSettingsFile(file: SettingsFile, report: Report): SettingsTree | null {
  const parse = parsers[file.ending.toLowerCase()]
  if (!parse) {
    report.problem(file.name, `the name must end in one of ${Object.keys(parsers).join(', ')}`)
    return null
  }
  const text = file.text.replace(/^\ufeff/, '')
  const parsed = tryParse(parse.read, text)
  // The parser's own words are not passed on: they may quote a secret.
  if ('error' in parsed) {
    const line = parse.findLine(parse.read, text)
    report.problem(
      file.name,
      `is not valid ${parse.language}${line === null ? '' : `; the mistake is near line ${line}`}`,
    )
    return null
  }
  if (parsed.value === null || parsed.value === undefined) return {}
  if (!isTree(parsed.value)) {
    report.problem(file.name, 'must be one group of settings (server, access, providers, …)')
    return null
  }
  return parsed.value
}

export interface SettingsFile {
  /** As it is shown to people. */
  readonly name: string
  /** Decides the language: `.yaml`, `.json`, … */
  readonly ending: string
  readonly text: string
}

/** Replaces `${NAME}` and `${NAME:-default}` in every text; `$${` stands for `${`. */
export function substituteEnvironment(tree: SettingsTree, options: SubstitutionOptions): SettingsTree {
  const replaced = substitute(tree, { ...options, pointer: '', depth: 0 })
  return isTree(replaced) ? replaced : {}
}

export interface SubstitutionOptions {
  readonly lookUp: (name: string) => string | undefined
  readonly refuse: (pointer: string, message: string) => void
}

interface Position extends SubstitutionOptions {
  readonly pointer: string
  readonly depth: number
}

/** YAML can build a value that contains itself. */
const maxDepth = 16

function substitute(value: unknown, at: Position): unknown {
  if (typeof value === 'string') return substituteText(value, at)
  const isList = Array.isArray(value)
  if (!isList && !isTree(value)) return value
  if (at.depth >= maxDepth) {
    at.refuse('', `nested too deeply, in ${showPointer(at.pointer.split('/').slice(0, 3).join('/'))}`)
    return null
  }
  const inside = (name: string, inner: unknown) =>
    substitute(inner, { ...at, pointer: childPointer(at.pointer, name), depth: at.depth + 1 })
  if (isList) return value.map((inner, index) => inside(String(index), inner))
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, inside(name, inner)]))
}

function substituteText(text: string, at: Position): string {
  if (!text.includes('${')) return text
  return text.replace(/\$?\$\{([^}]*)\}/g, (whole, inside: string) => {
    if (whole.startsWith('$$')) return whole.slice(1)
    const [, name, byDefault] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inside) ?? []
    if (name === undefined) {
      at.refuse(
        at.pointer,
        `has a \${…} that is no name of an environment variable; write $\${ for the characters themselves`,
      )
      return ''
    }
    const value = at.lookUp(name)
    if (byDefault !== undefined) return value === undefined || value === '' ? byDefault : value
    if (value === undefined) at.refuse(at.pointer, `the environment variable ${name} is not set`)
    return value ?? ''
  })
}

type Read = (text: string) => unknown

interface Language {
  readonly language: string
  readonly read: Read
  readonly findLine: (read: Read, text: string) => number | null
}

const yaml: Language = { language: 'YAML', read: Bun.YAML.parse, findLine: lineAfterLastGoodPart }
const json: Language = { language: 'JSON', read: Bun.JSONC.parse, findLine: firstLineWithSameError }
const toml: Language = { language: 'TOML', read: Bun.TOML.parse, findLine: lineAfterLastGoodPart }

const parsers: Readonly<Record<string, Language>> = {
  '.yaml': yaml,
  '.yml': yaml,
  '.json': json,
  '.jsonc': json,
  '.toml': toml,
}

function tryParse(read: Read, text: string): { value: unknown } | { error: string } {
  try {
    return { value: read(text) }
  } catch (error) {
    return { error: error instanceof Error ? error.message : 'unknown' }
  }
}

/** The parsers do not tell the line. It is found by parsing beginnings of the file, so only in files of human size. */
const maxLinesToSearch = 2000

/** YAML and TOML: whatever parses lies before the mistake, so the longest beginning that does ends just before it. */
function lineAfterLastGoodPart(read: Read, text: string): number | null {
  const lines = text.split('\n')
  if (lines.length > maxLinesToSearch) return null
  for (let length = lines.length - 1; length > 0; length--) {
    if ('value' in tryParse(read, lines.slice(0, length).join('\n'))) return length + 1
  }
  return 1
}

/** JSON: no beginning is valid, but the error stays the same from the line of the mistake on. */
function firstLineWithSameError(read: Read, text: string): number | null {
  const lines = text.split('\n')
  if (lines.length > maxLinesToSearch) return null
  const errorOf = (part: string) => {
    const parsed = tryParse(read, part)
    return 'error' in parsed ? parsed.error : ''
  }
  const whole = errorOf(text)
  if (whole.includes('end of file')) return lines.length
  return lines.findIndex((_, index) => errorOf(lines.slice(0, index + 1).join('\n')) === whole) + 1 || null
}
