/**
 * One circuit breaker per target (provider and model): closed, open, half open with a single probe. A breaker exists only
 * from a target's first failure until it is healthy again, so a healthy target costs a map lookup and nothing more.
 */
import type { Clock } from '../clock.ts'
import type { BreakerConfig, FailureKind } from '../domain.ts'
import type { Logger } from '../log.ts'

export interface CircuitBreakers {
  /** `open`: do not call. `probe`: the one call that finds out; its outcome must be told by `alive`, `failed` or `silent`. */
  enter(target: string): 'closed' | 'probe' | 'open'
  alive(target: string): void
  /** `by`: whose failure it was. Those of one credential among several are its own, however many: alone they open nothing. */
  failed(target: string, config: BreakerConfig, by?: FailedBy): void
  /** The call ended without saying anything of the target; gives a probe's place back. */
  silent(target: string): void
  /** Opens at once, for this cause: every credential failed together, or upstream lets nobody in. */
  trip(target: string, config: BreakerConfig, cause: FailureKind): void
  /** What opened it; null when it was not tripped, or is closed. */
  cause(target: string): FailureKind | null
  /** Unix milliseconds when the next probe may go; null when calls pass. */
  openUntil(target: string): number | null
  list(): BreakerStatus[]
  reset(provider: string | null): void
}

export interface FailedBy {
  readonly credential: string
  readonly poolSize: number
}

export interface BreakerStatus {
  readonly target: string
  readonly state: 'closed' | 'open' | 'half_open'
  /** Unix milliseconds; null unless open. */
  readonly until: number | null
  readonly failuresInRow: number
}

interface Breaker {
  state: 'closed' | 'open' | 'half_open'
  failuresInRow: number
  /** Times it opened without being healthy in between: the open time doubles. */
  openings: number
  until: number
  isProbing: boolean
  probeSince: number
  windowStart: number
  windowCalls: number
  windowFailures: number
  windowMs: number
  /** How often each credential failed in the row. */
  readonly row: Map<string, number>
  /** Credentials that failed in the window. */
  readonly failedBy: Set<string>
  cause: FailureKind | null
}

/** Targets are named by clients; more failing ones than this are not kept apart. */
const maxBreakers = 10_000
/** A probe that never reported (it cannot happen, but would block the target for ever) is forgotten after this. */
const maxProbeMs = 15 * 60_000

export function createCircuitBreakers(parts: { clock: Clock; log: Logger }): CircuitBreakers {
  const { clock, log } = parts
  const breakers = new Map<string, Breaker>()

  function open(target: string, breaker: Breaker, config: BreakerConfig): void {
    const openMs = Math.min(config.openMs * 2 ** breaker.openings, config.maxOpenMs)
    breaker.openings++
    breaker.state = 'open'
    breaker.isProbing = false
    breaker.until = clock.now() + openMs
    log.warn('breaker opened', { target, failures_in_row: breaker.failuresInRow, open_ms: openMs })
  }

  function find(target: string, config: BreakerConfig): Breaker {
    const known = breakers.get(target)
    if (known !== undefined) return known
    if (breakers.size >= maxBreakers) dropOne()
    const created: Breaker = {
      state: 'closed',
      failuresInRow: 0,
      openings: 0,
      until: 0,
      isProbing: false,
      probeSince: 0,
      windowStart: clock.now(),
      windowCalls: 0,
      windowFailures: 0,
      windowMs: config.windowMs,
      row: new Map(),
      failedBy: new Set(),
      cause: null,
    }
    breakers.set(target, created)
    return created
  }

  function dropOne(): void {
    for (const [target, breaker] of breakers) {
      if (breaker.state === 'closed') return void breakers.delete(target)
    }
    const [first] = breakers.keys()
    if (first !== undefined) breakers.delete(first)
  }

  function countCall(breaker: Breaker, isFailure: boolean): void {
    const now = clock.now()
    if (now - breaker.windowStart > breaker.windowMs) {
      breaker.windowStart = now
      breaker.windowCalls = 0
      breaker.failedBy.clear()
      breaker.windowFailures = 0
    }
    breaker.windowCalls++
    if (isFailure) breaker.windowFailures++
  }

  return {
    enter(target) {
      const breaker = breakers.get(target)
      if (breaker === undefined || breaker.state === 'closed') return 'closed'
      const now = clock.now()
      if (breaker.state === 'open') {
        if (now < breaker.until) return 'open'
        breaker.state = 'half_open'
      }
      if (breaker.isProbing && now - breaker.probeSince < maxProbeMs) return 'open'
      breaker.isProbing = true
      breaker.probeSince = now
      return 'probe'
    },
    alive(target) {
      const breaker = breakers.get(target)
      if (breaker === undefined) return
      if (breaker.state === 'half_open') {
        breakers.delete(target)
        log.info('breaker closed', { target })
        return
      }
      // An answer to a call that began before it opened does not close it: the probe will.
      if (breaker.state === 'open') return
      breaker.failuresInRow = 0
      breaker.row.clear()
      countCall(breaker, false)
      const isForgotten = breaker.windowFailures === 0 || clock.now() - breaker.windowStart > breaker.windowMs
      if (isForgotten) breakers.delete(target)
    },
    failed(target, config, by) {
      const breaker = find(target, config)
      addToRow(breaker, config, by)
      if (breaker.state === 'half_open') return open(target, breaker, config)
      if (breaker.state === 'open') return
      countCall(breaker, true)
      if (by !== undefined && breaker.failedBy.size < maxFailedBy) breaker.failedBy.add(by.credential)
      const isRowFull = breaker.failuresInRow >= config.failures
      const isHalfFailing =
        breaker.windowCalls >= config.minCalls && breaker.windowFailures >= breaker.windowCalls * config.ratio
      if (isRowFull || (isHalfFailing && isSpread(breaker, by))) open(target, breaker, config)
    },
    silent(target) {
      const breaker = breakers.get(target)
      if (breaker !== undefined) breaker.isProbing = false
    },
    trip(target, config, cause) {
      const breaker = find(target, config)
      breaker.cause = cause
      if (breaker.state !== 'open') open(target, breaker, config)
    },
    cause: (target) => breakers.get(target)?.cause ?? null,
    openUntil(target) {
      const breaker = breakers.get(target)
      if (breaker === undefined || breaker.state === 'closed') return null
      // Half open with its probe under way: the answer is near, but not known.
      return breaker.state === 'open' ? breaker.until : clock.now() + 1000
    },
    list: () =>
      [...breakers].map(([target, breaker]) => ({
        target,
        state: breaker.state,
        until: breaker.state === 'open' ? breaker.until : null,
        failuresInRow: breaker.failuresInRow,
      })),
    reset(provider) {
      for (const target of breakers.keys()) {
        if (provider === null || target.startsWith(`${provider}/`)) breakers.delete(target)
      }
    },
  }
}

/** Enough to see that half of a pool fails, however large it is. */
const maxFailedBy = 32

/** Calls that hang together on one credential are one failure of the target, not as many as there were calls. */
function addToRow(breaker: Breaker, config: BreakerConfig, by: FailedBy | undefined): void {
  if (by === undefined || by.poolSize < 2) {
    breaker.failuresInRow++
    return
  }
  const most = Math.ceil(config.failures / by.poolSize)
  const times = breaker.row.get(by.credential) ?? 0
  if (times >= most) return
  breaker.row.set(by.credential, times + 1)
  breaker.failuresInRow++
}

function isSpread(breaker: Breaker, by: FailedBy | undefined): boolean {
  return by === undefined || breaker.failedBy.size >= Math.min(by.poolSize / 2, maxFailedBy)
}
