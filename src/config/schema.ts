/** The operator's file: every setting with its meaning and default. Closed: what is not named here is refused. */
import { type Static, type TProperties, type TSchema, Type } from '@sinclair/typebox'
import { durationPattern, positiveDurationPattern, sizePattern } from './units.ts'

const port = (byDefault: number) =>
  Type.Integer({
    minimum: 0,
    maximum: 65535,
    default: byDefault,
    description: 'Port to listen on; 0: any free one.',
    errorMessage: 'must be a port number from 0 to 65535',
  })

const price = closed(
  {
    input: amount('USD per million input tokens.'),
    output: amount('USD per million output tokens.'),
    cached_input: Type.Optional(amount('USD per million input tokens that upstream had cached.')),
  },
  { errorMessage: 'must be a price such as { input: 0.15, output: 0.60 }, in USD per million tokens' },
)

const server = section({
  host: text({ default: '0.0.0.0', description: 'Address to listen on.' }),
  port: port(7860),
  cors_origins: texts({
    default: ['*'],
    description: 'Origins that browsers may call from; "*" for all, an empty list switches CORS off.',
  }),
  max_body: size('64MiB', 'Largest request body.'),
  shutdown_grace: durationOrNone('30s', 'How long running calls may take to finish after SIGTERM.'),
  keep_alive: duration(
    '15s',
    'Silence after which a stream gets a comment line, so that proxies do not cut it; at most 4m.',
  ),
  swagger: flag(true, 'Serves Swagger UI at /swagger.'),
})

/** What a client may use: of one key, or of each that leaves it out. */
const limits = {
  rpm: Type.Optional(wholeLimit(1_000_000, 'Requests in any 60 seconds.')),
  rps: Type.Optional(
    Type.Number({
      minimum: 0.001,
      maximum: 1_000_000,
      description: 'Requests per second, averaged; may be a fraction such as 0.5.',
      errorMessage: 'must be a number from 0.001 to 1000000',
    }),
  ),
  burst: Type.Optional(
    wholeLimit(1_000_000, 'Requests at once, within rps. Default: those of a second, at least one.'),
  ),
  tpm: Type.Optional(wholeLimit(1_000_000_000, 'Tokens in any 60 seconds, of requests and answers together.')),
  max_concurrent: Type.Optional(wholeLimit(1_000_000, 'Calls under way at once.')),
  budget_usd: Type.Optional(
    Type.Number({
      minimum: 0.000_001,
      maximum: 1_000_000_000,
      description: 'US dollars that may be spent in budget_period.',
      errorMessage: 'must be a number from 0.000001 to 1000000000',
    }),
  ),
  budget_period: Type.Optional(
    Type.Union([Type.Literal('day'), Type.Literal('month')], {
      description: 'day or month, as they begin in store.timezone. Default: month.',
      errorMessage: 'must be one of day, month',
    }),
  ),
}

/** A client's limits alone; `any2api keys new` asks it too. */
export const limitsSchema = closed(limits)
export type LimitSettings = Static<typeof limitsSchema>

const clientKey = closed(
  {
    name: Type.Optional(
      text({ description: 'Shown in logs and statistics; client-1, client-2, … where it is left out.' }),
    ),
    key: text({ description: 'The secret that the client sends.' }),
    models: Type.Optional(
      texts({ description: 'Model names this key may use; "*" stands for any text. Default: all.' }),
    ),
    ...limits,
    stateful: Type.Optional(
      Type.Boolean({
        description:
          'May use files, batches, threads and other objects that live at an upstream account. Default: only while it is the only client key.',
        errorMessage: 'must be true or false',
      }),
    ),
  },
  { errorMessage: `must be a key in quotes, or { name, key, models, ${Object.keys(limits).join(', ')}, stateful }` },
)

