/** Server-sent events as bytes: cutting a stream into whole events, and spelling events of our own. */

/** Splits latin1 text after its last complete event. An event ends at an empty line; `\n`, `\r\n` and `\r` all end lines. */
export function splitEvents(latin1: string): { events: string; rest: string } {
  if (latin1.endsWith('\n\n')) return { events: latin1, rest: '' }
  let end = endAfter(latin1, '\n\n')
  // One character is found many times faster than two.
  if (latin1.includes('\r'))
    end = Math.max(end, endAfter(latin1, '\r\n\r\n'), endAfter(latin1, '\n\r\n'), endAfter(latin1, '\r\r'))
  return { events: latin1.slice(0, end), rest: latin1.slice(end) }
}

/** The whole events at the beginning of a text, each with its blank line; found one by one, since the reader may stop at the first. */
export function* eachEvent(events: string): Generator<string> {
  const blankLine = events.includes('\r') ? /\r\n\r\n|\n\r\n|\n\n|\r\r/g : null
  let start = 0
  while (start < events.length) {
    const end = eventEnd(events, start, blankLine)
    if (end < 0) return
    yield events.slice(start, end)
    start = end
  }
}

/** The `data` of one event, its lines joined; null when it has none (a comment, a bare `event:`). */
export function eventData(event: string): string | null {
  // One line of data and the blank line, as nearly all are.
  if (event.startsWith('data: ') && event.indexOf('\n') === event.length - 2 && !event.includes('\r')) {
    return event.slice(6, -2)
  }
  let data: string | null = null
  for (const line of event.split(/\r\n|\n|\r/)) {
    if (!line.startsWith('data:')) continue
    const value = line.startsWith('data: ') ? line.slice(6) : line.slice(5)
    data = data === null ? value : `${data}\n${value}`
  }
  return data
}

/** Parses the JSON of a latin1 `data`; undefined when it is none. */
export function parseEventJson(latin1: string): unknown {
  try {
    return JSON.parse(Buffer.from(latin1, 'latin1').toString('utf8'))
  } catch {
    return undefined
  }
}

/** The same faster, where only names, numbers and the emptiness of texts matter: what is not ASCII in a text stays garbled. */
export function parseLatin1(latin1: string): unknown {
  try {
    return JSON.parse(latin1)
  } catch {
    return undefined
  }
}

/** A comment that every reader skips; it keeps proxies from cutting a silent connection. */
export const keepAliveComment: Uint8Array = Buffer.from(': keep-alive\n\n')

export function formatEvent(data: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(`data: ${JSON.stringify(data)}\n\n`))
}

function eventEnd(events: string, start: number, blankLine: RegExp | null): number {
  if (blankLine === null) {
    const found = events.indexOf('\n\n', start)
    return found < 0 ? -1 : found + 2
  }
  blankLine.lastIndex = start
  return blankLine.test(events) ? blankLine.lastIndex : -1
}

function endAfter(text: string, mark: string): number {
  const found = text.lastIndexOf(mark)
  return found < 0 ? 0 : found + mark.length
}
