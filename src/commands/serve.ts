/** `any2api serve`: runs the gateway until it is told to stop. */
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createStoredKey, generateSecret } from '../config/generate-key.ts'
import { showPath } from '../config/show-path.ts'
import type { Config } from '../domain.ts'
import { describeError, type Logger } from '../log.ts'
import { type Server, type ServerOptions, startServer } from '../server.ts'
import type { Store, StoredKey } from '../stores/store.ts'
import { StoreError } from '../stores/store-error.ts'
import { commit, version } from '../version.ts'
import { formatProblems, loadSettings } from './load-settings.ts'
import { openLog } from './open-log.ts'
import type { Flags, Terminal } from './terminal.ts'

/** Resolves with the exit status: 0 after a proper stop, 1 when it cannot run, 2 when the settings cannot be read. */
export async function serve(terminal: Terminal, flags: Flags): Promise<number> {
  const loaded = loadSettings(terminal, flags)
  // A file that is missing for a moment is a problem then, not a reason to fall back to another program's settings.
  const found = loaded.configFile === null ? undefined : showPath(terminal.cwd, loaded.configFile)
  const load = () => loadSettings(terminal, { ...flags, config: flags.config ?? found })
  if (loaded.config === null) {
    terminal.printError(formatProblems(loaded.problems))
    return 2
  }
  const { config } = loaded
  if (config.providers.some(({ isHttp2 }) => isHttp2)) await terminal.liftRequestLimit()
  const opened = openLog(config.log, terminal)
  try {
    return await run({ config, loaded, load, log: opened.log, terminal })
  } finally {
    await opened.close()
  }
}

async function run({ terminal, ...parts }: ServerOptions & { readonly terminal: Terminal }): Promise<number> {
  const { config, loaded, log } = parts
  const signals = listenEarly(terminal)
  let server: Server
  try {
    server = await startServer({ ...parts, prepare: (store) => giveKeys({ config, store, log, terminal }) })
  } catch (error) {
    log.flush()
    terminal.printError(`any2api: ${startProblem(error, config)}\n`)
    return 1
  }
  for (const notice of loaded.notices) log.info('settings', { notice })
  if (server.store.persistence === 'memory') {
    log.warn('state is kept in memory only: the default data directory cannot be written; name one with DATA_DIR', {
      directory: config.store.directory,
    })
  }
  log.info('listening', { url: urlOf(server), version, ...(commit === '' ? {} : { commit }) })
  if (signals.isReloadWanted()) server.reload('SIGHUP')
  return runUntilStopped({ server, terminal, log })
}

/** A reload asked for while the program starts would otherwise end it. */
function listenEarly(terminal: Terminal): { isReloadWanted: () => boolean } {
  let isWanted = false
  terminal.onSignal('SIGHUP', () => {
    isWanted = true
  })
  return { isReloadWanted: () => isWanted }
}

export interface Run {
  readonly server: Server
  readonly terminal: Terminal
  readonly log: Logger
}

/** SIGTERM and SIGINT stop it, a second one at once; SIGHUP reloads. */
export function runUntilStopped({ server, terminal, log }: Run): Promise<number> {
  return new Promise((resolve) => {
    let isStopping = false
    const stop = (signal: string) => {
      if (isStopping) {
        log.warn('stopped at once', { signal })
        log.flush()
        resolve(1)
        return
      }
      isStopping = true
      log.info('stopping', { signal, grace_ms: server.graceMs() })
      log.flush()
      server.stop().then(() => {
        log.info('stopped')
        log.flush()
        resolve(0)
      })
    }
    terminal.onSignal('SIGTERM', () => stop('SIGTERM'))
    terminal.onSignal('SIGINT', () => stop('SIGINT'))
    terminal.onSignal('SIGHUP', () => void server.reload('SIGHUP'))
  })
}

/** Where a browser or curl on this machine reaches it. */
export function urlOf({ host, port }: Pick<Server, 'host' | 'port'>): string {
  const isEverywhere = host === '0.0.0.0' || host === '::' || host === ''
  const name = host.includes(':') ? `[${host}]` : host
  return `http://${isEverywhere ? 'localhost' : name}:${port}`
}

/** One line that tells what to do. */
export function startProblem(error: unknown, config: Config): string {
  if (error instanceof StoreError) return error.message
  const code = (error as { code?: unknown } | null)?.code
  const address = `${config.server.host}:${config.server.port}`
  if (code === 'EADDRINUSE') return `${address} is in use; choose another port with --port or PORT`
  if (code === 'EACCES') return `no permission to listen on ${address}; choose a port above 1023 with --port or PORT`
  return `cannot start on ${address}: ${describeError(error).error}`
}

interface KeyParts {
  readonly config: Config
  readonly store: Store
  readonly log: Logger
  readonly terminal: Terminal
}

/** In the data directory, after a first start without a terminal. */
export const generatedKeysFile = 'generated-keys.txt'

/** Nobody gets in by default: without keys in the settings, keys are generated once and kept as hashes. */
async function giveKeys({ config, store, log, terminal }: KeyParts): Promise<void> {
  const known = await store.keys()
  const wanted: StoredKey['role'][] = []
  const needsClient = config.access.clientKeys.length === 0 && !config.access.isAnonymousAllowed
  if (needsClient && !known.some((key) => key.role === 'client')) wanted.push('client')
  if (config.access.adminKeyHash === null && !known.some((key) => key.role === 'admin')) wanted.push('admin')
  if (wanted.length === 0) return
  if (store.persistence === 'memory' && !terminal.isInteractive) {
    log.warn('no key is configured and there is no place to write a generated one; set CLIENT_KEYS and ADMIN_KEY', {
      roles: wanted.join(', '),
    })
    return
  }
  const secrets = wanted.map((role) => ({ role, secret: generateSecret(role) }))
  const lines = secrets.map(({ role, secret }) => `${role} key: ${secret}\n`).join('')
  // Told before it is kept: a key that nobody could read would lock everybody out for good.
  if (terminal.isInteractive) {
    log.flush()
    terminal.print(`\nGenerated at first start, shown this once, kept as a hash:\n${lines}\n`)
  } else {
    const path = join(config.store.directory, generatedKeysFile)
    await writeFile(path, lines, { mode: 0o600, flag: 'a' })
    await chmod(path, 0o600)
    log.info('keys generated; read them in this file, then delete it', { file: path, roles: wanted.join(', ') })
  }
  for (const { role, secret } of secrets) await store.addKey(createStoredKey(role, secret))
}
