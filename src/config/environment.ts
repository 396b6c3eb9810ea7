/** The environment as settings see it: the real one over `.env`, each variable knowing where it was written. */
import { join } from 'node:path'
import { parseEnvFile } from './env-file.ts'
import { type ReadFile, readTextFile } from './read-text-file.ts'
import type { Report } from './report.ts'

export function readEnvironment(sources: EnvironmentSources, report: Report): Environment {
  const file = readDotEnv(sources, report)

  function lookUp(name: string): string | undefined {
    if (Object.hasOwn(sources.environment, name)) return sources.environment[name]
    return Object.hasOwn(file, name) ? file[name] : undefined
  }

  return {
    lookUp,
    read(name) {
      const value = lookUp(name)?.trim()
      return value === '' ? undefined : value
    },
    place: (name) => (sources.environment[name] === undefined ? `${envFileName}: ${name}` : `environment ${name}`),
  }
}

export interface EnvironmentSources {
  readonly cwd: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly readFile: ReadFile
}

export interface Environment {
  /** As it stands, which may be empty; `undefined`: not set. */
  readonly lookUp: (name: string) => string | undefined
  /** Trimmed; an empty variable counts as not set, as container tools pass on what their user left out. */
  readonly read: (name: string) => string | undefined
  /** For messages. */
  readonly place: (name: string) => string
}

/** A list as variables hold it: separated by commas. */
export function splitList(value: string): readonly string[] {
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

const envFileName = '.env'

function readDotEnv({ cwd, readFile }: EnvironmentSources, report: Report): Readonly<Record<string, string>> {
  const path = join(cwd, envFileName)
  report.watch(path)
  const file = readTextFile(readFile, path)
  if (file.isMissing) return {}
  if (file.text === null) {
    // A folder of that name is common (Python's virtual environments) and no mistake.
    if (file.fault === 'it is a folder') return {}
    report.problem(envFileName, `cannot be read: ${file.fault}`)
    return {}
  }
  const { values, badLines } = parseEnvFile(file.text)
  for (const line of badLines.slice(0, 10)) {
    report.problem(`${envFileName} line ${line}`, 'is neither NAME=value nor a comment')
  }
  return values
}