const { name: keyName, models: keyModels, stateful: isKeyStateful } = clientKey.properties
/** A client key that we generate: the secret is not theirs to choose. */
export const newKeySchema = closed({ name: keyName, models: keyModels, ...limits, stateful: isKeyStateful })
export type NewKeySettings = Static<typeof newKeySchema>

const access = section({
  admin_key: Type.Optional(
    text({ description: 'Opens statistics and administration. Default: generated at first start.' }),
  ),
  anonymous: flag(false, 'Lets everybody use /v1 without a key.'),
  public_models: flag(false, 'Lets everybody read /v1/models without a key.'),
  // Limits of each client key, for what its own leave out. Callers without a key share one set of them. Default: none.
  default_limits: section(limits),
  client_keys: Type.Array(Type.Union([text({ description: 'The secret alone.' }), clientKey]), {
    default: [],
    description: 'Keys that open /v1.',
    errorMessage: 'must be a list of client keys',
  }),
})

const apiKeys = {
  keys: Type.Optional(texts({ description: 'API keys.' })),
  keys_file: Type.Optional(
    Type.Union([text({}), texts({})], {
      description: 'File with an API key on each line, or a list of such files; relative to the folder of this file.',
      errorMessage: 'must be a file name or a list of file names',
    }),
  ),
}

/** What every provider has, whatever it speaks. `byDefault` holds what is usual for its service. */
function sharedByProviders(byDefault: { readonly cooldown: string; readonly idle: string }) {
  return {
    headers: headers('Headers sent with every upstream request.'),
    rotation: choice(['round_robin', 'least_busy', 'sticky'], {
      default: 'round_robin',
      description: 'How the next credential is chosen.',
    }),
    start_index: count({
      minimum: 0,
      default: 0,
      description: 'Position of the credential that round robin begins with.',
    }),
    blacklist: section({
      threshold: count({ minimum: 1, default: 3, description: 'Failures in a row after which a credential rests.' }),
      cooldown: duration(byDefault.cooldown, 'How long it rests when upstream names no time.'),
      recheck: duration('1h', 'How often a blacklisted credential is tried again in the background.'),
    }),
    breaker: section({
      failures: count({ minimum: 1, default: 5, description: 'Failures in a row that open the circuit breaker.' }),
      ratio: Type.Number({
        exclusiveMinimum: 0,
        maximum: 1,
        default: 0.5,
        description: 'Share of failed calls in the window that opens it.',
        errorMessage: 'must be a number above 0 and at most 1',
      }),
      min_calls: count({ minimum: 1, default: 20, description: 'Calls in the window before the ratio counts.' }),
      window: duration('30s', 'Time over which the ratio is taken.'),
      open: duration('30s', 'How long it stays open at first; doubles each time.'),
      max_open: duration('5m', 'How long it stays open at most.'),
    }),
    timeouts: section({
      first_byte: duration('60s', 'From the start of an attempt to the first event, connecting included.'),
      answer: Type.Optional(
        duration(null, 'The same for an answer that is not streamed. Default: first_byte where that is set, else 10m.'),
      ),
      idle: duration(byDefault.idle, 'Longest silence between two pieces of an answer.'),
    }),
    max_attempts: count({ minimum: 1, default: 4, description: 'Attempts of one call at this provider.' }),
    max_wait: duration('120s', 'All attempts of one call together, until the first content.'),
    proxy: Type.Optional(
      text({
        description:
          'Proxy for calls to this provider: http://, https://, socks5:// or socks5h:// (the proxy looks names up).',
      }),
    ),
    no_proxy: Type.Optional(
      texts({
        description:
          'Hosts reached without the proxy: names with all below them, host:port, addresses, blocks such as 10.0.0.0/8, "*". Default: the variable NO_PROXY.',
      }),
    ),
    http2: flag(false, 'Speaks HTTP/2 to the upstream.'),
    max_idle_sockets: Type.Optional(
      count({ minimum: 0, description: 'Idle connections kept for later; never bounds calls.' }),
    ),
  }
}

