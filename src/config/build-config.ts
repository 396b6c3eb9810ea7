/** Makes the normalised configuration from checked settings: units resolved, keys read, names that refer to others looked up. */
import { resolve } from 'node:path'
import type { Config, ModelRoute, Price, Target } from '../domain.ts'
import { buildAccess } from './build-access.ts'
import { buildProvider } from './build-provider.ts'
import { checkTimezone } from './check-timezone.ts'
import { nearestName } from './nearest-name.ts'
import type { ReadFile } from './read-text-file.ts'
import type { Report } from './report.ts'
import type { PriceSettings, Settings } from './schema.ts'
import { childPointer } from './settings-tree.ts'
import { parseDuration, parseSize, timerMs } from './units.ts'

/** Always gives a configuration, to show it; one to run with only when the report has no problems. */
export function buildConfig(settings: Settings, context: BuildContext): Config {
  const providers = Object.entries(settings.providers).map(([name, written]) => buildProvider(name, written, context))
  const { server, log } = settings
  return {
    server: {
      host: server.host,
      port: server.port,
      corsOrigins: server.cors_origins.map((origin, index) => checkOrigin(origin, index, context)),
      maxBodyBytes: parseSize(server.max_body),
      shutdownGraceMs: timerMs(server.shutdown_grace),
      keepAliveMs: checkKeepAlive(server.keep_alive, context),
      isSwaggerEnabled: server.swagger,
      areMetricsPublic: settings.metrics.public,
    },
    access: buildAccess(settings.access, context),
    providers,
    models: buildModels(settings.models, context),
    defaultProvider: chooseDefaultProvider(settings, context),
    cache: {
      isEnabled: settings.cache.enabled,
      ttlMs: parseDuration(settings.cache.ttl),
      maxBytes: parseSize(settings.cache.max),
      isShared: settings.cache.shared,
      modelListMs: parseDuration(settings.cache.model_list_ttl),
    },
    store: {
      ...context.dataDirectory,
      retentionMs: parseDuration(settings.store.retention),
      maxBytes: parseSize(settings.store.max_size),
      timezone: checkTimezone('/store/timezone', settings.store.timezone, context),
      importFile:
        settings.store.import_statistics === undefined ? null : resolve(context.cwd, settings.store.import_statistics),
    },
    log: {
      level: log.level,
      format: log.format,
      path: log.path === undefined ? null : resolve(context.cwd, log.path),
      retentionMs: parseDuration(log.retention),
    },
    prices: Object.fromEntries(Object.entries(settings.prices).map(([name, price]) => [name, buildPrice(price)])),
    defaultModelPrice: buildPrice(settings.default_model_price),
  }
}

export interface BuildContext {
  readonly cwd: string
  /** Folder of the configuration file: what `keys_file` is relative to. */
  readonly folder: string
  readonly dataDirectory: { readonly directory: string; readonly isDirectoryNamed: boolean }
  readonly readFile: ReadFile
  readonly report: Report
  readonly refuse: (pointer: string, message: string) => void
  readonly placeOf: (pointer: string) => string
  /** The operator set this value; it is no default. */
  readonly isGiven: (pointer: string) => boolean
  /** The value was there but is refused already. */
  readonly isRefused: (pointer: string) => boolean
  /** What the environment excepts from proxies. */
  readonly noProxy: readonly string[]
  /** Names of all providers that were written, refused ones too. */
  readonly providerNames: readonly string[]
}

function checkOrigin(origin: string, index: number, { refuse }: BuildContext): string {
  const isOrigin = URL.canParse(origin) && new URL(origin).origin === origin.toLowerCase()
  if (origin !== '*' && !isOrigin) {
    refuse(`/server/cors_origins/${index}`, 'must be "*" or an origin such as https://app.example.com, without a path')
  }
  return origin === '*' ? origin : origin.toLowerCase()
}

/** The runtime closes a connection that is silent for 255 s, whatever it is told. */
const longestKeepAliveMs = 240_000

function checkKeepAlive(written: string, { refuse }: BuildContext): number {
  const keepAliveMs = timerMs(written)
  if (keepAliveMs > longestKeepAliveMs)
    refuse('/server/keep_alive', 'must be at most 4m: a silent connection is closed then')
  return keepAliveMs
}

function buildModels(models: Settings['models'], context: BuildContext): readonly ModelRoute[] {
  return Object.entries(models).map(([pattern, written]) => {
    const pointer = childPointer('/models', pattern)
    if (typeof written === 'string') {
      return { pattern, targets: buildTarget(pointer, written, context), price: null }
    }
    const price = written.price === undefined ? null : buildPrice(written.price)
    return { pattern, targets: buildTargets(pointer, written, context), price }
  })
}

function buildTargets(
  pointer: string,
  { target, targets }: { readonly target?: string; readonly targets?: readonly string[] },
  context: BuildContext,
): readonly Target[] {
  if (target !== undefined && targets !== undefined)
    context.refuse(pointer, 'has both target and targets; write one of them')
  if (targets !== undefined) {
    if (targets.length === 0) context.refuse(`${pointer}/targets`, 'must name at least one provider/model')
    return targets.flatMap((each, index) => buildTarget(`${pointer}/targets/${index}`, each, context))
  }
  if (target !== undefined) return buildTarget(`${pointer}/target`, target, context)
  const isRefused = [`${pointer}/target`, `${pointer}/targets`].some(context.isRefused)
  if (!isRefused) context.refuse(pointer, 'needs a target, such as openai/gpt-4o')
  return []
}

/** Empty when it was refused. */
function buildTarget(pointer: string, written: string, context: BuildContext): readonly Target[] {
  const slash = written.indexOf('/')
  const provider = written.slice(0, Math.max(slash, 0))
  const model = written.slice(slash + 1)
  if (slash < 1 || model === '') {
    context.refuse(pointer, 'must be provider/model, such as openai/gpt-4o')
    return []
  }
  refuseUnknownProvider(pointer, provider, context)
  return [{ provider, model }]
}

function refuseUnknownProvider(pointer: string, name: string, { providerNames, refuse }: BuildContext): void {
  if (providerNames.includes(name)) return
  const near = nearestName(name, providerNames)
  const known = providerNames.length === 0 ? 'there is none' : `known: ${providerNames.join(', ')}`
  refuse(pointer, `there is no provider of this name; ${near === null ? known : `did you mean ${near}?`}`)
}

function chooseDefaultProvider(settings: Settings, context: BuildContext): string | null {
  const named = settings.default_provider
  if (named !== undefined) {
    refuseUnknownProvider('/default_provider', named, context)
    return named
  }
  const [only, ...others] = Object.keys(settings.providers)
  return only !== undefined && others.length === 0 ? only : null
}

function buildPrice({ input, output, cached_input }: PriceSettings): Price {
  return { input, output, cachedInput: cached_input ?? null }
}
