/** The core types, in the trade's words. Everything may import this file; it imports nothing. */

/** What the operator wrote, validated, with units resolved: durations in milliseconds, sizes in bytes. Frozen. */
export interface Config {
  readonly server: ServerConfig
  readonly access: AccessConfig
  readonly providers: readonly ProviderConfig[]
  readonly models: readonly ModelRoute[]
  /** Provider of every name and path that `models` does not mention; null: such calls are refused. */
  readonly defaultProvider: string | null
  readonly cache: CacheConfig
  readonly store: StoreConfig
  readonly log: LogConfig
  /** USD per million tokens by model name; patterns may end in `*`. Built-in table underneath. */
  readonly prices: Readonly<Record<string, Price>>
  readonly defaultModelPrice: Price
}

export interface ServerConfig {
  readonly host: string
  readonly port: number
  /** Origins that browsers may call from; `*` for all; empty: CORS is off. */
  readonly corsOrigins: readonly string[]
  readonly maxBodyBytes: number
  readonly shutdownGraceMs: number
  /** Silence after which a comment line is sent to the client of a stream. */
  readonly keepAliveMs: number
  readonly isSwaggerEnabled: boolean
  readonly areMetricsPublic: boolean
}

export interface AccessConfig {
  /** SHA-256 (hex) of the admin key; null: one kept in the data directory, generated at first start. */
  readonly adminKeyHash: string | null
  readonly isAnonymousAllowed: boolean
  readonly areModelsPublic: boolean
  /** Of each client key, for what its own leave out. */
  readonly defaultLimits: Limits
  readonly clientKeys: readonly ClientKey[]
}

/** Who calls. The secret itself is never kept. */
export interface ClientKey {
  readonly name: string
  /** SHA-256 (hex) of the secret; empty for the anonymous client. */
  readonly hash: string
  /** How it may be shown. */
  readonly label: string
  /** Allowed model patterns as the client names them (`gpt-4o*`); null: all. */
  readonly models: readonly string[] | null
  readonly limits: Limits
  /** May use paths whose objects live at an upstream account; null: only while it is the only client key. */
  readonly isStateful: boolean | null
}

/** What a client may use. Null: what `AccessConfig.defaultLimits` say; null there too: no such limit. */
export interface Limits {
  readonly requestsPerMinute: number | null
  /** May be a fraction. */
  readonly requestsPerSecond: number | null
  /** Requests at once within `requestsPerSecond`; null: those of a second, at least one. */
  readonly burst: number | null
  readonly tokensPerMinute: number | null
  readonly maxConcurrent: number | null
  readonly budgetMicroUsd: number | null
  /** Null: month. */
  readonly budgetPeriod: BudgetPeriod | null
}

export type BudgetPeriod = 'day' | 'month'

export const noLimits: Limits = {
  requestsPerMinute: null,
  requestsPerSecond: null,
  burst: null,
  tokensPerMinute: null,
  maxConcurrent: null,
  budgetMicroUsd: null,
  budgetPeriod: null,
}

export type Rotation = 'round_robin' | 'least_busy' | 'sticky'

/** One upstream service, as its `type` speaks. */
export type ProviderConfig = OpenAiProviderConfig | OndemandProviderConfig | SciraProviderConfig

/** What every provider has, whatever it speaks. */
export interface ProviderConfigBase {
  readonly name: string
  readonly credentials: readonly Credential[]
  /** Sent with every upstream request. */
  readonly headers: Readonly<Record<string, string>>
  readonly rotation: Rotation
  /** Position of the first credential that round robin chooses. */
  readonly startIndex: number
  readonly blacklist: BlacklistConfig
  readonly breaker: BreakerConfig
  readonly timeouts: TimeoutsConfig
  /** Attempts of one call at this provider. */
  readonly maxAttempts: number
  /** All attempts of one call together, until the first content. */
  readonly maxWaitMs: number
  /** Null: none, whatever the environment says. */
  readonly proxy: ProxyConfig | null
  readonly isHttp2: boolean
  /** Bounds idle pooled connections, never calls; null: 1024, with HTTP/2 the runtime's default. */
  readonly maxIdleSockets: number | null
}

