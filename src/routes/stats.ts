/** `GET /stats`: totals for ever or over a range, and the state of this moment. */
import type { BlacklistEntry } from '../domain.ts'
import type { BudgetStatus, ClientLimitStatus } from '../gateway/client-limits.ts'
import type { CredentialStatus } from '../gateway/credential-pool.ts'
import type { GatewayStatus } from '../gateway/gateway.ts'
import type { Quota } from '../gateway/quota.ts'
import type { CacheStatus } from '../gateway/response-cache.ts'
import { describeError } from '../log.ts'
import type { StatsTotals, Totals } from '../stores/store.ts'
import { documentRoute, queryParameter } from './documentation.ts'
import { formatUptime } from './health.ts'
import type { OperatorContext, OperatorParts, ReloadResult } from './operator.ts'
import { answerCsv, describeRange, exampleRange, readStatsQuery } from './stats-range.ts'

export function stats(parts: OperatorParts) {
  return async ({ request }: OperatorContext): Promise<Response> => {
    const { gateway, store, clock } = parts
    const asked = readStatsQuery(request, { now: clock.now(), timezone: gateway.config().store.timezone })
    if (asked === null) return answer(parts, await allTotals(parts))
    const range = await store.rangeStats(asked.query)
    if (asked.format === 'csv') return answerCsv(range, clock.now())
    return answer(parts, describeRange(range, asked.query, gateway.config().store.timezone))
  }
}

/** What was counted an instant ago belongs into it; that it cannot be read must not hide the state of the credentials. */
function allTotals({ store, log }: OperatorParts): Promise<StatsTotals> {
  return store.totals().catch((error: unknown) => {
    log.error('statistics could not be read', describeError(error))
    return noTotals
  })
}

function answer(parts: OperatorParts, totals: object): Response {
  const { gateway, store, clock } = parts
  const now = clock.now()
  const status = gateway.status()
  return Response.json({
    server: {
      uptime: formatUptime(Math.max(0, (now - parts.startedAt) / 1000)),
      requestCount: gateway.metrics.snapshot().calls,
      startTime: isoTime(parts.startedAt),
      version: parts.version,
    },
    keys: describeKeys(status, gateway.config().providers[0]?.startIndex ?? 0),
    timestamp: isoTime(now),
    ...totals,
    clients_limits: Object.fromEntries(gateway.limits.status().map((one) => [one.name, describeLimits(one)])),
    cache: describeCache(gateway.cache.status()),
    breakers: status.breakers.map((breaker) => ({ ...breaker, until: isoTimeOrNull(breaker.until) })),
    reload: describeReload(parts.lastReload()),
    store: { persistence: store.persistence, reason: store.memoryReason ?? null, problem: store.problem() },
  })
}

/** The counters begin with the process; `totals` are the ones that last. */
function describeKeys({ counts, providers }: GatewayStatus, startIndex: number) {
  const credentials = providers.flatMap((provider) =>
    provider.credentials.map((credential) => describeCredential(provider.name, credential)),
  )
  const sum = (name: 'successes' | 'failures') => credentials.reduce((total, one) => total + one[name], 0)
  return {
    currentIndex: startIndex + sum('successes') + sum('failures'),
    totalKeys: counts.total,
    healthyKeys: counts.healthy,
    blacklistedKeys: counts.blacklisted,
    successCount: sum('successes'),
    failureCount: sum('failures'),
    memoryUsage: {
      failureCountsSize: credentials.filter((credential) => credential.failuresInRow > 0).length,
      blacklistSize: providers.reduce((total, provider) => total + provider.blacklist.length, 0),
    },
    credentials,
  }
}

function describeCredential(provider: string, credential: CredentialStatus) {
  const whole = credential.entries.find((entry) => entry.scope === '') ?? null
  return {
    label: credential.label,
    kind: credential.kind,
    provider,
    index: credential.index,
    state: credential.state,
    reason: whole?.reason ?? null,
    detail: whole?.detail ?? null,
    since: isoTimeOrNull(whole?.since ?? null),
    until: isoTimeOrNull(whole?.until ?? null),
    restsFor: credential.entries.filter((entry) => entry.scope !== '').map(describeRest),
    inFlight: credential.inFlight,
    successes: credential.successes,
    failures: credential.failures,
    failuresInRow: credential.failuresInRow,
  }
}

function describeRest(entry: BlacklistEntry) {
  return { scope: entry.scope, reason: entry.reason, until: isoTimeOrNull(entry.until) }
}

/** A limit that a client has not is null. */
function describeLimits({ allowed, refused, rpm, rps, tpm, concurrency, budget }: ClientLimitStatus) {
  return {
    allowed,
    refused,
    rpm: rpm === null ? null : describeQuota(rpm),
    rps: rps === null ? null : { ...describeQuota(rps), limit: rps.perSecond, burst: rps.limit },
    tpm: tpm === null ? null : describeQuota(tpm),
    max_concurrent: concurrency,
    budget: budget === null ? null : describeBudget(budget),
  }
}

function describeQuota({ limit, remaining, resetMs }: Quota) {
  return { limit, remaining, reset_ms: Math.ceil(resetMs) }
}

