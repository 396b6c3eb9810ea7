/** A simulated upstream with the program in front of it, both gone when the test ends. */
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { type OpenAiSimulator, startOpenAiSimulator } from '../../src/simulator/openai.ts'
import {
  createFolder,
  type Folder,
  type Gateway,
  type Settings,
  settingsFor,
  startProgram,
} from '../helpers/program.ts'

export interface Service extends AsyncDisposable {
  readonly upstream: OpenAiSimulator
  readonly folder: Folder
  readonly gateway: Gateway
  /** Starts another process on the same folder; the first must have ended. */
  again(): Promise<Gateway>
}

export interface ServiceOptions {
  readonly credentials?: Readonly<Record<string, Behaviour>>
  readonly settings?: Settings
  readonly environment?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
}

export const goodSecret = 'sk-upstream-good-000000001'

export async function startService(options: ServiceOptions = {}): Promise<Service> {
  const credentials = options.credentials ?? { [goodSecret]: { kind: 'good' } }
  const { environment = {}, settings = {}, files = {} } = options
  const upstream = startOpenAiSimulator({ credentials })
  const folder = await createFolder({
    'any2api.yaml': settingsFor(upstream.baseUrl, Object.keys(credentials), settings),
    ...files,
  })
  const started: Gateway[] = []
  const again = async () => {
    const gateway = await startProgram({ folder, environment })
    started.push(gateway)
    return gateway
  }
  const dispose = async () => {
    await Promise.all(started.map((gateway) => gateway[Symbol.asyncDispose]()))
    await folder[Symbol.asyncDispose]()
    upstream.stop()
  }
  try {
    return { upstream, folder, gateway: await again(), again, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}
