/** A simulated Scira with a gateway in front of it, both gone when the test ends. */
import type { Clock } from '../../src/clock.ts'
import { createAnonymous, createCookie } from '../../src/config/credential.ts'
import type { Config, Credential, SciraProviderConfig } from '../../src/domain.ts'
import type { CredentialStatus } from '../../src/gateway/credential-pool.ts'
import { type SciraSimulator, type SciraSimulatorOptions, startSciraSimulator } from '../../src/simulator/scira.ts'
import { startGateway, type TestGateway, testConfig } from './start-gateway.ts'

export interface SciraPair extends AsyncDisposable {
  readonly upstream: SciraSimulator
  readonly gateway: TestGateway
  readonly provider: SciraProviderConfig
  /** A chat call with one user message, or with these fields. */
  chat(asked: string | Record<string, unknown>, init?: RequestInit): Promise<Response>
  /** Of a cookie, or of who is signed out (null). */
  status(cookie: string | null): CredentialStatus
}

export interface SciraPairOptions extends Omit<SciraSimulatorOptions, 'port'> {
  /** Default: those of `accounts`, else signed out. */
  readonly cookies?: readonly string[]
  readonly provider?: Partial<SciraProviderConfig>
  readonly config?: Partial<Config>
  readonly clock?: Clock
}

export const model = 'scira-default'

export async function startScira(options: SciraPairOptions = {}): Promise<SciraPair> {
  const { cookies, provider: changes, config, clock, ...simulated } = options
  const upstream = startSciraSimulator(simulated)
  const all = cookies ?? Object.keys(options.accounts ?? {})
  const credentials = all.length === 0 ? [createAnonymous('scira')] : all.map((one) => createCookie('scira', one))
  const provider = sciraProvider(upstream.origin, credentials, {
    generation: options.generation === undefined || options.generation === '2026-03' ? 'current' : 'mid_2025',
    ...changes,
  })
  const gateway = await startGateway({
    config: testConfig([provider], config),
    ...(clock === undefined ? {} : { clock }),
  })
  return {
    upstream,
    gateway,
    provider,
    chat: (asked, init) =>
      gateway.chat(
        { model, ...(typeof asked === 'string' ? { messages: [{ role: 'user', content: asked }] } : asked) },
        init,
      ),
    status(cookie) {
      const wanted = credentials.find((one) => one.reveal() === (cookie ?? ''))
      const found = gateway.gateway
        .status()
        .providers.flatMap((one) => one.credentials)
        .find((one) => one.id === wanted?.id)
      if (found === undefined) throw new Error(`no credential ${cookie}`)
      return found
    },
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      upstream.stop()
      const ids = gateway.records.map((record) => record.id)
      if (new Set(ids).size !== ids.length) throw new Error('a call was recorded more than once')
    },
  }
}

export function sciraProvider(
  baseUrl: string,
  credentials: readonly Credential[],
  changes: Partial<SciraProviderConfig> = {},
): SciraProviderConfig {
  return {
    name: 'scira',
    type: 'scira',
    baseUrl,
    path: '/api/search',
    generation: 'current',
    streamFormat: 'auto',
    group: 'chat',
    timezone: 'UTC',
    visibility: 'private',
    isTemporary: true,
    systemPlacement: 'first_user_message',
    reasoning: 'reasoning_content',
    models: {},
    defaultModel: null,
    unsupported: 'drop',
    rateLimitRestMs: 3_600_000,
    credentials,
    headers: {},
    rotation: 'round_robin',
    startIndex: 0,
    blacklist: { threshold: 3, cooldownMs: 60_000, recheckMs: 3_600_000 },
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
