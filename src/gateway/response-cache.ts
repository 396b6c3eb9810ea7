/**
 * The answer cache: equal calls get the answer of the first one, also those that come while it is still under way. Off, it costs
 * nothing. What makes calls equal is `cache-key.ts`'s business, what may be kept `keep-answer.ts`'s, how much `kept-answers.ts`'s.
 */
import type { Clock } from '../clock.ts'
import type { CacheConfig, Outcome } from '../domain.ts'
import { GatewayError, UpstreamError } from '../errors.ts'
import type { Call } from '../providers/provider.ts'
import { type CacheWish, cacheKeyOf, readCacheWish } from './cache-key.ts'
import { clientGone, type Plan, type Served } from './failover.ts'
import { type CollectedAnswer, collectAnswer, replayAnswer, suits } from './keep-answer.ts'
import { createKeptAnswers, type KeptAnswer } from './kept-answers.ts'
import type { Progress } from './usage.ts'

export interface ResponseCache {
  isEnabled(): boolean
  /** A cache that is switched off forgets everything. */
  configure(config: CacheConfig): void
  /** Answers a call from the cache, or by `send`, which gets the plan with the cache's part in it. */
  answer(request: CacheRequest): Promise<Response>
  /** Forgets every answer, those still under way included; says how many there were. */
  clear(): number
  status(): CacheStatus
}

export interface CacheRequest {
  readonly call: Call
  readonly plan: Plan
  readonly send: (call: Call, plan: Plan) => Promise<Response>
  /** The attempt loop. Throws what it throws. */
  readonly fetch: (call: Call, progress: Progress) => Promise<Served>
}

/** Counted since the start. */
export interface CacheStatus {
  readonly isEnabled: boolean
  readonly hits: number
  readonly misses: number
  /** Hits that waited for the answer of an equal call under way. */
  readonly coalesced: number
  readonly evictions: number
  readonly entries: number
  readonly bytes: number
  readonly maxBytes: number
}

/** One upstream call that equal ones wait for. */
interface Flight {
  /** Called once each, in the order in which they came. */
  readonly waiting: Set<(end: FlightEnd) => void>
  /** Nobody waits any more. */
  deserted: () => void
}

/**
 * `refused`: those who waited are told the same, since a thousand equal calls must not try a failing upstream one by one. `unsuitable`:
 * each goes on by itself. `abandoned`: the client left; the next in line makes the call, the others wait for that.
 */
type FlightEnd =
  | { readonly kind: 'answered'; readonly answer: KeptAnswer }
  | { readonly kind: 'refused'; readonly cause: unknown }
  | { readonly kind: 'unsuitable' | 'abandoned' }

