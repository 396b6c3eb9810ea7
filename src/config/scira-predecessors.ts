/** scira2api, which any2api replaces: in front of Scira, as it was, or of any OpenAI-compatible service, as its README promised. */
import { type Environment, splitList } from './environment.ts'
import { parseGoBoolean, respellGoDuration } from './go-spellings.ts'
import { attemptTimeout, withVersionPath } from './predecessor-upstreams.ts'
import type { Assignment, Predecessor, PredecessorSetting, Surroundings } from './predecessors.ts'

type Kind = 'scira' | 'openai'

/** The same program twice, since its upstream is of one kind or the other; at most one of them is meant. */
export const sciraPredecessors: readonly Predecessor[] = [become('scira'), become('openai')]

// https://github.com/CrisRain/Scira2API at a5531a0 (2025-06-06): README.md and .env.example; where they differ, the README counts.
function become(kind: Kind): Predecessor {
  const name = kind === 'scira' ? 'scira' : 'scira2api'
  const provider = `/providers/${name}`
  return {
    title: 'scira2api',
    provider: name,
    recognisedBy: ['BASE_URL', 'MODEL_MAPPINGS', 'APIKEY'],
    isMeant: (environment) => kindOf(environment) === kind,
    openWithout: 'APIKEY',
    hint: (environment) =>
      kind === 'scira' || environment.read('UPSTREAM_API_KEY') !== undefined
        ? null
        : 'UPSTREAM_API_KEY is not set: the service that scira2api stood in front of is called without a key',
    file: { variable: null, candidates: [], marks: [], settings: {} },
    defaults: (surroundings) => [
      ['/server/port', 8080],
      ['/default_provider', name],
      [`${provider}/type`, kind],
      ...(kind === 'openai' ? [[`${provider}/base_url`, 'https://api.openai.com'] as const] : []),
      [`${provider}/max_attempts`, 3],
      ...attemptTimeout(provider, '600s'),
      ...limitDefaults(surroundings),
      // Where there is a file of our own, these are its business.
      ...(surroundings.hasOwnFile ? [] : openToClients),
    ],
    environment: {
      BASE_URL: { to: `${provider}/base_url`, ...(kind === 'openai' ? { read: withVersionPath } : {}) },
      UPSTREAM_TYPE: {
        to: `${provider}/type`,
        fault: (value) => (isKind(value.toLowerCase()) ? null : 'must be scira or openai'),
        read: () => kind,
      },
      UPSTREAM_API_KEY:
        kind === 'openai'
          ? { to: `${provider}/keys`, read: splitList }
          : { noEffect: 'Scira asks for no key; UPSTREAM_TYPE=openai means a service that does' },
      APIKEY: { to: '/access/client_keys', read: (value) => [value] },
      // Each overrules those before it.
      http_proxy: { to: `${provider}/proxy`, read: httpProxy },
      HTTP_PROXY: { to: `${provider}/proxy`, read: httpProxy },
      SOCKS5_PROXY: { to: `${provider}/proxy`, read: socksProxy },
      CLIENT_TIMEOUT: { unit: 's', translate: (value) => attemptTimeout(provider, respellGoDuration(value)) },
      RETRY: { to: `${provider}/max_attempts`, read: (value) => (value === '0' ? 1 : value) },
      MODEL_MAPPINGS: {
        to: '/models',
        fault: faultOfMappings,
        read: (value) => Object.fromEntries(mappingsOf(value).map(([from, to]) => [from, `${name}/${to}`])),
      },
      ...settingsOfBoth(),
    },
  }
}

