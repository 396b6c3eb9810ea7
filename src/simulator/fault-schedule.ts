/** When a fault of a simulated upstream applies: how often, how long, by chance. Common to all simulated upstreams, knows no fault. */

/** Remembers how often each fault of one credential applied. A new behaviour needs a new memory. */
export function createFaultMemory(): FaultMemory {
  const states = new Map<object, FaultState>()

  function stateOf(fault: FaultTiming): FaultState {
    let state = states.get(fault)
    if (state === undefined) {
      const random = createRandom(fault.seed ?? 1)
      state = { coveredCount: 0, appliedCount: 0, firstAppliedAtMs: null, window: null, random }
      states.set(fault, state)
    }
    return state
  }

  return {
    isDue(fault, nowMs, usualForMs) {
      const state = stateOf(fault)
      state.coveredCount += 1
      if (!isDue({ ...fault, forMs: fault.forMs ?? usualForMs }, state, nowMs)) return false
      state.appliedCount += 1
      state.firstAppliedAtMs ??= nowMs
      return true
    },
    stepOf(sequence) {
      const index = stateOf(sequence).appliedCount - 1
      const { steps } = sequence
      return steps[sequence.isRepeated === true ? index % steps.length : Math.min(index, steps.length - 1)]
    },
    spend(fault, allowance, nowMs) {
      const state = stateOf(fault)
      if (state.window === null || nowMs >= state.window.endsAtMs) {
        state.window = { endsAtMs: nowMs + allowance.windowMs, callCount: 0 }
      }
      state.window.callCount += 1
      return state.window.callCount <= allowance.callCount ? 0 : state.window.endsAtMs - nowMs
    },
  }
}

export interface FaultMemory {
  /** To be asked once for each call that the fault covers. `usualForMs` is how long it lasts where it does not say. */
  readonly isDue: (fault: FaultTiming, nowMs: number, usualForMs?: number) => boolean
  /** The step of the time that was due last; undefined when there are none. */
  readonly stepOf: <Step>(sequence: FaultTiming & Steps<Step>) => Step | undefined
  /** Takes one call from the allowance: how long to wait for the next window, or 0 when the call passes. */
  readonly spend: (fault: FaultTiming, allowance: Allowance, nowMs: number) => number
}

/** When a fault applies to the calls it covers. All that are given must be true. */
export interface FaultTiming {
  /** Only so often, then good. */
  readonly times?: number
  /** Only for so long after it first applied, then good. */
  readonly forMs?: number
  /** Only every n-th call it covers: 3 means the third, the sixth and so on. */
  readonly everyNth?: number
  /** Only by chance, the same chance for the same seed. */
  readonly probability?: number
  readonly seed?: number
}

/** Takes one step each time, and stays with the last unless it is repeated. */
export interface Steps<Step> {
  readonly steps: readonly Step[]
  readonly isRepeated?: boolean
}

/** So many calls pass in each window, which begins with a call. */
export interface Allowance {
  readonly callCount: number
  readonly windowMs: number
}

interface FaultState {
  coveredCount: number
  appliedCount: number
  firstAppliedAtMs: number | null
  window: { readonly endsAtMs: number; callCount: number } | null
  readonly random: () => number
}

type TimingInQuestion = Omit<FaultTiming, 'forMs'> & { readonly forMs: number | undefined }

function isDue(fault: TimingInQuestion, state: FaultState, nowMs: number): boolean {
  const { times, forMs, everyNth, probability } = fault
  if (times !== undefined && state.appliedCount >= times) return false
  if (forMs !== undefined && state.firstAppliedAtMs !== null && nowMs - state.firstAppliedAtMs >= forMs) return false
  if (everyNth !== undefined && state.coveredCount % everyNth !== 0) return false
  return probability === undefined || state.random() < probability
}

/** Mulberry32: small, seeded, good enough for chance. */
function createRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
