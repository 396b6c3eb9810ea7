/** What has to be true after a soak, each with what was seen. */
import { type CallResult, kindsWithoutRecord } from './calls.ts'
import type { RecordedCall } from './log-reader.ts'
import type { Sample } from './sampler.ts'
import { maxLogBytes, maxStoreBytes, retentionMs } from './settings.ts'
import { type Trend, trendOf } from './trend.ts'

export interface Check {
  readonly name: string
  readonly seen: string
  readonly isGood: boolean
}

export interface SoakFacts {
  /** Of the load alone. */
  readonly samples: readonly Sample[]
  readonly results: readonly CallResult[]
  readonly operatorProblems: readonly string[]
  readonly log: {
    readonly calls: ReadonlyMap<string, RecordedCall>
    readonly repeated: readonly string[]
  }
  readonly idle: Quiet
  readonly quiet: Quiet
  /** By `/stats` at the end. */
  readonly totals: {
    readonly requests: number
    readonly succeeded: number
    readonly failed: number
    readonly aborted: number
  }
  readonly lostRecords: number
  readonly refusedByMetrics: number
  /** Calls that reached the simulated upstream. */
  readonly upstreamCalls: number
  /** How often each numbered call got there. */
  readonly upstreamNumbered: ReadonlyMap<number, number>
  readonly upstreamInFlight: number
  /** Of the oldest single call still kept. */
  readonly oldestRecordAgeMs: number
  readonly reloads: { readonly made: number; readonly lastApplied: boolean }
  readonly exitStatus: number | null
}

/** The gateway when nobody calls. */
export interface Quiet {
  readonly descriptors: number
  readonly threads: number
  readonly residentBytes: number
  readonly activeCalls: number
  /** Credentials and clients that have calls under way. */
  readonly busy: number
}

/** Less than so much cannot be told from how memory goes up and down by itself, however long or short the run. */
const unclearGrowthBytes = 10e6
const warmUpShare = 1 / 4

export function judge(facts: SoakFacts): Check[] {
  return [...judgeSteadiness(facts), ...judgeReturn(facts), ...judgeTotals(facts)]
}

export function memoryTrend(samples: readonly Sample[]): Trend {
  return trendOf(afterWarmUp(samples).map(({ seconds, residentBytes }) => [seconds, residentBytes] as const))
}

function judgeSteadiness({ samples, oldestRecordAgeMs, reloads }: SoakFacts): Check[] {
  const trend = memoryTrend(samples)
  const [first, last] = [afterWarmUp(samples)[0], samples.at(-1)]
  const hours = ((last?.seconds ?? 0) - (first?.seconds ?? 0)) / 3600
  const most = (read: (sample: Sample) => number) => Math.max(...samples.map(read))
  return [
    {
      name: 'memory does not grow after the first quarter',
      seen: `${describeTrend(trend)}; at most ${megabytes(most((one) => one.residentBytes))} MB`,
      isGood: trend.atLeastPerHour === null || trend.atLeastPerHour * hours <= unclearGrowthBytes,
    },
    levelCheck('descriptors stay level', samples, { read: (one) => one.descriptors, slack: 20, unit: 1 }),
    levelCheck('threads stay level', samples, { read: (one) => one.threads, slack: 3, unit: 1 }),
    levelCheck('the database stays level', samples, { read: (one) => one.databaseBytes, slack: 1e6, unit: 1e6 }),
    levelCheck('its write-ahead log stays level', samples, {
      read: (one) => one.writeAheadBytes,
      slack: 1e6,
      unit: 1e6,
    }),
    {
      name: 'the database keeps to its bound',
      seen: `at most ${megabytes(most((one) => one.databaseBytes))} MB, rows of ${megabytes(maxStoreBytes)} MB are allowed`,
      // Freed pages are given back only where there are many, and totals are kept for ever.
      isGood: most((one) => one.databaseBytes) < maxStoreBytes * 2,
    },
    {
      name: 'old records are deleted',
      seen: `the oldest is ${(oldestRecordAgeMs / 1000).toFixed(0)} s old, ${retentionMs / 1000} s are kept`,
      isGood: oldestRecordAgeMs < retentionMs + 75_000,
    },
    {
      name: 'log files keep to their bound',
      seen: `at most ${megabytes(most((one) => one.logBytes))} MB`,
      isGood: most((one) => one.logBytes) < maxLogBytes,
    },
    {
      name: 'an answer of /health does not take long',
      seen: `longest ${most((one) => one.longestAnswerMs).toFixed(0)} ms, of the mock ${most((one) => one.longestReferenceMs).toFixed(0)} ms, median of medians ${median(samples.map((one) => one.medianAnswerMs)).toFixed(1)} ms`,
      // A machine that is busy with other things makes both wait.
      isGood: most((one) => one.longestAnswerMs) < 1_000 + 2 * most((one) => one.longestReferenceMs),
    },
    {
      name: 'every reload was taken',
      seen: `${reloads.made} made, the last one ${reloads.lastApplied ? 'applied' : 'not applied'}`,
      isGood: reloads.lastApplied || reloads.made === 0,
    },
  ]
}