const providerExample = 'must be a provider such as { base_url: "https://api.openai.com/v1", keys_file: keys.txt }'

const openAiProvider = closed(
  {
    type: Type.Literal('openai', { default: 'openai', description: 'Any service that speaks the API of OpenAI.' }),
    base_url: Type.Optional(
      text({ description: 'What stands before /chat/completions; one without a path gets /v1.' }),
    ),
    chat_url: Type.Optional(
      text({ description: 'Full URL of the chat endpoint, where it is not base_url + /chat/completions.' }),
    ),
    ...apiKeys,
    ...sharedByProviders({ cooldown: '60s', idle: '120s' }),
    stream_usage: choice(['auto', 'never'], {
      default: 'auto',
      description:
        'auto: asks a stream for its token counts and stops where upstream refuses; never: leaves requests alone.',
    }),
  },
  { errorMessage: providerExample },
)

const account = closed(
  {
    email: text({ description: 'What the account signs in with.' }),
    password: text({ description: 'Its password, exactly as it is.' }),
  },
  { errorMessage: 'must be an account such as { email: a@example.com, password: secret }' },
)

const ondemandProvider = closed(
  {
    type: Type.Literal('ondemand', { description: 'OnDemand (on-demand.io), by API key and by account.' }),
    ...apiKeys,
    ...sharedByProviders({ cooldown: '600s', idle: '90s' }),
    accounts: Type.Optional(
      Type.Array(account, {
        description: 'Accounts of the web app; they stand in one pool with the keys.',
        errorMessage: 'must be a list of accounts such as [{ email: a@example.com, password: secret }]',
      }),
    ),
    chat_base: text({
      default: 'https://api.on-demand.io/chat/v1',
      description: 'Chat by API key: what stands before /sessions.',
    }),
    client_base: text({
      default: 'https://api.on-demand.io/chat/v1/client',
      description: 'Chat by account: what stands before /sessions.',
    }),
    auth_base: text({
      default: 'https://gateway.on-demand.io/v1',
      description: 'Accounts sign in here: what stands before sign_in_path and refresh_path.',
    }),
    sign_in_path: path('/auth/user/signin', 'Where an account signs in, under auth_base.'),
    refresh_path: path('/auth/user/refresh_token', 'Where it renews its token, under auth_base.'),
    config_base: text({
      default: 'https://api.on-demand.io/config/v1/public',
      description:
        'What stands before /endpoints, the list of models. Default: on the host of chat_base, else of client_base.',
    }),
    account_headers: headers('Headers sent with every request of an account, over those of a browser.'),
    models: Type.Record(Type.String(), text({}), {
      default: {},
      description: 'Model names and their endpoint ids, over the built-in table and the fetched list.',
      errorMessage: 'must be model names with endpoint ids, such as { gpt-4o: predefined-openai-gpt4o }',
    }),
    default_endpoint_id: Type.Optional(
      text({ description: 'Serves every model name that is not known. Default: such names are refused.' }),
    ),
    catalogue_refresh: duration('1h', 'How long a fetched list of models is fresh.'),
    sessions: section({
      reuse: flag(
        false,
        'Keeps one session per client key, credential and conversation; otherwise each call has its own.',
      ),
      idle: duration('10m', 'A reused session rests no longer than this.'),
      delete: flag(true, 'Deletes a session upstream when it is no longer needed.'),
    }),
    system_prompt: choice(['query', 'fulfillment_prompt'], {
      default: 'query',
      description: 'Where system messages go: in front of the query, or into the fulfillment prompt.',
    }),
    max_query_length: Type.Optional(
      count({
        minimum: 1,
        description: 'Longest query in characters; a longer one is refused. Default: no limit of ours.',
      }),
    ),
    plugins: texts({ default: [], description: 'Ids of plugins or agents sent with every query; 20 at most.' }),
    plugin_field: Type.Optional(
      choice(['omit', 'pluginIds', 'agentIds'], {
        description: 'Name under which plugins are sent. Default: pluginIds where there are any, else omit.',
      }),
    ),
    fulfillment_only: flag(false, 'Skips the retrieval stage.'),
    send_max_tokens: flag(false, 'Passes max_tokens on; the service was seen to answer nothing then.'),
    ...sharedByTextUpstreams(),
    request_timeout: duration('45s', 'Deadline of a sign-in, a refresh, a new session and the list of models, each.'),
    stray_pause: duration('600ms', 'Pause before a stray 401, 403 or 404 is tried once more with the same credential.'),
    rate_limit_rest: durationOrNone('300s', 'How long a credential rests after a 429 that names no time.'),
    sign_in: section({
      wait: duration('60s', 'After a rejected sign-in the account is not signed in again for so long.'),
      long_rest: duration('1h', 'The same after two rejected sign-ins in a row.'),
    }),
    retries: section({
      max: count({
        minimum: 0,
        default: 0,
        description:
          'Further tries of a sign-in, session or query with the same credential, after connection errors and 5xx.',
      }),
      base: durationOrNone(
        '3s',
        'Pause between them: doubled each time after connection errors, else growing by itself.',
      ),
    }),
  },
  { errorMessage: providerExample },
)

