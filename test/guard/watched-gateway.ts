/** The whole program, run from its source with `observe.ts` preloaded, in front of a simulated upstream; what its main thread did is told. */
import { join } from 'node:path'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { adminKey, clientKey, createFolder, waitFor } from '../helpers/program.ts'
import type { Deed, FromObserver, ToObserver } from './deeds.ts'

export interface WatchedGateway extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  /** Runs it, and tells what the main thread did meanwhile and a moment after. */
  watched(work: () => Promise<void>): Promise<Report>
  /** Runs it while no word of the other threads comes through. Resolves with the number of messages kept back. */
  withThreadsHeld(work: () => Promise<void>): Promise<number>
}

export interface Report {
  readonly deeds: readonly Deed[]
  /** Paths of all modules that the main thread has loaded so far. */
  readonly modules: readonly string[]
}

const root = join(import.meta.dir, '../..')
const answerDeadlineMs = 10_000

export interface WatchedOptions {
  /** By name; the first is the default. */
  readonly providers: Readonly<Record<string, WatchedProvider>>
  /** Further sections of the settings. */
  readonly settings: Readonly<Record<string, unknown>>
}

export interface WatchedProvider {
  readonly credentials: Readonly<Record<string, Behaviour>>
  readonly settings?: Readonly<Record<string, unknown>>
}

/** Access, limits, statistics and metrics are on. */
export async function startWatched({ providers, settings }: WatchedOptions): Promise<WatchedGateway> {
  const all = Object.values(providers).map(({ credentials }) => credentials)
  const upstream = startOpenAiSimulator({ credentials: Object.assign({}, ...all) })
  const provider = ({ credentials, settings: own }: WatchedProvider) => ({
    base_url: upstream.baseUrl,
    keys: Object.keys(credentials),
    ...own,
  })
  const limits = { rpm: 100_000, rps: 10_000, tpm: 1_000_000_000, max_concurrent: 1000, budget_usd: 1_000_000 }
  const folder = await createFolder({
    'any2api.yaml': JSON.stringify({
      access: { admin_key: adminKey, client_keys: [{ name: 'tester', key: clientKey, ...limits }] },
      providers: Object.fromEntries(Object.entries(providers).map(([name, one]) => [name, provider(one)])),
      default_provider: Object.keys(providers)[0],
      ...settings,
    }),
  })
  const answers: FromObserver[] = []
  let printed = ''
  const child = Bun.spawn(
    [
      process.execPath,
      '--no-env-file',
      '--preload',
      join(import.meta.dir, 'observe.ts'),
      join(root, 'src/main.ts'),
      'serve',
    ],
    {
      cwd: folder.path,
      // The name is set so that the program does not start itself anew.
      env: {
        PATH: process.env.PATH,
        HOME: folder.path,
        TMPDIR: folder.path,
        PORT: '0',
        HOST: '127.0.0.1',
        BUN_CONFIG_MAX_HTTP_REQUESTS: '65535',
      },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'inherit',
      ipc: (message: FromObserver) => void answers.push(message),
    },
  )
  const reading = (async () => {
    const decoder = new TextDecoder()
    for await (const chunk of child.stdout) printed += decoder.decode(chunk, { stream: true })
  })()

  async function ask<Type extends FromObserver['type']>(message: ToObserver, type: Type) {
    child.send(message)
    const find = () => answers.findIndex((answer) => answer.type === type)
    await waitFor(
      async () => find() >= 0,
      `the observer's '${type}'`,
      () => printed,
      answerDeadlineMs,
    )
    return answers.splice(find(), 1)[0] as Extract<FromObserver, { type: Type }>
  }

  const listening = /"event":"listening","url":"http:\/\/[^"]+:(\d+)"/
  await waitFor(
    async () => listening.test(printed),
    'a gateway that listens',
    () => printed,
    answerDeadlineMs,
  )
  return {
    pid: child.pid,
    url: `http://127.0.0.1:${listening.exec(printed)?.[1]}`,
    async watched(work) {
      await ask('watch', 'watching')
      await work()
      return ask('report', 'report')
    },
    async withThreadsHeld(work) {
      let messages = 0
      await ask('hold', 'held')
      try {
        await work()
      } finally {
        messages = (await ask('release', 'released')).messages
      }
      return messages
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
      await reading
      upstream.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}
