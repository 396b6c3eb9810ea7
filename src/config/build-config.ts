/** Makes the normalised configuration from checked settings: units resolved, keys read, names that refer to others looked up. */
import { resolve } from 'node:path'
import type { BreakerConfig, Config, ModelRoute, Price, ProviderConfig, Target, TimeoutsConfig } from '../domain.ts'
import { buildAccess } from './build-access.ts'
import { buildCredentials } from './build-credentials.ts'
import { nearestName } from './nearest-name.ts'
import type { ReadFile } from './read-text-file.ts'
import type { Report } from './report.ts'
import type { PriceSettings, ProviderSettings, Settings } from './schema.ts'
import { childPointer } from './settings-tree.ts'
import { parseDuration, parseSize } from './units.ts'

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
      keepAliveMs: timerMs(server.keep_alive),
      isSwaggerEnabled: server.swagger,
      areMetricsPublic: settings.metrics.public,
    },
    access: buildAccess(settings.access, context),
    providers,
    models: buildModels(settings.models, context),
    defaultProvider: chooseDefaultProvider(settings, context),
    store: {
      ...context.dataDirectory,
      retentionMs: parseDuration(settings.store.retention),
      timezone: checkTimezone(settings.store.timezone, context),
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
  /** Names of all providers that were written, refused ones too. */
  readonly providerNames: readonly string[]
}

function buildProvider(name: string, written: ProviderSettings, context: BuildContext): ProviderConfig {
  const pointer = childPointer('/providers', name)
  const { blacklist } = written
  return {
    name,
    type: written.type,
    ...buildUrls(pointer, written, context),
    credentials: buildCredentials({ name, pointer }, written, context),
    headers: checkHeaders(pointer, written.headers, context),
    rotation: written.rotation,
    startIndex: written.start_index,
    blacklist: {
      threshold: blacklist.threshold,
      cooldownMs: timerMs(blacklist.cooldown),
      recheckMs: timerMs(blacklist.recheck),
    },
    breaker: buildBreaker(pointer, written.breaker, context),
    timeouts: buildTimeouts(pointer, written.timeouts, context),
    maxAttempts: written.max_attempts,
    maxWaitMs: timerMs(written.max_wait),
    proxy: checkProxy(pointer, written.proxy, context),
    isHttp2: written.http2,
    streamUsage: written.stream_usage,
    maxIdleSockets: written.max_idle_sockets ?? null,
  }
}

/** What a timer of the runtime can hold: about 24 days. A longer deadline is as good as that. */
const longestTimerMs = 2 ** 31 - 1

function timerMs(text: string): number {
  return Math.min(parseDuration(text), longestTimerMs)
}

