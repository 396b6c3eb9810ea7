/** Reads the `.env` format: `NAME=value`, `export`, quotes, comments. */
export function parseEnvFile(text: string): EnvFile {
  const values: Record<string, string> = {}
  const badLines: number[] = []
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/)
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]?.trim() ?? ''
    if (line === '' || line.startsWith('#')) continue
    const [, name, written] = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/.exec(line) ?? []
    const value = written === undefined ? null : readValue(written)
    if (name === undefined || value === null) badLines.push(index + 1)
    else values[name] = value
  }
  return { values, badLines }
}

export interface EnvFile {
  readonly values: Readonly<Record<string, string>>
  /** Line numbers, from 1, that are neither a setting nor a comment. */
  readonly badLines: readonly number[]
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

/** Null: a quote without its end, or text after it. Values of several lines are not supported. */
function readValue(written: string): string | null {
  const [quote] = written
  if (quote !== '"' && quote !== "'") return written.replace(/(^|\s+)#.*$/, '').trim()
  const pattern = quote === '"' ? /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/ : /^'([^']*)'\s*(?:#.*)?$/
  const content = pattern.exec(written)?.[1]
  if (content === undefined) return null
  return quote === "'" ? content : content.replace(/\\(.)/g, (_, letter: string) => escapes[letter] ?? letter)
}
