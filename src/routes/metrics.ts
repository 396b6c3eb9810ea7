/** `GET /metrics`: for Prometheus as text, for others as flat JSON. What is counted is `gateway/metrics.ts`'s business. */
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { cpuUsage, memoryUsage } from 'node:process'
import type { Metric } from 'prom-client'
import { requireAdmin } from '../access.ts'
import { type ClientLimits, limitKinds } from '../gateway/client-limits.ts'
import type { GatewayStatus } from '../gateway/gateway.ts'
import { bucketBoundsMs, type Histogram, type Series } from '../gateway/metrics.ts'
import type { CacheStatus } from '../gateway/response-cache.ts'
import { documentRoute } from './documentation.ts'
import type { OperatorContext, OperatorParts } from './operator.ts'

export function metrics(parts: OperatorParts) {
  return async ({ request, visitor }: OperatorContext): Promise<Response> => {
    if (!parts.gateway.config().server.areMetricsPublic) requireAdmin(visitor)
    const headers = { vary: 'accept' }
    if (wantsJson(request.headers.get('accept') ?? '')) return Response.json(jsonMetrics(parts), { headers })
    const { text, contentType } = await writeFamilies(families(parts))
    return new Response(text, { headers: { ...headers, 'content-type': contentType } })
  }
}

/** One metric name with all its values, as the registry writes it. */
interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly values: readonly Sample[]
}

