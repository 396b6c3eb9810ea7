/**
 * The attempt loop: target by target, credential by credential, until an upstream's answer has reached its first content.
 * What a failure means is decided by `failure-policy.ts`; this file only obeys.
 */
import type { Clock } from '../clock.ts'
import type { BlacklistEntry, Credential, FailureKind, Outcome, ProviderConfig, Target } from '../domain.ts'
import { UpstreamError } from '../errors.ts'
import { describeError, type Logger } from '../log.ts'
import { isWrittenIn } from '../providers/classify-refusal.ts'
import type { Attempt, Call, Provider } from '../providers/provider.ts'
import type { UpstreamResponse } from '../providers/upstream-response.ts'
import { createStopController, type StopSignal } from '../stop-signal.ts'
import type { CircuitBreakers } from './circuit-breaker.ts'
import type { CredentialPool } from './credential-pool.ts'
import { createDeadline, type Deadline } from './deadline.ts'
import { failurePolicies } from './failure-policy.ts'
import { type Answer, familyOf, readAnswer } from './read-answer.ts'
import type { Progress } from './usage.ts'

/** One provider as it stands in the configuration a call began with. */
export interface Upstream {
  readonly config: ProviderConfig
  readonly provider: Provider
  readonly pool: CredentialPool
}

export interface Plan {
  readonly targets: readonly Target[]
  readonly upstreamOf: (provider: string) => Upstream
  /** `chat` or `forward`. */
  readonly send: (provider: Provider, call: Call, attempt: Attempt) => Promise<UpstreamResponse>
  readonly stickiness: number | null
  /** Credential on whose account the call's objects live. */
  readonly only: string | null
  /** Credential to begin with, where it is available. */
  readonly preferred: string | null
  /** False where a second try could do a thing twice: then only what upstream refused outright is tried again. */
  readonly isRepeatable: boolean
  /** What the answer cache has to do with the call; null: nothing. */
  readonly cached: CachedCall | null
}

/** A call whose answer may be a kept one, or be kept. */
export interface CachedCall {
  /** In place of the attempt loop, and rejects as that does: a kept answer, that of an equal call under way, or the attempt loop after all. */
  readonly serve: (progress: Progress) => Promise<Served>
  /** Fires when the client left whose answer others still wait for: it is read to its end, but written nowhere. */
  readonly clientLeft: AbortSignal
  /** Others wait for this answer: it is bounded, and a client that does not keep up must not hold it up. */
  readonly isAwaited: () => boolean
  /** Must be called when the call is over. */
  readonly ended: (outcome: Outcome) => void
}

/** An answer that has been committed to, and what must be told when it ends. */
export interface Served {
  readonly answer: Answer
  readonly upstream: Upstream
  readonly target: Target
  readonly attempt: Attempt
  readonly deadline: Deadline
  /** Must be called once, when nothing is read any more: gives the credential back. */
  readonly end: (failure: UpstreamError | null) => void
}

export interface FailoverParts {
  readonly clock: Clock
  readonly log: Logger
  readonly breakers: CircuitBreakers
}

/** Nothing is left to try. `last` is null when no attempt could be made at all. */
export class NothingLeftError extends Error {
  readonly last: UpstreamError | null
  readonly why: BlacklistEntry['reason'] | 'breaker_open' | null
  /** The failure that hit all credentials at once, where that opened the breaker. */
  readonly trippedBy: FailureKind | null
  /** Unix milliseconds of the soonest recovery; null when none is known. */
  readonly recoveryAt: number | null

  constructor(options: Pick<NothingLeftError, 'last' | 'why' | 'trippedBy' | 'recoveryAt'>) {
    super('no upstream is left to try')
    this.name = 'NothingLeftError'
    this.last = options.last
    this.why = options.why
    this.trippedBy = options.trippedBy
    this.recoveryAt = options.recoveryAt
  }
}

/** A call's free tries (see FailurePolicy.isFree) end at this multiple of its `max_attempts`. */
const freeTriesFactor = 4
const backoffBaseMs = 200
const maxBackoffMs = 5000
const goneGraceMs = 2000
const nothingExcluded: ReadonlySet<string> = new Set()

