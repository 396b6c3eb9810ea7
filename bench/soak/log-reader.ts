/** Reads the gateway's log while it is written, rotation included: the record of each call, by its id. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'

export interface RecordedCall {
  readonly outcome: string
  readonly status: number
  readonly attempts: number
  readonly provider: string
}

export interface LogReader {
  readonly calls: ReadonlyMap<string, RecordedCall>
  /** Ids that had more than one record. */
  readonly repeated: readonly string[]
  /** How often each event other than a call came, by its name and level. */
  readonly events: ReadonlyMap<string, number>
  /** Reads what there is now. To be called more often than the file is rotated. */
  read(): void
  close(): void
}

export function createLogReader(path: string): LogReader {
  const calls = new Map<string, RecordedCall>()
  const repeated: string[] = []
  const events = new Map<string, number>()
  const buffer = Buffer.allocUnsafe(1024 * 1024)
  let file: number | null = null
  let rest = ''

  function readToEnd(open: number): void {
    for (;;) {
      const count = readSync(open, buffer, 0, buffer.length, null)
      if (count === 0) return
      const lines = (rest + buffer.toString('utf8', 0, count)).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line !== '') take(JSON.parse(line))
    }
  }

  function take(line: Record<string, unknown>): void {
    if (line.event !== 'call') {
      const key = `${line.level} ${line.event}`
      events.set(key, (events.get(key) ?? 0) + 1)
      return
    }
    const id = String(line.id)
    if (calls.has(id)) repeated.push(id)
    const provider = String(line.target).split('/')[0] ?? ''
    const { outcome, status, attempts } = line as unknown as RecordedCall
    calls.set(id, { outcome, status, attempts, provider })
  }

  return {
    calls,
    repeated,
    events,
    read() {
      file ??= openSync(path, 'r')
      // Before the old file is read for the last time: nothing is written to it once there is a new one.
      const current = statSync(path, { throwIfNoEntry: false })
      readToEnd(file)
      if (current === undefined || current.ino === fstatSync(file).ino) return
      closeSync(file)
      file = openSync(path, 'r')
      readToEnd(file)
    },
    close() {
      if (file !== null) closeSync(file)
      file = null
    },
  }
}
