/** Measures several lanes in turn, round by round, so that whatever else the machine does falls on each alike. */
import type { Call } from './chat-request.ts'
import type { CaseFigures, Group } from './figures.ts'
import type { Progress } from './progress.ts'
import type { Subject } from './subjects.ts'

/** One subject with one kind of call. */
export interface Lane {
  readonly name: string
  readonly subject: Subject
  readonly call: Call
}

export interface Case {
  readonly group: Group
  readonly name: string
  readonly lanes: readonly Lane[]
  readonly rounds: number
  readonly hasWarmUp: boolean
  /** About how long a round of one lane takes, for the estimate of the time left. */
  readonly secondsPerRound: number
  measure(lane: Lane): Promise<Sample>
}

export interface Sample {
  /** One for the round, or several that are kept each. */
  readonly figures: Readonly<Record<string, number | readonly number[]>>
  readonly errors: number
  readonly faults?: Readonly<Record<string, number>>
  /** It took so long that it is not asked again. */
  readonly isLast?: boolean
}

/** A lane that throws is not asked again: its figures so far stay, with the reason. A first, uncounted round warms everything up. */
export async function measureInTurn(plan: Case, progress: Progress): Promise<CaseFigures> {
  const results = plan.lanes.map((lane) => ({
    lane,
    samples: {} as Record<string, number[]>,
    errors: 0,
    faults: {} as Record<string, number>,
    failure: undefined as string | undefined,
    isOver: false,
  }))
  for (let round = plan.hasWarmUp ? -1 : 0; round < plan.rounds; round++) {
    for (const result of inTurn(results, round)) {
      progress.step(`${plan.name}, ${roundName(round, plan.rounds)}: ${result.lane.name}`, plan.secondsPerRound)
      if (result.isOver) continue
      try {
        const sample = await plan.measure(result.lane)
        if (sample.isLast === true) result.isOver = true
        else if (round < 0) continue
        for (const [name, value] of Object.entries(sample.figures)) {
          result.samples[name] ??= []
          result.samples[name].push(...(typeof value === 'number' ? [value] : value))
        }
        result.errors += sample.errors
        for (const [fault, count] of Object.entries(sample.faults ?? {}))
          result.faults[fault] = (result.faults[fault] ?? 0) + count
      } catch (error) {
        result.isOver = true
        result.failure = error instanceof Error ? error.message : String(error)
      }
    }
  }
  const lanes = results.map(({ lane, samples, errors, faults, failure }) => ({
    name: lane.name,
    samples,
    errors,
    faults,
    ...(failure === undefined ? {} : { failure }),
  }))
  return { group: plan.group, name: plan.name, lanes }
}

/** Seconds, for the estimate of the whole. */
export function plannedSeconds(plan: Case): number {
  return plan.lanes.length * (plan.rounds + (plan.hasWarmUp ? 1 : 0)) * plan.secondsPerRound
}

/** Each round begins with another one, so that nobody always comes after the same neighbour's mess. */
function inTurn<T>(values: readonly T[], round: number): T[] {
  const first = (round + 1) % Math.max(1, values.length)
  return [...values.slice(first), ...values.slice(0, first)]
}

function roundName(round: number, rounds: number): string {
  return round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`
}
