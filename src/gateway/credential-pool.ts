/**
 * The credentials of one provider and their state: which one serves the next call, what an outcome does to it, when it comes
 * back. Choosing costs the same with ten thousand credentials as with ten. Time-outs and HTTP are not its business.
 */
import type { Clock } from '../clock.ts'
import type { BlacklistEntry, Credential, FailureKind, ProviderConfig, Rotation } from '../domain.ts'
import type { UpstreamError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type AvailableSet, createAvailableSet } from './available-set.ts'
import { failurePolicies } from './failure-policy.ts'

export interface CredentialPool {
  /** Takes a new configuration; the state of every credential that stays is kept. */
  update(config: PoolConfig): void
  /** Takes up what an earlier run had excluded. */
  restore(entries: readonly BlacklistEntry[]): void
  /** The next credential, counted as busy until `release`; null when none is available. */
  choose(wish: Wish): Credential | null
  release(credential: Credential): void
  /** `beganAt` (Unix milliseconds): what worked after a failure has begun after it. */
  succeeded(credential: Credential, beganAt: number): void
  /** True when this failure took out the last one and all are out for the same cause: the upstream's trouble, not theirs. */
  failed(credential: Credential, error: UpstreamError, scope: string): boolean
  /** The verdict of a check of our own; null: it could not be told. */
  checked(credentialId: string, works: boolean | null): void
  /** Credentials whose check is due, soonest first; each is given once until `checked`. */
  takeDueChecks(most: number): Credential[]
  /** Out until a re-check finds it working, whenever that is. */
  isLost(credentialId: string): boolean
  /** Unix milliseconds of the soonest due check; null: none. */
  nextCheckAt(): number | null
  /** Unix milliseconds when the first credential comes back for this scope; null when none is known to. */
  soonestRecovery(scope: string): number | null
  /** Why the pool is empty, when all are out: the commonest cause. */
  commonCause(scope: string): BlacklistEntry['reason'] | null
  counts(): PoolCounts
  list(): CredentialStatus[]
  blacklist(): BlacklistEntry[]
  /** Out until it is resumed, whatever happens; false: there is no such credential. */
  setPaused(credentialId: string, isPaused: boolean): boolean
  /** Makes them available again, paused ones only when named; how many were not. */
  reset(credentialId: string | null): number
}

export interface PoolConfig {
  readonly credentials: readonly Credential[]
  readonly rotation: Rotation
  readonly startIndex: number
  readonly blacklist: ProviderConfig['blacklist']
}

export interface Wish {
  /** The model (or path) asked for: a credential may rest for one and serve others. */
  readonly scope: string
  /** Already tried in this call. */
  readonly excluded: ReadonlySet<string>
  /** Calls with the same number get the same credential as long as it is available (`sticky`). */
  readonly stickiness: number | null
  /** Only this one will do: objects of the call live on its account. */
  readonly only: string | null
}

export interface PoolCounts {
  readonly total: number
  readonly healthy: number
  readonly blacklisted: number
}

export interface CredentialStatus {
  readonly id: string
  readonly label: string
  readonly kind: Credential['kind']
  /** Position in the settings, from 0. */
  readonly index: number
  readonly state: 'healthy' | 'cooling' | 'blacklisted' | 'paused'
  readonly inFlight: number
  readonly successes: number
  readonly failures: number
  readonly failuresInRow: number
  readonly entries: readonly BlacklistEntry[]
}

export interface PoolParts {
  readonly provider: string
  readonly clock: Clock
  readonly log: Logger
  readonly put: (entry: BlacklistEntry) => void
  readonly remove: (entry: BlacklistEntry) => void
  /** A check has become due, or will at a time: `nextCheckAt` knows. */
  readonly onCheckWanted: () => void
}

interface State {
  credential: Credential
  index: number
  inFlight: number
  successes: number
  failures: number
  failuresInRow: number
  /** Exclusions in a row without a success: rests grow with it. */
  strikes: number
  /** By scope; the empty scope is the whole credential. */
  readonly entries: Map<string, BlacklistEntry>
  /** Unix milliseconds; null: no check wanted. */
  checkAt: number | null
  isBeingChecked: boolean
}

/** Least busy of so many, counted from the turn: exact for pools of that size, close enough beyond. */
const leastBusyLook = 16
const stickyProbes = 8
/** A prime, so that the steps from one to the next fall on different ones. */
const stickyStride = 7919
/** Scopes with a list of their own; a rest for one more model is forgotten. */
const maxScopes = 64
const maxRestMs = 3_600_000
const smallPool = 256
const recoveryPauseMs = 50

