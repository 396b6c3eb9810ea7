/** A gateway in front of an upstream whose credentials do what a test tells them. */
import type { Config, OpenAiProviderConfig } from '../../src/domain.ts'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { type OpenAiSimulator, startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { clientSecret, startGateway, type TestGateway, testConfig, testProvider } from '../helpers/start-gateway.ts'
import type { ClientEndpoint } from './client-check.ts'

export interface ScriptedGateway extends AsyncDisposable {
  readonly endpoint: ClientEndpoint
  readonly gateway: TestGateway
  readonly upstream: OpenAiSimulator
}

export interface Script {
  /** One for each credential, in the order in which they are chosen. */
  readonly credentials: readonly Behaviour[]
  readonly provider?: Partial<OpenAiProviderConfig>
  readonly config?: Partial<Config>
}

/** No deadline of the gateway passes because the machine is busy; a test that is about one sets its own. */
export const patience = { firstByteMs: 15_000, answerMs: 15_000, idleMs: 15_000 }

/** To be taken with `await using`: stops both at the end of the test. */
export async function startScriptedGateway(script: Script): Promise<ScriptedGateway> {
  const credentials = script.credentials.map((behaviour, index) => [secretOf(index), behaviour] as const)
  const upstream = startOpenAiSimulator({ credentials: Object.fromEntries(credentials) })
  const secrets = credentials.map(([secret]) => secret)
  const provider = testProvider(upstream.baseUrl, secrets, { timeouts: patience, ...script.provider })
  const gateway = await startGateway({ config: testConfig([provider], script.config) })
  return {
    endpoint: { baseURL: `${gateway.url}/v1`, apiKey: clientSecret },
    gateway,
    upstream,
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      upstream.stop()
    },
  }
}

/** The secret of a credential by its place. */
export function secretOf(index: number): string {
  return `sk-scripted-${index}-0123456789abcdef`
}