const sciraProvider = closed(
  {
    type: Type.Literal('scira', { description: 'The web app of Scira (scira.ai), signed out or by cookies.' }),
    ...sharedByProviders({ cooldown: '60s', idle: '120s' }),
    cookies: Type.Optional(
      texts({ description: 'Cookie headers of signed-in browsers, one for each account. Default: signed out.' }),
    ),
    base_url: text({ default: 'https://scira.ai', description: 'Where the web app is.' }),
    path: path('/api/search', 'Where it takes searches, under base_url.'),
    generation: choice(['current', 'mid_2025'], {
      default: 'current',
      description: 'What requests look like: as published in March 2026, or from May to August 2025.',
    }),
    stream_format: choice(['auto', 'v4', 'v5'], {
      default: 'auto',
      description: 'What answers look like, by version of the AI SDK; auto: told by their first line.',
    }),
    group: text({ default: 'chat', description: 'Mode of search; chat is the one that searches nothing.' }),
    timezone: text({ default: 'UTC', description: 'IANA time zone in which the model is told the time.' }),
    visibility: choice(['private', 'public'], {
      default: 'private',
      description: 'Of chats that the service keeps of who is signed in.',
    }),
    temporary: flag(true, 'Asks the service to keep no chats.'),
    system_prompt: choice(['first_user_message', 'message'], {
      default: 'first_user_message',
      description: 'Where system messages go: in front of the first user message, or into a message of their own.',
    }),
    ...sharedByTextUpstreams(),
    models: Type.Record(Type.String(), text({}), {
      default: {},
      description: 'Model names and the names they have at Scira, over the built-in table.',
      errorMessage: 'must be model names with names at Scira, such as { grok-3-mini: scira-default }',
    }),
    default_model: Type.Optional(
      text({ description: 'Serves every model name that is not known. Default: such names are refused.' }),
    ),
    rate_limit_rest: durationOrNone('1h', 'How long a credential rests after a 429 that names no time.'),
  },
  { errorMessage: providerExample },
)

/** What those have that know no parameters. */
function sharedByTextUpstreams() {
  return {
    reasoning: choice(['reasoning_content', 'hidden'], {
      default: 'reasoning_content',
      description: 'Where the thinking of a model goes: into that field of the answer, or nowhere.',
    }),
    unsupported: choice(['drop', 'refuse'], {
      default: 'drop',
      description:
        'What becomes of parameters the service cannot honour: left out and named in x-any2api-dropped, or refused with 400.',
    }),
  }
}

