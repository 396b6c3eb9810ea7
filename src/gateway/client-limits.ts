/**
 * All limits of each client: taken together, before a call and without a pause in between, or not at all; settled when its record
 * is written, which may be a while after its end. State is kept by the hash of the client key, so that a reload neither forks nor forgets it.
 */
import type { Clock } from '../clock.ts'
import type { BudgetPeriod, ClientKey, Limits, Price, Target, UsageRecord } from '../domain.ts'
import type { Call } from '../providers/provider.ts'
import { createLocalTime } from '../stores/local-time.ts'
import type { Spending } from '../stores/store.ts'
import { estimateTokens } from './estimate-tokens.ts'
import { createLedger } from './ledger.ts'
import type { Quota } from './quota.ts'
import { createRequestWindow, type RequestWindow } from './request-window.ts'
import { type BucketRate, createTokenBucket, type TokenBucket } from './token-bucket.ts'
import { createTokenWindow, type TokenWindow } from './token-window.ts'

export interface ClientLimits {
  /** Null where the client has no limits. A refused call costs nothing; an allowed one must be settled. */
  take(call: Call, targets: readonly Target[]): Allowance | null
  /** At the end of a call whose use is known later: its place among those under way is free. What was set aside stays so until `settle`. */
  release(call: Call): void
  /** Once for every call, limited or not, when its use is known: gives back what is still taken, and counts what was used. */
  settle(call: Call, record: Pick<UsageRecord, 'client' | 'time' | 'usage' | 'costMicroUsd'>): void
  /** Limits for what client keys leave out. State is kept. */
  setDefaults(limits: Limits): void
  /** Of each client that has limits. */
  status(): ClientLimitStatus[]
  /** Since the start of the process, of clients with limits. */
  counts(): LimitCounts
}

export const limitKinds = ['rpm', 'rps', 'tpm', 'concurrency', 'budget'] as const
export type LimitKind = (typeof limitKinds)[number]

export interface Allowance {
  /** Null: the call may go on. */
  readonly refusal: Refusal | null
  /** The tighter one of both limits of requests, after this call. */
  readonly requests: Quota | null
  readonly tokens: Quota | null
}

/** Of all limits that are in the way, the one that is so for longest. */
export interface Refusal {
  readonly kind: LimitKind
  /** What the limit is, for people: `60 requests per minute`. */
  readonly allowed: string
  readonly waitMs: number
  /** Calls under way are in the way too, and nobody knows when one of them ends. */
  readonly isGuess: boolean
}

export interface LimitCounts {
  readonly allowed: number
  readonly refused: Readonly<Record<LimitKind, number>>
}

export interface ClientLimitStatus extends LimitCounts {
  readonly name: string
  readonly rpm: Quota | null
  /** `limit` is the burst. */
  readonly rps: (Quota & { readonly perSecond: number }) | null
  readonly tpm: Quota | null
  readonly concurrency: { readonly limit: number; readonly used: number } | null
  readonly budget: BudgetStatus | null
}

export interface BudgetStatus {
  readonly period: BudgetPeriod
  readonly limitMicroUsd: number
  readonly spentMicroUsd: number
  readonly reservedMicroUsd: number
  /** Unix milliseconds. */
  readonly endsAt: number
}

export interface ClientLimitParts {
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  /** IANA zone in which days and months of budgets begin. */
  readonly timezone: string
  readonly defaults: Limits
  /** What was spent before this process began. */
  readonly spending: Spending
  readonly priceOf: (targetModel: string, model: string) => Price
  /** Those that are valid now. */
  readonly clients: () => readonly ClientKey[]
}

/** Calls under way end when they end; this is how soon it is worth asking again. */
const guessMs = 1000
const sweepMs = 60_000
/** By then no window counts anything of a client's last call. */
const idleMs = 61_000

