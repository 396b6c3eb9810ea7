/** What can be said on the command line, and what is measured for it. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Group, groups } from './figures.ts'

export interface Options {
  readonly plan: Plan
  readonly isQuick: boolean
  readonly only: readonly Group[]
  readonly hasPeers: boolean
  readonly binary: string
  readonly before?: string
  readonly json?: string
  readonly from?: string
  readonly report?: string
}

export interface Plan {
  readonly rounds: number
  readonly seconds: number
  readonly promptBytes: readonly number[]
  readonly connections: readonly number[]
  readonly paced: readonly PacedSize[]
  readonly starts: number
  /** Before memory at rest is read. */
  readonly settleSeconds: number
  /** From the end of the last streams until memory after them is read. */
  readonly afterSeconds: number
}

/** A number of paced streams at once. */
export interface PacedSize {
  readonly streams: number
  readonly rounds: number
}

const help = `bun run bench [options]
  --quick            fewer rounds, connections and sizes: about a minute and a half
  --only GROUPS      of ${groups.join(', ')}; comma separated
  --rounds N         of each case (5; with --quick 2). Latency always has 7
  --seconds N        of each round, whole ones (1)
  --no-peers         without other gateways
  --binary FILE      the gateway (dist/any2api)
  --before FILE      another build of it, measured beside it
  --json FILE        write the figures of every round
  --from FILE        measure nothing, read the figures of an earlier run
  --report FILE      write the results between the marks in this Markdown file, and the pictures beside it`

/** Ends the process on --help and on what is not understood. */
export function readOptions(): Options {
  const { values } = parse()
  if (values.help) {
    console.log(help)
    process.exit(0)
  }
  const only = values.only?.split(',').map(groupOf) ?? groups
  const { json, from, report, before } = values
  return {
    plan: planFor(values.quick, values.rounds, values.seconds),
    isQuick: values.quick,
    only,
    hasPeers: values.peers,
    binary: values.binary,
    ...(before === undefined ? {} : { before }),
    ...(json === undefined ? {} : { json }),
    ...(from === undefined ? {} : { from }),
    ...(report === undefined ? {} : { report }),
  }
}

function parse() {
  try {
    return parseArgs({
      allowNegative: true,
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string', default: '1' },
        peers: { type: 'boolean', default: true },
        binary: { type: 'string', default: join(import.meta.dir, '../dist/any2api') },
        before: { type: 'string' },
        json: { type: 'string' },
        from: { type: 'string' },
        report: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

function planFor(isQuick: boolean, roundsText: string | undefined, secondsText: string): Plan {
  const rounds = roundsText === undefined ? undefined : positive('rounds', roundsText)
  const seconds = positive('seconds', secondsText)
  if (isQuick)
    return {
      rounds: rounds ?? 2,
      seconds,
      promptBytes: [200, 1_000_000],
      connections: [64],
      paced: [
        { streams: 100, rounds: rounds ?? 2 },
        { streams: 5_000, rounds: 1 },
      ],
      starts: 5,
      settleSeconds: 5,
      afterSeconds: 20,
    }
  return {
    rounds: rounds ?? 5,
    seconds,
    promptBytes: [200, 10_000, 1_000_000],
    connections: [10, 64],
    paced: [
      { streams: 100, rounds: rounds ?? 5 },
      { streams: 1_000, rounds: Math.min(rounds ?? 3, 3) },
      { streams: 5_000, rounds: Math.min(rounds ?? 3, 3) },
    ],
    starts: 10,
    settleSeconds: 5,
    afterSeconds: 30,
  }
}

function groupOf(text: string): Group {
  return groups.find((group) => group === text) ?? fail(`--only ${text}: expected of ${groups.join(', ')}`)
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  return fail(`--${name} ${text}: expected a whole number above 0`)
}

function fail(message: string): never {
  console.error(`${message}\n${help}`)
  process.exit(2)
}