function describeTrend({ perHour, atLeastPerHour }: Trend): string {
  if (perHour === null || atLeastPerHour === null) return 'too short to tell'
  return `${megabytes(perHour)} MB an hour, surely ${megabytes(Math.max(0, atLeastPerHour))} or more`
}

/** The last quarter beside the second one: what still grows is higher then. */
function levelCheck(
  name: string,
  samples: readonly Sample[],
  { read, slack, unit }: { read: (sample: Sample) => number; slack: number; unit: number },
): Check {
  const quarter = Math.floor(samples.length / 4)
  const highest = (part: readonly Sample[]) => Math.max(0, ...part.map(read))
  const early = highest(samples.slice(quarter, quarter * 2))
  const late = highest(samples.slice(quarter * 3))
  const show = (value: number) => (value / unit).toFixed(unit === 1 ? 0 : 1)
  const seen = `at most ${show(early)} in the second quarter, ${show(late)} in the last${unit === 1 ? '' : ' (MB)'}`
  return { name, seen, isGood: late <= early * 1.25 + slack }
}

function judgeReturn({ idle, quiet, upstreamInFlight, exitStatus }: SoakFacts): Check[] {
  return [
    {
      name: 'nothing is under way when nobody calls',
      seen: `${quiet.activeCalls} calls, ${quiet.busy} busy credentials or clients, ${upstreamInFlight} at the upstream`,
      isGood: quiet.activeCalls === 0 && quiet.busy === 0 && upstreamInFlight === 0,
    },
    {
      name: 'descriptors are back at their idle number',
      seen: `${idle.descriptors} before, ${quiet.descriptors} after`,
      isGood: quiet.descriptors <= idle.descriptors,
    },
    {
      name: 'threads are back at their idle number',
      seen: `${idle.threads} before, ${quiet.threads} after`,
      // The runtime's own pool may have grown to its size meanwhile.
      isGood: quiet.threads <= idle.threads + 2,
    },
    { name: 'it ends in order', seen: `status ${exitStatus}`, isGood: exitStatus === 0 },
  ]
}