export interface ProxyConfig {
  /** `http`, `https`, `socks5` (names are looked up here) or `socks5h` (by the proxy); user name and password percent-encoded. */
  readonly url: string
  /** Addresses reached without it, spelled as in `NO_PROXY`. */
  readonly bypass: readonly string[]
}

export interface OpenAiProviderConfig extends ProviderConfigBase {
  readonly type: 'openai'
  /** What stands before `/chat/completions`, without a slash at its end. */
  readonly baseUrl: string
  /** Full URL of the chat endpoint where it is not `baseUrl + /chat/completions`. */
  readonly chatUrl: string | null
  /** `auto`: ask a stream for its usage, stop where upstream refuses; `never`: leave requests alone. */
  readonly streamUsage: 'auto' | 'never'
}

/** OnDemand (on-demand.io). Much of its protocol is undocumented, so what could change is a setting. Addresses have no slash at their end. */
export interface OndemandProviderConfig extends ProviderConfigBase {
  readonly type: 'ondemand'
  /** Chat by API key; stands before `/sessions`. Default `https://api.on-demand.io/chat/v1`. */
  readonly chatBase: string
  /** Chat by account; stands before `/sessions`. Default `https://api.on-demand.io/chat/v1/client`. */
  readonly clientBase: string
  /** Stands before the two paths below. Default `https://gateway.on-demand.io/v1`. */
  readonly authBase: string
  /** Default `/auth/user/signin`. */
  readonly signInPath: string
  /** Default `/auth/user/refresh_token`. */
  readonly refreshPath: string
  /** Stands before `/endpoints`, the catalogue of models. Default `https://api.on-demand.io/config/v1/public`. */
  readonly configBase: string
  /** Sent with every request of an account, on top of `headers`: user agent, accept, referer. */
  readonly accountHeaders: Readonly<Record<string, string>>
  /** Name to endpointId, over the built-in table. */
  readonly models: Readonly<Record<string, string>>
  /** Serves every name that is not known; null: such names are refused. */
  readonly defaultEndpointId: string | null
  /** How long a fetched catalogue is fresh. Default 1 h. */
  readonly catalogueMs: number
  readonly session: OndemandSessionConfig
  /** Where the system text goes: the query (default) or `modelConfigs.fulfillmentPrompt`. */
  readonly systemPlacement: 'query' | 'fulfillment_prompt'
  /** Longest query in characters; a longer conversation is refused with 400 `context_length_exceeded`. Null: no limit of ours. */
  readonly maxQueryLength: number | null
  /** Name under which `plugins` are sent; `omit` (default): none are. */
  readonly pluginField: 'omit' | 'pluginIds' | 'agentIds'
  readonly plugins: readonly string[]
  /** Skips the retrieval stage. Default false. */
  readonly isFulfillmentOnly: boolean
  /** Default false: a value was seen to give an empty answer. */
  readonly isMaxTokensSent: boolean
  /** Where the model's thinking goes. Default `reasoning_content`. */
  readonly reasoning: 'reasoning_content' | 'hidden'
  /** What becomes of parameters that OnDemand cannot honour. `drop` (default) names them in a response header. */
  readonly unsupported: 'drop' | 'refuse'
  /** Deadline of a sign-in, a refresh, a new session and the catalogue, each for itself. Default 45 s. */
  readonly requestTimeoutMs: number
  /** Pause before a stray 401, 403 or 404 is tried once more with the same credential. Default 600. */
  readonly strayPauseMs: number
  /** Rest after a 429 that names no time. Default 300 s. */
  readonly rateLimitRestMs: number
  readonly signInRetry: {
    /** After a rejected sign-in no other is tried for so long. Default 60 s. */
    readonly waitMs: number
    /** The same after two in a row. Default 1 h. */
    readonly longRestMs: number
  }
  /** Of sign-in, refresh, session and query, each for itself, as the program by account documents them. */
  readonly retries: {
    /** Tries after the first one, at connection errors, timeouts and 5xx. Default 0: the attempt loop takes another credential. */
    readonly max: number
    /** Connection error: base x 2^n; timeout and 5xx: base x n; n from 1. Default 3 s. */
    readonly baseMs: number
  }
}

export interface OndemandSessionConfig {
  /**
   * Keeps one upstream session per client key, credential and conversation. Default false: one for each call. Of use only where the same
   * credential serves the conversation again: with a single one, or with rotation `sticky`.
   */
  readonly isReused: boolean
  /** A reused session rests no longer than this. Default 600 s. */
  readonly idleMs: number
  /** Sessions are deleted upstream when they are no longer needed. Default true. */
  readonly isDeleted: boolean
}

