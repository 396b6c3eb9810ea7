/** Makes the configuration of one provider from its checked settings. What its credentials are is `build-credentials.ts`'s business. */
import type {
  BreakerConfig,
  OndemandProviderConfig,
  OpenAiProviderConfig,
  ProviderConfig,
  ProviderConfigBase,
  SciraProviderConfig,
  TimeoutsConfig,
} from '../domain.ts'
import type { BuildContext } from './build-config.ts'
import { buildCredentials } from './build-credentials.ts'
import { buildProxy } from './build-proxy.ts'
import { checkTimezone } from './check-timezone.ts'
import type {
  OndemandProviderSettings,
  OpenAiProviderSettings,
  ProviderSettings,
  SciraProviderSettings,
} from './schema.ts'
import { childPointer } from './settings-tree.ts'
import { timerMs } from './units.ts'

export function buildProvider(name: string, written: ProviderSettings, context: BuildContext): ProviderConfig {
  const pointer = childPointer('/providers', name)
  const shared = buildShared({ name, pointer }, written, context)
  switch (written.type) {
    case 'openai':
      return { ...shared, ...buildOpenAi(pointer, written, context) }
    case 'ondemand':
      return { ...shared, ...buildOndemand(pointer, written, context) }
    case 'scira':
      return { ...shared, ...buildScira(pointer, written, context) }
  }
}

function buildShared(
  provider: { readonly name: string; readonly pointer: string },
  written: ProviderSettings,
  context: BuildContext,
): ProviderConfigBase {
  const { name, pointer } = provider
  const { blacklist } = written
  return {
    name,
    credentials: buildCredentials(provider, written, context),
    headers: checkHeaders(`${pointer}/headers`, written.headers, context),
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
    proxy: buildProxy(pointer, written, context),
    isHttp2: written.http2,
    maxIdleSockets: written.max_idle_sockets ?? null,
  }
}

type OwnPart<Config extends ProviderConfig> = Omit<Config, keyof ProviderConfigBase>

function buildOpenAi(
  pointer: string,
  written: OpenAiProviderSettings,
  context: BuildContext,
): OwnPart<OpenAiProviderConfig> {
  return { type: 'openai', ...buildUrls(pointer, written, context), streamUsage: written.stream_usage }
}

type OndemandBase = 'chat_base' | 'client_base' | 'auth_base' | 'config_base'

/** On the host that calls are sent to: credentials given for one host must not go to another because one setting was forgotten. */
function configBaseOf(pointer: string, base: (name: OndemandBase) => string, context: BuildContext): string {
  const written = base('config_base')
  if (context.isGiven(`${pointer}/config_base`)) return written
  const moved = (['chat_base', 'client_base'] as const).find((name) => context.isGiven(`${pointer}/${name}`))
  if (moved === undefined || !URL.canParse(base(moved))) return written
  return new URL(base(moved)).origin + new URL(written).pathname
}

function buildOndemand(
  pointer: string,
  written: OndemandProviderSettings,
  context: BuildContext,
): OwnPart<OndemandProviderConfig> {
  const base = (name: OndemandBase) => checkBase(`${pointer}/${name}`, written[name], context)
  const { sessions, sign_in, retries } = written
  return {
    type: 'ondemand',
    chatBase: base('chat_base'),
    clientBase: base('client_base'),
    authBase: base('auth_base'),
    configBase: configBaseOf(pointer, base, context),
    signInPath: written.sign_in_path,
    refreshPath: written.refresh_path,
    accountHeaders: checkHeaders(`${pointer}/account_headers`, written.account_headers, context),
    models: written.models,
    defaultEndpointId: written.default_endpoint_id ?? null,
    catalogueMs: timerMs(written.catalogue_refresh),
    session: { isReused: sessions.reuse, idleMs: timerMs(sessions.idle), isDeleted: sessions.delete },
    systemPlacement: written.system_prompt,
    maxQueryLength: written.max_query_length ?? null,
    ...buildPlugins(pointer, written, context),
    isFulfillmentOnly: written.fulfillment_only,
    isMaxTokensSent: written.send_max_tokens,
    reasoning: written.reasoning,
    unsupported: written.unsupported,
    requestTimeoutMs: timerMs(written.request_timeout),
    strayPauseMs: timerMs(written.stray_pause),
    rateLimitRestMs: timerMs(written.rate_limit_rest),
    signInRetry: { waitMs: timerMs(sign_in.wait), longRestMs: timerMs(sign_in.long_rest) },
    retries: { max: retries.max, baseMs: timerMs(retries.base) },
  }
}

function buildScira(
  pointer: string,
  written: SciraProviderSettings,
  context: BuildContext,
): OwnPart<SciraProviderConfig> {
  return {
    type: 'scira',
    baseUrl: checkBase(`${pointer}/base_url`, written.base_url, context),
    path: written.path,
    generation: written.generation,
    streamFormat: written.stream_format,
    group: written.group,
    timezone: checkTimezone(`${pointer}/timezone`, written.timezone, context),
    visibility: written.visibility,
    isTemporary: written.temporary,
    systemPlacement: written.system_prompt,
    reasoning: written.reasoning,
    models: written.models,
    defaultModel: written.default_model ?? null,
    unsupported: written.unsupported,
    rateLimitRestMs: timerMs(written.rate_limit_rest),
  }
}

/** Without a slash at its end. */
function checkBase(pointer: string, text: string, context: BuildContext): string {
  const url = checkUrl(pointer, text, context)
  if (url === null) return ''
  if (url.search !== '') context.refuse(pointer, 'must not have a query (what begins with "?")')
  return url.origin + url.pathname.replace(/\/+$/, '')
}

/** As the service documents it. */
const maxPlugins = 20

function buildPlugins(
  pointer: string,
  { plugins, plugin_field }: OndemandProviderSettings,
  { refuse }: BuildContext,
): Pick<OndemandProviderConfig, 'plugins' | 'pluginField'> {
  if (plugins.length > maxPlugins) refuse(`${pointer}/plugins`, `must be ${maxPlugins} at most`)
  return { plugins, pluginField: plugin_field ?? (plugins.length === 0 ? 'omit' : 'pluginIds') }
}

function buildUrls(
  pointer: string,
  written: OpenAiProviderSettings,
  context: BuildContext,
): Pick<OpenAiProviderConfig, 'baseUrl' | 'chatUrl'> {
  const basePointer = `${pointer}/base_url`
  const chatPointer = `${pointer}/chat_url`
  const chatUrl = checkUrl(chatPointer, written.chat_url, context)
  const baseUrl = checkUrl(basePointer, written.base_url, context)
  if (baseUrl === null) {
    const isMissing = written.base_url === undefined && written.chat_url === undefined
    if (isMissing && ![pointer, `${pointer}/type`, basePointer, chatPointer].some(context.isRefused)) {
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
    const at = isName ? childPointer(pointer, name) : pointer
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