export function createCredentialPool(parts: PoolParts): CredentialPool {
  const { provider, clock, log } = parts
  const states = new Map<string, State>()
  let order: State[] = []
  let config: PoolConfig = {
    credentials: [],
    rotation: 'round_robin',
    startIndex: 0,
    blacklist: { threshold: 1, cooldownMs: 0, recheckMs: 0 },
  }
  let available = createAvailableSet<State>([])
  const scopes = new Map<string, AvailableSet<State>>()
  let turn = 0
  /** Start of the latest attempt that succeeded. */
  let lastSuccessAt = 0
  /** No timed entry ends before this: the only thing a choice has to compare. */
  let nextRecoveryAt = Number.POSITIVE_INFINITY

  function update(next: PoolConfig): void {
    const isFirst = order.length === 0
    config = next
    const kept = new Set(next.credentials.map((credential) => credential.id))
    for (const [id, state] of states) {
      if (kept.has(id)) continue
      // Whoever takes a credential out and puts it back means a new beginning, after a restart too.
      for (const entry of state.entries.values()) parts.remove(entry)
      states.delete(id)
    }
    order = next.credentials.map((credential, index) => {
      const state = states.get(credential.id) ?? createState(credential, index)
      state.credential = credential
      state.index = index
      states.set(credential.id, state)
      return state
    })
    if (isFirst) turn = next.startIndex
    rebuild()
  }

  function rebuild(): void {
    scopes.clear()
    available = createAvailableSet(order.filter((state) => !state.entries.has('')))
    nextRecoveryAt = Number.POSITIVE_INFINITY
    for (const state of order) {
      for (const entry of state.entries.values()) {
        if (entry.until !== null) nextRecoveryAt = Math.min(nextRecoveryAt, entry.until)
        if (entry.scope !== '') scopeSet(entry.scope)?.remove(state)
      }
    }
  }

  /** The list of one scope, made when it is first needed: all available ones without those that rest for it. */
  function scopeSet(scope: string): AvailableSet<State> | null {
    const known = scopes.get(scope)
    if (known !== undefined) return known
    if (scopes.size >= maxScopes) return null
    const created = createAvailableSet(order.filter((state) => !state.entries.has('') && !state.entries.has(scope)))
    scopes.set(scope, created)
    return created
  }

  function recoverDue(): void {
    const now = clock.now()
    if (now < nextRecoveryAt) return
    nextRecoveryAt = Number.POSITIVE_INFINITY
    for (const state of order) {
      for (const entry of state.entries.values()) {
        if (entry.until === null) continue
        if (entry.until <= now) include(state, entry, 'time is over')
        else nextRecoveryAt = Math.min(nextRecoveryAt, entry.until)
      }
    }
    // A large pool is looked through now and then, not at every millisecond in which one of its members comes back.
    if (order.length > smallPool) nextRecoveryAt = Math.max(nextRecoveryAt, now + recoveryPauseMs)
  }

  function exclude(state: State, entry: BlacklistEntry): void {
    const earlier = state.entries.get(entry.scope)
    // A later end is never replaced by an earlier one, and none by any.
    if (earlier !== undefined && endOf(earlier) >= endOf(entry)) return
    const isScoped = entry.scope !== ''
    const set = isScoped ? scopeSet(entry.scope) : available
    if (set === null) return
    state.entries.set(entry.scope, entry)
    set.remove(state)
    if (!isScoped) for (const other of scopes.values()) other.remove(state)
    if (entry.until !== null) nextRecoveryAt = Math.min(nextRecoveryAt, entry.until)
    parts.put(entry)
    log.warn(excludedMessage(entry), describe(entry))
  }

  function include(state: State, entry: BlacklistEntry, cause: string): void {
    state.entries.delete(entry.scope)
    parts.remove(entry)
    if (entry.scope === '') {
      state.checkAt = null
      state.failuresInRow = 0
      available.add(state)
      for (const [scope, set] of scopes) if (!state.entries.has(scope)) set.add(state)
    } else if (!state.entries.has('')) {
      const set = scopes.get(entry.scope)
      set?.add(state)
      if (set?.size() === available.size()) scopes.delete(entry.scope)
    }
    log.info('credential is back', { ...describe(entry), back_because: cause })
  }

  function createEntry(
    state: State,
    error: UpstreamError,
    rest: { scope: string; until: number | null },
  ): BlacklistEntry {
    return {
      provider,
      credentialId: state.credential.id,
      label: state.credential.label,
      scope: rest.scope,
      reason: error.kind,
      detail: [error.status === 0 ? '' : String(error.status), error.code].filter((word) => word !== '').join(' '),
      since: clock.now(),
      until: rest.until,
    }
  }

  function pauseOf(state: State): BlacklistEntry {
    const { id, label } = state.credential
    const byOperator = { reason: 'paused', detail: 'by the operator' } as const
    return { provider, credentialId: id, label, scope: '', ...byOperator, since: clock.now(), until: null }
  }

  /** Longer each time; but calls that fail together are one failure. */
  function rest(state: State, error: UpstreamError, scope: string): void {
    if (state.entries.get(scope)?.reason === error.kind) return
    const baseMs = config.blacklist.cooldownMs
    const restMs = Math.min(baseMs * 2 ** Math.min(state.strikes, 10), Math.max(baseMs, maxRestMs))
    exclude(state, createEntry(state, error, { scope, until: clock.now() + restMs }))
    state.strikes++
  }

  function applyFailure(state: State, error: UpstreamError, scope: string): void {
    const { cooldownMs, recheckMs, threshold } = config.blacklist
    const now = clock.now()
    switch (failurePolicies[error.kind].credential) {
      case 'blameless':
        return
      case 'rest':
        rest(state, error, '')
        state.checkAt ??= now
        parts.onCheckWanted()
        return
      case 'rest_scope':
        rest(state, error, scope)
        return
      case 'blacklist': {
        const until = error.retryAfterMs === null ? null : now + Math.max(error.retryAfterMs, cooldownMs)
        exclude(state, createEntry(state, error, { scope: '', until }))
        if (until !== null) return
        state.checkAt = now + recheckMs
        parts.onCheckWanted()
        return
      }
      case 'cool': {
        const until = now + (error.retryAfterMs ?? cooldownMs)
        exclude(state, createEntry(state, error, { scope: error.isModelScoped ? scope : '', until }))
        return
      }
      case 'count':
        state.failuresInRow++
        // One credential alone is as good as its upstream: the breaker looks after that.
        if (state.failuresInRow < threshold || order.length === 1) return
        exclude(state, createEntry(state, error, { scope: '', until: now + (error.retryAfterMs ?? cooldownMs) }))
        return
    }
  }

  /**
   * All that were in use are out for one cause, and none has succeeded since the first went out: an outage or a block, not
   * bad credentials. Those that were out before tell nothing.
   */
  function findOutage(kind: FailureKind, scope: string): State[] {
    const isTheirOwn = kind === 'rate_limited' || kind === 'quota_exhausted'
    if (order.length < 2 || isTheirOwn || (scopes.get(scope) ?? available).size() > 0) return []
    const hit: State[] = []
    for (const state of order) {
      const entry = state.entries.get('') ?? state.entries.get(scope)
      if (entry === undefined) return []
      if (entry.until === null || entry.since < clock.now() - outageWindowMs) continue
      if (!isSame(entry.reason, kind) || entry.since <= lastSuccessAt) return []
      hit.push(state)
    }
    return hit.length < 2 ? [] : hit
  }

  function pick(set: AvailableSet<State>, wish: Wish): State | null {
    const size = set.size()
    if (wish.stickiness !== null) {
      const stride = order.length % stickyStride === 0 ? 1 : stickyStride
      for (let probe = 0; probe < Math.min(stickyProbes, order.length); probe++) {
        const state = order[(wish.stickiness + probe * stride) % order.length]
        if (state !== undefined && set.has(state) && !wish.excluded.has(state.credential.id)) return state
      }
    }
    let best: State | null = null
    const look = config.rotation === 'least_busy' ? leastBusyLook : 1
    let seen = 0
    // At most what this call has excluded is stepped over.
    for (let step = 0; step < size && step <= wish.excluded.size + look && seen < look; step++) {
      const state = set.at(turn + step)
      if (state === undefined || wish.excluded.has(state.credential.id)) continue
      seen++
      if (best === null || state.inFlight < best.inFlight) best = state
      if (look === 1) turn += step
    }
    turn++
    return best
  }

  function choose(wish: Wish): Credential | null {
    recoverDue()
    const set = scopes.get(wish.scope) ?? available
    const only = wish.only === null ? null : states.get(wish.only)
    let state: State | null
    if (wish.only === null) state = pick(set, wish)
    else state = only !== undefined && only !== null && set.has(only) && !wish.excluded.has(wish.only) ? only : null
    if (state === null) return null
    state.inFlight++
    return state.credential
  }

  function succeeded(credential: Credential, beganAt: number): void {
    const state = states.get(credential.id)
    lastSuccessAt = Math.max(lastSuccessAt, beganAt)
    if (state === undefined) return
    state.successes++
    state.failuresInRow = 0
    if (state.entries.size === 0) state.strikes = 0
    if (suspects.size > 0) checkSuspects()
  }

  /** Refused by our own check while nothing proved that the upstream works. With the next success they are checked again. */
  const suspects = new Set<State>()

  function checkSuspects(): void {
    for (const suspect of suspects) {
      const entry = suspect.entries.get('')
      if (entry === undefined) suspects.delete(suspect)
      else if (isProven(entry)) {
        suspects.delete(suspect)
        suspect.checkAt = clock.now()
      }
    }
    parts.onCheckWanted()
  }

  /** The upstream has served a call that began after this failure. */
  function isProven(entry: BlacklistEntry): boolean {
    return lastSuccessAt >= entry.since
  }

  function confirm(state: State, entry: BlacklistEntry): void {
    state.checkAt = clock.now() + config.blacklist.recheckMs
    exclude(state, { ...entry, until: null })
  }

  return {
    update,
    restore(entries) {
      const now = clock.now()
      for (const entry of entries) {
        const state = states.get(entry.credentialId)
        if (entry.provider !== provider || state === undefined) continue
        if (entry.until !== null && entry.until <= now) {
          parts.remove(entry)
          continue
        }
        state.entries.set(entry.scope, entry)
        // Not at start: a restart must not become a burst of checks.
        if (entry.until === null && entry.reason !== 'paused')
          state.checkAt = Math.max(now, entry.since) + config.blacklist.recheckMs
      }
      rebuild()
    },
    choose,
    release(credential) {
      const state = states.get(credential.id)
      if (state !== undefined && state.inFlight > 0) state.inFlight--
    },
    succeeded,
    failed(credential, error, scope) {
      const state = states.get(credential.id)
      if (state === undefined) return false
      if (failurePolicies[error.kind].credential === 'blameless') return false
      state.failures++
      applyFailure(state, error, scope)
      const outage = findOutage(error.kind, scope)
      for (const hit of outage) {
        for (const entry of hit.entries.values()) {
          if (entry.until !== null && isSame(entry.reason, error.kind)) include(hit, entry, 'all failed together')
        }
      }
      return outage.length > 0
    },
    checked(credentialId, works) {
      const state = states.get(credentialId)
      if (state === undefined) return
      state.isBeingChecked = false
      const entry = state.entries.get('')
      if (entry === undefined) {
        state.checkAt = null
        return
      }
      if (entry.reason === 'paused') {
        state.checkAt = null
        return
      }
      const now = clock.now()
      state.checkAt = now + config.blacklist.recheckMs
      if (works === null) return
      if (works) {
        // A rest that has an end runs to it: the check shows that the key is known, not that calls pass.
        // The only one there is comes back at once, the first time: its rest would be everybody's.
        const isOnlyOne = order.length === 1 && state.strikes <= 1
        if (entry.until === null || isOnlyOne) include(state, entry, 'a check found it working')
        return
      }
      if (entry.reason !== 'invalid_credential') return
      if (order.length === 1 || isProven(entry)) confirm(state, entry)
      else suspects.add(state)
    },
    takeDueChecks(most) {
      const now = clock.now()
      const due = order
        .filter((state) => state.checkAt !== null && state.checkAt <= now && !state.isBeingChecked)
        .sort((a, b) => (a.checkAt ?? 0) - (b.checkAt ?? 0))
        .slice(0, most)
      for (const state of due) state.isBeingChecked = true
      return due.map((state) => state.credential)
    },
    isLost: (credentialId) => states.get(credentialId)?.entries.get('')?.until === null,
    nextCheckAt() {
      let next: number | null = null
      for (const state of order) {
        if (state.checkAt === null || state.isBeingChecked) continue
        if (next === null || state.checkAt < next) next = state.checkAt
      }
      return next
    },
    soonestRecovery(scope) {
      let soonest: number | null = null
      for (const state of order) {
        const entries = [state.entries.get(''), scope === '' ? undefined : state.entries.get(scope)]
        const ends = entries.map((entry) => (entry === undefined ? 0 : hopedEnd(entry, state.checkAt)))
        const end = Math.max(...ends)
        if (end === Number.POSITIVE_INFINITY) continue
        if (soonest === null || end < soonest) soonest = end
      }
      return soonest
    },
    commonCause(scope) {
      const causes = new Map<BlacklistEntry['reason'], number>()
      for (const state of order) {
        const entry = state.entries.get('') ?? state.entries.get(scope)
        if (entry !== undefined) causes.set(entry.reason, (causes.get(entry.reason) ?? 0) + 1)
      }
      // One that only has to wait outweighs many that are lost.
      if (causes.has('rate_limited')) return 'rate_limited'
      return [...causes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null
    },
    counts() {
      recoverDue()
      return { total: order.length, healthy: available.size(), blacklisted: order.length - available.size() }
    },
    list() {
      recoverDue()
      return order.map((state) => ({
        id: state.credential.id,
        label: state.credential.label,
        kind: state.credential.kind,
        index: state.index,
        state: stateOf(state),
        inFlight: state.inFlight,
        successes: state.successes,
        failures: state.failures,
        failuresInRow: state.failuresInRow,
        entries: [...state.entries.values()],
      }))
    },
    blacklist() {
      recoverDue()
      return order.flatMap((state) => [...state.entries.values()])
    },
    setPaused(credentialId, isWanted) {
      const state = states.get(credentialId)
      if (state === undefined) return false
      if (isWanted === isPaused(state)) return true
      const whole = state.entries.get('')
      if (whole !== undefined) include(state, whole, isWanted ? 'paused instead' : 'resumed by the operator')
      if (isWanted) exclude(state, pauseOf(state))
      return true
    },
    reset(credentialId) {
      let cleared = 0
      for (const state of order) {
        if (credentialId === null ? isPaused(state) : state.credential.id !== credentialId) continue
        if (state.entries.size > 0) cleared++
        for (const entry of state.entries.values()) include(state, entry, 'reset by the operator')
        state.failuresInRow = 0
        state.strikes = 0
      }
      return cleared
    },
  }
}

/** Exclusions older than this belong to another trouble. */
const outageWindowMs = 60_000

function createState(credential: Credential, index: number): State {
  return {
    credential,
    index,
    inFlight: 0,
    successes: 0,
    failures: 0,
    failuresInRow: 0,
    strikes: 0,
    entries: new Map(),
    checkAt: null,
    isBeingChecked: false,
  }
}

/** A quota may be full again at the next check; a key that was proven bad gives no hope. */
function hopedEnd(entry: BlacklistEntry, checkAt: number | null): number {
  return entry.until ?? (entry.reason === 'quota_exhausted' ? checkAt : null) ?? endOf(entry)
}

function endOf(entry: BlacklistEntry): number {
  return entry.until ?? Number.POSITIVE_INFINITY
}

function isPaused(state: State): boolean {
  return state.entries.get('')?.reason === 'paused'
}

function isSame(a: BlacklistEntry['reason'], b: FailureKind): boolean {
  if (a === 'paused') return false
  return a === b || (failurePolicies[a].breaker === 'failed' && failurePolicies[b].breaker === 'failed')
}

function stateOf(state: State): CredentialStatus['state'] {
  const entry = state.entries.get('')
  if (entry === undefined) return 'healthy'
  if (entry.reason === 'paused') return 'paused'
  return entry.until === null ? 'blacklisted' : 'cooling'
}

function excludedMessage({ reason, until }: BlacklistEntry): string {
  if (reason === 'paused') return 'credential paused'
  return until === null ? 'credential blacklisted' : 'credential rests'
}

function describe(entry: BlacklistEntry) {
  const openEnd = entry.reason === 'paused' ? 'the operator resumes it' : 'a re-check finds it working'
  return {
    provider: entry.provider,
    credential: entry.label,
    ...(entry.scope === '' ? {} : { scope: entry.scope }),
    reason: entry.reason,
    detail: entry.detail,
    until: entry.until === null ? openEnd : new Date(entry.until).toISOString(),
  }
}