/** Scira's web app (scira.ai), signed out or by the cookies of accounts. Nothing about it is a public API, so what could change is a setting. */
export interface SciraProviderConfig extends ProviderConfigBase {
  readonly type: 'scira'
  /** Without a slash at its end. Default `https://scira.ai`. */
  readonly baseUrl: string
  /** Default `/api/search`. */
  readonly path: string
  /** What a request looks like: as published in March 2026, or from May to August 2025. */
  readonly generation: 'current' | 'mid_2025'
  /** What an answer looks like: versions of the AI SDK; `auto` (default): what its first line looks like. */
  readonly streamFormat: 'auto' | 'v4' | 'v5'
  /** Scira's mode of search. Default `chat`, the one without. */
  readonly group: string
  /** IANA name; the model is told the time in it. Default `UTC`. */
  readonly timezone: string
  /** Of the chats that Scira keeps of signed-in callers. Default `private`. */
  readonly visibility: 'private' | 'public'
  /** Asks Scira to keep none. Default true. */
  readonly isTemporary: boolean
  /** Where the system text goes. Default `first_user_message`: newer versions of the SDK may drop a message of its own. */
  readonly systemPlacement: 'first_user_message' | 'message'
  /** Where the model's thinking goes. Default `reasoning_content`. */
  readonly reasoning: 'reasoning_content' | 'hidden'
  /** Name to Scira's name, over the built-in table. */
  readonly models: Readonly<Record<string, string>>
  /** Serves every name that is not known; null: such names are refused. */
  readonly defaultModel: string | null
  /** What becomes of parameters that Scira cannot honour. `drop` (default) names them in a response header. */
  readonly unsupported: 'drop' | 'refuse'
  /** Rest after a 429 that names no time. Default 1 h. */
  readonly rateLimitRestMs: number
}

export interface BlacklistConfig {
  /** Failures in a row (server errors, timeouts) after which a credential cools. */
  readonly threshold: number
  /** How long it cools when upstream names no time. */
  readonly cooldownMs: number
  /** How often a blacklisted credential is tried again in the background. */
  readonly recheckMs: number
}

export interface BreakerConfig {
  readonly failures: number
  readonly ratio: number
  readonly minCalls: number
  readonly windowMs: number
  readonly openMs: number
  readonly maxOpenMs: number
}

export interface TimeoutsConfig {
  /** From the start of an attempt to the first event, connecting and headers included. */
  readonly firstByteMs: number
  /** The same for an answer that is not streamed, and so begins only when it is finished. */
  readonly answerMs: number
  /** Between two reads of a body. */
  readonly idleMs: number
}

/** One secret an upstream accepts. */
export interface Credential {
  /** Stable over restarts and reloads: first 16 hex digits of SHA-256 over provider type and secret, of an account over its e-mail. */
  readonly id: string
  /** `key`: an API key. `account`: an e-mail with a password, signed in with. `cookie`: a whole `Cookie` header. `anonymous`: no secret. */
  readonly kind: 'key' | 'account' | 'cookie' | 'anonymous'
  /** E-mail of an account; null for the others. */
  readonly user: string | null
  /** How it may be shown: short fingerprint and the last 4 characters, none of a secret under 16; an account as `a***@example.com`. */
  readonly label: string
  /** The secret (key or password). A function, so that no log line, error or JSON can carry it by accident. */
  readonly reveal: () => string
}

/** A name, or a pattern with `*`, and where its calls go, in order. */
export interface ModelRoute {
  readonly pattern: string
  readonly targets: readonly Target[]
  readonly price: Price | null
}

/** Somewhere a call can go. `*` in `model` stands for the whole name asked for. */
export interface Target {
  readonly provider: string
  readonly model: string
}

/** USD per million tokens. */
export interface Price {
  readonly input: number
  readonly output: number
  readonly cachedInput: number | null
}

export interface CacheConfig {
  readonly isEnabled: boolean
  /** An answer is kept no longer than this. */
  readonly ttlMs: number
  /** All that is kept, in bytes. */
  readonly maxBytes: number
  /** A client may get what another one was answered. */
  readonly isShared: boolean
  /** How long a fetched list of models is fresh; always on. */
  readonly modelListMs: number
}

