/** Reads the settings as the command line and the environment name them, and prints what is wrong with them. */
import { readFileSync } from 'node:fs'
import { type LoadResult, loadConfig } from '../config/load.ts'
import type { Problem } from '../config/report.ts'
import type { Flags, Terminal } from './terminal.ts'

export function loadSettings(terminal: Terminal, flags: Flags): LoadResult {
  return loadConfig({
    cwd: terminal.cwd,
    environment: terminal.environment,
    flags: { config: flags.config, host: flags.host, port: flags.port, dataDir: flags['data-dir'] },
    readFile: (path) => readFileSync(path, 'utf8'),
  })
}

/** All at once, each with its place. */
export function formatProblems(problems: readonly Problem[]): string {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  const lines = problems.map(({ place, message }) => `  ${place}: ${message}\n`)
  return `any2api: ${count} in the settings\n${lines.join('')}`
}