/** Told apart by `type`; where that is left out, the first one is meant. */
const provider = Type.Union([openAiProvider, ondemandProvider, sciraProvider], { errorMessage: providerExample })

const modelRoute = closed(
  {
    target: Type.Optional(text({ description: 'provider/model' })),
    targets: Type.Optional(texts({ description: 'provider/model, tried in order.' })),
    price: Type.Optional(price),
  },
  { errorMessage: 'must be "provider/model", or { target or targets, price }' },
)

const settingsSchema = closed({
  $schema: Type.Optional(text({ description: 'Address of this schema, for editors.' })),
  server,
  access,
  providers: Type.Record(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$' }), provider, {
    additionalProperties: false,
    default: {},
    description: 'Upstreams by a name of your own.',
    errorMessage: 'must be providers by their names',
  }),
  models: Type.Record(Type.String(), Type.Union([text({ description: 'provider/model' }), modelRoute]), {
    default: {},
    description:
      'Model names and where their calls go. "*" in a name stands for any text, in a target for the whole name asked for.',
    errorMessage: 'must be model names with their targets',
  }),
  default_provider: Type.Optional(
    text({ description: 'Where every other model name and path goes. Default: the only provider, if there is one.' }),
  ),
  cache: section({
    enabled: flag(
      false,
      'Answers a chat, completion or embeddings call that was answered before with the same answer.',
    ),
    ttl: duration('5m', 'How long an answer is kept.'),
    max: size('64MiB', 'Memory for all kept answers; one alone may take an eighth of it.'),
    shared: flag(false, 'Gives a client what another client was answered; otherwise each has a cache of its own.'),
    model_list_ttl: duration(
      '1h',
      'How long a list of models is fresh that an upstream gave; in force without `enabled`, too.',
    ),
  }),
  metrics: section({ public: flag(false, 'Lets everybody read /metrics without the admin key.') }),
  store: section({
    retention: duration('90d', 'How long the record of a single call is kept.'),
    max_size: size('2GiB', 'Beyond it the oldest of these records go before their time.'),
    timezone: text({ default: 'UTC', description: 'IANA time zone in which days of the statistics begin.' }),
    import_statistics: Type.Optional(
      text({ description: 'Statistics file of OnDemand-API-Proxy, added to the totals once, at the first start.' }),
    ),
  }),
  log: section({
    level: choice(['debug', 'info', 'warn', 'error'], {
      default: 'info',
      description: 'Least important lines to write.',
    }),
    format: choice(['auto', 'json', 'text'], {
      default: 'auto',
      description: 'auto: coloured text on a terminal, JSON elsewhere.',
    }),
    path: Type.Optional(text({ description: 'File to write to instead of standard output; rotated.' })),
    retention: duration('7d', 'How long rotated log files are kept.'),
  }),
  prices: Type.Record(Type.String(), price, {
    default: {},
    description: 'Prices by model name, over the built-in table; a name may end in "*".',
    errorMessage: 'must be model names with their prices',
  }),
  default_model_price: closed(price.properties, {
    default: { input: 1, output: 3 },
    description: 'Price of a model that no table knows.',
    errorMessage: price.errorMessage,
  }),
})

/** What the schema makes of a file: defaults filled in, units still as text. */
export type Settings = Static<typeof settingsSchema>
export type ProviderSettings = Static<typeof provider>
export type OpenAiProviderSettings = Static<typeof openAiProvider>
export type OndemandProviderSettings = Static<typeof ondemandProvider>
export type SciraProviderSettings = Static<typeof sciraProvider>
export type AccountSettings = Static<typeof account>
export type PriceSettings = Static<typeof price>
export type ClientKeySettings = Static<typeof clientKey>

/** Demands what has a default, because defaults are filled in before it is asked. */
export { settingsSchema }

/** JSON Schema for editors: only what has no default is required. */
export const configSchema: Readonly<Record<string, unknown>> = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'any2api configuration',
  ...(withoutDefaultedRequired(JSON.parse(JSON.stringify(settingsSchema))) as Record<string, unknown>),
}

