/** The figures of one run as they are kept in the JSON file: every round of everything, so that tables and pictures can be made of them later. */

export interface Figures {
  readonly date: string
  /** Of the source this bench was run from; a `+` behind it stands for changes that are not committed. */
  readonly commit: string
  readonly machine: {
    processor: string
    cores: number
    memoryBytes: number
    kernel: string
    /** Processes that wanted to run in the minute before: what else the machine was doing. */
    loadBefore: number
  }
  /** By the name of the subject, and of the tools. */
  readonly versions: Readonly<Record<string, string>>
  readonly options: { rounds: number; seconds: number; isQuick: boolean }
  readonly cases: readonly CaseFigures[]
  readonly missing: readonly { name: string; version: string; error: string }[]
  readonly notMeasured: readonly string[]
}

export const groups = [
  'memory',
  'paced',
  'start',
  'credentials',
  'cache',
  'latency',
  'json',
  'streams',
  'redirect',
] as const
export type Group = (typeof groups)[number]

export interface CaseFigures {
  readonly group: Group
  readonly name: string
  readonly lanes: readonly LaneFigures[]
}

/** What one subject did in a case; a figure for each round under the figure's name, which ends in its unit. */
export interface LaneFigures {
  readonly name: string
  readonly samples: Readonly<Record<string, readonly number[]>>
  /** Calls that were refused, broken, cut or too late. */
  readonly errors: number
  /** What was wrong with them, where it is known. */
  readonly faults: Readonly<Record<string, number>>
  /** Why there are no (more) rounds. */
  readonly failure?: string
}
