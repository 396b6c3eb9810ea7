/**
 * The gateway as one object: builds the parts from a Config, routes calls to them, takes a new Config while running.
 * A call keeps the snapshot it began with; what changes with calls lives outside of it and survives a reload.
 */
import type { Clock } from '../clock.ts'
import type { BlacklistEntry, ClientKey, Config, Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { errorBody } from '../formats/openai.ts'
import { describeError, type Logger } from '../log.ts'
import type { Call, Model, Provider } from '../providers/provider.ts'
import { createProvider } from '../providers/registry.ts'
import type { Pin, Spending, Store } from '../stores/store.ts'
import { type AnswerParts, answerCall } from './answer-call.ts'
import { createAnswerMemory } from './answer-memory.ts'
import { type BreakerStatus, createCircuitBreakers } from './circuit-breaker.ts'
import { anonymousClient, type ClientKeys, createClientKeys } from './client-keys.ts'
import { type ClientLimits, createClientLimits } from './client-limits.ts'
import { type CredentialPool, type CredentialStatus, createCredentialPool, type PoolCounts } from './credential-pool.ts'
import { failover, type Plan, scopeOf, type Upstream } from './failover.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { createModelList, type ModelListStatus } from './model-list.ts'
import { createOperatorSessions, type OperatorSessions } from './operator-sessions.ts'
import { createPriceTable } from './pricing.ts'
import { createRecheck } from './recheck.ts'
import { createModelResolver, createPatternMatch, type ModelResolver } from './resolve-model.ts'
import { createResponseCache, type ResponseCache } from './response-cache.ts'
import { leavesObject, natureOfPath } from './stateful-paths.ts'
import { limitHeaders, limitReached, tellClient } from './tell-client.ts'
import type { TokenCounter } from './token-counter.ts'
import { createRecordCall, noProgress } from './usage.ts'

export interface Gateway {
  /** The configuration in force. */
  config(): Config
  /** `POST /v1/chat/completions`. A refusal is a Response too. */
  chat(call: Call): Promise<Response>
  /** Any other path under `/v1`. A refusal is a Response too. */
  forward(call: Call): Promise<Response>
  listModels(client: ClientKey | null): Promise<Model[]>
  /** Null when the client may not ask for it, or nobody would answer. */
  findModel(client: ClientKey | null, model: string): Promise<Model | null>
  /** Calls under way finish with the configuration they began with. */
  reload(config: Config): void
  readonly clientKeys: ClientKeys
  readonly limits: ClientLimits
  readonly sessions: OperatorSessions
  readonly metrics: Metrics
  readonly cache: Pick<ResponseCache, 'clear' | 'status'>
  /** Counted since the start. */
  modelListStatus(): ModelListStatus
  status(): GatewayStatus
  /** Whether this credential works, by a check of our own; null: it could not be told. Undefined: there is no such credential. */
  recheck(credential: CredentialPlace): Promise<boolean | null | undefined>
  /** Takes a credential out until it is resumed, whatever happens, or gives it back. False: there is no such credential. */
  setPaused(credential: CredentialPlace, isPaused: boolean): boolean
  /** Makes excluded credentials available again, but not paused ones unless named; null: all. */
  reset(wish: { provider: string | null; credential: string | null }): { cleared: number; total: number }
  /** Resolves soon, when nothing is sent any more. */
  close(): Promise<void>
}

export interface CredentialPlace {
  readonly provider: string
  readonly credentialId: string
}

export interface GatewayStatus {
  readonly counts: PoolCounts
  readonly providers: readonly ProviderStatus[]
  readonly breakers: readonly BreakerStatus[]
}

export interface ProviderStatus {
  readonly name: string
  readonly type: string
  readonly counts: PoolCounts
  readonly credentials: readonly CredentialStatus[]
  readonly blacklist: readonly BlacklistEntry[]
}

export interface GatewayParts {
  readonly config: Config
  readonly clock: Clock
  readonly log: Logger
  readonly store: Store
  readonly counter: Pick<TokenCounter, 'count'>
  /** What the last run remembered. */
  readonly remembered: {
    readonly blacklist: readonly BlacklistEntry[]
    readonly pins: readonly Pin[]
    readonly spending: Spending
  }
}

interface PinWish {
  readonly target: Target
  readonly upstream: Upstream
  /** To another account when the pinned one is lost: the call needs nothing that lives there. */
  readonly mayMove: boolean
}

interface Snapshot {
  readonly config: Config
  readonly resolver: ModelResolver
  readonly upstreams: ReadonlyMap<string, Upstream>
  readonly upstreamOf: (provider: string) => Upstream
  readonly providers: readonly Provider[]
}

/** What kind of call it is to a provider, and which providers know that kind. */
interface Way {
  readonly send: Plan['send']
  readonly isServedBy: (provider: Provider) => boolean
}

const chatWay: Way = {
  send: (provider, call, attempt) => provider.chat(call, attempt),
  isServedBy: () => true,
}

const forwardWay: Way = {
  send: (provider, call, attempt) => provider.forward?.(call, attempt) ?? Promise.reject(unknownPath(call)),
  isServedBy: (provider) => provider.forward !== undefined,
}

export function createGateway(parts: GatewayParts): Gateway {
  const { clock, log, store, counter } = parts
  const breakers = createCircuitBreakers({ clock, log })
  const pools = new Map<string, CredentialPool>()
  const pins = new Map(parts.remembered.pins.map((pin) => [pinKey(pin.client, pin.provider), pin.credentialId]))
  const clientKeys = createClientKeys()
  const sessions = createOperatorSessions({ clock, isAdminHash: clientKeys.isAdminHash })
  const metrics = createMetrics({
    now: clock.monotonic,
    isNamed: (provider, model) => isNamed(snapshot.config, { provider, model }),
  })
  const limits = createClientLimits({
    clock,
    timezone: parts.config.store.timezone,
    defaults: parts.config.access.defaultLimits,
    spending: parts.remembered.spending,
    priceOf: priceOfCall,
    clients: () =>
      snapshot.config.access.isAnonymousAllowed ? [...clientKeys.list(), anonymousClient] : clientKeys.list(),
  })
  const modelList = createModelList({ clock, log })
  const cache = createResponseCache(clock)
  const recheck = createRecheck({ clock, log, upstreams: () => snapshot.upstreams.values() })
  let priceOf = createPriceTable({}, parts.config.defaultModelPrice)
  let snapshot = build(parts.config, new Map())
  recheck.wake()

  const record = createRecordCall({ clock, log, store, metrics, counter, limits, priceOf: priceOfCall })
  const answerParts: AnswerParts = { clock, log, breakers, metrics, record, memory: createAnswerMemory() }

  function build(config: Config, previous: Snapshot['upstreams']): Snapshot {
    const upstreams = new Map<string, Upstream>()
    for (const provider of config.providers) {
      upstreams.set(provider.name, {
        config: provider,
        provider: createProvider(provider, previous.get(provider.name)?.provider ?? null, clock),
        pool: poolOf(provider.name),
      })
    }
    // Nothing above can fail halfway: from here on the new configuration is in force.
    for (const { config: provider, pool } of upstreams.values()) {
      const isNew = pool.counts().total === 0
      pool.update(provider)
      if (isNew) pool.restore(parts.remembered.blacklist)
    }
    clientKeys.setConfigured(config.access.clientKeys, config.access.adminKeyHash)
    limits.setDefaults(config.access.defaultLimits)
    priceOf = createPriceTable(config.prices, config.defaultModelPrice)
    cache.configure(config.cache)
    const providers = [...upstreams.values()].map((upstream) => upstream.provider)
    const upstreamOf = (name: string) => upstreams.get(name) ?? missing(name)
    return { config, resolver: createModelResolver(config), upstreams, upstreamOf, providers }
  }

  function poolOf(provider: string): CredentialPool {
    const known = pools.get(provider)
    if (known !== undefined) return known
    const created = createCredentialPool({
      provider,
      clock,
      log,
      put: store.putBlacklistEntry,
      remove: store.removeBlacklistEntry,
      onCheckWanted: () => recheck.wake(),
    })
    pools.set(provider, created)
    return created
  }

  /** A call that is refused here ends here: it has its record all the same. */
  function recorded(call: Call, serveCall: (call: Call) => Promise<Response>): Promise<Response> {
    const refuse = (cause: unknown) => {
      const error = tellClient(cause, clock.now())
      if (error.code === 'internal_error')
        log.error('a call failed in a way that nobody foresaw', { id: call.id, ...describeError(cause) })
      const outcome = error.status >= 500 ? 'failed' : 'refused'
      record(call, noProgress(), { status: error.status, outcome, errorCode: error.code, usage: null, answer: null })
      return Response.json(errorBody(error), { status: error.status, headers: error.headers })
    }
    try {
      return serveCall(call).catch(refuse)
    } catch (cause) {
      return Promise.resolve(refuse(cause))
    }
  }

  function priceOfCall(targetModel: string, model: string) {
    return snapshot.resolver.resolve(model).price ?? priceOf(targetModel)
  }

  function chat(call: Call): Promise<Response> {
    refuseModel(call.client, call.view.model)
    return route(call, chatWay)
  }

  function forward(call: Call): Promise<Response> {
    if (natureOfPath(call) === 'closed') throw unknownPath(call)
    refuseModel(call.client, call.view.model)
    return route(call, forwardWay)
  }

  async function findModel(client: ClientKey | null, model: string): Promise<Model | null> {
    if (client !== null && !isModelAllowed(client, model)) return null
    const listed = (await modelList.list(snapshot)).find((one) => one.id === model)
    if (listed !== undefined) return listed
    // A pattern names what no list can.
    const route = snapshot.resolver.resolve(model)
    const [first] = route.targets
    const isRouted = first !== undefined && route.isRouted
    return isRouted ? { id: model, object: 'model', created: 0, owned_by: first.provider } : null
  }

  function route(call: Call, { send, isServedBy }: Way): Promise<Response> {
    const { config, resolver, upstreamOf } = snapshot
    const wished = (call.view.model === '' ? defaultTarget(config) : resolver.resolve(call.view.model)).targets
    if (wished.length === 0) throw noTarget(call)
    const targets = wished.filter((target) => isServedBy(upstreamOf(target.provider).provider))
    if (targets.length === 0) throw unknownPath(call)
    const isStateful = natureOfPath(call) === 'stateful'
    if (isStateful && !mayKeepObjects(call.client)) throw notStateful()
    // Whatever becomes of the call from here on, its record settles this.
    const allowance = limits.take(call, targets)
    if (allowance !== null && allowance.refusal !== null) throw limitReached(allowance, allowance.refusal)
    // Where a new object is left it need not join the others: better there than nowhere.
    const isPinWished = !isStateful && leavesObject(call) && mayKeepObjects(call.client)
    const [first] = targets
    const pinnedTargets = first === undefined ? [] : [first]
    const pin =
      first !== undefined && (isStateful || isPinWished)
        ? pinOf(call, { target: first, upstream: upstreamOf(first.provider), mayMove: isPinWished })
        : null
    const plan: Plan = {
      targets: isStateful ? pinnedTargets : targets,
      upstreamOf,
      send,
      stickiness:
        first !== undefined && upstreamOf(first.provider).config.rotation === 'sticky' ? stickinessOf(call) : null,
      only: isStateful ? pin : null,
      preferred: isPinWished ? pin : null,
      isRepeatable: !isStateful || call.method === 'GET' || call.method === 'HEAD',
      cached: null,
    }
    const answer = cache.isEnabled()
      ? cache.answer({
          call,
          plan,
          send: (one, its) => answerCall(answerParts, one, its, config),
          fetch: (one, progress) => failover(answerParts, one, plan, progress),
        })
      : answerCall(answerParts, call, plan, config)
    return allowance === null ? answer : answer.then((response) => withHeaders(response, limitHeaders(allowance)))
  }

  /** The credential on whose account this client's objects live; chosen once and remembered. */
  function pinOf(call: Call, { target, upstream, mayMove }: PinWish): string | null {
    const key = pinKey(call.client.name, target.provider)
    const known = pins.get(key)
    const isKept = known !== undefined && upstream.config.credentials.some((credential) => credential.id === known)
    if (isKept && !(mayMove && upstream.pool.isLost(known))) return known
    const wish = { scope: scopeOf(call, target), excluded: new Set<string>(), stickiness: null, only: null }
    const chosen = upstream.pool.choose(wish)
    if (chosen === null) return null
    upstream.pool.release(chosen)
    pins.set(key, chosen.id)
    store.putPin({ client: call.client.name, provider: target.provider, credentialId: chosen.id })
    return chosen.id
  }

  function mayKeepObjects(client: ClientKey): boolean {
    // Whoever comes without a key is one client more: it must not see what the one with a key has left.
    const anonymous = snapshot.config.access.isAnonymousAllowed ? 1 : 0
    return client.isStateful ?? clientKeys.list().length + anonymous <= 1
  }

  return {
    config: () => snapshot.config,
    chat: (call) => recorded(call, chat),
    forward: (call) => recorded(call, forward),
    findModel,
    async listModels(client) {
      const models = await modelList.list(snapshot)
      return client === null ? models : models.filter((model) => isModelAllowed(client, model.id))
    },
    reload(config) {
      const { providers } = snapshot
      snapshot = build(config, snapshot.upstreams)
      for (const provider of providers) provider.close()
      recheck.wake()
    },
    clientKeys,
    limits,
    sessions,
    metrics,
    cache,
    modelListStatus: modelList.status,
    status() {
      const providers = [...snapshot.upstreams.values()].map(({ config, pool }) => ({
        name: config.name,
        type: config.type,
        counts: pool.counts(),
        credentials: pool.list(),
        blacklist: pool.blacklist(),
      }))
      const counts = { total: 0, healthy: 0, blacklisted: 0 }
      for (const provider of providers) {
        counts.total += provider.counts.total
        counts.healthy += provider.counts.healthy
        counts.blacklisted += provider.counts.blacklisted
      }
      return { counts, providers, breakers: breakers.list() }
    },
    async recheck({ provider, credentialId }) {
      const upstream = snapshot.upstreams.get(provider)
      const credential = upstream?.config.credentials.find(({ id }) => id === credentialId)
      return upstream === undefined || credential === undefined ? undefined : recheck.now(upstream, credential)
    },
    setPaused({ provider, credentialId }, isPaused) {
      const pool = snapshot.upstreams.get(provider)?.pool
      return pool?.setPaused(credentialId, isPaused) ?? false
    },
    reset({ provider, credential }) {
      let cleared = 0
      let total = 0
      for (const [name, { pool }] of snapshot.upstreams) {
        if (provider !== null && provider !== name) continue
        total += pool.counts().total
        cleared += pool.reset(credential)
      }
      if (credential === null) breakers.reset(provider)
      return { cleared, total }
    },
    async close() {
      recheck.close()
      for (const provider of snapshot.providers) provider.close()
      await Promise.all(snapshot.providers.map((provider) => provider.end?.()))
    },
  }
}

function withHeaders(response: Response, headers: Readonly<Record<string, string>>): Response {
  for (const name in headers) response.headers.set(name, headers[name] ?? '')
  return response
}

function isNamed({ models }: Config, { provider, model }: Target): boolean {
  return models.some(({ targets }) => targets.some((target) => target.provider === provider && target.model === model))
}

function isModelAllowed(client: ClientKey, model: string): boolean {
  return client.models === null || client.models.some((pattern) => createPatternMatch(pattern)(model))
}

/** A restricted key may only do what can be seen to be allowed. */
function refuseModel(client: ClientKey, model: string): void {
  if (client.models === null || (model !== '' && isModelAllowed(client, model))) return
  const message =
    model === ''
      ? 'this key is restricted to some models, and this request names none'
      : 'this key may not use this model'
  throw new GatewayError('model_not_allowed', message, { status: 403, param: 'model' })
}

function defaultTarget(config: Config): { targets: Target[] } {
  return { targets: config.defaultProvider === null ? [] : [{ provider: config.defaultProvider, model: '' }] }
}

function noTarget(call: Call): GatewayError {
  if (call.view.model === '') {
    return new GatewayError('no_default_provider', 'this request names no model, and there is no default provider', {
      status: 404,
    })
  }
  return new GatewayError('model_not_found', 'no such model; GET /v1/models lists what there is', {
    status: 404,
    param: 'model',
  })
}

function unknownPath(call: Call): GatewayError {
  return new GatewayError('not_found', `${call.method} is not available on this path`, { status: 404 })
}

function notStateful(): GatewayError {
  return new GatewayError(
    'stateful_path_not_allowed',
    'this path keeps objects on an upstream account that several client keys share; the operator can open it with `stateful: true` on this key',
    { status: 403 },
  )
}

function missing(provider: string): never {
  throw new GatewayError('internal_error', 'the configuration names a provider that does not exist', {
    status: 500,
    cause: new Error(`unknown provider ${provider}`),
  })
}

function pinKey(client: string, provider: string): string {
  return `${client}\n${provider}`
}

const stickyMessages = 2
const stickyBytes = 4096

/** By client and the conversation's beginning, which is what upstreams cache. */
function stickinessOf(call: Call): number {
  const { json } = call.view
  const messages = json?.messages ?? json?.input ?? json?.prompt
  const beginning = Array.isArray(messages) ? messages.slice(0, stickyMessages) : messages
  const text = JSON.stringify(beginning ?? '').slice(0, stickyBytes)
  return Number(Bun.hash.xxHash32(`${call.client.name}\n${call.view.model}\n${text}`))
}
