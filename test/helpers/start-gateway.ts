/** A gateway on a real port, its configuration and its memory as values that a test can look into. */
import { type AppParts, createApp } from '../../src/app.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import { hashSecret } from '../../src/config/credential.ts'
import {
  type BlacklistEntry,
  type ClientKey,
  type Config,
  type Credential,
  noLimits,
  type OpenAiProviderConfig,
  type ProviderConfig,
  type UsageRecord,
} from '../../src/domain.ts'
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts'
import { createTokenCounter, type TokenCounter } from '../../src/gateway/token-counter.ts'
import { createLogger, type Logger } from '../../src/log.ts'
import type { Pin, Spending, Store } from '../../src/stores/store.ts'

export const clientSecret = 'sk-client-of-the-tests-0001'
export const adminSecret = 'admin-of-the-tests-00000001'

/** One thread for all gateways of a test file; it starts when something is counted. */
const sharedCounter = createTokenCounter({
  log: createLogger({ level: 'error', format: 'json', isColoured: false, write: () => {}, now: Date.now }),
})

export interface TestGateway {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  readonly gateway: Gateway
  readonly app: ReturnType<typeof createApp>
  readonly records: UsageRecord[]
  readonly memory: Memory
  /** Everything that was logged. */
  readonly logged: () => string
  /** A chat call with the client key. */
  chat(body: Record<string, unknown>, init?: RequestInit): Promise<Response>
  call(path: string, init?: RequestInit): Promise<Response>
  admin(path: string, init?: RequestInit): Promise<Response>
  /** Waits until so many calls have been recorded. */
  recorded(count: number): Promise<UsageRecord[]>
  stop(): Promise<void>
}

export interface TestGatewayOptions {
  readonly config: Config
  readonly clock?: Clock
  readonly memory?: Memory
  readonly counter?: TokenCounter
  /** What the settings say; by default they never change. */
  readonly settings?: Pick<AppParts, 'reload' | 'lastReload' | 'effectiveConfig'>
  readonly stopping?: AbortSignal
}

const fixedSettings: NonNullable<TestGatewayOptions['settings']> = {
  reload: () => ({ isApplied: true, problems: [], notices: [], needsRestart: [], time: 0, cause: 'test' }),
  lastReload: () => null,
  effectiveConfig: () => ({}),
}

export async function startGateway({
  config,
  clock = systemClock,
  memory = createMemory(),
  counter = sharedCounter,
  settings = fixedSettings,
  stopping,
}: TestGatewayOptions): Promise<TestGateway> {
  let logged = ''
  const log: Logger = createLogger({
    level: 'debug',
    format: 'json',
    isColoured: false,
    write: (lines) => {
      logged += lines
    },
    now: clock.now,
  })
  const remembered = {
    blacklist: [...memory.blacklist.values()],
    pins: [...memory.pins.values()],
    spending: memory.spending,
  }
  const gateway = createGateway({ config, clock, log, store: memory.store, counter, remembered })
  const app = createApp({
    gateway,
    store: memory.store,
    clock,
    log,
    version: '0.0.0-test',
    startedAt: clock.now(),
    ...settings,
    ...(stopping === undefined ? {} : { stopping }),
  })
  app.listen({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 30,
    reusePort: false,
    development: false,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
  })
  const url = `http://127.0.0.1:${app.server?.port}`
  const withKey =
    (secret: string) =>
    (path: string, init: RequestInit = {}) =>
      fetch(url + path, {
        ...init,
        headers: { authorization: `Bearer ${secret}`, ...(init.headers as Record<string, string>) },
      })
  const call = withKey(clientSecret)
  return {
    url,
    gateway,
    app,
    records: memory.records,
    memory,
    logged() {
      log.flush()
      return logged
    },
    chat: (body, init = {}) =>
      call('/v1/chat/completions', {
        method: 'POST',
        body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }], ...body }),
        ...init,
        headers: { 'content-type': 'application/json', ...(init.headers as Record<string, string>) },
      }),
    call,
    admin: withKey(adminSecret),
    async recorded(count) {
      await until(() => memory.records.length >= count)
      return memory.records
    },
    async stop() {
      await app.server?.stop(true)
      await gateway.close()
    },
  }
}

