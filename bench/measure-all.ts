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
const restartSeconds = 2
const few = { promptBytes: 200 }
const many = { promptBytes: 1_000_000 }

export async function measureAll(options: Options, directory: string): Promise<Figures> {
  const { plan } = options
  const binary = resolve(options.binary)
  if (!(await Bun.file(binary).exists())) throw new Error(`${binary} does not exist: run \`bun run build\` first`)
  const notMeasured: string[] = []
  for (const { streams } of plan.paced.filter((size) => !isPossible(size)))
    notMeasured.push(`${streams} streams at once: a process may open only ${fileLimit} files (\`ulimit -Hn\`)`)
  const loadBefore = loadavg()[0] ?? Number.NaN
  const isChosen = (group: Group) => options.only.includes(group) && (hasWrk || !needsWrk.includes(group))
  if (!hasWrk) notMeasured.push(`${needsWrk.join(', ')}: wrk is not on the path`)

  const mock = await startMock()
  const start = (name: string, more: object = {}) =>
    startGateway({ name, binary, directory: join(directory, name), upstreamPort: mock.port, ...more })
  const { gateway, subjects, missing } = await startAll('calls')
  if (!hasNginx) notMeasured.push('nginx, and everything relative to it: it is not on the path')
  const leftOut = groups.filter((group) => !options.only.includes(group))
  if (leftOut.length > 0) notMeasured.push(`left out by \`--only\`: ${leftOut.join(', ')}`)
  if (!options.hasPeers) notMeasured.push('other gateways: `--no-peers`')
  const tenCredentials = isChosen('credentials') ? [await start('10 credentials', { credentials: 10 })] : []
  const manyCredentials = isChosen('credentials') ? [await start('10,000 credentials', { credentials: 10_000 })] : []
  const cached = isChosen('cache') ? [await start('answer from the cache', { isCacheOn: true })] : []
  for (const subject of cached) await expectCacheHits(subject, few)

  const variants = [
    calls('credentials', '200 B, 10 connections', lanesOf([...tenCredentials, ...manyCredentials], few), 10),
    calls('cache', '200 B, 10 connections', lanesOf([gateway, ...cached], few), 10),
  ].filter(isCaseChosen)
  const paced = pacedCases(subjects, (size) => !isFlood(size))
  const rest = [...paced, latencyCase(subjects), ...callCases(), redirectCase()].filter(isCaseChosen)
  const floodSizes = isChosen('paced') ? plan.paced.filter(isFlood) : []
  const hasLastPart = isChosen('memory') || floodSizes.length > 0

  const settleSeconds = isChosen('memory') ? plan.settleSeconds : 0
  const afterSeconds = isChosen('memory') && floodSizes.length > 0 ? plan.afterSeconds : 0
  const startsSeconds = isChosen('start') ? (plan.starts + 1) * startSeconds : 0
  const progress = createProgress(
    warmUpSeconds * (variants.length > 0 ? 4 : 0) +
      secondsOf(variants) +
      startsSeconds +
      warmUpSeconds * (rest.length > 0 ? subjects.length : 0) +
      secondsOf(rest) +
      (hasLastPart ? restartSeconds * subjects.length + settleSeconds : 0) +
      secondsOf(pacedCases(subjects, isFlood).filter(isCaseChosen)) +
      afterSeconds,
  )

  const memory = subjects.map(({ name, programBytes }) => ({
    name,
    samples: (programBytes === undefined ? {} : { programBytes: [programBytes] }) as Record<string, number[]>,
  }))
  const readMemory = (several: readonly Subject[], figure: string) => {
    for (const { name, pids } of several) {
      const bytes = residentBytes(pids)
      const samples = memory.find((one) => one.name === name)?.samples
      // Nothing is what a process has that is gone.
      if (bytes > 0 && samples !== undefined) samples[figure] = [bytes]
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
  const run = async (several: readonly Case[]) => {
    for (const one of several) cases.push(await measureInTurn(one, progress))
  }

  await warmUpAll([gateway, ...tenCredentials, ...manyCredentials, ...cached], variants)
  await run(variants)
  for (const subject of [...tenCredentials, ...manyCredentials, ...cached]) await subject.stop()
  if (isChosen('start')) cases.push(await measureStarts())
  await warmUpAll(subjects, rest)
  await run(rest)
  readMemory(subjects, 'endBytes')
  if (hasLastPart) await measureFresh()
  progress.end()
  if (isChosen('memory'))
    cases.push({ group: 'memory', name: 'resident', lanes: memory.map(({ name, samples }) => lane(name, samples)) })

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
    cases,
    missing,
    notMeasured,
  }

  /** All that are measured beside one another; `part`: what they do, each part in a folder of its own. */
  async function startAll(part: string): Promise<{ gateway: Subject; subjects: Subject[] } & Pick<Peers, 'missing'>> {
    const home = join(directory, part)
    const own = (name: string, more: object = {}) =>
      startGateway({ name, binary, directory: join(home, name), upstreamPort: mock.port, ...more })
    const nginx = hasNginx ? [await startNginx(join(home, 'nginx'), mock.port)] : []
    const gateway = await own('any2api')
    const before =
      options.before === undefined ? [] : [await own('any2api before', { binary: resolve(options.before) })]
    const peers: Peers = options.hasPeers
      ? await startPeers(join(home, 'peers'), mock.port)
      : { subjects: [], missing: [] }
    for (const subject of peers.subjects) stopAtEnd(subject.stop)
    return {
      gateway,
      subjects: [mock, ...nginx, gateway, ...before, ...peers.subjects],
      missing: peers.missing,
    }
  }

  /**
   * Memory wants servers that have done nothing else. And it comes last: some do not recover from a flood of streams, and would take
   * the processor from the others.
   */
  async function measureFresh(): Promise<void> {
    for (const subject of subjects) if (subject !== mock) await subject.stop()
    progress.step('starting all of them anew', restartSeconds * subjects.length)
    const fresh = await startAll('streams')
    progress.step('memory, at rest', settleSeconds)
    await Bun.sleep(settleSeconds * 1_000)
    readMemory(fresh.subjects, 'idleBytes')
    await run(pacedCases(fresh.subjects, isFlood).filter(isCaseChosen))
    progress.step('memory, after the streams', afterSeconds)
    await Bun.sleep(afterSeconds * 1_000)
    if (afterSeconds > 0) readMemory(fresh.subjects, 'afterStreamsBytes')
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

  function pacedCases(several: readonly Subject[], isWanted: (size: PacedSize) => boolean): Case[] {
    return plan.paced.filter((size) => isWanted(size) && isPossible(size)).map((size) => pacedCase(several, mock, size))
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
const hasNginx = Bun.which('nginx') !== null

function isPossible({ streams }: PacedSize): boolean {
  return fileLimit >= 2 * streams + 1_000
}

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
