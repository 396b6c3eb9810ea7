/** Measures the built gateway beside nginx in front of the same mock upstream, in one run: `bun run bench [--help]`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, release, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Case, cases, load } from './load.ts'
import { cpuSeconds, residentBytes } from './process-usage.ts'
import { printReport, type Report, type Row, type Spread } from './report.ts'
import { type Subject, startGateway, startMock, startNginx, writeGatewayConfig } from './subjects.ts'

const starts = 10
const restMs = 1_000
const help = `bun run bench [--rounds 5] [--seconds 4] [--connections 32] [--binary dist/any2api] [--json FILE]`

const { values: flags } = parseArgs({
  options: {
    binary: { type: 'string', default: join(import.meta.dir, '../dist/any2api') },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '32' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (flags.help) {
  console.log(help)
  process.exit(0)
}
const options = {
  binary: resolve(flags.binary),
  rounds: positive('rounds', flags.rounds),
  seconds: positive('seconds', flags.seconds),
  connections: positive('connections', flags.connections),
}
if (!(await Bun.file(options.binary).exists())) {
  console.error(`${options.binary} does not exist: run \`bun run build\` first.`)
  process.exit(1)
}

const directory = await mkdtemp(join(tmpdir(), 'any2api-bench-'))
const running: Subject[] = []
try {
  const report = await measure()
  printReport(report)
  if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(report, null, 2)}\n`)
} finally {
  for (const subject of running.reverse()) await subject.stop()
  await rm(directory, { recursive: true, force: true })
}

async function measure(): Promise<Report> {
  const mock = keep(await startMock())
  await writeGatewayConfig(directory, mock.port)
  const startMs = await measureStarts()

  const gateway = keep(await startGateway(options.binary, directory))
  await Bun.sleep(2 * restMs)
  const idleBytes = residentBytes(gateway.pids)

  const rows: Row[] = []
  let loadedBytes: number | null = null
  if (Bun.which('wrk') === null) {
    console.log('wrk is not on the path: no calls are measured.')
  } else {
    if (Bun.which('nginx') === null) console.log('nginx is not on the path: left out.')
    else keep(await startNginx(join(directory, 'nginx'), mock.port))
    for (const call of cases) rows.push(...(await measureCase(call, running)))
    await Bun.sleep(2 * restMs)
    loadedBytes = residentBytes(gateway.pids)
  }
  return {
    date: new Date().toISOString(),
    machine: { processor: cpus()[0]?.model ?? 'unknown', cores: cpus().length, kernel: release(), bun: Bun.version },
    options,
    rows,
    startMs,
    memory: { idleBytes, loadedBytes },
  }
}

function keep<T extends Subject>(subject: T): T {
  running.push(subject)
  return subject
}

/** From the start of the process to its first answer. The first start, which creates the data directory, is not counted. */
async function measureStarts(): Promise<Spread> {
  const times: number[] = []
  for (let start = 0; start <= starts; start++) {
    const gateway = await startGateway(options.binary, directory)
    if (start > 0) times.push(gateway.startMs)
    await gateway.stop()
  }
  return spread(times)
}

/** All subjects in turn, round by round, so that what else the machine does falls on each alike. One round before is not counted. */
async function measureCase(call: Case, subjects: readonly Subject[]): Promise<Row[]> {
  const samples = subjects.map(() => ({
    cpuUs: [] as number[],
    callsPerSecond: [] as number[],
    latencyMs: [] as number[],
    errors: 0,
  }))
  for (let round = 0; round <= options.rounds; round++) {
    for (const [index, subject] of subjects.entries()) {
      const sample = samples[index]
      if (sample === undefined) continue
      if (process.stderr.isTTY)
        process.stderr.write(`\r\x1b[K${call.name}, round ${round} of ${options.rounds}: ${subject.name}`)
      const cpuBefore = cpuSeconds(subject.pids)
      const result = await load(subject, call, {
        connections: options.connections,
        seconds: options.seconds,
        directory,
      })
      // What is done after the answer, such as accounting, belongs to the call.
      await Bun.sleep(restMs / 2)
      sample.errors += result.errors
      if (round === 0) continue
      sample.cpuUs.push(((cpuSeconds(subject.pids) - cpuBefore) * 1e6) / result.calls)
      sample.callsPerSecond.push(result.callsPerSecond)
      sample.latencyMs.push(result.medianLatencyMs)
    }
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  const reference = samples[subjects.findIndex((subject) => subject.name === 'nginx')]
  return subjects.map((subject, index) => {
    const sample = samples[index] ?? { cpuUs: [], callsPerSecond: [], latencyMs: [], errors: 0 }
    return {
      case: call.name,
      subject: subject.name,
      cpuUsPerCall: spread(sample.cpuUs),
      callsPerSecond: spread(sample.callsPerSecond),
      medianLatencyMs: spread(sample.latencyMs),
      cpuToNginx: reference === undefined ? null : spread(ratios(sample.cpuUs, reference.cpuUs)),
      throughputToNginx:
        reference === undefined ? null : spread(ratios(sample.callsPerSecond, reference.callsPerSecond)),
      errors: sample.errors,
    }
  })
}

/** Round by round: neighbours in time are compared. */
function ratios(values: readonly number[], references: readonly number[]): number[] {
  return values.map((value, index) => value / (references[index] ?? Number.NaN))
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  console.error(`--${name} ${text}: expected a whole number above 0\n${help}`)
  process.exit(1)
}