/** Throws UpstreamError (the client's own fault, or it left) or NothingLeftError. */
export async function failover(parts: FailoverParts, call: Call, plan: Plan, progress: Progress): Promise<Served> {
  const { breakers, clock } = parts
  let last: UpstreamError | null = null
  for (const target of plan.targets) {
    const upstream = plan.upstreamOf(target.provider)
    const key = targetKey(target)
    let tried: Set<string> | null = null
    let counted = 0
    let tries = 0
    let unavailable = 0
    while (counted < upstream.config.maxAttempts && tries < upstream.config.maxAttempts * freeTriesFactor) {
      const leftMs = upstream.config.maxWaitMs - (clock.monotonic() - call.startedMs)
      if (leftMs <= 0) break
      if (call.signal.aborted) throw clientGone()
      const entry = breakers.enter(key)
      if (entry === 'open') break
      const isProbe = entry === 'probe'
      const credential = chooseCredential({ upstream, call, target, plan, tried, last })
      if (credential === null) {
        if (isProbe) breakers.silent(key)
        break
      }
      tries++
      const outcome = await tryOnce({ parts, call, plan, progress, target, key, upstream, credential, leftMs, isProbe })
      if (!(outcome instanceof UpstreamError)) return outcome
      last = outcome
      tried ??= new Set()
      tried.add(credential.id)
      const policy = failurePolicies[last.kind]
      if (policy.next === 'none' || (!plan.isRepeatable && mayHaveHappened(last))) throw last
      if (!policy.isFree) counted++
      if (policy.next === 'credential_once' && ++unavailable > 1) break
      const isLastTarget = target === plan.targets.at(-1)
      if (policy.next === 'target' && !isLastTarget) break
      if (policy.isBackedOff && counted < upstream.config.maxAttempts) {
        const backoffMs = Math.min(backoffBaseMs * 2 ** (tries - 1), maxBackoffMs) * (0.5 + clock.random() / 2)
        await clock.sleep(Math.min(backoffMs, leftMs), call.signal)
        if (call.signal.aborted) throw clientGone()
      }
    }
  }
  throw nothingLeft(parts, call, plan, last)
}

export function clientGone(): UpstreamError {
  return new UpstreamError('client_gone', 'the client closed the connection')
}

export function targetKey(target: Target): string {
  return `${target.provider}/${target.model}`
}

/** What a refusal for one model and path is remembered under. Ids in paths are left out. */
export function scopeOf(call: Call, target: Target): string {
  const path = call.path === '/chat/completions' ? call.path : call.path.split('/', 3).join('/')
  return target.model === '' ? path : `${target.model} ${path}`
}

interface Choice {
  readonly upstream: Upstream
  readonly call: Call
  readonly target: Target
  readonly plan: Plan
  /** Null: none. */
  readonly tried: Set<string> | null
  readonly last: UpstreamError | null
}

function chooseCredential({ upstream, call, target, plan, tried, last }: Choice): Credential | null {
  const wish = { scope: scopeOf(call, target), stickiness: plan.stickiness, only: plan.only }
  if (plan.preferred !== null && (tried === null || tried.size === 0)) {
    const preferred = upstream.pool.choose({ ...wish, only: plan.preferred, excluded: nothingExcluded })
    if (preferred !== null) return preferred
  }
  const chosen = upstream.pool.choose({ ...wish, excluded: tried ?? nothingExcluded })
  if (chosen !== null || tried === null || tried.size === 0 || last === null) return chosen
  // Every one was tried: after a passing failure the same one may be tried again.
  if (failurePolicies[last.kind].breaker !== 'failed') return null
  tried.clear()
  return upstream.pool.choose({ ...wish, excluded: nothingExcluded })
}

interface Try {
  readonly parts: FailoverParts
  readonly call: Call
  readonly plan: Plan
  readonly progress: Progress
  readonly target: Target
  /** See targetKey. */
  readonly key: string
  readonly upstream: Upstream
  readonly credential: Credential
  readonly leftMs: number
  /** The one call that finds out whether the target works again. */
  readonly isProbe: boolean
}

/** One attempt up to the first content. Returns the failure: it is a value here, since the loop decides. */
async function tryOnce(one: Try): Promise<Served | UpstreamError> {
  const { parts, call, plan, progress, target, upstream, credential } = one
  const { config } = upstream
  const controller = createStopController()
  const firstMs = call.view.isStream ? Math.min(config.timeouts.firstByteMs, one.leftMs) : config.timeouts.answerMs
  const deadline = createDeadline(firstMs, () =>
    controller.abort(new UpstreamError('timeout', 'the upstream did not answer in time', { status: 504 })),
  )
  const leave = () => {
    controller.abort(clientGone())
    // The runtime may never ask for a body nobody waits for, and then nobody else would give the credential back.
    setTimeout(end, goneGraceMs, clientGone())
  }
  call.signal.addEventListener('abort', leave)
  const beganAt = parts.clock.now()
  progress.attempts++
  progress.isAtUpstream = true
  progress.provider = target.provider
  progress.targetModel = target.model
  progress.credentialLabel = credential.label
  const attempt: Attempt = {
    target,
    credential,
    number: progress.attempts,
    signal: controller.signal,
    isUsageAsked: false,
  }
  let isOver = false
  const end = (failure: UpstreamError | null) => {
    if (isOver) return
    isOver = true
    deadline.stop()
    call.signal.removeEventListener('abort', leave)
    upstream.pool.release(credential)
    if (failure !== null || progress.trail !== null) noteAttempt(one, failure)
    if (failure === null) upstream.pool.succeeded(credential, beganAt)
    else report(one, failure)
    // Whatever still runs at the upstream is stopped; after a proper end this does nothing.
    if (failure !== null && !controller.signal.aborted) controller.abort(failure)
  }
  try {
    const response = await plan.send(upstream.provider, call, attempt)
    const answer = await readAnswer(response, {
      family: familyOf(call),
      credential,
      isEchoed: (phrase) => isWrittenIn(call, phrase),
      model: target.model,
      signal: controller.signal,
      deadline,
      idleMs: config.timeouts.idleMs,
      isTooLate: () => parts.clock.monotonic() - call.startedMs > config.maxWaitMs,
    })
    // At the first content, not at the end: a probe must not block its target for as long as one answer takes.
    parts.breakers.alive(one.key)
    return { answer, upstream, target, attempt, deadline, end }
  } catch (cause) {
    const failure = asUpstreamError(cause, controller.signal, parts.log)
    progress.isAtUpstream = failure.kind === 'client_gone'
    end(failure)
    return failure
  }
}