interface Sample {
  /** Where it is not the family's own: the parts of a histogram. */
  readonly metricName?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** A scraper asks for text or takes anything. */
function wantsJson(accept: string): boolean {
  return accept.includes('application/json') && !accept.includes('text/plain') && !accept.includes('openmetrics')
}

async function writeFamilies(all: readonly Family[]): Promise<{ text: string; contentType: string }> {
  // Not before it is asked for: it takes 5 MB, and many gateways are never asked.
  const { Registry } = await import('prom-client')
  const registry = new Registry()
  for (const family of all) {
    // The registry asks no more of a metric than this; the counting has been done elsewhere.
    const metric = { ...family, get: async () => family }
    registry.registerMetric(metric as unknown as Metric<string>)
  }
  return { text: await registry.metrics(), contentType: Registry.PROMETHEUS_CONTENT_TYPE }
}

function families(parts: OperatorParts): Family[] {
  const { gateway, store, version, startedAt } = parts
  const { activeCalls, refusals, series } = gateway.metrics.snapshot()
  const status = gateway.status()
  return [
    {
      name: 'any2api_requests_total',
      help: 'Finished calls, by the provider and model that served them last',
      type: 'counter',
      values: series.map((one) => ({
        labels: { ...targetLabels(one), status: one.status, outcome: one.outcome },
        value: one.calls,
      })),
    },
    histogram({
      name: 'any2api_request_duration_seconds',
      help: 'From the start of a call to its end, streams included',
      series,
      read: (one) => one.duration,
    }),
    histogram({
      name: 'any2api_time_to_first_byte_seconds',
      help: 'From the start of a call to the first byte of its answer',
      series,
      read: (one) => one.firstByte,
    }),
    {
      name: 'any2api_tokens_total',
      help: 'Tokens of finished calls; cached ones are part of input, reasoning ones of output',
      type: 'counter',
      values: perTarget(series).flatMap(({ labels, members }) =>
        tokenTypes.map(([type, read]) => ({ labels: { ...labels, type }, value: sumOf(members, read) })),
      ),
    },
    {
      name: 'any2api_cost_usd_total',
      help: 'Cost of finished calls in US dollars',
      type: 'counter',
      values: perTarget(series).map(({ labels, members }) => ({
        labels,
        value: sumOf(members, (one) => one.costMicroUsd) / 1_000_000,
      })),
    },
    {
      name: 'any2api_attempts_total',
      help: 'Upstream attempts of finished calls',
      type: 'counter',
      values: perTarget(series).map(({ labels, members }) => ({
        labels,
        value: sumOf(members, (one) => one.attempts),
      })),
    },
    {
      name: 'any2api_refused_requests_total',
      help: 'Requests the gateway itself refused, by the status it told',
      type: 'counter',
      values: Object.entries(refusals).map(([told, value]) => ({ labels: { status: told }, value })),
    },
    {
      name: 'any2api_limited_requests_total',
      help: 'Calls refused because a client had used up a limit, by the limit',
      type: 'counter',
      values: limitKinds.map((limit) => ({ labels: { limit }, value: gateway.limits.counts().refused[limit] })),
    },
    ...cacheFamilies(gateway.cache.status()),
    gauge('any2api_active_requests', 'Calls under way', [{ value: activeCalls }]),
    gauge('any2api_credentials', 'Credentials by state', credentialSamples(status)),
    gauge('any2api_breakers', 'Circuit breakers that are not closed, by state', breakerSamples(status)),
    gauge('any2api_store_problem', 'Whether statistics cannot be written now', [
      { value: store.problem() === null ? 0 : 1 },
    ]),
    {
      name: 'any2api_store_lost_records_total',
      help: 'Calls whose records there was no room for, or that went down with the thread of the database',
      type: 'counter',
      values: [{ value: store.lostRecords?.() ?? 0 }],
    },
    gauge('any2api_build_info', 'Which program this is', [{ labels: { version }, value: 1 }]),
    ...processFamilies(startedAt),
  ]
}

function cacheFamilies({ hits, misses, evictions, bytes, entries }: CacheStatus): Family[] {
  return [
    counter('any2api_cache_hits_total', 'Calls answered from the answer cache', hits),
    counter('any2api_cache_misses_total', 'Calls that the answer cache could have answered and did not', misses),
    counter('any2api_cache_evictions_total', 'Kept answers that made room for others', evictions),
    gauge('any2api_cache_bytes', 'Memory of kept answers', [{ value: bytes }]),
    gauge('any2api_cache_entries', 'Kept answers', [{ value: entries }]),
  ]
}

function counter(name: string, help: string, value: number): Family {
  return { name, help, type: 'counter', values: [{ value }] }
}

function processFamilies(startedAt: number): Family[] {
  const { user, system } = cpuUsage()
  return [
    {
      name: 'process_cpu_seconds_total',
      help: 'User and system CPU time',
      type: 'counter',
      values: [{ value: (user + system) / 1_000_000 }],
    },
    gauge('process_resident_memory_bytes', 'Resident memory', [{ value: memoryUsage.rss() }]),
    gauge('process_start_time_seconds', 'Start of the program, in Unix seconds', [{ value: startedAt / 1000 }]),
    ...openFiles(),
  ]
}

/** Where the system tells: a count that only grows is how leaked connections show first. */
function openFiles(): Family[] {
  try {
    return [gauge('process_open_fds', 'Open file descriptors', [{ value: readdirSync('/proc/self/fd').length }])]
  } catch {
    return []
  }
}

const tokenTypes: readonly [string, (one: Series) => number][] = [
  ['input', (one) => one.inputTokens],
  ['output', (one) => one.outputTokens],
  ['cached', (one) => one.cachedTokens],
  ['reasoning', (one) => one.reasoningTokens],
]

function gauge(name: string, help: string, values: readonly Sample[]): Family {
  return { name, help, type: 'gauge', values }
}

function targetLabels({ provider, model }: Series) {
  return { provider, model }
}

/** Without status and outcome: a family of many buckets must not have a copy for each. */
function perTarget(series: readonly Series[]) {
  const targets = new Map<string, { labels: ReturnType<typeof targetLabels>; members: Series[] }>()
  for (const one of series) {
    const key = `${one.provider}\n${one.model}`
    const known = targets.get(key)
    if (known === undefined) targets.set(key, { labels: targetLabels(one), members: [one] })
    else known.members.push(one)
  }
  return [...targets.values()]
}

interface HistogramSource {
  readonly name: string
  readonly help: string
  readonly series: readonly Series[]
  readonly read: (one: Series) => Histogram
}

/** Kept in milliseconds and by single bucket; written in seconds and cumulative, as the format asks. */
function histogram({ name, help, series, read }: HistogramSource): Family {
  const values = perTarget(series).flatMap(({ labels, members }): Sample[] => {
    const histograms = members.map(read)
    let below = 0
    const buckets = bucketBoundsMs.map((bound, index) => {
      below += histograms.reduce((total, one) => total + (one.buckets[index] ?? 0), 0)
      return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bound / 1000) }, value: below }
    })
    const count = histograms.reduce((total, one) => total + one.count, 0)
    const sumMs = histograms.reduce((total, one) => total + one.sumMs, 0)
    return [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
      { metricName: `${name}_sum`, labels, value: sumMs / 1000 },
      { metricName: `${name}_count`, labels, value: count },
    ]
  })
  return { name, help, type: 'histogram', values }
}

const credentialStates = ['healthy', 'cooling', 'blacklisted', 'paused'] as const

