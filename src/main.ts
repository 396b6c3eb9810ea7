/** The commands of the program, and the only file that touches the process. */
import './relaunch.ts'
import { check } from './commands/check.ts'
import { parseCommandLine } from './commands/command-line.ts'
import { demo } from './commands/demo.ts'
import { healthcheck } from './commands/healthcheck.ts'
import { keys } from './commands/keys.ts'
import { serve } from './commands/serve.ts'
import { resetKeys, status } from './commands/status.ts'
import type { Flags, Terminal } from './commands/terminal.ts'
import { configSchema } from './config/schema.ts'
import { liftRequestLimit } from './relaunch.ts'
import { commit, version } from './version.ts'

const help = `any2api ${version}: many upstream keys and accounts behind one OpenAI-compatible endpoint

Usage: any2api [command] [options]

Commands
  serve         run the gateway (the default)
  demo          the gateway in front of simulated upstreams; nothing to configure
  check         print the effective configuration and every problem; --probe tries each credential
  status        health, totals and credentials of the running gateway; --json
  reset-keys    make excluded credentials available again; --provider NAME, --credential ID
  keys          client keys in the data directory: list, new [NAME] [--models a,b*] [--stateful], revoke NAME;
                a new one's limits: --rpm, --rps, --burst, --tpm, --max-concurrent, --budget USD, --budget-period day|month
  healthcheck   exit 0 if the running gateway answers
  schema        JSON Schema of the configuration file, for editors

Options
  --config FILE     any2api.yaml, .json, .jsonc or .toml (default: the working directory, then /etc/any2api)
  --host, --port    where to listen (default: 0.0.0.0, 7860)
  --data-dir DIR    where state is kept (default: ./data)
  --url URL         the running gateway, for status, reset-keys and healthcheck
  --admin-key KEY   for status and reset-keys; better: the environment variable ADMIN_KEY
  --version, --help

The configuration and every environment variable are described in the README.
`

/** So much may wait for a reader of standard output that does not keep up, before lines of the log are dropped. */
const maxUnreadLength = 16 * 1024 * 1024
/** How long the end waits for a reader of the output, once it was asked for by a signal; before, as long as it takes. */
const drainDeadlineMs = 1000
let isSignalled = false

process.exitCode = await run(process.argv.slice(2)).catch(failed)
await Promise.all([drained(process.stdout), drained(process.stderr)])
// Whatever still lingers (a pooled connection, a timer) has no say in it.
process.exit()

async function run(words: string[]): Promise<number> {
  const terminal = createTerminal()
  let parsed: ReturnType<typeof parseCommandLine>
  try {
    parsed = parseCommandLine(words)
  } catch (error) {
    const message = error instanceof Error ? error.message : 'unknown option'
    terminal.printError(`any2api: ${message}\nany2api --help lists the options\n`)
    return 2
  }
  const { command, rest } = parsed
  const flags: Flags = parsed.flags
  if (flags.help === true || command === 'help') {
    terminal.print(help)
    return 0
  }
  if (flags.version === true || command === 'version') {
    terminal.print(`any2api ${version}${commit === '' ? '' : ` (${commit})`}\n`)
    return 0
  }
  const [surplus] = command === 'keys' ? rest.slice(2) : rest
  if (surplus !== undefined) {
    terminal.printError(`any2api: ${command} takes no argument ${surplus}\nany2api --help lists the commands\n`)
    return 2
  }
  survive(terminal)
  switch (command) {
    case 'serve':
      return serve(terminal, flags)
    case 'demo':
      return demo(terminal, flags)
    case 'check':
      return check(terminal, flags)
    case 'status':
      return status(terminal, flags)
    case 'reset-keys':
      return resetKeys(terminal, flags)
    case 'keys':
      return keys(terminal, flags, rest)
    case 'healthcheck':
      return healthcheck(terminal, flags)
    case 'schema':
      terminal.print(`${JSON.stringify(configSchema, null, 2)}\n`)
      return 0
    default:
      terminal.printError(`any2api: unknown command ${command}\nany2api --help lists the commands\n`)
      return 2
  }
}

/** Resolves when everything is written that a pipe did not take at once: leaving would cut it off. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once('error', () => resolve())
    stream.end(() => resolve())
    if (isSignalled) setTimeout(resolve, drainDeadlineMs)
  })
}

/** What no command foresaw. */
function failed(error: unknown): number {
  process.stderr.write(`any2api: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return 1
}

/** One forgotten rejection must not end everybody's calls. */
function survive(terminal: Terminal): void {
  const report = (kind: string) => (error: unknown) => {
    const said = error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ''}` : typeof error
    terminal.printError(`any2api: ${kind}: ${said.slice(0, 2000)}\n`)
  }
  process.on('unhandledRejection', report('unhandled rejection'))
  process.on('uncaughtException', report('uncaught exception'))
}

function createTerminal(): Terminal {
  const listeners = new Map<string, () => void>()
  return {
    environment: process.env,
    cwd: process.cwd(),
    isInteractive: process.stdout.isTTY === true,
    print: createBoundedPrint(),
    printError: (text) => void process.stderr.write(text),
    liftRequestLimit,
    onSignal(signal, listener) {
      if (!listeners.has(signal)) {
        process.on(signal, () => {
          isSignalled ||= signal !== 'SIGHUP'
          listeners.get(signal)?.()
        })
      }
      listeners.set(signal, listener)
    },
  }
}

function createBoundedPrint(): Terminal['print'] {
  let unreadLength = 0
  return (text) => {
    if (unreadLength > maxUnreadLength) return
    unreadLength += text.length
    process.stdout.write(text, () => {
      unreadLength -= text.length
    })
  }
}
