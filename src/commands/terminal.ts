/** What a command gets from `main.ts`, the only file that touches the process; and how it prints tables. */
export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Absolute. */
  readonly cwd: string
  /** Standard output is a terminal: colours, and secrets that may be shown once. */
  readonly isInteractive: boolean
  readonly print: (text: string) => void
  readonly printError: (text: string) => void
  /** For HTTP/2 upstreams, before anything is open: the program may start anew. */
  readonly liftRequestLimit: () => Promise<void>
  /** Calls back on each signal; the last registered listener counts. */
  readonly onSignal: (signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP', listener: () => void) => void
}

/** Options of the command line that several commands share; each is a word after `--name` or `--name=`. */
export interface Flags {
  readonly config?: string | undefined
  readonly host?: string | undefined
  readonly port?: string | undefined
  readonly 'data-dir'?: string | undefined
  readonly url?: string | undefined
  readonly 'admin-key'?: string | undefined
  readonly provider?: string | undefined
  readonly credential?: string | undefined
  readonly name?: string | undefined
  readonly models?: string | undefined
  readonly rpm?: string | undefined
  readonly rps?: string | undefined
  readonly burst?: string | undefined
  readonly tpm?: string | undefined
  readonly 'max-concurrent'?: string | undefined
  readonly budget?: string | undefined
  readonly 'budget-period'?: string | undefined
  readonly stateful?: boolean | undefined
  readonly probe?: boolean | undefined
  readonly json?: boolean | undefined
  readonly help?: boolean | undefined
  readonly version?: boolean | undefined
}

/** Columns as wide as their widest cell. The first row is the head. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, Bun.stringWidth(cell))
  }
  const pad = (cell: string, column: number) => cell + ' '.repeat((widths[column] ?? 0) - Bun.stringWidth(cell))
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n')
}
