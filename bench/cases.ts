/** The cases that calls are made in, and what is measured of each lane in a round. */
import { callOnce, loadCalls } from './call-load.ts'
import { type Call, rawRequest } from './chat-request.ts'
import { output } from './children.ts'
import type { Group } from './figures.ts'
import type { PacedSize } from './options.ts'
import { cpuSeconds, idleShare, machineTime, residentBytes } from './process-usage.ts'
import type { Case, Lane, Sample } from './rounds.ts'
import { createSequentialCaller, type SequentialCaller } from './sequential-calls.ts'
import { spread } from './statistics.ts'
import type { StreamLoad, StreamLoadResult } from './stream-load.ts'
import type { Subject } from './subjects.ts'

export interface CallCaseOptions {
  readonly group: Group
  readonly name: string
  readonly lanes: readonly Lane[]
  readonly connections: number
  readonly rounds: number
  readonly seconds: number
  /** For what wrk reads. */
  readonly directory: string
}

/** What is done after the answer, such as accounting, belongs to the call. */
const settleMs = 300
const warmUpCalls = 20_000
const warmUpSeconds = 6
const latencyRounds = 7
const callsPerLatencyRound = 25
const latencyWarmUpCalls = 500
const spreadMs = 1_000
const streamDeadlineMs = 30_000
const memorySampleMs = 250

/**
 * Calls of both kinds until the programs that compile themselves while they run have done so, or too much time has passed. Counted in
 * calls, not in seconds: on a machine with other work to do a second is not many of them. A subject that fails will do so again, in its case.
 */
export async function warmUp(subject: Subject, directory: string): Promise<void> {
  try {
    for (const isStreamed of [false, true]) {
      const call = { promptBytes: 200, isStreamed }
      await callOnce(subject, call)
      let calls = 0
      for (let second = 0; second < warmUpSeconds && calls < warmUpCalls; second++)
        calls += (await loadCalls(subject, call, { connections: 10, seconds: 1, directory })).calls
    }
  } catch {
    // Told where it is measured.
  }
}

/** As many calls as the subject can answer on some connections: processor time of each call, throughput, latency. */
export function callCase(options: CallCaseOptions): Case {
  const { group, name, lanes, rounds, seconds, connections, directory } = options
  const hasWarmUp = lanes.some(({ call }) => call.promptBytes > 200)
  return { group, name, lanes, rounds, hasWarmUp, secondsPerRound: seconds + 0.4, measure }

  async function measure({ subject, call }: Lane): Promise<Sample> {
    await callOnce(subject, call)
    const cpuBefore = cpuSeconds(subject.pids)
    const result = await loadCalls(subject, call, { connections, seconds, directory })
    await Bun.sleep(settleMs)
    // Those under way at the end were cut off: on average half of each has been done.
    const calls = result.calls + connections / 2
    const cpuUs = ((cpuSeconds(subject.pids) - cpuBefore) * 1e6) / calls
    const { callsPerSecond, p50Ms, p99Ms, errors } = result
    return { figures: { cpuUs, callsPerSecond, p50Ms, p99Ms }, errors }
  }
}

/** One call after the other on one connection. Also keeps every single time, under `callMs`. */
export function latencyCase(subjects: readonly Subject[]): Case {
  const lanes = lanesOf(subjects, { promptBytes: 200 })
  const callers = new Map<Lane, SequentialCaller>()
  return {
    group: 'latency',
    name: 'one connection',
    lanes,
    rounds: latencyRounds,
    hasWarmUp: true,
    secondsPerRound: 0.1,
    async measure(lane) {
      const caller = callers.get(lane) ?? createSequentialCaller(lane.subject, lane.call)
      const isNew = !callers.has(lane)
      callers.set(lane, caller)
      if (isNew) await timesOf(caller, latencyWarmUpCalls)
      const callMs = await timesOf(caller, callsPerLatencyRound)
      return { figures: { p50Ms: spread(callMs).median, callMs }, errors: 0 }
    },
  }
}

/** Many streams at once that answer as slowly as a model. */
export function pacedCase(subjects: readonly Subject[], mock: Subject, size: PacedSize): Case {
  const { streams, rounds } = size
  return {
    group: 'paced',
    name: `${streams} streams at once`,
    lanes: lanesOf(subjects, { promptBytes: 200, isStreamed: true, isPaced: true }),
    rounds,
    hasWarmUp: !isFlood(size),
    secondsPerRound: isFlood(size) ? 6 : 3,
    measure: (lane) => measurePaced(lane, mock, streams),
  }
}

/** More than the machine can serve without waiting for a processor: of interest is the memory they take. */
export function isFlood({ streams }: PacedSize): boolean {
  return streams > 1_000
}

export function lanesOf(subjects: readonly Subject[], call: Call): Lane[] {
  return subjects.map((subject) => ({ name: subject.name, subject, call }))
}

async function timesOf(caller: SequentialCaller, count: number): Promise<number[]> {
  const times: number[] = []
  while (times.length < count) times.push(await caller.call())
  return times
}

async function measurePaced({ subject, call }: Lane, mock: Subject, streams: number): Promise<Sample> {
  const request = rawRequest(subject, call)
  const load: StreamLoad = { port: subject.port, request, streams, spreadMs, deadlineMs: streamDeadlineMs }
  let peakBytes = residentBytes(subject.pids)
  const sampler = setInterval(() => {
    peakBytes = Math.max(peakBytes, residentBytes(subject.pids))
  }, memorySampleMs)
  const before = { cpu: cpuSeconds(subject.pids), mock: cpuSeconds(mock.pids), machine: machineTime() }
  const result = await loadStreams(load).finally(() => clearInterval(sampler))
  const machineIdle = idleShare(before.machine, machineTime())
  await Bun.sleep(settleMs)
  if (result.whole === 0) {
    const faults = Object.entries(result.faults).map(([fault, count]) => `${fault} (${count} times)`)
    throw new Error(`no stream was whole: ${faults.join('; ')}`)
  }
  const figures = {
    whole: result.whole,
    atOnce: result.atOnce,
    firstEventP50Ms: result.firstEventMs.p50,
    firstEventP99Ms: result.firstEventMs.p99,
    delayP50Ms: result.delayMs.p50,
    delayP99Ms: result.delayMs.p99,
    gapP99Ms: result.gapMs.p99,
    durationP50Ms: result.durationMs.p50,
    cpuUs: ((cpuSeconds(subject.pids) - before.cpu) * 1e6) / streams,
    peakBytes,
    upstreamBusy: ((cpuSeconds(mock.pids) - before.mock) * 1_000) / result.wallMs,
    loadBusy: result.busy,
    machineIdle,
  }
  const isLast = result.wallMs >= streamDeadlineMs
  return { figures, errors: streams - result.whole, faults: result.faults, isLast }
}

async function loadStreams(load: StreamLoad): Promise<StreamLoadResult> {
  const script = new URL('./stream-load.ts', import.meta.url).pathname
  const text = await output([process.execPath, script, JSON.stringify(load)], 2 * streamDeadlineMs + spreadMs)
  return JSON.parse(text)
}
