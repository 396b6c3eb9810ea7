/** The effective configuration in the words and units of the file, with secrets masked: to be shown to the operator. */
import type {
  ClientKey,
  Config,
  Credential,
  ModelRoute,
  OndemandProviderConfig,
  Price,
  ProviderConfig,
  SciraProviderConfig,
} from '../domain.ts'
import { describeLimits } from './build-limits.ts'
import { formatDuration, formatSize } from './units.ts'

export function describeConfig(config: Config): EffectiveSettings {
  const { server, access, cache, store, log } = config
  return {
    server: {
      host: server.host,
      port: server.port,
      cors_origins: server.corsOrigins,
      max_body: formatSize(server.maxBodyBytes),
      shutdown_grace: formatDuration(server.shutdownGraceMs),
      keep_alive: formatDuration(server.keepAliveMs),
      swagger: server.isSwaggerEnabled,
    },
    access: {
      admin_key: access.adminKeyHash === null ? 'generated' : `${access.adminKeyHash.slice(0, 8)}…`,
      anonymous: access.isAnonymousAllowed,
      public_models: access.areModelsPublic,
      default_limits: describeLimits(access.defaultLimits),
      client_keys: access.clientKeys.map(describeClientKey),
    },
    providers: Object.fromEntries(config.providers.map((provider) => [provider.name, describeProvider(provider)])),
    models: Object.fromEntries(config.models.map((route) => [route.pattern, describeRoute(route)])),
    default_provider: config.defaultProvider,
    cache: {
      enabled: cache.isEnabled,
      ttl: formatDuration(cache.ttlMs),
      max: formatSize(cache.maxBytes),
      shared: cache.isShared,
      model_list_ttl: formatDuration(cache.modelListMs),
    },
    metrics: { public: server.areMetricsPublic },
    store: {
      directory: store.directory,
      retention: formatDuration(store.retentionMs),
      max_size: formatSize(store.maxBytes),
      timezone: store.timezone,
      import_statistics: store.importFile,
    },
    log: { level: log.level, format: log.format, path: log.path, retention: formatDuration(log.retentionMs) },
    prices: Object.fromEntries(Object.entries(config.prices).map(([name, price]) => [name, describePrice(price)])),
    default_model_price: describePrice(config.defaultModelPrice),
  }
}

export type EffectiveSettings = Readonly<Record<string, unknown>>

function describeClientKey({ name, label, models, limits, isStateful }: ClientKey): EffectiveSettings {
  return { name, key: label, models, ...describeLimits(limits), stateful: isStateful }
}

/** Ten thousand labels are of no use to anybody. */
const maxLabels = 20

function describeProvider(provider: ProviderConfig): EffectiveSettings {
  const { blacklist, breaker, timeouts, credentials } = provider
  return {
    type: provider.type,
    ...describeKind(provider),
    credentials: credentials.length,
    ...(provider.type === 'scira'
      ? {}
      : { keys: describeCredentials(credentials.filter(({ kind }) => kind === 'key')) }),
    headers: maskValues(provider.headers),
    rotation: provider.rotation,
    start_index: provider.startIndex,
    blacklist: {
      threshold: blacklist.threshold,
      cooldown: formatDuration(blacklist.cooldownMs),
      recheck: formatDuration(blacklist.recheckMs),
    },
    breaker: {
      failures: breaker.failures,
      ratio: breaker.ratio,
      min_calls: breaker.minCalls,
      window: formatDuration(breaker.windowMs),
      open: formatDuration(breaker.openMs),
      max_open: formatDuration(breaker.maxOpenMs),
    },
    timeouts: {
      first_byte: formatDuration(timeouts.firstByteMs),
      answer: formatDuration(timeouts.answerMs),
      idle: formatDuration(timeouts.idleMs),
    },
    max_attempts: provider.maxAttempts,
    max_wait: formatDuration(provider.maxWaitMs),
    proxy: provider.proxy === null ? null : maskProxy(provider.proxy.url),
    no_proxy: provider.proxy?.bypass ?? [],
    http2: provider.isHttp2,
    max_idle_sockets: provider.maxIdleSockets,
  }
}

