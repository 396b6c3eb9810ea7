/**
 * Minutes of everything at once, faults and leaving clients included, and a look whether anything is left over: `bun run bench:soak [--help]`.
 * The order of what each user does is the same again for the same seed; when it happens is not.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { cpus, release, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { ClientOrder, ClientReport } from './soak/client.ts'
import { createLogReader } from './soak/log-reader.ts'
import { drawSoak } from './soak/picture.ts'
import { get, readMetrics, readProcess, type SampledGateway, startSampler } from './soak/sampler.ts'
import { gatewaySettings } from './soak/settings.ts'
import type { UpstreamQuestion, UpstreamState } from './soak/upstream.ts'
import { type Check, judge, memoryTrend, type Quiet, type SoakFacts } from './soak/verdict.ts'

const help = `bun run bench:soak [--minutes 20] [--seed 1] [--users 40] [--think 600] [--quiet 60] [--binary dist/any2api] [--out dist/soak]

--think: milliseconds a user waits between two calls at most. --out: figures go to FILE.json, a picture to FILE.svg.`

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    users: { type: 'string', default: '40' },
    think: { type: 'string', default: '600' },
    quiet: { type: 'string', default: '60' },
    binary: { type: 'string', default: join(import.meta.dir, '../dist/any2api') },
    out: { type: 'string', default: join(import.meta.dir, '../dist/soak') },
    help: { type: 'boolean', default: false },
  },
})
if (flags.help) {
  console.log(help)
  process.exit(0)
}
const options = {
  minutes: positive('minutes', flags.minutes),
  seed: positive('seed', flags.seed),
  users: positive('users', flags.users),
  thinkMs: positive('think', flags.think),
  quietSeconds: positive('quiet', flags.quiet),
}
const binary = resolve(flags.binary)
if (!(await Bun.file(binary).exists())) {
  console.error(`${binary} does not exist: run \`bun run build\` first.`)
  process.exit(1)
}

const warmUpSeconds = 10
const sampleEveryMs = 5_000
const logEveryMs = 1_000
const reloadEveryMs = 40_000
const startDeadlineMs = 15_000

const directory = await mkdtemp(join(tmpdir(), 'any2api-soak-'))
const children: Bun.Subprocess[] = []
try {
  const { facts, clientCalls } = await soak()
  const checks = judge(facts)
  await report(facts, checks, clientCalls)
  process.exitCode = checks.every(({ isGood }) => isGood) ? 0 : 1
} finally {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL')
  await rm(directory, { recursive: true, force: true })
}

async function soak() {
  for (const name of ['data', 'log']) await mkdir(join(directory, name), { recursive: true })
  const upstream = await startUpstream()
  const mockPort = await freePort()
  let mock = await startMock(mockPort)
  const settingsFile = join(directory, 'any2api.yaml')
  const writeSettings = (version: number) => {
    const settings = gatewaySettings({ directory, simulatorPort: upstream.state().port, mockPort, version })
    // YAML has JSON as a part.
    return writeFile(settingsFile, JSON.stringify(settings, null, 2))
  }
  await writeSettings(0)
  const port = await freePort()
  const child = start([binary, 'serve', '--config', settingsFile, '--data-dir', join(directory, 'data')], {
    HOST: '127.0.0.1',
    PORT: String(port),
  })
  await answering(port, '/health', child)
  const gateway: SampledGateway = { pid: child.pid, port, referencePort: mockPort, directory }
  const log = createLogReader(join(directory, 'log', 'soak.log'))
  const following = setInterval(log.read, logEveryMs)

  /** Closes what upstreams keep open for later: what is left then is the gateway's own. */
  async function becomeQuiet(seconds: number): Promise<Quiet> {
    await Bun.sleep((seconds * 1000) / 2)
    await upstream.ask('close')
    await end(mock)
    mock = await startMock(mockPort)
    await Bun.sleep((seconds * 1000) / 2)
    return lookAt(gateway)
  }

  say(`warm-up, ${warmUpSeconds} s`)
  const order = { port, users: options.users, thinkMs: options.thinkMs }
  const warmUp = await runClient({ ...order, seed: options.seed + 1_000_000, firstNumber: 0, seconds: warmUpSeconds })
  const idle = await becomeQuiet(10)

  say(`load, ${options.minutes} min`)
  const sampler = startSampler(gateway, sampleEveryMs)
  let reloads = 0
  const reloading = setInterval(() => void writeSettings(++reloads), reloadEveryMs)
  const progress = setInterval(() => sayLast(sampler.samples.at(-1)), 60_000)
  const load = await runClient({ ...order, seed: options.seed, firstNumber: 1_000_000, seconds: options.minutes * 60 })
  for (const timer of [reloading, progress]) clearInterval(timer)
  await sampler.stop()

  say(`quiet, ${options.quietSeconds} s`)
  const quiet = await becomeQuiet(options.quietSeconds)
  const stats = JSON.parse(await get(port, '/stats'))
  const metrics = await readMetrics(port)
  const lost = /^any2api_store_lost_records_total (\d+)$/m.exec(await getText(port, '/metrics'))
  const oldestRecordAgeMs = await oldestRecordAge(port)
  const upstreamState = await upstream.ask('counts')
  await end(child)
  clearInterval(following)
  log.read()
  log.close()

  const facts: SoakFacts = {
    samples: sampler.samples,
    results: [...warmUp.results, ...load.results],
    operatorProblems: [...warmUp.operatorProblems, ...load.operatorProblems],
    log,
    idle,
    quiet,
    totals: stats.totals,
    lostRecords: Number(lost?.[1] ?? Number.NaN),
    refusedByMetrics: metrics.refused_count,
    upstreamCalls: upstreamState.calls,
    upstreamNumbered: new Map(upstreamState.numbered),
    upstreamInFlight: upstreamState.inFlight,
    oldestRecordAgeMs,
    reloads: { made: reloads, lastApplied: stats.reload?.applied === true },
    exitStatus: child.exitCode,
  }
  return { facts, clientCalls: load.results.length }
}

