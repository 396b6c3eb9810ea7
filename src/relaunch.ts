/**
 * Imported first, because of a variable that others read when they are imported. Starts the program anew where the runtime's bound of 256
 * requests by `fetch` would count: that is read before any code runs, so setting it would be too late; the process keeps its id where
 * the system allows.
 */

const limitName = 'BUN_CONFIG_MAX_HTTP_REQUESTS'
/** The runtime's maximum. */
const limit = '65535'

// Read by Elysia when it is imported: an error page with source code must not depend on a forgotten variable.
Bun.env.NODE_ENV ??= 'production'

/** Returns only where the bound was lifted before. Nothing may be open yet. */
export async function liftRequestLimit(): Promise<void> {
  if (process.env[limitName] === undefined) await relaunch()
}

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