export function createClientLimits(parts: ClientLimitParts): ClientLimits {
  const { clock } = parts
  const localTime = createLocalTime(parts.timezone)
  const ledgerOf = (kind: BudgetPeriod) =>
    createLedger({ kind, localTime, now: clock.now, remembered: parts.spending[kind] })
  const ledgers = { day: ledgerOf('day'), month: ledgerOf('month') }
  const states = new Map<string, ClientState>()
  /** By the id of the call: on its way it may be copied. */
  const leases = new Map<string, Lease>()
  const total = noCounts()
  let defaults = parts.defaults
  let merged = new WeakMap<ClientKey, MergedLimits | null>()
  let sweepAt = 0

  function limitsOf(client: ClientKey): MergedLimits | null {
    const known = merged.get(client)
    if (known !== undefined) return known
    const limits = mergeLimits(client.limits, defaults)
    merged.set(client, limits)
    return limits
  }

  function stateOf(client: ClientKey, now: number): ClientState {
    if (now >= sweepAt) sweep(now)
    const known = states.get(client.hash)
    if (known !== undefined) return known
    const created = createState()
    states.set(client.hash, created)
    return created
  }

  /** Of idle clients only what still limits or counts is kept, of keys that are gone nothing. */
  function sweep(now: number): void {
    sweepAt = now + sweepMs
    const valid = new Set(parts.clients().map(({ hash }) => hash))
    for (const [hash, state] of states) {
      if (state.active > 0 || now - state.usedAt < idleMs) continue
      if (!valid.has(hash)) states.delete(hash)
      state.window = null
      state.tokens = null
    }
  }

  function take(call: Call, targets: readonly Target[]): Allowance | null {
    const { client } = call
    const limits = limitsOf(client)
    if (limits === null) return null
    const now = clock.monotonic()
    const state = stateOf(client, now)
    const needs = needsOf(call, targets, limits)
    const refusal = findRefusal({ client, limits, state, needs, now })
    if (refusal === null) {
      leases.set(call.id, reserve({ client, limits, state, needs, now }))
      state.counts.allowed++
      total.allowed++
    } else {
      state.counts.refused[refusal.kind]++
      total.refused[refusal.kind]++
    }
    return { refusal, requests: tighter(requestQuotas(limits, state, now)), tokens: tokenQuota(limits, state, now) }
  }

  function needsOf(call: Call, targets: readonly Target[], { tokensPerMinute, budget }: MergedLimits): Needs {
    if (tokensPerMinute === null && budget === null) return nothing
    const { input, output } = estimateTokens(call)
    let costMicroUsd = 0
    if (budget !== null) {
      for (const target of targets) {
        const price = parts.priceOf(target.model, call.view.model)
        costMicroUsd = Math.max(costMicroUsd, input * price.input + output * price.output)
      }
    }
    // A call that is larger than the limit is let in alone: estimates err, and refused it would be for ever.
    return { tokens: Math.min(input + output, tokensPerMinute ?? 0), costMicroUsd }
  }

  /** Looks only. */
  function findRefusal({ client, limits, state, needs, now }: Wish): Refusal | null {
    let longest: LimitKind | null = null
    let longestMs = 0
    let isGuess = false
    const meet = (kind: LimitKind, waitMs: number) => {
      if (waitMs <= longestMs) return
      longest = kind
      longestMs = waitMs
    }
    const meetCalls = (kind: LimitKind) => {
      isGuess = true
      meet(kind, guessMs)
    }
    const { rpm, rps } = requestQuotas(limits, state, now)
    if (rpm !== null) meet('rpm', rpm.waitMs)
    if (rps !== null) meet('rps', rps.waitMs)
    if (limits.tokensPerMinute !== null)
      meet('tpm', tokensOf(state).look(now, limits.tokensPerMinute, needs.tokens).waitMs)
    if (limits.maxConcurrent !== null && state.active >= limits.maxConcurrent) meetCalls('concurrency')
    if (limits.budget !== null) {
      const { kind, microUsd } = limits.budget
      const { spent, reserved } = ledgers[kind].find(client.name)
      if (spent >= microUsd) meet('budget', ledgers[kind].endsAt() - clock.now())
      else if (spent + reserved >= microUsd) meetCalls('budget')
    }
    return longest === null ? null : { kind: longest, allowed: limits.allowed[longest], waitMs: longestMs, isGuess }
  }

  function reserve({ client, limits, state, needs, now }: Wish): Lease {
    if (limits.requestsPerMinute !== null) windowOf(state).add(now)
    if (limits.rate !== null) bucketOf(state).take(now, limits.rate)
    const step = limits.tokensPerMinute === null ? null : tokensOf(state).add(now, needs.tokens)
    const account = limits.budget === null ? null : ledgers[limits.budget.kind].account(client.name)
    if (account !== null) account.reserved += needs.costMicroUsd
    state.active++
    state.usedAt = now
    return { state, isUnderWay: true, step, tokens: needs.tokens, account, costMicroUsd: needs.costMicroUsd }
  }

  function leave(lease: Lease): void {
    if (!lease.isUnderWay) return
    lease.isUnderWay = false
    lease.state.active--
  }

  return {
    take,
    release(call) {
      const lease = leases.get(call.id)
      if (lease !== undefined) leave(lease)
    },
    settle(call, { client, time, usage, costMicroUsd }) {
      // Of clients without a budget too: a reload may give them one, and it begins with what they have spent.
      if (costMicroUsd > 0) {
        ledgers.day.spend(client, costMicroUsd, time)
        ledgers.month.spend(client, costMicroUsd, time)
      }
      const lease = leases.get(call.id)
      if (lease === undefined) return
      leases.delete(call.id)
      leave(lease)
      const { state, step, tokens, account } = lease
      const now = clock.monotonic()
      state.usedAt = now
      if (step !== null) state.tokens?.correct(now, { step, tokens }, usage.inputTokens + usage.outputTokens)
      if (account !== null) account.reserved = Math.max(0, account.reserved - lease.costMicroUsd)
    },
    setDefaults(limits) {
      defaults = limits
      merged = new WeakMap()
    },
    status() {
      const now = clock.monotonic()
      return parts.clients().flatMap((client) => {
        const limits = limitsOf(client)
        return limits === null ? [] : [describe(client, limits, now)]
      })
    },
    counts: () => ({ allowed: total.allowed, refused: { ...total.refused } }),
  }

  function describe(client: ClientKey, limits: MergedLimits, now: number): ClientLimitStatus {
    const state = states.get(client.hash) ?? createState()
    const { rpm, rps } = requestQuotas(limits, state, now)
    return {
      name: client.name,
      allowed: state.counts.allowed,
      refused: { ...state.counts.refused },
      rpm,
      rps: rps === null || limits.rate === null ? null : { ...rps, perSecond: limits.rate.perSecond },
      tpm: tokenQuota(limits, state, now),
      concurrency: limits.maxConcurrent === null ? null : { limit: limits.maxConcurrent, used: state.active },
      budget: limits.budget === null ? null : describeBudget(client, limits.budget),
    }
  }

  function describeBudget({ name }: ClientKey, { kind, microUsd }: Budget): BudgetStatus {
    const { spent, reserved } = ledgers[kind].find(name)
    return {
      period: kind,
      limitMicroUsd: microUsd,
      spentMicroUsd: spent,
      reservedMicroUsd: reserved,
      endsAt: ledgers[kind].endsAt(),
    }
  }
}