/** Zeros are written too: an alert on a state must not depend on its ever having occurred. */
function credentialSamples({ providers }: GatewayStatus): Sample[] {
  return providers.flatMap(({ name, credentials }) =>
    credentialStates.map((state) => ({
      labels: { provider: name, state },
      value: credentials.filter((credential) => credential.state === state).length,
    })),
  )
}

function breakerSamples({ providers, breakers }: GatewayStatus): Sample[] {
  return providers.flatMap(({ name }) =>
    (['open', 'half_open'] as const).map((state) => ({
      labels: { provider: name, state },
      value: breakers.filter((breaker) => breaker.state === state && providerOf(breaker.target) === name).length,
    })),
  )
}

function providerOf(target: string): string {
  const end = target.indexOf('/')
  return end < 0 ? target : target.slice(0, end)
}

function sumOf(series: readonly Series[], read: (one: Series) => number): number {
  return series.reduce((total, one) => total + read(one), 0)
}

/** Names that scripts of the replaced programs read. */
function jsonMetrics({ gateway, clock, startedAt, version }: OperatorParts) {
  const { activeCalls, calls, failed, refusals, series } = gateway.metrics.snapshot()
  const refused = Object.values(refusals).reduce((total, count) => total + count, 0)
  const succeeded = sumOf(
    series.filter((one) => one.outcome === 'succeeded'),
    (one) => one.calls,
  )
  const uptimeSeconds = Math.max(0, (clock.now() - startedAt) / 1000)
  const memory = memoryUsage()
  const cache = gateway.cache.status()
  const lists = gateway.modelListStatus()
  return {
    active_requests: activeCalls,
    total_requests: calls,
    error_count: failed,
    uptime_seconds: uptimeSeconds,
    cpu_cores: availableParallelism(),
    model_redirects: gateway.config().models.length,
    version,
    start_time: new Date(startedAt).toISOString(),
    request_count: calls,
    success_count: succeeded,
    refused_count: refused,
    cache_stats: {
      enabled: cache.isEnabled,
      model_cache: cacheStats({ ...lists, size: lists.lists }, uptimeSeconds),
      response_cache: cacheStats({ ...cache, size: cache.entries }, uptimeSeconds),
      requestCount: calls,
      cacheHitCount: cache.hits,
    },
    conn_stats: { active_connections: activeCalls, attempts: sumOf(series, (one) => one.attempts) },
    rate_stats: rateStats(gateway.limits),
    mem_stats: {
      rss: memory.rss,
      heap_total: memory.heapTotal,
      heap_used: memory.heapUsed,
      external: memory.external,
    },
  }
}

/** Over all clients together, in requests per second; of those with two limits of requests, the tighter one. */
function rateStats(limits: ClientLimits) {
  const rates = limits.status().flatMap(({ rpm, rps }) => {
    const bySecond = rps === null ? null : { rate: rps.perSecond, burst: rps.limit, available: rps.remaining }
    const byMinute = rpm === null ? null : { rate: rpm.limit / 60, burst: rpm.limit, available: rpm.remaining }
    if (bySecond === null || byMinute === null) return bySecond ?? byMinute ?? []
    return bySecond.rate <= byMinute.rate ? bySecond : byMinute
  })
  const sum = (of: 'rate' | 'burst' | 'available') => rates.reduce((total, each) => total + each[of], 0)
  const { allowed, refused } = limits.counts()
  const rejected = limitKinds.reduce((total, kind) => total + refused[kind], 0)
  const all = allowed + rejected
  return {
    enabled: rates.length > 0,
    rate: sum('rate'),
    burst: sum('burst'),
    available_tokens: sum('available'),
    request_count: all,
    allowed_count: allowed,
    rejected_count: rejected,
    rejection_rate: all === 0 ? 0 : rejected / all,
  }
}

/** As scira2api has them. */
function cacheStats({ hits, misses, size }: { hits: number; misses: number; size: number }, uptimeSeconds: number) {
  const asked = hits + misses
  return { hits, misses, size, hit_rate: asked === 0 ? 0 : hits / asked, uptime_seconds: uptimeSeconds }
}

export const metricsDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'Metrics',
  description:
    'Prometheus text; flat JSON with `Accept: application/json`. The operator can open it to everybody (`metrics.public`).',
  answer: {
    description: 'The metrics',
    content: {
      'text/plain': {
        example:
          '# HELP any2api_active_requests Calls under way\n# TYPE any2api_active_requests gauge\nany2api_active_requests 2\n',
      },
      'application/json': {
        example: {
          active_requests: 2,
          total_requests: 412,
          error_count: 3,
          uptime_seconds: 7501.2,
          cpu_cores: 4,
          model_redirects: 2,
        },
      },
    },
  },
})
