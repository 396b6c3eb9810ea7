/** Starts every subject, measures the chosen cases in an order in which none spoils the next, and gives back all figures. */
import { cpus, loadavg, release, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { expectCacheHits } from './call-load.ts'
import { callCase, isFlood, lanesOf, latencyCase, pacedCase, warmUp } from './cases.ts'
import { fileLimit, output, stopAtEnd } from './children.ts'
import { type CaseFigures, type Figures, type Group, groups, type LaneFigures } from './figures.ts'
import { formatBytes } from './format-figures.ts'
import type { Options, PacedSize } from './options.ts'
import { type Peers, startPeers } from './peers.ts'
import { residentBytes } from './process-usage.ts'
import { createProgress } from './progress.ts'
import { type Case, type Lane, measureInTurn, plannedSeconds } from './rounds.ts'
import { redirectedModel, type Subject, startGateway, startMock, startNginx } from './subjects.ts'

const startSeconds = 0.4
const warmUpSeconds = 4
const few = { promptBytes: 200 }
const many = { promptBytes: 1_000_000 }

export async function measureAll(options: Options, directory: string): Promise<Figures> {
  const { plan } = options
  const binary = resolve(options.binary)
  if (!(await Bun.file(binary).exists())) throw new Error(`${binary} does not exist: run \`bun run build\` first`)
  const notMeasured: string[] = []
  const loadBefore = loadavg()[0] ?? Number.NaN
  const isChosen = (group: Group) => options.only.includes(group) && (hasWrk || !needsWrk.includes(group))
  if (!hasWrk) notMeasured.push(`${needsWrk.join(', ')}: wrk is not on the path`)

  const mock = await startMock()
  const start = (name: string, more: object = {}) =>
    startGateway({ name, binary, directory: join(directory, name), upstreamPort: mock.port, ...more })
  const gateway = await start('any2api')
  const subjects: Subject[] = [mock]
  if (Bun.which('nginx') === null) notMeasured.push('nginx, and everything relative to it: it is not on the path')
  else subjects.push(await startNginx(join(directory, 'nginx'), mock.port))
  subjects.push(gateway)
  if (options.before !== undefined) subjects.push(await start('any2api before', { binary: resolve(options.before) }))
  const peers: Peers = options.hasPeers
    ? await startPeers(join(directory, 'peers'), mock.port)
    : { subjects: [], missing: [] }
  const leftOut = groups.filter((group) => !options.only.includes(group))
  if (leftOut.length > 0) notMeasured.push(`left out by \`--only\`: ${leftOut.join(', ')}`)
  if (!options.hasPeers) notMeasured.push('other gateways: `--no-peers`')
  for (const subject of peers.subjects) stopAtEnd(subject.stop)
  subjects.push(...peers.subjects)
  const tenCredentials = isChosen('credentials') ? [await start('10 credentials', { credentials: 10 })] : []
  const manyCredentials = isChosen('credentials') ? [await start('10,000 credentials', { credentials: 10_000 })] : []
  const cached = isChosen('cache') ? [await start('answer from the cache', { isCacheOn: true })] : []
  for (const subject of cached) await expectCacheHits(subject, few)

  // Memory wants a gateway that has done nothing else; a flood of streams comes next, then what uses gateways of its own while memory
  // settles. The delays of fewer streams are those of a gateway that has been running for a while, as all the rest.
  const floods = pacedCases(isFlood).filter(isCaseChosen)
  const others = [
    calls('credentials', '200 B, 10 connections', lanesOf([...tenCredentials, ...manyCredentials], few), 10),
    calls('cache', '200 B, 10 connections', lanesOf([gateway, ...cached], few), 10),
  ].filter(isCaseChosen)
  const paced = pacedCases((size) => !isFlood(size))
  const rest = [...paced, latencyCase(subjects), ...callCases(), redirectCase()].filter(isCaseChosen)

  const settleSeconds = isChosen('memory') ? plan.settleSeconds : 0
  const afterSeconds = isChosen('memory') && floods.length > 0 ? plan.afterSeconds : 0
  const startsSeconds = isChosen('start') ? (plan.starts + 1) * startSeconds : 0
  const othersSeconds = warmUpSeconds * (others.length > 0 ? 4 : 0) + secondsOf(others) + startsSeconds
  const progress = createProgress(
    settleSeconds +
      secondsOf(floods) +
      Math.max(afterSeconds, othersSeconds) +
      warmUpSeconds * (rest.length > 0 ? subjects.length : 0) +
      secondsOf(rest),
  )

  const memory = subjects.map((subject) => ({ subject, samples: {} as Record<string, number[]> }))
  const readMemory = (name: string) => {
    for (const { subject, samples } of memory) {
      const bytes = residentBytes(subject.pids)
      // Nothing is what a process has that is gone.
      if (bytes > 0) samples[name] = [bytes]
    }
  }
  const warm = new Set<Subject>()
  const warmUpAll = async (several: readonly Subject[], before: readonly Case[]) => {
    if (!hasWrk || before.length === 0) return
    for (const subject of several) {
      progress.step(`calls to warm up, ${subject.name}`, warmUpSeconds)
      if (!warm.has(subject)) await warmUp(subject, directory)
      warm.add(subject)
    }
  }
  const cases: CaseFigures[] = []
  const floodFigures: CaseFigures[] = []
  const run = async (several: readonly Case[], into = cases) => {
    for (const one of several) into.push(await measureInTurn(one, progress))
  }

  progress.step('memory, at rest', settleSeconds)
  await Bun.sleep(settleSeconds * 1_000)
  readMemory('idleBytes')
  await run(floods, floodFigures)
  const streamsEnded = performance.now()
  await warmUpAll([gateway, ...tenCredentials, ...manyCredentials, ...cached], others)
  await run(others)
  for (const subject of [...tenCredentials, ...manyCredentials, ...cached]) await subject.stop()
  if (isChosen('start')) cases.push(await measureStarts())
  progress.step('memory, after the streams', Math.max(0, afterSeconds - othersSeconds))
  await Bun.sleep(Math.max(0, streamsEnded + afterSeconds * 1_000 - performance.now()))
  if (afterSeconds > 0) readMemory('afterStreamsBytes')
  await warmUpAll(subjects, rest)
  await run(rest)
  readMemory('endBytes')
  progress.end()
  if (isChosen('memory')) {
    for (const { subject, samples } of memory)
      if (subject.programBytes !== undefined) samples.programBytes = [subject.programBytes]
    const lanes = memory.map(({ subject, samples }) => lane(subject.name, samples))
    cases.push({ group: 'memory', name: 'resident', lanes })
  }

  return {
    date: new Date().toISOString(),
    commit: await commit(),
    machine: {
      processor: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryBytes: totalmem(),
      kernel: release(),
      loadBefore,
    },
    versions: Object.fromEntries(subjects.map((subject) => [subject.name, subject.version ?? 'unknown'])),
    options: { rounds: plan.rounds, seconds: plan.seconds, isQuick: options.isQuick },
    // From few streams to many.
    cases: [...cases, ...floodFigures],
    missing: peers.missing,
    notMeasured,
  }

  function isCaseChosen({ group }: Case): boolean {
    return isChosen(group)
  }

  function calls(group: Group, name: string, lanes: readonly Lane[], connections: number): Case {
    // Fewer rounds, but longer ones, so that enough of the long calls come to an end.
    const isLong = lanes.every(({ call }) => call.promptBytes >= many.promptBytes)
    const rounds = isLong ? Math.min(plan.rounds, 3) : plan.rounds
    const seconds = isLong ? 2 * plan.seconds : plan.seconds
    return callCase({ group, name, lanes, connections, rounds, seconds, directory })
  }

  function callCases(): Case[] {
    const json = plan.promptBytes.flatMap((promptBytes) =>
      plan.connections.map((connections) =>
        calls('json', sizeName(promptBytes, connections), lanesOf(subjects, { promptBytes }), connections),
      ),
    )
    const unpaced = plan.connections.map((connections) =>
      calls('streams', `${connections} connections`, lanesOf(subjects, { ...few, isStreamed: true }), connections),
    )
    return [...json, ...unpaced]
  }

  function pacedCases(isWanted: (size: PacedSize) => boolean): Case[] {
    const wanted = plan.paced.filter(isWanted)
    const possible = wanted.filter(({ streams }) => fileLimit >= 2 * streams + 1_000)
    for (const { streams } of wanted.filter((size) => !possible.includes(size)))
      notMeasured.push(`${streams} streams at once: a process may open only ${fileLimit} files (\`ulimit -Hn\`)`)
    return possible.map((size) => pacedCase(subjects, mock, size))
  }

  function redirectCase(): Case {
    const lanes = [few, many].flatMap((call) => [
      { name: formatBytes(call.promptBytes), subject: gateway, call },
      {
        name: `${formatBytes(call.promptBytes)}, redirected`,
        subject: gateway,
        call: { ...call, model: redirectedModel },
      },
    ])
    return callCase({
      group: 'redirect',
      name: '10 connections',
      lanes,
      connections: 10,
      rounds: plan.rounds,
      seconds: 2 * plan.seconds,
      directory,
    })
  }

  /** The gateway's first start, which makes the data directory, is not counted. The others have been started once. */
  async function measureStarts(): Promise<CaseFigures> {
    const times: number[] = []
    for (let count = 0; count <= plan.starts; count++) {
      progress.step(`start to first answer, ${count} of ${plan.starts}`, startSeconds)
      const started = await start('start')
      if (count > 0) times.push(started.startMs)
      await started.stop()
    }
    const lanes = subjects
      .filter(({ startMs }) => startMs !== undefined)
      .map(({ name, startMs = 0 }) => lane(name, { startMs: name === gateway.name ? times : [startMs] }))
    return { group: 'start', name: 'to first answer', lanes }
  }
}

const needsWrk: readonly Group[] = ['json', 'streams', 'credentials', 'redirect', 'cache']
const hasWrk = Bun.which('wrk') !== null

function lane(name: string, samples: Record<string, number[]>): LaneFigures {
  return { name, samples, errors: 0, faults: {} }
}

function secondsOf(cases: readonly Case[]): number {
  return cases.reduce((seconds, one) => seconds + plannedSeconds(one), 0)
}

function sizeName(promptBytes: number, connections: number): string {
  return `${formatBytes(promptBytes)}, ${connections} connections`
}

async function commit(): Promise<string> {
  try {
    const root = join(import.meta.dir, '..')
    const name = await output(['git', '-C', root, 'rev-parse', '--short', 'HEAD'], 5_000)
    const changes = await output(['git', '-C', root, 'status', '--porcelain', '--', 'src'], 5_000)
    return `${name.trim()}${changes.trim() === '' ? '' : '+'}`
  } catch {
    return 'unknown'
  }
}
