/**
 * The composition root: store, gateway, HTTP surface and file watching put together from a configuration, and taken apart in
 * order. `serve` and `demo` start it.
 */
import { createApp } from './app.ts'
import { systemClock } from './clock.ts'
import type { LoadResult } from './config/load.ts'
import { readStatistics } from './config/read-statistics.ts'
import { type FileWatch, watchFiles } from './config/watch.ts'
import type { Config } from './domain.ts'
import { createGateway } from './gateway/gateway.ts'
import { createPriceTable } from './gateway/pricing.ts'
import { createTokenCounter } from './gateway/token-counter.ts'
import { describeError, type Logger } from './log.ts'
import type { ReloadResult } from './routes/operator.ts'
import { openStore } from './stores/sqlite.ts'
import type { Store } from './stores/store.ts'
import { version } from './version.ts'

export interface Server {
  readonly host: string
  readonly port: number
  readonly store: Store
  reload(cause: string): ReloadResult
  /** How long `stop` waits for running calls. */
  graceMs(): number
  /** Refuses new calls, lets running ones finish up to the grace, writes everything down. */
  stop(): Promise<void>
}

export interface ServerOptions {
  readonly config: Config
  readonly loaded: LoadResult
  readonly log: Logger
  /** Reads the settings anew. */
  readonly load: () => LoadResult
  /** Runs before anybody can call: the store as it was left, to be given what is missing. */
  readonly prepare?: (store: Store) => Promise<void>
}

/** So much silence on an idle connection, or in a request's body. A call under way has deadlines of its own. */
const idleTimeoutSeconds = 60

/** Throws StoreError, or the system's error when the address cannot be listened on. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const store = await openStore({ ...options.config.store })
  try {
    await options.prepare?.(store)
    await importStatistics(store, options)
    return await startOn(store, options)
  } catch (cause) {
    await store.close()
    throw cause
  }
}

/** Larger ones are not what they are taken for. */
const maxStatisticsBytes = 64 * 1024 * 1024

/** Takes over what OnDemand-API-Proxy had counted. Whatever is wrong with that is a line in the log, never a failed start. */
async function importStatistics(store: Store, { config, log }: ServerOptions): Promise<void> {
  const { importFile } = config.store
  if (importFile === null) return
  try {
    const file = Bun.file(importFile)
    if (!(await file.exists())) return
    const totals = file.size > maxStatisticsBytes ? null : readStatistics(await file.text(), statisticsOptions(config))
    if (totals === null) {
      log.warn('statistics not taken over: the file is not one of OnDemand-API-Proxy', { file: importFile })
      return
    }
    const isNew = await store.importTotals(totals)
    if (isNew) log.info('statistics taken over', { file: importFile, requests: totals.all.requests })
  } catch (cause) {
    log.warn('statistics not taken over', { file: importFile, ...describeError(cause) })
  }
}

function statisticsOptions({ providers, prices, defaultModelPrice }: Config) {
  const provider = providers.find(({ type }) => type === 'ondemand')?.name ?? ''
  return { provider, priceOf: createPriceTable(prices, defaultModelPrice) }
}

async function startOn(store: Store, { config, loaded, log, load }: ServerOptions): Promise<Server> {
  const clock = systemClock
  const [blacklist, pins, keys, spending] = await Promise.all([
    store.blacklist(),
    store.pins(),
    store.keys(),
    store.spending(),
  ])
  const counter = createTokenCounter({ log })
  const gateway = createGateway({ config, clock, log, store, counter, remembered: { blacklist, pins, spending } })
  gateway.clientKeys.setStored(keys)
  store.onKeysChanged((changed) => {
    gateway.clientKeys.setStored(changed)
    log.info('client keys changed', { keys: changed.filter((key) => key.role === 'client').length })
  })
  let current = loaded
  let lastReload: ReloadResult | null = null
  let files = loaded.files
  let watcher = watch()

  function watch(): FileWatch {
    return watchFiles(files, () => reload('file changed'))
  }

  function reload(cause: string): ReloadResult {
    // Begun before the files are read: what is read now is no news later, and what changes meanwhile is.
    watcher.close()
    watcher = watch()
    const next = load()
    const needsRestart = next.config === null ? [] : settingsForRestart(config, next.config)
    const { problems, notices } = next
    lastReload = { isApplied: next.config !== null, problems, notices, needsRestart, time: clock.now(), cause }
    if (next.files.join('\n') !== files.join('\n')) {
      files = next.files
      watcher.close()
      watcher = watch()
    }
    if (next.config === null) {
      for (const problem of problems) log.error('setting refused', { place: problem.place, problem: problem.message })
      log.error('configuration not reloaded; the old one stays in force', { cause, problems: problems.length })
      return lastReload
    }
    current = next
    gateway.reload(next.config)
    for (const notice of notices) log.info('settings', { notice })
    log.info('configuration reloaded', { cause })
    if (needsRestart.length > 0) log.warn('some changes need a restart', { settings: needsRestart.join(', ') })
    return lastReload
  }

  const stopping = new AbortController()
  const app = createApp({
    stopping: stopping.signal,
    gateway,
    store,
    clock,
    log,
    version,
    startedAt: clock.now(),
    reload: () => reload('asked by the operator'),
    effectiveConfig: () => current.effective,
    lastReload: () => lastReload,
  })
  try {
    app.listen({
      hostname: config.server.host,
      port: config.server.port,
      idleTimeout: idleTimeoutSeconds,
      // A second instance on the same port must be told so, not given half of the calls.
      reusePort: false,
      development: false,
      // Ours is checked before, and answered in the client's own format.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    })
  } catch (cause) {
    watcher.close()
    await gateway.close()
    throw cause
  }
  const listening = app.server
  if (listening === null) throw new Error('the HTTP server did not start')

  return {
    host: config.server.host,
    port: listening.port ?? config.server.port,
    store,
    reload,
    graceMs,
    async stop() {
      watcher.close()
      stopping.abort()
      const isFinished = await finishes(listening.stop(), graceMs())
      if (!isFinished) {
        log.warn('calls cut off: the shutdown grace is over', { calls: gateway.metrics.snapshot().activeCalls })
        await finishes(listening.stop(true), forcedStopMs)
        await callsAreRecorded()
      }
      await gateway.close()
      await counter.close()
      await store.close().catch((error: unknown) => log.error('not everything was stored', describeError(error)))
      log.flush()
    },
  }

  function graceMs(): number {
    return gateway.config().server.shutdownGraceMs
  }

  /** A call that was cut off has its record a moment later. */
  async function callsAreRecorded(): Promise<void> {
    const end = clock.monotonic() + forcedStopMs
    while (gateway.metrics.snapshot().activeCalls > 0 && clock.monotonic() < end) await Bun.sleep(recordedPollMs)
  }
}

const forcedStopMs = 800
const recordedPollMs = 10

function settingsForRestart(before: Config, after: Config): string[] {
  const pairs: [string, unknown, unknown][] = [
    ['server.host', before.server.host, after.server.host],
    ['server.port', before.server.port, after.server.port],
    ['data directory', before.store.directory, after.store.directory],
    ['log', JSON.stringify(before.log), JSON.stringify(after.log)],
    [
      'store',
      `${before.store.retentionMs} ${before.store.maxBytes} ${before.store.timezone}`,
      `${after.store.retentionMs} ${after.store.maxBytes} ${after.store.timezone}`,
    ],
  ]
  return pairs.filter(([, old, next]) => old !== next).map(([name]) => name)
}

async function finishes(work: Promise<unknown>, deadlineMs: number): Promise<boolean> {
  let timer: Timer | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, deadlineMs, false)
  })
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
