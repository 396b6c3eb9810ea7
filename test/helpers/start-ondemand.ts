/** A simulated OnDemand with a gateway in front of it, both gone when the test ends. */
import { type Clock, systemClock } from '../../src/clock.ts'
import { createAccount } from '../../src/config/credential.ts'
import type { Config, Credential, OndemandProviderConfig } from '../../src/domain.ts'
import type { CredentialStatus } from '../../src/gateway/credential-pool.ts'
import {
  type OndemandSimulator,
  type OndemandSimulatorOptions,
  startOndemandSimulator,
} from '../../src/simulator/ondemand.ts'
import { startGateway, type TestGateway, testConfig, testCredential, until } from './start-gateway.ts'

export interface OndemandPair extends AsyncDisposable {
  readonly upstream: OndemandSimulator
  readonly gateway: TestGateway
  readonly provider: OndemandProviderConfig
  /** A chat call with one user message, or with these fields. */
  chat(asked: string | Record<string, unknown>, init?: RequestInit): Promise<Response>
  /** Exclusions of a key or account, as `reason`, with `!` when they last until a re-check. */
  exclusions(name: string): string[]
  status(name: string): CredentialStatus
  /** Waits until no session is left upstream. */
  noSessionsLeft(): Promise<void>
}

export interface OndemandPairOptions extends Pick<OndemandSimulatorOptions, 'keys' | 'accounts'> {
  readonly provider?: Partial<OndemandProviderConfig>
  readonly config?: Partial<Config>
  readonly simulator?: Partial<OndemandSimulatorOptions>
  readonly clock?: Clock
}

/** An endpoint that the simulator has, and that knows how to reason. */
export const model = 'glm-5.3'

export async function startOndemand(options: OndemandPairOptions): Promise<OndemandPair> {
  const { keys = {}, accounts = {} } = options
  const upstream = startOndemandSimulator({ ...options.simulator, keys, accounts })
  const credentials = [
    ...Object.keys(keys).map(testCredential),
    ...Object.entries(accounts).map(([email, { password }]) => createAccount('ondemand', email, password)),
  ]
  const provider = ondemandProvider(upstream, credentials, options.provider)
  const gateway = await startGateway({
    config: testConfig([provider], options.config),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  })
  const status = (name: string): CredentialStatus => {
    const wanted = credentials.find((one) => one.user === name || (one.kind === 'key' && one.reveal() === name))
    const found = gateway.gateway
      .status()
      .providers.flatMap((one) => one.credentials)
      .find((one) => one.id === wanted?.id)
    if (found === undefined) throw new Error(`no credential ${name}`)
    return found
  }
  return {
    upstream,
    gateway,
    provider,
    chat: (asked, init) =>
      gateway.chat(
        { model, ...(typeof asked === 'string' ? { messages: [{ role: 'user', content: asked }] } : asked) },
        init,
      ),
    exclusions: (name) => status(name).entries.map(({ reason, until: end }) => `${reason}${end === null ? '!' : ''}`),
    status,
    noSessionsLeft: () => until(() => upstream.sessions.every((one) => one.deletedAtMs !== null)),
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      upstream.stop()
      const ids = gateway.records.map((record) => record.id)
      if (new Set(ids).size !== ids.length) throw new Error('a call was recorded more than once')
    },
  }
}

export function ondemandProvider(
  upstream: OndemandSimulator,
  credentials: readonly Credential[],
  changes: Partial<OndemandProviderConfig> = {},
): OndemandProviderConfig {
  return {
    name: 'ondemand',
    type: 'ondemand',
    chatBase: upstream.chatBaseUrl,
    clientBase: upstream.accountChatBaseUrl,
    authBase: upstream.authBaseUrl,
    signInPath: '/auth/user/signin',
    refreshPath: '/auth/user/refresh_token',
    configBase: upstream.catalogueUrl.slice(0, -'/endpoints'.length),
    accountHeaders: {},
    models: {},
    defaultEndpointId: null,
    catalogueMs: 3_600_000,
    session: { isReused: false, idleMs: 600_000, isDeleted: true },
    systemPlacement: 'query',
    maxQueryLength: null,
    pluginField: 'omit',
    plugins: [],
    isFulfillmentOnly: false,
    isMaxTokensSent: false,
    requestTimeoutMs: 2000,
    reasoning: 'reasoning_content',
    unsupported: 'drop',
    strayPauseMs: 20,
    rateLimitRestMs: 300_000,
    signInRetry: { waitMs: 60_000, longRestMs: 3_600_000 },
    retries: { max: 0, baseMs: 10 },
    credentials,
    headers: {},
    rotation: 'round_robin',
    startIndex: 0,
    blacklist: { threshold: 3, cooldownMs: 600_000, recheckMs: 3_600_000 },
    breaker: { failures: 50, ratio: 0.9, minCalls: 100, windowMs: 30_000, openMs: 30_000, maxOpenMs: 300_000 },
    timeouts: { firstByteMs: 2000, answerMs: 5000, idleMs: 2000 },
    maxAttempts: 4,
    maxWaitMs: 120_000,
    proxy: null,
    isHttp2: false,
    maxIdleSockets: null,
    ...changes,
  }
}

/** Real time that jumps ahead when it is told to; short waits pass at once. */
export function createJumpingClock(): Clock & { jump(durationMs: number): void } {
  let ahead = 0
  return {
    now: () => systemClock.now() + ahead,
    monotonic: () => systemClock.monotonic(),
    random: () => 0.5,
    sleep: async () => {},
    jump(durationMs) {
      ahead += durationMs
    },
  }
}
