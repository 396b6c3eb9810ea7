/** Which calls the answer cache has to do with, what they wish of it, and when two of them are equal. */
import type { ProviderConfig } from '../domain.ts'
import { membersOf } from '../formats/json-members.ts'
import type { Call } from '../providers/provider.ts'
import { requestHeaders } from '../providers/upstream-fetch.ts'
import type { Plan } from './failover.ts'
import { natureOfPath } from './stateful-paths.ts'

export interface CacheWish {
  /** A kept answer may be this old; 0: it must be a new one. */
  readonly maxAgeMs: number
  readonly isStream: boolean
  /** A stream is told its usage only when it asks. */
  readonly isUsageWanted: boolean
}

/** Answers that leave nothing behind at the upstream. The Responses API is not among them: it keeps what it answers unless told not to. */
const cachedPaths = new Set(['/chat/completions', '/completions', '/embeddings'])

/** Null for a call whose answer is neither read from the cache nor kept. */
export function readCacheWish(call: Call): CacheWish | null {
  const { json, isStream } = call.view
  if (json === null || call.method !== 'POST' || !cachedPaths.has(call.path)) return null
  if (json.store === true || natureOfPath(call) !== 'free') return null
  if (isStream && call.path === '/embeddings') return null
  const control = call.headers.get('cache-control')?.toLowerCase() ?? ''
  if (/\bno-store\b/.test(control)) return null
  const maxAge = /\bmax-age\s*=\s*"?(\d+)/.exec(control)
  const isNewWanted = /\bno-cache\b/.test(control)
  const options = json.stream_options
  const isUsageAsked =
    typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
  return {
    maxAgeMs: isNewWanted ? 0 : maxAgeMs(maxAge?.[1]),
    isStream,
    isUsageWanted: !isStream || isUsageAsked,
  }
}

function maxAgeMs(seconds: string | undefined): number {
  return seconds === undefined ? Number.POSITIVE_INFINITY : Number(seconds) * 1000
}

/** They say how an answer is sent, not what is in it. */
const formMembers = new Set(['stream', 'stream_options'])

/** Headers that reach the upstream and change nothing of an answer. Every other one is part of the key. */
const innocentHeaders = new Set([
  ...['accept', 'content-type', 'user-agent', 'cache-control', 'pragma', 'priority', 'dnt', 'date'],
  ...['idempotency-key', 'traceparent', 'tracestate', 'baggage', 'b3', 'sentry-trace', 'x-client-request-id'],
])
const innocentPrefixes = /^(?:x-stainless-|x-b3-)/

/**
 * SHA-256 over all that shapes the answer. Members of the body may stand in any order; within them every byte counts, since
 * upstreams do not read numbers, escapes and doubled names alike. Null when `stream` is given twice: it is not known how it is read.
 */
export function cacheKeyOf(call: Call, plan: Plan, isShared: boolean): string | null {
  const text = Buffer.from(call.body.buffer, call.body.byteOffset, call.body.byteLength).toString('latin1')
  const members = [...membersOf(text, 0)]
  if (members.filter(({ name }) => name === 'stream').length > 1) return null
  members.sort((a, b) => Number(a.name > b.name) - Number(a.name < b.name))
  const headers = Object.entries(requestHeaders(call.headers)).filter(
    ([name]) => !innocentHeaders.has(name) && !innocentPrefixes.test(name),
  )
  const targets = plan.targets.map((target) => [
    target.provider,
    target.model,
    fingerprintOf(plan.upstreamOf(target.provider).config),
  ])
  const hash = new Bun.CryptoHasher('sha256')
  const client = isShared ? null : [call.client.name, call.client.hash]
  hash.update(JSON.stringify([client, call.path, call.query, headers.sort(), targets]))
  for (const { name, start, end } of members) {
    if (formMembers.has(name)) continue
    // A name and a value of JSON end where they end: no two bodies make the same text.
    hash.update(`\n${JSON.stringify(name)}:`)
    hash.update(text.slice(start, end))
  }
  return hash.digest('base64url')
}

const fingerprints = new WeakMap<ProviderConfig, string>()

/** Of all settings but its credentials: another address, or other headers, may mean another answer. */
function fingerprintOf(config: ProviderConfig): string {
  const known = fingerprints.get(config)
  if (known !== undefined) return known
  const fingerprint = new Bun.CryptoHasher('sha256')
    .update(JSON.stringify({ ...config, credentials: [] }))
    .digest('base64url')
  fingerprints.set(config, fingerprint)
  return fingerprint
}