function buildUrls(
  pointer: string,
  written: ProviderSettings,
  context: BuildContext,
): Pick<ProviderConfig, 'baseUrl' | 'chatUrl'> {
  const basePointer = `${pointer}/base_url`
  const chatPointer = `${pointer}/chat_url`
  const chatUrl = checkUrl(chatPointer, written.chat_url, context)
  const baseUrl = checkUrl(basePointer, written.base_url, context)
  if (baseUrl === null) {
    const isMissing = written.base_url === undefined && written.chat_url === undefined
    if (isMissing && ![pointer, basePointer, chatPointer].some(context.isRefused)) {
      context.refuse(
        basePointer,
        'is missing; write what stands before /chat/completions, such as https://api.openai.com/v1',
      )
    }
    return { baseUrl: chatUrl === null ? '' : besideChat(chatUrl), chatUrl: chatUrl?.href ?? null }
  }
  if (baseUrl.search !== '') context.refuse(basePointer, 'must not have a query (what begins with "?")')
  if (/\/chat\/completions\/*$/.test(baseUrl.pathname)) {
    context.refuse(basePointer, 'leave out /chat/completions, or write the whole address as chat_url')
  }
  return { baseUrl: withVersion(baseUrl), chatUrl: chatUrl?.href ?? null }
}

function checkUrl(pointer: string, text: string | undefined, { refuse }: BuildContext): URL | null {
  if (text === undefined) return null
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    refuse(pointer, 'must be an address that begins with http:// or https://')
    return null
  }
  if (url.username !== '' || url.password !== '') refuse(pointer, 'must not hold a user name or password')
  if (url.hash !== '') refuse(pointer, 'must not have a fragment (what begins with "#")')
  return url
}

function withVersion(url: URL): string {
  const path = url.pathname.replace(/\/+$/, '')
  return url.origin + (path === '' ? '/v1' : path)
}

/** Where the other endpoints probably are, of an upstream known only by its chat endpoint. */
function besideChat(url: URL): string {
  const path = url.pathname.replace(/\/+$/, '')
  const parent = /\/chat\/completions$/.test(path)
    ? path.slice(0, -'/chat/completions'.length)
    : path.replace(/\/[^/]*$/, '')
  return withVersion(new URL(parent || '/', url.origin))
}

/** Set by the gateway for every request; a second one would break the request or the credential's choice. */
const ownHeaders = new Set(['authorization', 'host', 'content-length', 'transfer-encoding', 'connection'])

function checkHeaders(
  pointer: string,
  headers: Readonly<Record<string, string>>,
  { refuse }: BuildContext,
): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(headers)) {
    const isName = /^[\w!#$%&'*+.^`|~-]+$/.test(name)
    const at = isName ? childPointer(`${pointer}/headers`, name) : `${pointer}/headers`
    if (!isName) refuse(at, 'a name is not valid for a header')
    else if (ownHeaders.has(name.toLowerCase()))
      refuse(at, 'is set by the gateway itself; keys belong in keys or keys_file')
    else if (!/^[\x20-\x7e\x80-\xff]*$/.test(value)) refuse(at, 'has characters that a header must not have')
  }
  return headers
}

function buildBreaker(pointer: string, written: ProviderSettings['breaker'], { refuse }: BuildContext): BreakerConfig {
  const breaker = {
    failures: written.failures,
    ratio: written.ratio,
    minCalls: written.min_calls,
    windowMs: timerMs(written.window),
    openMs: timerMs(written.open),
    maxOpenMs: timerMs(written.max_open),
  }
  if (breaker.maxOpenMs < breaker.openMs) refuse(`${pointer}/breaker/max_open`, 'must not be shorter than open')
  return breaker
}

const defaultAnswerMs = 600_000

/** A deadline set for the first byte was, in the programs we replace, the one for whole answers too. */
function buildTimeouts(pointer: string, written: ProviderSettings['timeouts'], context: BuildContext): TimeoutsConfig {
  const firstByteMs = timerMs(written.first_byte)
  const byDefault = context.isGiven(`${pointer}/timeouts/first_byte`) ? firstByteMs : defaultAnswerMs
  return {
    firstByteMs,
    answerMs: written.answer === undefined ? byDefault : timerMs(written.answer),
    idleMs: timerMs(written.idle),
  }
}

function checkProxy(pointer: string, text: string | undefined, { refuse }: BuildContext): string | null {
  if (text === undefined) return null
  const at = `${pointer}/proxy`
  if (/^socks/i.test(text)) {
    refuse(at, 'SOCKS proxies are not supported yet; use one that begins with http:// or https://')
    return null
  }
  if (!/^https?:\/\/./i.test(text) || !URL.canParse(text)) {
    refuse(at, 'must be an address that begins with http:// or https://')
    return null
  }
  return text
}

function checkOrigin(origin: string, index: number, { refuse }: BuildContext): string {
  const isOrigin = URL.canParse(origin) && new URL(origin).origin === origin.toLowerCase()
  if (origin !== '*' && !isOrigin) {
    refuse(`/server/cors_origins/${index}`, 'must be "*" or an origin such as https://app.example.com, without a path')
  }
  return origin === '*' ? origin : origin.toLowerCase()
}

function checkTimezone(timezone: string, { refuse }: BuildContext): string {
  if (!isTimezone(timezone)) refuse('/store/timezone', 'must be the name of a time zone, such as UTC or Europe/Warsaw')
  return timezone
}

function isTimezone(timezone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
    return true
  } catch {
    return false
  }
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
