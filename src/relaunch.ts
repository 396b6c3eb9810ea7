/**
 * Imported first, for its effect: starts the program anew with the runtime's bound of 256 outgoing requests lifted. That bound
 * is read before any code runs, so setting it here would be too late; the process keeps its id where the system allows.
 */
import { parseLoosely } from './commands/command-line.ts'

const limitName = 'BUN_CONFIG_MAX_HTTP_REQUESTS'
/** The runtime's maximum. */
const limit = '65535'

// Read by Elysia when it is imported: an error page with source code must not depend on a forgotten variable.
Bun.env.NODE_ENV ??= 'production'

const { command, isOnlyAsking } = parseLoosely(process.argv.slice(2))
const isServing = (command === 'serve' || command === 'demo') && !isOnlyAsking
if (isServing && process.env[limitName] === undefined) await relaunch()

async function relaunch(): Promise<void> {
  const words = Bun.isStandaloneExecutable ? process.argv.slice(2) : [...process.execArgv, ...process.argv.slice(1)]
  const environment = { ...process.env, [limitName]: limit }
  try {
    if (process.execve === undefined) throw new Error('no execve')
    process.execve(process.execPath, [process.execPath, ...words], environment)
  } catch {
    // No execve on this system: a child does the work, and this process only passes signals on.
    const child = Bun.spawn([process.execPath, ...words], {
      env: environment,
      stdio: ['inherit', 'inherit', 'inherit'],
    })
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
    process.exit(await child.exited)
  }
}