/** Waits for a condition; fails with a message when it does not come true. */
export async function until(condition: () => boolean, deadlineMs = 4000): Promise<void> {
  const end = Date.now() + deadlineMs
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${condition}`)
    await Bun.sleep(2)
  }
}

export interface Memory {
  readonly store: Store
  readonly records: UsageRecord[]
  readonly blacklist: Map<string, BlacklistEntry>
  readonly pins: Map<string, Pin>
  /** What clients had spent before the start. */
  readonly spending: Spending
}

/** What a store would keep, as plain values: the gateway under test is not the database. */
export function createMemory(): Memory {
  const records: UsageRecord[] = []
  const none = { startsAt: 0, costsMicroUsd: {} }
  const spending: Spending = { day: none, month: none }
  const blacklist = new Map<string, BlacklistEntry>()
  const pins = new Map<string, Pin>()
  const keyOf = (entry: Pick<BlacklistEntry, 'provider' | 'credentialId' | 'scope'>) =>
    [entry.provider, entry.credentialId, entry.scope].join('\n')
  const emptyTotals = {
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
  const store: Store = {
    persistence: 'memory',
    problem: () => null,
    recordUsage: (record) => void records.push(record),
    putBlacklistEntry: (entry) => void blacklist.set(keyOf(entry), entry),
    removeBlacklistEntry: (entry) => void blacklist.delete(keyOf(entry)),
    putPin: (pin) => void pins.set(`${pin.client}\n${pin.provider}`, pin),
    blacklist: async () => [...blacklist.values()],
    pins: async () => [...pins.values()],
    keys: async () => [],
    addKey: async () => {},
    revokeKey: async () => false,
    onKeysChanged: () => {},
    importTotals: async () => true,
    spending: async () => spending,
    totals: async () => ({
      totals: { ...emptyTotals, requests: records.length },
      models: {},
      providers: {},
      credentials: {},
      clients: {},
      days: {},
      hours: {},
    }),
    rangeStats: async () => {
      throw new Error('this memory keeps no series')
    },
    requests: async ({ limit }) => ({
      records: records.slice(-limit).reverse(),
      nextCursor: records.length > limit ? 'more' : null,
    }),
    flush: async () => {},
    close: async () => {},
  }
  return { store, records, blacklist, pins, spending }
}

/** A configuration with one client key, the admin key and these providers; the first one is the default. */
export function testConfig(providers: readonly ProviderConfig[], changes: Partial<Config> = {}): Config {
  return {
    server: {
      host: '127.0.0.1',
      port: 0,
      corsOrigins: ['*'],
      maxBodyBytes: 64 * 1024 * 1024,
      shutdownGraceMs: 1000,
      keepAliveMs: 15_000,
      isSwaggerEnabled: true,
      areMetricsPublic: false,
    },
    access: {
      adminKeyHash: hashSecret(adminSecret),
      isAnonymousAllowed: false,
      areModelsPublic: false,
      defaultLimits: noLimits,
      clientKeys: [testClient('alice', clientSecret)],
    },
    providers,
    models: [],
    defaultProvider: providers[0]?.name ?? null,
    cache: { isEnabled: false, ttlMs: 300_000, maxBytes: 64 * 1024 * 1024, isShared: false, modelListMs: 3_600_000 },
    store: {
      directory: 'unused',
      isDirectoryNamed: false,
      retentionMs: 86_400_000,
      maxBytes: 2 ** 31,
      timezone: 'UTC',
      importFile: null,
    },
    log: { level: 'debug', format: 'json', path: null, retentionMs: 86_400_000 },
    prices: {},
    defaultModelPrice: { input: 1, output: 3, cachedInput: null },
    ...changes,
  }
}

export function testClient(name: string, secret: string, changes: Partial<ClientKey> = {}): ClientKey {
  return {
    name,
    hash: hashSecret(secret),
    label: name,
    models: null,
    limits: noLimits,
    isStateful: null,
    ...changes,
  }
}

export function testProvider(
  baseUrl: string,
  secrets: readonly string[],
  changes: Partial<OpenAiProviderConfig> = {},
): OpenAiProviderConfig {
  return {
    name: 'openai',
    type: 'openai',
    baseUrl,
    chatUrl: null,
    credentials: secrets.map(testCredential),
    headers: {},
    rotation: 'round_robin',
    startIndex: 0,
    blacklist: { threshold: 3, cooldownMs: 60_000, recheckMs: 3_600_000 },
    breaker: { failures: 5, ratio: 0.5, minCalls: 20, windowMs: 30_000, openMs: 30_000, maxOpenMs: 300_000 },
    timeouts: { firstByteMs: 2000, answerMs: 2000, idleMs: 2000 },
    maxAttempts: 4,
    maxWaitMs: 120_000,
    proxy: null,
    isHttp2: false,
    streamUsage: 'auto',
    maxIdleSockets: null,
    ...changes,
  }
}

export function testCredential(secret: string): Credential {
  const id = hashSecret(secret).slice(0, 16)
  return { id, kind: 'key', user: null, label: `${id.slice(0, 8)}…`, reveal: () => secret }
}