export interface StoreConfig {
  readonly directory: string
  /** Named by the operator (an unusable one ends the program) or only the default (then state stays in memory). */
  readonly isDirectoryNamed: boolean
  /** Rows by request are kept so long. */
  readonly retentionMs: number
  /** Beyond it the oldest rows go before their time. */
  readonly maxBytes: number
  /** IANA zone in which days and hours of the statistics begin. */
  readonly timezone: string
  /** Statistics file of OnDemand-API-Proxy, to be added to the totals once; null: none. It need not exist. */
  readonly importFile: string | null
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface LogConfig {
  readonly level: LogLevel
  /** `auto`: coloured text on a terminal, JSON elsewhere. */
  readonly format: 'auto' | 'json' | 'text'
  /** File, rotated and bounded; null: standard output. */
  readonly path: string | null
  readonly retentionMs: number
}

/** What is excluded from a pool, why (a failure, or the operator paused it) and until when. Persisted. */
export interface BlacklistEntry {
  readonly provider: string
  readonly credentialId: string
  readonly label: string
  /** Empty: everything; else the model (or path) it rests for. */
  readonly scope: string
  readonly reason: FailureKind | 'paused'
  /** Short text of the cause for people; never holds a secret. */
  readonly detail: string
  /** Unix milliseconds. */
  readonly since: number
  /** Unix milliseconds; null: until a re-check finds it working. */
  readonly until: number | null
}

/** What kind of failure an attempt ended in. One table (`gateway/failure-policy.ts`) says what follows. */
export type FailureKind =
  | 'client_gone'
  | 'bad_request'
  | 'invalid_credential'
  | 'not_allowed'
  | 'model_unavailable'
  | 'quota_exhausted'
  | 'rate_limited'
  | 'server_error'
  | 'timeout'
  | 'unreachable'
  | 'proxy_failed'

/** Token counts of one answer. */
export interface Usage {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cachedTokens: number
  readonly reasoningTokens: number
}

/** What the upstream said of its usage: null where it said nothing. */
export interface ReportedUsage {
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  readonly cachedTokens: number
  readonly reasoningTokens: number
}

/**
 * Where a record's usage came from: the upstream's own numbers; counted with a tokenizer, at least in part; guessed from sizes, at least in
 * part; there is none; a kept answer, for which nothing was spent.
 */
export type UsageSource = 'upstream' | 'counted' | 'estimate' | 'none' | 'cache'

/** How a call ended: `cut` means that upstream died after content had been sent. */
export type Outcome = (typeof outcomes)[number]

/** Rows in the database have the place in this list: add at its end. */
export const outcomes = ['succeeded', 'refused', 'failed', 'cut', 'aborted'] as const

/** One try of a call at an upstream. */
export interface AttemptRecord {
  readonly provider: string
  readonly model: string
  /** `Credential.label` */
  readonly credential: string
  /** Null: it served the call. */
  readonly failure: FailureKind | null
  /** HTTP status and code that the failure was told by; null where there were none. */
  readonly status: number | null
  readonly code: string | null
  /** From the call's start. */
  readonly startMs: number
  readonly durationMs: number
}

/** One finished call; exactly one per call. */
export interface UsageRecord {
  readonly id: string
  /** Unix milliseconds of the call's start. */
  readonly time: number
  readonly client: string
  readonly path: string
  /** Name the client asked for; empty when the request names none. */
  readonly model: string
  readonly provider: string
  readonly targetModel: string
  /** `Credential.label`, empty when none was chosen. */
  readonly credential: string
  /** HTTP status told to the client; 499 when it had left. */
  readonly status: number
  readonly outcome: Outcome
  readonly isStream: boolean
  /** Machine word of the error, empty when there was none. */
  readonly errorCode: string
  readonly attempts: number
  /** From the call's start; null when nothing was sent. */
  readonly firstByteMs: number | null
  readonly durationMs: number
  readonly usage: Usage
  readonly usageSource: UsageSource
  /** Integer millionths of a US dollar. */
  readonly costMicroUsd: number
  /** Every attempt, where there were several or one failed. */
  readonly trail: readonly AttemptRecord[] | null
}