/** A client's own limits over those of all. */
interface MergedLimits {
  readonly requestsPerMinute: number | null
  readonly rate: BucketRate | null
  readonly tokensPerMinute: number | null
  readonly maxConcurrent: number | null
  readonly budget: Budget | null
  /** Each in words. */
  readonly allowed: Readonly<Record<LimitKind, string>>
}

interface Budget {
  readonly kind: BudgetPeriod
  readonly microUsd: number
}

/** Null where nothing is limited. */
function mergeLimits(own: Limits, defaults: Limits): MergedLimits | null {
  const requestsPerMinute = own.requestsPerMinute ?? defaults.requestsPerMinute
  const perSecond = own.requestsPerSecond ?? defaults.requestsPerSecond
  const burst = own.burst ?? defaults.burst ?? Math.max(1, Math.ceil(perSecond ?? 0))
  const tokensPerMinute = own.tokensPerMinute ?? defaults.tokensPerMinute
  const maxConcurrent = own.maxConcurrent ?? defaults.maxConcurrent
  const microUsd = own.budgetMicroUsd ?? defaults.budgetMicroUsd
  const kind = own.budgetPeriod ?? defaults.budgetPeriod ?? 'month'
  const all = [requestsPerMinute, perSecond, tokensPerMinute, maxConcurrent, microUsd]
  if (all.every((limit) => limit === null)) return null
  return {
    requestsPerMinute,
    rate: perSecond === null ? null : { perSecond, burst },
    tokensPerMinute,
    maxConcurrent,
    budget: microUsd === null ? null : { kind, microUsd },
    allowed: {
      rpm: `make ${requestsPerMinute} requests per minute`,
      rps: `make ${perSecond} requests per second, ${burst} at once`,
      tpm: `use ${tokensPerMinute} tokens per minute`,
      concurrency: `have ${maxConcurrent} calls under way at once`,
      budget: `spend ${(microUsd ?? 0) / 1_000_000} USD in a ${kind}`,
    },
  }
}