function closed<Properties extends TProperties>(properties: Properties, options: Annotations = {}) {
  return Type.Object(properties, { additionalProperties: false, ...options })
}

/** A group of settings that may be left out as a whole. */
function section<Properties extends TProperties>(properties: Properties) {
  const names = Object.keys(properties).join(', ')
  return closed(properties, { default: {}, errorMessage: `must be a group of settings: ${names}` })
}

interface Annotations {
  readonly default?: unknown
  readonly description?: string
  readonly errorMessage?: string
}

function text(options: Annotations) {
  return Type.String({
    minLength: 1,
    errorMessage: 'must be text (numbers and the like in quotes) and not empty',
    ...options,
  })
}

function texts(options: Annotations) {
  const item = Type.String({ errorMessage: 'must be text (numbers and the like in quotes)' })
  return Type.Array(item, { errorMessage: 'must be a list of texts, such as ["a", "b"]', ...options })
}

function flag(byDefault: boolean, description: string) {
  return Type.Boolean({ default: byDefault, description, errorMessage: 'must be true or false' })
}

function count(options: { minimum: number; default?: number; description: string }) {
  return Type.Integer({ ...options, errorMessage: `must be a whole number, at least ${options.minimum}` })
}

function wholeLimit(maximum: number, description: string) {
  return Type.Integer({
    minimum: 1,
    maximum,
    description,
    errorMessage: `must be a whole number from 1 to ${maximum}`,
  })
}

function headers(description: string) {
  return Type.Record(Type.String(), text({}), {
    default: {},
    description,
    errorMessage: 'must be headers with their values, such as { x-team: red }',
  })
}

function path(byDefault: string, description: string) {
  return Type.String({
    pattern: '^/[!-~]*$',
    default: byDefault,
    description,
    errorMessage: `must be a path such as ${byDefault}`,
  })
}

function amount(description: string) {
  return Type.Number({ minimum: 0, description, errorMessage: 'must be a number, at least 0' })
}

function duration(byDefault: string | null, description: string) {
  return Type.String({
    pattern: positiveDurationPattern,
    ...(byDefault === null ? {} : { default: byDefault }),
    description,
    errorMessage: needsUnit('500ms, 45s, 5m, 1h or 90d'),
  })
}

/** One that may be 0. */
function durationOrNone(byDefault: string, description: string) {
  return Type.String({
    pattern: durationPattern,
    default: byDefault,
    description,
    errorMessage: needsUnit(`0s, ${byDefault}`),
  })
}

function size(byDefault: string, description: string) {
  return Type.String({
    pattern: sizePattern,
    default: byDefault,
    description,
    errorMessage: 'must be a size with its unit, such as 512KiB, 10MB or 64MiB',
  })
}

function needsUnit(examples: string): string {
  return `must be a duration with its unit, such as ${examples}`
}

function choice<const Names extends readonly string[]>(names: Names, options: Annotations) {
  const literals = names.map((name) => Type.Literal(name as Names[number]))
  return Type.Union(literals, { ...options, errorMessage: `must be one of ${names.join(', ')}` })
}

function withoutDefaultedRequired(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutDefaultedRequired)
  if (typeof schema !== 'object' || schema === null) return schema
  const { properties, required } = schema as { properties?: Record<string, TSchema>; required?: unknown }
  const stillRequired = Array.isArray(required)
    ? required.filter((name) => typeof name === 'string' && properties?.[name]?.default === undefined)
    : null
  const entries = Object.entries(schema)
    .filter(([name]) => stillRequired === null || name !== 'required')
    .map(([name, inner]) => [name, withoutDefaultedRequired(inner)])
  if (stillRequired !== null && stillRequired.length > 0) entries.push(['required', stillRequired])
  return Object.fromEntries(entries)
}
