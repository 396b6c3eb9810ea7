/** The words of the command line: which command, which options. */
import { type ParseArgsConfig, parseArgs } from 'node:util'

/** Throws TypeError for what is not an option, with a message for the user. */
export function parseCommandLine(words: readonly string[]) {
  const { values, positionals } = parseArgs({ args: [...words], allowPositionals: true, options })
  const [command = 'serve', ...rest] = positionals
  return { flags: values, command, rest }
}

const options = {
  config: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'data-dir': { type: 'string' },
  url: { type: 'string' },
  'admin-key': { type: 'string' },
  provider: { type: 'string' },
  credential: { type: 'string' },
  name: { type: 'string' },
  models: { type: 'string' },
  rpm: { type: 'string' },
  rps: { type: 'string' },
  burst: { type: 'string' },
  tpm: { type: 'string' },
  'max-concurrent': { type: 'string' },
  budget: { type: 'string' },
  'budget-period': { type: 'string' },
  stateful: { type: 'boolean' },
  probe: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const satisfies ParseArgsConfig['options']
