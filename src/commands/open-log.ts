/** Where log lines go: standard output, or a file that is rotated and bounded by a library made for it. */
import { basename, dirname } from 'node:path'
import { createStream } from 'rotating-file-stream'
import type { LogConfig } from '../domain.ts'
import { createLogger, type Logger } from '../log.ts'
import type { Terminal } from './terminal.ts'

/** As the library takes it. */
const defaultFileSize = '20M'
const dayMs = 86_400_000

/** How long the last lines may take to reach the disk when the program ends. */
const closeDeadlineMs = 1000

export interface OpenedLog {
  readonly log: Logger
  /** Writes what is left. */
  close(): Promise<void>
}

/** `fileSize`: beyond it the file is rotated. */
export function openLog(config: LogConfig, terminal: Terminal, fileSize = defaultFileSize): OpenedLog {
  const isText =
    config.format === 'text' || (config.format === 'auto' && config.path === null && terminal.isInteractive)
  const place =
    config.path === null
      ? { write: terminal.print, close: async () => {} }
      : openFile(config.path, { retentionMs: config.retentionMs, fileSize }, terminal.printError)
  const log = createLogger({
    level: config.level,
    format: isText ? 'text' : 'json',
    isColoured: isText && config.path === null && terminal.isInteractive,
    write: place.write,
    now: Date.now,
  })
  return {
    log,
    close() {
      log.flush()
      return place.close()
    },
  }
}

interface LogFile {
  write(lines: string): void
  close(): Promise<void>
}

interface FileBounds {
  readonly retentionMs: number
  readonly fileSize: string
}

function openFile(path: string, bounds: FileBounds, printError: (text: string) => void): LogFile {
  const stream = createStream(basename(path), {
    path: dirname(path),
    size: bounds.fileSize,
    interval: '1d',
    maxFiles: Math.max(1, Math.ceil(bounds.retentionMs / dayMs)),
    mode: 0o600,
  })
  let isReported = false
  stream.on('error', (error: Error) => {
    // A full disk must not end the service, nor fill the terminal.
    if (!isReported) printError(`any2api: the log file cannot be written: ${error.message}\n`)
    isReported = true
  })
  return {
    write: (lines) => void stream.write(lines),
    close: () =>
      new Promise((resolve) => {
        if (stream.destroyed) return resolve()
        const timer = setTimeout(resolve, closeDeadlineMs)
        stream.once('close', resolve)
        stream.end(() => {
          clearTimeout(timer)
          resolve()
        })
      }),
  }
}
