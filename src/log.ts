/** Structured log: one line per event, JSON or text. Lines are collected and written together, so that a call waits for none. */
import type { LogLevel } from './domain.ts'

export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(event: string, fields?: LogFields): void
  /** A text is the members of a JSON object, spelled already: the line of every call is made that way. */
  info(event: string, fields?: LogFields | string): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
  isEnabled(level: LogLevel): boolean
  /** Writes what is collected. */
  flush(): void
}

export interface LogOptions {
  readonly level: LogLevel
  readonly format: 'json' | 'text'
  readonly isColoured: boolean
  /** Takes whole lines. */
  readonly write: (lines: string) => void
  /** Unix milliseconds. */
  readonly now: () => number
}

const severities: Record<LogLevel, number> = { debug: 10, info: 20, warn: 30, error: 40 }
const flushDelayMs = 50
/** Lines wait as bytes: texts that live for a while are dear to collect. When so many wait they are written at once. */
const collectedBytes = 65_536
/** UTF-8 takes no more for a unit of UTF-16. */
const mostBytesEach = 3

export function createLogger(options: LogOptions): Logger {
  const least = severities[options.level]
  const format = options.format === 'json' ? formatJson : formatText
  const timeText = createTimeText()
  let collected: Buffer | null = null
  let used = 0
  let timer: Timer | null = null

  function flush(): void {
    if (timer !== null) clearTimeout(timer)
    timer = null
    if (collected === null || used === 0) return
    const lines = collected.toString('utf8', 0, used)
    used = 0
    options.write(lines)
  }

  function collect(line: string): void {
    if (used + line.length * mostBytesEach > collectedBytes) flush()
    if (line.length * mostBytesEach > collectedBytes) {
      options.write(line)
      return
    }
    collected ??= Buffer.allocUnsafeSlow(collectedBytes)
    used += collected.write(line, used)
  }

  function log(level: LogLevel, event: string, fields: LogFields | string = {}): void {
    if (severities[level] < least) return
    collect(format({ time: timeText(options.now()), level, event, fields, isColoured: options.isColoured }))
    if (level === 'error') flush()
    else timer ??= setTimeout(flush, flushDelayMs)
  }

  return {
    debug: (event, fields) => log('debug', event, fields),
    info: (event, fields) => log('info', event, fields),
    warn: (event, fields) => log('warn', event, fields),
    error: (event, fields) => log('error', event, fields),
    isEnabled: (level) => severities[level] >= least,
    flush,
  }
}

/** Swallows everything: for tests and one-off commands. */
export const silentLogger: Logger = createLogger({
  level: 'error',
  format: 'json',
  isColoured: false,
  write: () => {},
  now: () => 0,
})

/** What may be said of an unknown error in a log: its name, code and message, without what it carries. */
export function describeError(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: typeof error }
  const { code } = error as { code?: unknown }
  return {
    error: error.message.slice(0, 500),
    name: error.name,
    ...(typeof code === 'string' ? { code } : {}),
    ...(error.cause instanceof Error ? { cause: error.cause.message.slice(0, 500) } : {}),
  }
}

interface Line {
  /** ISO 8601. */
  readonly time: string
  readonly level: LogLevel
  readonly event: string
  readonly fields: LogFields | string
  readonly isColoured: boolean
}

/** Many lines fall into one millisecond. */
function createTimeText(): (time: number) => string {
  let lastTime = Number.NaN
  let lastText = ''
  return (time) => {
    if (time !== lastTime) {
      lastText = new Date(time).toISOString()
      lastTime = time
    }
    return lastText
  }
}

/** Joined as text: an object of all would have to be copied together for every line. */
function formatJson({ time, level, event, fields }: Line): string {
  const own = typeof fields === 'string' ? fields : JSON.stringify(fields).slice(1, -1)
  const head = `{"time":"${time}","level":"${level}","event":${quote(event)}`
  return own === '' ? `${head}}\n` : `${head},${own}}\n`
}

const quoted = new Map<string, string>()
const maxQuoted = 1000
const maxQuotedLength = 256

/** A text as JSON. Names come again and again: those met before are known. */
export function quote(text: string): string {
  const known = quoted.get(text)
  if (known !== undefined) return known
  const made = JSON.stringify(text)
  if (quoted.size >= maxQuoted) quoted.clear()
  if (text.length <= maxQuotedLength) quoted.set(text, made)
  return made
}

const colours: Record<LogLevel, string> = { debug: '2', info: '36', warn: '33', error: '31' }

function formatText({ time, level, event, fields, isColoured }: Line): string {
  const paint = (code: string, text: string) => (isColoured ? `\u001b[${code}m${text}\u001b[0m` : text)
  const values = Object.entries(typeof fields === 'string' ? (JSON.parse(`{${fields}}`) as LogFields) : fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${paint('2', `${name}=`)}${formatValue(value)}`)
  const clock = time.replace('T', ' ').replace('Z', '')
  return `${[paint('2', clock), paint(colours[level], level.padEnd(5)), event, ...values].join(' ')}\n`
}

/** Quoted wherever it could be mistaken for something else, line breaks included. */
function formatValue(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value) ?? 'null'
  return /^[\w./:@*…-]+$/.test(value) ? value : JSON.stringify(value)
}