function settingsOfBoth(): Readonly<Record<string, PredecessorSetting>> {
  return {
    CACHE_ENABLED: { to: '/cache/enabled', fault: faultOfSwitch, read: (value) => parseGoBoolean(value) },
    MODEL_CACHE_TTL: { to: '/cache/model_list_ttl', read: (value) => respellGoDuration(value) },
    RESP_CACHE_TTL: { to: '/cache/ttl', read: (value) => respellGoDuration(value) },
    // What its code read instead.
    RESPONSE_CACHE_TTL: { to: '/cache/ttl', read: (value) => respellGoDuration(value) },
    RATE_LIMIT_ENABLED: { to: '/access/default_limits/rps', fault: faultOfSwitch, read: () => undefined },
    REQUESTS_PER_SECOND: { to: '/access/default_limits/rps', read: whileLimited },
    BURST: { to: '/access/default_limits/burst', read: whileLimited },
    CLEANUP_INTERVAL: { noEffect: 'what is out of date leaves the cache by itself' },
    CACHE_CLEANUP_INTERVAL: { noEffect: 'what is out of date leaves the cache by itself' },
    CONN_POOL_ENABLED: { noEffect: 'connections are always kept for later calls' },
    MAX_IDLE_CONNS: { noEffect: 'connections are kept as they are needed' },
    MAX_CONNS_PER_HOST: { noEffect: 'nothing bounds the calls to a host' },
    MAX_IDLE_CONNS_PER_HOST: { noEffect: 'connections are kept as they are needed' },
    IDLE_CONN_TIMEOUT: { noEffect: 'connections are kept as long as the upstream keeps them' },
    READ_TIMEOUT: { noEffect: 'a request may take as long as it moves' },
    WRITE_TIMEOUT: { noEffect: 'it cut streams; an answer may take as long as it moves' },
    IDLE_TIMEOUT: { noEffect: "connections of clients rest for a time of the server's own" },
    MODEL_MAPPING: { noEffect: 'it never had one; MODEL_MAPPINGS, with an S, has' },
  }
}

/** Its cache was one for all callers. With its single key that is ours too; `cache.shared` stays off, for other programs' keys. */
const openToClients: readonly Assignment[] = [
  ['/access/public_models', true],
  ['/cache/enabled', true],
  ['/cache/ttl', '5m'],
  ['/cache/model_list_ttl', '1h'],
]

/** On unless switched off; beside a file of our own only where switched on. */
function limitDefaults({ environment, hasOwnFile }: Surroundings): readonly Assignment[] {
  const written = environment.read('RATE_LIMIT_ENABLED')
  const isLimited = written === undefined ? !hasOwnFile : parseGoBoolean(written) === true
  if (!isLimited) return []
  return [
    ['/access/default_limits/rps', 1],
    ['/access/default_limits/burst', 10],
  ]
}

function whileLimited(value: string, { environment }: Surroundings): string | undefined {
  return parseGoBoolean(environment.read('RATE_LIMIT_ENABLED') ?? 'true') === false ? undefined : value
}

function faultOfSwitch(value: string): string | null {
  return parseGoBoolean(value) === null ? 'must be true or false' : null
}

/** What the operator says; else Scira where its models are meant, or its host, or no host at all. */
function kindOf(environment: Environment): Kind {
  const written = environment.read('UPSTREAM_TYPE')?.toLowerCase()
  if (written !== undefined && isKind(written)) return written
  const mappings = mappingsOf(environment.read('MODEL_MAPPINGS') ?? '')
  if (mappings.some(([, target]) => target.startsWith('scira-'))) return 'scira'
  const address = environment.read('BASE_URL')
  return address === undefined || isScira(address) ? 'scira' : 'openai'
}

function isKind(text: string): text is Kind {
  return text === 'scira' || text === 'openai'
}

function isScira(address: string): boolean {
  return URL.canParse(address) && /(^|\.)scira\.ai$/.test(new URL(address).hostname)
}

/** `client:target,client2:target2` */
function mappingsOf(text: string): readonly (readonly [string, string])[] {
  return pairsOf(text).flatMap((pair) => {
    const [, from, to] = mapping.exec(pair) ?? []
    return from === undefined || to === undefined ? [] : [[from, to] as const]
  })
}

const mapping = /^([^:]*[^:\s])\s*:\s*(\S.*)$/

function pairsOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
}

function faultOfMappings(text: string): string | null {
  const wrong = pairsOf(text).findIndex((pair) => !mapping.test(pair))
  if (wrong === -1) return null
  return `must be pairs such as gpt-4o:scira-4o, separated by commas; the ${ordinal(wrong + 1)} is none`
}

function ordinal(number: number): string {
  return ['first', 'second', 'third'][number - 1] ?? `${number}th`
}

function httpProxy(address: string): string {
  return address.includes('://') ? address : `http://${address}`
}

/** With or without `socks5://`. It let the proxy look names up. */
function socksProxy(address: string): string {
  const bare = address.replace(/^socks5:\/\//i, '')
  return bare.includes('://') ? bare : `socks5h://${bare}`
}