async function lookAt({ pid, port }: SampledGateway): Promise<Quiet> {
  const { active_requests } = await readMetrics(port)
  const stats = JSON.parse(await get(port, '/stats'))
  const credentials: { inFlight: number }[] = stats.keys.credentials
  const clients: { max_concurrent: { limit: number; remaining: number } | null }[] = Object.values(stats.clients_limits)
  const busyClients = clients.filter(({ max_concurrent: one }) => one !== null && one.remaining < one.limit)
  const busy = credentials.filter(({ inFlight }) => inFlight > 0).length + busyClients.length
  // After those questions' own connections are gone.
  await Bun.sleep(1_000)
  return { ...readProcess(pid), activeCalls: active_requests, busy }
}

async function oldestRecordAge(port: number): Promise<number> {
  let cursor = ''
  let oldest = Date.now()
  for (;;) {
    const page = JSON.parse(await get(port, `/admin/requests?limit=1000${cursor}`))
    for (const { time } of page.data as { time: string }[]) oldest = Math.min(oldest, Date.parse(time))
    if (page.next_cursor === null) return Date.now() - oldest
    cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`
  }
}

async function getText(port: number, path: string): Promise<string> {
  const { adminKey } = await import('./soak/settings.ts')
  const headers = { authorization: `Bearer ${adminKey}`, accept: 'text/plain' }
  return (await fetch(`http://127.0.0.1:${port}${path}`, { headers, keepalive: false })).text()
}

async function runClient(order: Omit<ClientOrder, 'resultFile'>): Promise<ClientReport> {
  const resultFile = join(directory, 'client.json')
  const script = join(import.meta.dir, 'soak/client.ts')
  const client = start([process.execPath, script, JSON.stringify({ ...order, resultFile })], {})
  await client.exited
  if (client.exitCode !== 0) throw new Error(`the clients ended with status ${client.exitCode}`)
  return JSON.parse(await readFile(resultFile, 'utf8'))
}

async function startUpstream() {
  let state: UpstreamState | null = null
  let told = Promise.withResolvers<UpstreamState>()
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'soak/upstream.ts'), String(options.seed)], {
    stdin: 'ignore',
    stdout: 'inherit',
    stderr: 'inherit',
    ipc(message: UpstreamState) {
      state = message
      told.resolve(message)
    },
  })
  children.push(child)
  await told.promise
  return {
    state: () => state ?? fail('the upstream has not said its port'),
    ask(question: UpstreamQuestion): Promise<UpstreamState> {
      told = Promise.withResolvers()
      child.send(question)
      return told.promise
    },
  }
}

async function startMock(port: number): Promise<Bun.Subprocess> {
  const child = start([process.execPath, join(import.meta.dir, 'mock-upstream.ts'), '--port', String(port)], {})
  await answering(port, '/v1/models', child)
  return child
}

/** With nothing of this shell's environment but the path: settings lying about must not change what is measured. */
function start(command: string[], environment: Record<string, string>): Bun.Subprocess {
  const env = { PATH: Bun.env.PATH ?? '', HOME: directory, ...environment }
  const child = Bun.spawn(command, { env, cwd: directory, stdin: 'ignore', stdout: 'ignore', stderr: 'inherit' })
  children.push(child)
  return child
}