function judgeTotals(facts: SoakFacts): Check[] {
  const { results, log, totals, refusedByMetrics } = facts
  const expected = results.filter(({ kind, status }) => !kindsWithoutRecord.has(kind) && !isRefusedBefore(kind, status))
  const withId = expected.filter(({ id }) => id !== null)
  const withoutId = expected.filter(({ id }) => id === null)
  const known = new Set(withId.map(({ id }) => id))
  const unrecorded = withId.filter(({ id }) => id !== null && !log.calls.has(id))
  const unknown = [...log.calls.keys()].filter((id) => !known.has(id))
  const untold = results.filter(({ seen }) => seen === 'untold')
  const broken = results.filter((one) => one.seen === 'broken' && !isToldAsCut(one, log.calls))
  const disagreeing = withId.filter((one) => !doesAgree(one, log.calls))
  const refused = results.filter(({ kind, status }) => isRefusedBefore(kind, status)).length
  const attempts = [...log.calls.values()].filter(({ provider }) => provider === 'simulator')
  const attempted = attempts.reduce((total, one) => total + one.attempts, 0)
  const left = results.filter(({ seen }) => seen === 'aborted').length
  const otherwise = withId.filter((one) => isOtherwiseCounted(one, facts))
  return [
    {
      name: 'each call that got a head has exactly one record',
      seen: `${withId.length} calls, ${unrecorded.length} without, ${log.repeated.length} with two`,
      isGood: unrecorded.length === 0 && log.repeated.length === 0,
    },
    {
      name: 'no record is of a call that was not made',
      seen: `${unknown.length} records of the ${withoutId.length} calls that were left before a head`,
      isGood: unknown.length <= withoutId.length && withoutId.every(({ seen }) => seen === 'aborted'),
    },
    {
      name: '/stats counts what the log has',
      seen: `${totals.requests} and ${log.calls.size}; ${facts.lostRecords} lost`,
      isGood: totals.requests === log.calls.size && facts.lostRecords === 0,
    },
    {
      name: 'refusals are counted',
      seen: `${refusedByMetrics} counted, ${refused} seen`,
      // A body whose client left in the middle of it is refused as incomplete, and nobody sees the answer.
      isGood: refusedByMetrics >= refused && refusedByMetrics <= refused + withoutId.length,
    },
    {
      name: 'the record agrees with what the client saw',
      seen: `${disagreeing.length} do not${disagreeing.length === 0 ? '' : `: ${describe(disagreeing[0], log.calls)}`}`,
      isGood: disagreeing.length === 0,
    },
    {
      name: 'no answer ends as if it were whole',
      seen: `${untold.length} did${untold.length === 0 ? '' : `: ${describe(untold[0], log.calls)}`}`,
      isGood: untold.length === 0,
    },
    {
      name: 'no connection breaks that is not told as cut',
      seen: `${broken.length} did${broken.length === 0 ? '' : `: ${describe(broken[0], log.calls)}`}`,
      isGood: broken.length === 0,
    },
    {
      name: 'the upstream got as many calls as there were attempts',
      seen: `${facts.upstreamCalls} of ${attempted}; ${left} clients left`,
      // Whose client leaves at the right moment, that attempt never gets there; nor one on a connection that is just being closed.
      isGood: facts.upstreamCalls <= attempted && facts.upstreamCalls >= attempted - left - attempted / 100,
    },
    {
      name: 'no call reached the upstream more often than its record says',
      seen: `${otherwise.length} did${otherwise
        .map((one) => `; ${facts.upstreamNumbered.get(one.number) ?? 0} times: ${describe(one, log.calls)}`)
        .slice(0, 3)
        .join('')}`,
      isGood: otherwise.length === 0,
    },
    {
      name: 'operators are answered',
      seen: `${facts.operatorProblems.length} problems${facts.operatorProblems.length === 0 ? '' : `: ${facts.operatorProblems[0]}`}`,
      isGood: facts.operatorProblems.length === 0,
    },
  ]
}

/** Refused before it became a call: counted, not recorded. */
function isRefusedBefore(kind: string, status: number): boolean {
  return (kind === 'badJson' && status === 400) || (kind === 'wrongKey' && status === 401)
}

/** Never more often than its attempts; less where a connection that was kept for later was closed at that moment, or whose client left. */
function isOtherwiseCounted({ id, number, kind, seen }: CallResult, { log, upstreamNumbered }: SoakFacts): boolean {
  const record = id === null ? undefined : log.calls.get(id)
  if (record === undefined || record.provider === 'mock' || kind.startsWith('repeated')) return false
  const times = upstreamNumbered.get(number) ?? 0
  const isAnswered = seen === 'whole' || seen === 'cut'
  return times > record.attempts || (isAnswered && times === 0)
}

function isToldAsCut({ id }: CallResult, calls: SoakFacts['log']['calls']): boolean {
  return id !== null && calls.get(id)?.outcome === 'cut'
}

const outcomesOf: Readonly<Record<CallResult['seen'], readonly string[]>> = {
  whole: ['succeeded'],
  error: ['failed', 'refused'],
  // An error that the upstream itself told in its stream is passed on, and the call has failed.
  cut: ['cut', 'failed'],
  // Its upstream may have ended, well or badly, before its leaving was noticed.
  aborted: ['aborted', 'succeeded', 'cut', 'failed', 'refused'],
  broken: ['cut'],
  untold: [],
}

function doesAgree({ id, seen }: CallResult, calls: SoakFacts['log']['calls']): boolean {
  const record = id === null ? undefined : calls.get(id)
  return record === undefined || seen === 'untold' || outcomesOf[seen].includes(record.outcome)
}

function describe(result: CallResult | undefined, calls: SoakFacts['log']['calls']): string {
  const record = result === undefined || result.id === null ? null : calls.get(result.id)
  return JSON.stringify({ ...result, record }).slice(0, 500)
}

function afterWarmUp(samples: readonly Sample[]): readonly Sample[] {
  return samples.slice(Math.floor(samples.length * warmUpShare))
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