function describeBudget({ period, limitMicroUsd, spentMicroUsd, reservedMicroUsd, endsAt }: BudgetStatus) {
  return {
    period,
    limit_usd: limitMicroUsd / 1_000_000,
    spent_usd: spentMicroUsd / 1_000_000,
    reserved_usd: Math.round(reservedMicroUsd) / 1_000_000,
    ends: isoTime(endsAt),
  }
}

function describeCache({ isEnabled, hits, misses, coalesced, evictions, entries, bytes, maxBytes }: CacheStatus) {
  return { enabled: isEnabled, hits, misses, coalesced, evictions, entries, bytes, maxBytes }
}

function describeReload(last: ReloadResult | null) {
  if (last === null) return null
  const { isApplied, cause, problems, notices, needsRestart } = last
  return { time: isoTime(last.time), applied: isApplied, cause, problems, notices, needsRestart }
}

const zero: Totals = {
  requests: 0,
  succeeded: 0,
  failed: 0,
  aborted: 0,
  input_tokens: 0,
  output_tokens: 0,
  cached_tokens: 0,
  reasoning_tokens: 0,
  cost_usd: 0,
}

const noTotals: StatsTotals = {
  totals: zero,
  models: {},
  providers: {},
  credentials: {},
  clients: {},
  days: {},
  hours: {},
}

function isoTime(time: number): string {
  return new Date(time).toISOString()
}

function isoTimeOrNull(time: number | null): string | null {
  return time === null ? null : isoTime(time)
}

const exampleTotals: Totals = {
  requests: 1284,
  succeeded: 1270,
  failed: 9,
  aborted: 5,
  input_tokens: 812_440,
  output_tokens: 203_118,
  cached_tokens: 120_064,
  reasoning_tokens: 0,
  cost_usd: 4.061_2,
}

export const statsDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'Statistics and live state',
  description:
    'Totals are kept for ever and survive restarts; the counters under `server` and `keys` begin with the process. Credentials are shown as a short fingerprint and their last four characters. With any parameter the totals are those of the range and filter, and `range`, `series` and `percentiles` come with them.',
  parameters: [
    queryParameter('from', '`24h` (ago), date, time or Unix seconds; everything where it is missing', {
      type: 'string',
    }),
    queryParameter('to', 'Likewise; now where it is missing', { type: 'string' }),
    queryParameter('model', 'Of this model only', { type: 'string' }),
    queryParameter('provider', 'Of this provider only', { type: 'string' }),
    queryParameter('client', 'Of this client key only', { type: 'string' }),
    queryParameter('credential', 'Of this credential only; goes with `provider` at most', { type: 'string' }),
    queryParameter('bucket', 'Step of the series', { type: 'string', enum: ['hour', 'day'] }),
    queryParameter('by', 'A line for each', { type: 'string', enum: ['model', 'provider', 'client', 'credential'] }),
    queryParameter('top', 'So many lines, the rest as `other`', {
      type: 'integer',
      minimum: 1,
      maximum: 50,
      default: 8,
    }),
    queryParameter('format', '`csv`: the series as a file', { type: 'string', enum: ['json', 'csv'] }),
  ],
  answer: {
    description: 'The statistics',
    example: {
      server: { uptime: '2h5m1s', requestCount: 412, startTime: '2030-01-01T08:00:00.000Z', version: '1.0.0' },
      keys: {
        currentIndex: 420,
        totalKeys: 3,
        healthyKeys: 2,
        blacklistedKeys: 1,
        successCount: 406,
        failureCount: 14,
        memoryUsage: { failureCountsSize: 0, blacklistSize: 1 },
        credentials: [
          {
            label: '1f0c9a3e…9abc',
            kind: 'key',
            provider: 'openai',
            index: 0,
            state: 'cooling',
            reason: 'rate_limited',
            detail: '429 rate_limit_exceeded',
            since: '2030-01-01T10:04:41.000Z',
            until: '2030-01-01T10:05:41.000Z',
            restsFor: [],
            inFlight: 0,
            successes: 200,
            failures: 7,
            failuresInRow: 0,
          },
        ],
      },
      timestamp: '2030-01-01T10:05:01.000Z',
      totals: exampleTotals,
      models: { 'gpt-4o': exampleTotals },
      providers: { openai: exampleTotals },
      credentials: { '1f0c9a3e…9abc': exampleTotals },
      clients: { alice: exampleTotals },
      days: { '2030-01-01': exampleTotals },
      hours: { '2030-01-01T10:00': exampleTotals },
      clients_limits: {
        alice: {
          allowed: 410,
          refused: { rpm: 2, rps: 0, tpm: 0, concurrency: 0, budget: 0 },
          rpm: { limit: 60, remaining: 58, reset_ms: 51_200 },
          rps: null,
          tpm: null,
          max_concurrent: { limit: 10, used: 1 },
          budget: {
            period: 'month',
            limit_usd: 20,
            spent_usd: 4.061_2,
            reserved_usd: 0.003,
            ends: '2030-02-01T00:00:00.000Z',
          },
        },
      },
      cache: {
        enabled: true,
        hits: 210,
        misses: 202,
        coalesced: 12,
        evictions: 0,
        entries: 180,
        bytes: 412_004,
        maxBytes: 67_108_864,
      },
      ...exampleRange,
      breakers: [],
      reload: null,
      store: { persistence: 'sqlite', reason: null, problem: null },
    },
  },
  errors: [400],
})
