/** A simulated upstream with a gateway in front of it, both gone when the test ends, and the calls that tests make again and again. */
import { type Clock, systemClock } from '../../src/clock.ts'
import type { Config, OpenAiProviderConfig, UsageRecord } from '../../src/domain.ts'
import type { CredentialStatus } from '../../src/gateway/credential-pool.ts'
import type { TokenCounter } from '../../src/gateway/token-counter.ts'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { type OpenAiSimulator, type OpenAiSimulatorOptions, startOpenAiSimulator } from '../../src/simulator/openai.ts'
import {
  type Memory,
  startGateway,
  type TestGateway,
  testConfig,
  testCredential,
  testProvider,
  until,
} from './start-gateway.ts'

export interface Pair extends AsyncDisposable {
  readonly upstream: OpenAiSimulator
  readonly gateway: TestGateway
  /** State of the credential with this secret. */
  credential(secret: string): CredentialStatus
  /** Its exclusions, as `reason` or `reason@scope`, with `!` when they last until a re-check. */
  exclusions(secret: string): string[]
  /** Secrets in the order in which chat calls reached the upstream. */
  order(): (string | null)[]
  /** The record of the only call there was. */
  onlyRecord(): Promise<UsageRecord>
}

export interface PairOptions {
  readonly credentials: Readonly<Record<string, Behaviour>>
  readonly provider?: Partial<OpenAiProviderConfig>
  readonly config?: Partial<Config>
  readonly simulator?: Partial<OpenAiSimulatorOptions>
  readonly clock?: Clock
  readonly memory?: Memory
  readonly counter?: TokenCounter
}

export async function startPair(options: PairOptions): Promise<Pair> {
  const upstream = startOpenAiSimulator({ ...options.simulator, credentials: options.credentials })
  const provider = testProvider(upstream.baseUrl, Object.keys(options.credentials), options.provider)
  const gateway = await startGateway({
    config: testConfig([provider], options.config),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.memory === undefined ? {} : { memory: options.memory }),
    ...(options.counter === undefined ? {} : { counter: options.counter }),
  })
  const credential = (secret: string): CredentialStatus => {
    const { id } = testCredential(secret)
    const found = gateway.gateway
      .status()
      .providers.flatMap((one) => one.credentials)
      .find((one) => one.id === id)
    if (found === undefined) throw new Error(`no credential ${secret}`)
    return found
  }
  return {
    upstream,
    gateway,
    credential,
    exclusions: (secret) =>
      credential(secret).entries.map(
        ({ reason, scope, until: end }) => `${reason}${scope === '' ? '' : `@${scope}`}${end === null ? '!' : ''}`,
      ),
    order: () => upstream.requests.filter((one) => one.method === 'POST').map((one) => one.credential),
    async onlyRecord() {
      const [record] = await gateway.recorded(1)
      if (record === undefined || gateway.records.length !== 1) throw new Error(`${gateway.records.length} records`)
      return record
    },
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      upstream.stop()
      const ids = gateway.records.map((record) => record.id)
      if (new Set(ids).size !== ids.length) throw new Error('a call was recorded more than once')
    },
  }
}

export interface TestClock extends Clock {
  advance(durationMs: number): void
  /** What was waited for, in milliseconds; no wait takes any time. */
  readonly slept: number[]
}

/** Real time, moved on by hand; waits are over at once. */
export function createTestClock(): TestClock {
  let ahead = 0
  const slept: number[] = []
  return {
    now: () => systemClock.now() + ahead,
    monotonic: () => systemClock.monotonic() + ahead,
    random: () => 0.5,
    sleep: async (durationMs) => void slept.push(durationMs),
    advance(durationMs) {
      ahead += durationMs
    },
    slept,
  }
}

export interface ErrorBody {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string | null
  }
}

/** An answer that must be an error in OpenAI's shape. */
export async function readError(response: Response): Promise<ErrorBody['error']> {
  const body = (await response.json()) as ErrorBody
  const names = Object.keys(body.error ?? {}).sort()
  if (names.join() !== 'code,message,param,type') throw new Error(`not OpenAI's shape: ${JSON.stringify(body)}`)
  if (!response.headers.get('x-request-id')?.startsWith('req_')) throw new Error('no x-request-id')
  return body.error
}

/** Drains an answer and says its status. */
export async function statusOf(answer: Promise<Response>): Promise<number> {
  const response = await answer
  await response.arrayBuffer()
  return response.status
}

/** The data of a stream's events, comments left out. */
export function dataOf(stream: string): string[] {
  return [...stream.matchAll(/^data: ?(.*)$/gm)].map((match) => match[1] ?? '')
}

/** The text that a stream of chat chunks says. */
export function saidIn(stream: string): string {
  return dataOf(stream)
    .filter((data) => data.startsWith('{'))
    .map((data) => (JSON.parse(data) as { choices?: { delta?: { content?: string } }[] }).choices?.[0]?.delta?.content)
    .join('')
}

export { until }