export function createResponseCache(clock: Clock): ResponseCache {
  const kept = createKeptAnswers(clock)
  const flights = new Map<string, Flight>()
  const counts = { hits: 0, misses: 0, coalesced: 0 }
  let config: Pick<CacheConfig, 'isEnabled' | 'maxBytes' | 'isShared'> = {
    isEnabled: false,
    maxBytes: 0,
    isShared: false,
  }
  /** Answers begun before a clearing are not kept after it. */
  let generation = 0
  /** Bytes of streams that are being collected, all together. */
  let collecting = 0

  function clear(): number {
    generation++
    flights.clear()
    return kept.clear()
  }

  function cachedCall(request: CacheRequest, { key, wish }: { key: string; wish: CacheWish }) {
    const { plan } = request
    const left = new AbortController()
    const over = new AbortController()
    const call: Call = { ...request.call, signal: over.signal }
    let flight: Flight | null = null
    let collected: CollectedAnswer | null = null
    let begunIn = generation
    let how: 'hit' | 'miss' | null = null

    function leave(): void {
      if (flight !== null && flight.waiting.size > 0) left.abort()
      else over.abort(clientGone())
    }

    function settle(end: FlightEnd): void {
      if (flight === null) return
      if (flights.get(key) === flight) flights.delete(key)
      const waiting = [...flight.waiting]
      flight = null
      for (const done of waiting) done(end)
      if (left.signal.aborted) over.abort(clientGone())
    }

    /** The end of an equal call's flight; null when it takes too long. Rejects when our own client leaves. */
    function follow(other: Flight): Promise<FlightEnd | null> {
      return new Promise((resolve, reject) => {
        const stop = () => {
          clearTimeout(timer)
          other.waiting.delete(done)
          call.signal.removeEventListener('abort', gone)
          if (other.waiting.size === 0) other.deserted()
        }
        const done = (end: FlightEnd | null) => {
          stop()
          resolve(end)
        }
        const gone = () => {
          stop()
          reject(clientGone())
        }
        const timer = setTimeout(done, patienceMs(plan), null)
        if (call.signal.aborted) return gone()
        other.waiting.add(done)
        call.signal.addEventListener('abort', gone, { once: true })
      })
    }

    function hit(answer: KeptAnswer, progress: Progress): Served {
      counts.hits++
      how = 'hit'
      progress.provider = answer.target.provider
      progress.targetModel = answer.target.model
      progress.isCached = true
      return replayAnswer(answer, { call, plan, wish })
    }

    async function serve(progress: Progress): Promise<Served> {
      const found = wish.maxAgeMs > 0 ? kept.find(key, wish.maxAgeMs) : null
      if (found !== null && suits(found, wish)) return hit(found, progress)
      let hasWaited = false
      let isAlone = wish.maxAgeMs === 0 && flights.has(key)
      for (let other = flights.get(key); other !== undefined && !isAlone; other = flights.get(key)) {
        hasWaited = true
        const end = await follow(other)
        if (end?.kind === 'answered' && suits(end.answer, wish)) {
          counts.coalesced++
          return hit(end.answer, progress)
        }
        if (end?.kind === 'refused') {
          counts.misses++
          how = 'miss'
          throw end.cause
        }
        isAlone = end?.kind !== 'abandoned'
      }
      counts.misses++
      how = 'miss'
      begunIn = generation
      if (!isAlone) takeOff()
      // The time for all attempts begins with the first one.
      return fetch(hasWaited ? { ...call, startedMs: clock.monotonic() } : call, progress)
    }

    function takeOff(): void {
      const deserted = () => {
        if (left.signal.aborted) over.abort(clientGone())
      }
      flight = { waiting: new Set(), deserted }
      flights.set(key, flight)
    }

    async function fetch(one: Call, progress: Progress): Promise<Served> {
      try {
        collected = collectAnswer(await request.fetch(one, progress), {
          call,
          largestBytes: kept.largestBytes(),
          take(bytes) {
            if (collecting + bytes > config.maxBytes) return false
            collecting += bytes
            return true
          },
          give(bytes) {
            collecting -= bytes
          },
          givenUp: () => settle({ kind: 'unsuitable' }),
        })
        return collected.served
      } catch (cause) {
        settle(isGone(cause) || call.signal.aborted ? { kind: 'abandoned' } : { kind: 'refused', cause })
        throw cause
      }
    }

    function ended(outcome: Outcome): void {
      request.call.signal.removeEventListener('abort', leave)
      let answer: KeptAnswer | null = null
      try {
        if (outcome === 'succeeded') answer = collected?.finish() ?? null
        if (answer !== null && config.isEnabled && begunIn === generation) kept.put(key, answer)
      } finally {
        collected?.drop()
        collected = null
        // Whatever happened: nobody waits for ever.
        settle(endOf(outcome, answer))
      }
    }

    if (request.call.signal.aborted) over.abort(clientGone())
    else request.call.signal.addEventListener('abort', leave, { once: true })
    return {
      call,
      part: { serve, clientLeft: left.signal, isAwaited: () => (flight?.waiting.size ?? 0) > 0, ended },
      how: () => how,
    }
  }

  return {
    isEnabled: () => config.isEnabled,
    configure(next) {
      config = next
      kept.configure(next)
      if (!next.isEnabled) clear()
    },
    async answer(request) {
      const wish = readCacheWish(request.call)
      const key = wish === null ? null : cacheKeyOf(request.call, request.plan, config.isShared)
      if (wish === null || key === null) return request.send(request.call, request.plan)
      const { call, part, how } = cachedCall(request, { key, wish })
      const response = await request.send(call, { ...request.plan, cached: part })
      // A stream that began with comments began before it was known.
      const told = how()
      if (told !== null) response.headers.set('x-any2api-cache', told)
      return response
    },
    clear,
    status: () => ({ isEnabled: config.isEnabled, maxBytes: config.maxBytes, ...counts, ...kept.size() }),
  }
}

function isGone(cause: unknown): boolean {
  return cause instanceof UpstreamError && cause.kind === 'client_gone'
}

function endOf(outcome: Outcome, answer: KeptAnswer | null): FlightEnd {
  if (outcome === 'succeeded') return answer === null ? { kind: 'unsuitable' } : { kind: 'answered', answer }
  if (outcome === 'aborted') return { kind: 'abandoned' }
  const message = 'the upstream broke off in the middle of its answer'
  return { kind: 'refused', cause: new GatewayError('upstream_stream_cut', message, { status: 502 }) }
}

/** As long as an answer may take that is not streamed; only an endless stream takes longer. */
function patienceMs(plan: Plan): number {
  const longest = plan.targets.map(({ provider }) => {
    const { maxWaitMs, timeouts } = plan.upstreamOf(provider).config
    return maxWaitMs + timeouts.answerMs
  })
  return Math.min(Math.max(...longest), longestTimerMs)
}

const longestTimerMs = 2 ** 31 - 1
