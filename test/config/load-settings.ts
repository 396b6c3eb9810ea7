/** Loads a configuration from files and variables given as values, for the tests of this folder. */
import { isAbsolute, join } from 'node:path'
import { type ConfigFlags, type LoadResult, loadConfig } from '../../src/config/load.ts'
import type { Config, OpenAiProviderConfig } from '../../src/domain.ts'

export interface Written {
  /** By path, relative to the working directory `/app` or absolute. */
  readonly files?: Readonly<Record<string, string>>
  readonly environment?: Readonly<Record<string, string>>
  readonly flags?: ConfigFlags
}

export function loadSettings({ files = {}, environment = {}, flags = {} }: Written): LoadResult {
  const byPath = new Map(
    Object.entries(files).map(([path, text]) => [isAbsolute(path) ? path : join('/app', path), text]),
  )
  return loadConfig({
    cwd: '/app',
    environment,
    flags,
    readFile(path) {
      const text = byPath.get(path)
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
      if (text === unreadable) throw Object.assign(new Error('forbidden'), { code: 'EACCES' })
      return text
    },
  })
}

/** Content of a file that must not be read. */
export const unreadable = '\u0000unreadable'

/** From the text of `any2api.yaml` alone. */
export function loadYaml(text: string, environment: Readonly<Record<string, string>> = {}): LoadResult {
  return loadSettings({ files: { 'any2api.yaml': text }, environment })
}

/** The configuration; fails with its problems where there is none. */
export function configOf({ config, problems }: LoadResult): Config {
  if (config === null) throw new Error(`refused: ${JSON.stringify(problems)}`)
  return config
}

/** The first provider, which speaks OpenAI's API. */
export function openAiProviderOf(result: LoadResult): OpenAiProviderConfig {
  const [provider] = configOf(result).providers
  if (provider?.type !== 'openai') throw new Error('the first provider is of another type')
  return provider
}

export const minimal = 'providers: { openai: { base_url: "https://api.openai.com/v1", keys: [sk-one] } }'