function describeKind(provider: ProviderConfig): EffectiveSettings {
  switch (provider.type) {
    case 'openai':
      return {
        base_url: provider.baseUrl,
        chat_url: provider.chatUrl === null ? null : maskQuery(provider.chatUrl),
        stream_usage: provider.streamUsage,
      }
    case 'ondemand':
      return describeOndemand(provider)
    case 'scira':
      return describeScira(provider)
  }
}

function describeScira(provider: SciraProviderConfig): EffectiveSettings {
  return {
    cookies: describeCredentials(provider.credentials.filter(({ kind }) => kind === 'cookie')),
    base_url: provider.baseUrl,
    path: provider.path,
    generation: provider.generation,
    stream_format: provider.streamFormat,
    group: provider.group,
    timezone: provider.timezone,
    visibility: provider.visibility,
    temporary: provider.isTemporary,
    system_prompt: provider.systemPlacement,
    reasoning: provider.reasoning,
    unsupported: provider.unsupported,
    models: provider.models,
    default_model: provider.defaultModel,
    rate_limit_rest: formatDuration(provider.rateLimitRestMs),
  }
}

function describeOndemand(provider: OndemandProviderConfig): EffectiveSettings {
  const { session, signInRetry, retries } = provider
  return {
    accounts: describeCredentials(provider.credentials.filter(({ kind }) => kind === 'account')),
    chat_base: provider.chatBase,
    client_base: provider.clientBase,
    auth_base: provider.authBase,
    sign_in_path: provider.signInPath,
    refresh_path: provider.refreshPath,
    config_base: provider.configBase,
    account_headers: maskValues(provider.accountHeaders),
    models: provider.models,
    default_endpoint_id: provider.defaultEndpointId,
    catalogue_refresh: formatDuration(provider.catalogueMs),
    sessions: { reuse: session.isReused, idle: formatDuration(session.idleMs), delete: session.isDeleted },
    system_prompt: provider.systemPlacement,
    max_query_length: provider.maxQueryLength,
    plugins: provider.plugins,
    plugin_field: provider.pluginField,
    fulfillment_only: provider.isFulfillmentOnly,
    send_max_tokens: provider.isMaxTokensSent,
    reasoning: provider.reasoning,
    unsupported: provider.unsupported,
    request_timeout: formatDuration(provider.requestTimeoutMs),
    stray_pause: formatDuration(provider.strayPauseMs),
    rate_limit_rest: formatDuration(provider.rateLimitRestMs),
    sign_in: { wait: formatDuration(signInRetry.waitMs), long_rest: formatDuration(signInRetry.longRestMs) },
    retries: { max: retries.max, base: formatDuration(retries.baseMs) },
  }
}

function describeCredentials(credentials: readonly Credential[]): readonly string[] {
  const labels = credentials.slice(0, maxLabels).map(({ label }) => label)
  return credentials.length > maxLabels ? [...labels, `and ${credentials.length - maxLabels} more`] : labels
}

function maskValues(headers: Readonly<Record<string, string>>): EffectiveSettings {
  return Object.fromEntries(Object.keys(headers).map((name) => [name, '***']))
}

/** Some services take their key in the query. */
function maskQuery(text: string): string {
  const url = new URL(text)
  const names = [...new Set(url.searchParams.keys())]
  return url.origin + url.pathname + (names.length === 0 ? '' : `?${names.map((name) => `${name}=***`).join('&')}`)
}

function maskProxy(text: string): string {
  const url = new URL(text)
  const hasUser = url.username !== '' || url.password !== ''
  return `${url.protocol}//${hasUser ? '***@' : ''}${url.host}`
}

function describeRoute({ targets, price }: ModelRoute): EffectiveSettings {
  const names = targets.map(({ provider, model }) => `${provider}/${model}`)
  return { targets: names, price: price === null ? null : describePrice(price) }
}

function describePrice({ input, output, cachedInput }: Price): EffectiveSettings {
  return { input, output, cached_input: cachedInput }
}