async function end(child: Bun.Subprocess): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
  await child.exited
  clearTimeout(timer)
}

async function answering(port: number, path: string, child: Bun.Subprocess): Promise<void> {
  const deadline = performance.now() + startDeadlineMs
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`a server ended with status ${child.exitCode} before its first answer`)
    const url = `http://127.0.0.1:${port}${path}`
    const response = await fetch(url, { keepalive: false, signal: AbortSignal.timeout(1_000) }).catch(() => null)
    await response?.arrayBuffer()
    if (response?.ok === true) return
    await Bun.sleep(20)
  }
  throw new Error(`no answer on port ${port} within ${startDeadlineMs} ms`)
}

async function report(facts: SoakFacts, checks: readonly Check[], clientCalls: number): Promise<void> {
  const { samples, results, idle, quiet, totals } = facts
  const count = (read: (one: (typeof results)[number]) => string) => {
    const counts: Record<string, number> = {}
    for (const one of results) counts[read(one)] = (counts[read(one)] ?? 0) + 1
    return counts
  }
  const figures = {
    date: new Date().toISOString(),
    machine: { processor: cpus()[0]?.model ?? 'unknown', cores: cpus().length, kernel: release(), bun: Bun.version },
    options,
    callsPerSecond: clientCalls / (options.minutes * 60),
    seen: count(({ seen }) => seen),
    kinds: count(({ kind }) => kind),
    statuses: count(({ status }) => String(status)),
    outcomes: Object.fromEntries(countOutcomes(facts)),
    totals,
    idle,
    quiet,
    memoryTrend: memoryTrend(samples),
    checks,
    samples,
  }
  console.log(`\n${results.length} calls, ${figures.callsPerSecond.toFixed(0)} a second, seed ${options.seed}`)
  for (const name of ['seen', 'statuses', 'outcomes'] as const) console.log(`${name}: ${JSON.stringify(figures[name])}`)
  console.log('\n| minute | MB | heap MB | threads | descriptors | calls | database MB | log MB | CPU | /health ms |')
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |')
  const step = Math.max(1, Math.ceil(samples.length / 20))
  for (const one of samples.filter((_, index) => index % step === step - 1)) {
    const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1)
    const cells = [
      (one.seconds / 60).toFixed(1),
      megabytes(one.residentBytes),
      megabytes(one.heapBytes),
      one.threads,
      one.descriptors,
      one.activeCalls,
      `${megabytes(one.databaseBytes)} + ${megabytes(one.writeAheadBytes)}`,
      megabytes(one.logBytes),
      one.processorShare.toFixed(2),
      `${one.medianAnswerMs.toFixed(1)} (${one.longestAnswerMs.toFixed(0)})`,
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
  console.log(`\nidle ${JSON.stringify(idle)}\nquiet ${JSON.stringify(quiet)}\n`)
  for (const { name, seen, isGood } of checks) console.log(`${isGood ? 'ok  ' : 'FAIL'} ${name}: ${seen}`)
  const file = resolve(flags.out)
  await writeFile(`${file}.json`, `${JSON.stringify(figures, null, 1)}\n`)
  const title = `${options.minutes} minutes, ${figures.callsPerSecond.toFixed(0)} calls a second, seed ${options.seed}`
  await writeFile(`${file}.svg`, drawSoak(samples, title))
  console.log(`\n${file}.json, ${file}.svg`)
}

function countOutcomes({ log }: SoakFacts): Map<string, number> {
  const outcomes = new Map<string, number>()
  for (const { outcome } of log.calls.values()) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  return outcomes
}

function sayLast(sample: SampledGatewaySample): void {
  if (sample === undefined) return
  const { seconds, residentBytes, descriptors, recordedCalls } = sample
  const facts = [`${(residentBytes / 1e6).toFixed(0)} MB`, `${descriptors} descriptors`, `${recordedCalls} calls`]
  say(`${(seconds / 60).toFixed(0)} min: ${facts.join(', ')}`)
}

type SampledGatewaySample = ReturnType<typeof startSampler>['samples'][number] | undefined

function say(text: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${text}`)
}

function fail(message: string): never {
  throw new Error(message)
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (value > 0) return value
  console.error(`--${name} ${text}: expected a number above 0\n${help}`)
  process.exit(1)
}

function freePort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no port'))
        else resolvePort(address.port)
      })
    })
  })
}