interface ClientState {
  window: RequestWindow | null
  bucket: TokenBucket | null
  tokens: TokenWindow | null
  active: number
  /** By the monotonic clock. */
  usedAt: number
  readonly counts: Counts
}

interface Counts {
  allowed: number
  readonly refused: Record<LimitKind, number>
}

function createState(): ClientState {
  return { window: null, bucket: null, tokens: null, active: 0, usedAt: 0, counts: noCounts() }
}

function noCounts(): Counts {
  return { allowed: 0, refused: { rpm: 0, rps: 0, tpm: 0, concurrency: 0, budget: 0 } }
}

function windowOf(state: ClientState): RequestWindow {
  state.window ??= createRequestWindow()
  return state.window
}

function bucketOf(state: ClientState): TokenBucket {
  state.bucket ??= createTokenBucket()
  return state.bucket
}

function tokensOf(state: ClientState): TokenWindow {
  state.tokens ??= createTokenWindow()
  return state.tokens
}

/** What a call is reckoned at. */
interface Needs {
  readonly tokens: number
  readonly costMicroUsd: number
}

const nothing: Needs = { tokens: 0, costMicroUsd: 0 }

interface Wish {
  readonly client: ClientKey
  readonly limits: MergedLimits
  readonly state: ClientState
  readonly needs: Needs
  readonly now: number
}

/** What a call has taken and may give back. */
interface Lease {
  readonly state: ClientState
  /** It has a place among the calls under way. */
  isUnderWay: boolean
  /** Where its tokens are counted; null: they are not. */
  readonly step: number | null
  readonly tokens: number
  readonly account: { reserved: number } | null
  readonly costMicroUsd: number
}

interface RequestQuotas {
  readonly rpm: Quota | null
  readonly rps: Quota | null
}

function requestQuotas({ requestsPerMinute, rate }: MergedLimits, state: ClientState, now: number): RequestQuotas {
  return {
    rpm: requestsPerMinute === null ? null : windowOf(state).look(now, requestsPerMinute),
    rps: rate === null ? null : bucketOf(state).look(now, rate),
  }
}

function tokenQuota({ tokensPerMinute }: MergedLimits, state: ClientState, now: number): Quota | null {
  return tokensPerMinute === null ? null : tokensOf(state).look(now, tokensPerMinute, 0)
}

function tighter({ rpm, rps }: RequestQuotas): Quota | null {
  if (rpm === null || rps === null) return rpm ?? rps
  return rpm.remaining <= rps.remaining ? rpm : rps
}
