/** The figures of one run: their shape, which is also that of the JSON file, and the table on the terminal. */

/** Median, lowest and highest of the rounds. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface Row {
  readonly case: string
  readonly subject: string
  /** Processor time of all threads, in microseconds. */
  readonly cpuUsPerCall: Spread
  readonly callsPerSecond: Spread
  readonly medianLatencyMs: Spread
  /** Each round against nginx in the same round; null where nginx was left out. */
  readonly cpuToNginx: Spread | null
  readonly throughputToNginx: Spread | null
  readonly errors: number
}

export interface Report {
  readonly date: string
  readonly machine: { processor: string; cores: number; kernel: string; bun: string }
  readonly options: { binary: string; rounds: number; seconds: number; connections: number }
  readonly rows: readonly Row[]
  /** From the start of the process to its first answer. */
  readonly startMs: Spread
  /** Resident memory of the gateway, before the first call and after the last; null where no load was made. */
  readonly memory: { idleBytes: number; loadedBytes: number | null }
}

export function printReport(report: Report): void {
  const { machine, options } = report
  console.log(`${machine.processor}, ${machine.cores} cores, Linux ${machine.kernel}, Bun ${machine.bun}`)
  if (report.rows.length > 0) {
    console.log(
      `${options.connections} connections, ${options.rounds} rounds of ${options.seconds} s; median (lowest to highest)\n`,
    )
    printTable([header, ...report.rows.map(tableRow)])
  }
  console.log(`\nstart to first answer: ${show(report.startMs, 0)} ms`)
  const { idleBytes, loadedBytes } = report.memory
  console.log(
    `memory: ${megabytes(idleBytes)} idle${loadedBytes === null ? '' : `, ${megabytes(loadedBytes)} after load`}`,
  )
  for (const row of report.rows.filter((candidate) => candidate.errors > 0)) {
    console.log(`NOT VALID: ${row.subject} failed ${row.errors} times (${row.case}).`)
  }
}

const header = [
  'case',
  'server',
  'CPU µs per call',
  'calls per second',
  'latency ms',
  'CPU : nginx',
  'throughput : nginx',
]

function tableRow(row: Row): string[] {
  return [
    row.case,
    row.subject,
    show(row.cpuUsPerCall, 1),
    show(row.callsPerSecond, 0),
    show(row.medianLatencyMs, 2),
    row.cpuToNginx === null ? '' : show(row.cpuToNginx, 2),
    row.throughputToNginx === null ? '' : show(row.throughputToNginx, 2),
  ]
}

function show(spread: Spread, digits: number): string {
  return `${spread.median.toFixed(digits)} (${spread.min.toFixed(digits)} to ${spread.max.toFixed(digits)})`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = header.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
}