/** A pool of dead keys makes many attempts. */
const maxTrail = 50

/** For the record of the call. Nothing is noted of what succeeds at once. */
function noteAttempt(
  { parts, call, progress, target, upstream, credential, leftMs }: Try,
  failure: UpstreamError | null,
) {
  progress.trail ??= []
  if (progress.trail.length >= maxTrail) return
  const startMs = upstream.config.maxWaitMs - leftMs
  progress.trail.push({
    provider: target.provider,
    model: target.model.slice(0, maxModelLength),
    credential: credential.label,
    failure: failure?.kind ?? null,
    status: failure === null || failure.status === 0 ? null : failure.status,
    code: failure?.code.slice(0, maxCodeLength) ?? null,
    startMs: Math.round(startMs),
    durationMs: Math.round(parts.clock.monotonic() - call.startedMs - startMs),
  })
}

const maxModelLength = 256
const maxCodeLength = 64

/** Tells pool and breaker of a failure, each as the table says. */
function report({ parts, call, target, key, upstream, credential, isProbe }: Try, failure: UpstreamError): void {
  const policy = failurePolicies[failure.kind]
  if (policy.breaker === 'alive') parts.breakers.alive(key)
  else if (policy.breaker === 'failed') {
    const by = { credential: credential.id, poolSize: upstream.config.credentials.length }
    parts.breakers.failed(key, upstream.config.breaker, by)
  } else if (isProbe) parts.breakers.silent(key)
  const isOutage = upstream.pool.failed(credential, failure, scopeOf(call, target))
  if (isOutage || failure.isBlock) parts.breakers.trip(key, upstream.config.breaker, failure.kind)
  if (failure.kind === 'client_gone') return
  parts.log.info('attempt failed', {
    id: call.id,
    target: key,
    credential: credential.label,
    kind: failure.kind,
    status: failure.status,
    code: failure.code,
  })
}

function asUpstreamError(cause: unknown, signal: StopSignal, log: Logger): UpstreamError {
  if (signal.aborted && signal.reason instanceof UpstreamError) return signal.reason
  if (cause instanceof UpstreamError) return cause
  log.error('an attempt failed in a way that nobody foresaw', describeError(cause))
  return new UpstreamError('server_error', 'the answer of the upstream could not be read', { status: 502, cause })
}

/** Whether upstream may have done what it was asked although no answer came back. */
function mayHaveHappened(failure: UpstreamError): boolean {
  const isConnectFailure = [
    'ECONNREFUSED',
    'ENOTFOUND',
    'ENETUNREACH',
    'EHOSTUNREACH',
    'ConnectionRefused',
    'FailedToOpenSocket',
  ].includes(failure.code)
  return failurePolicies[failure.kind].breaker === 'failed' && failure.kind !== 'proxy_failed' && !isConnectFailure
}

function nothingLeft(parts: FailoverParts, call: Call, plan: Plan, last: UpstreamError | null): NothingLeftError {
  let recoveryAt: number | null = null
  let why: BlacklistEntry['reason'] | 'breaker_open' | null = null
  let trippedBy: FailureKind | null = null
  for (const target of plan.targets) {
    const { pool } = plan.upstreamOf(target.provider)
    const scope = scopeOf(call, target)
    const openUntil = parts.breakers.openUntil(targetKey(target))
    const poolUntil = pool.soonestRecovery(scope)
    why ??= openUntil === null ? pool.commonCause(scope) : 'breaker_open'
    trippedBy ??= openUntil === null ? null : parts.breakers.cause(targetKey(target))
    if (poolUntil === null) continue
    const until = Math.max(openUntil ?? 0, poolUntil)
    if (until > parts.clock.now()) recoveryAt = Math.min(recoveryAt ?? until, until)
  }
  return new NothingLeftError({ last, why, trippedBy, recoveryAt })
}
