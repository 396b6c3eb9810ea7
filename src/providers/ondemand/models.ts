/**
 * From the name a client asks for to OnDemand's endpointId: the operator's table, the catalogue, the built-in table, ids as they are, the
 * default. The list of what is active changes within weeks, so the catalogue is fetched, kept for a while, and kept on when a fetch fails.
 *
 * `GET {configBase}/endpoints`, header `apikey`; entries have `endpoint_id`, `endpoint_name`, `status`, `reasoning_efforts`. The wrapper's
 * name comes from one source only, hence any list of objects with an `endpoint_id` is taken
 * (https://github.com/bilawalsidhu/gods-eye-view, docs/ONDEMAND_API_CURRENT.md, live run of 2026-09-18).
 */
import type { Clock } from '../../clock.ts'
import type { Credential, OndemandProviderConfig } from '../../domain.ts'
import { UpstreamError } from '../../errors.ts'
import { isRecord } from '../../formats/is-record.ts'
import type { StopSignal } from '../../stop-signal.ts'
import type { Model } from '../provider.ts'
import type { UpstreamResponse } from '../upstream-response.ts'
import type { Authorized } from './authorized.ts'
import { type OpenRequest, parsed, raced, readText } from './send-request.ts'
import type { SignIn } from './sign-in.ts'

export interface Endpoint {
  readonly id: string
  readonly name: string
  readonly isActive: boolean
  readonly reasoningEfforts: readonly string[]
}

/** What was fetched, by address; it outlives the provider that a reload replaces. */
export type Catalogues = Map<string, CatalogueState>

interface CatalogueState {
  /** Null until a fetch has succeeded. */
  endpoints: readonly Endpoint[] | null
  /** Unix milliseconds before which no fetch is tried. */
  freshUntil: number
  underWay: Promise<void> | null
}

export interface Models {
  /** Null: there is no such model. */
  resolve(name: string, wish: { credential: Credential; signal: StopSignal }): Promise<string | null>
  /** Reasoning efforts of an endpoint; empty when it knows none, or nothing is known of it. */
  reasoningEfforts(endpointId: string, wish: { credential: Credential; signal: StopSignal }): Promise<readonly string[]>
  list(wish: { credential: Credential; signal: StopSignal }): Promise<Model[]>
  /** The catalogue call with this key, whatever is known already: it shows whether the key works. Throws UpstreamError. */
  ask(credential: Credential, signal: StopSignal): Promise<UpstreamResponse>
  /** A call has shown that the catalogue is out of date. */
  forget(): void
}

export interface ModelsParts {
  readonly config: OndemandProviderConfig
  readonly catalogues: Catalogues
  readonly clock: Clock
  readonly open: OpenRequest
  readonly authorized: Authorized
  readonly signIn: SignIn
  /** Ends what is under way. */
  readonly lasting: AbortSignal
}

const failedMs = 30_000

export function createModels(parts: ModelsParts): Models {
  const { config, catalogues, clock, lasting: signal } = parts
  const configured = new Map(Object.entries(config.models).map(([name, id]) => [normalized(name), id]))

  function stateOf(): CatalogueState {
    const known = catalogues.get(config.configBase) ?? { endpoints: null, freshUntil: 0, underWay: null }
    catalogues.set(config.configBase, known)
    return known
  }

  async function catalogue(wish: { credential: Credential; signal: StopSignal }): Promise<readonly Endpoint[]> {
    const state = stateOf()
    if (state.freshUntil <= clock.now()) {
      state.underWay ??= fetchCatalogue(wish.credential, state).finally(() => {
        state.underWay = null
      })
      await raced(state.underWay, wish.signal)
    }
    return state.endpoints ?? []
  }

  /** Never throws: without a catalogue the tables still serve. */
  async function fetchCatalogue(credential: Credential, state: CatalogueState): Promise<void> {
    try {
      const response = await openCatalogue(credential, signal)
      const endpoints = response === null ? null : readEndpoints(parsed(await readText(response, signal)))
      if (endpoints !== null) state.endpoints = endpoints
      state.freshUntil = clock.now() + (response === null || endpoints !== null ? config.catalogueMs : failedMs)
    } catch {
      state.freshUntil = clock.now() + Math.min(failedMs, config.catalogueMs)
    }
  }

  /** Null: it is closed to us. The list is known to open to keys; with an account it is worth one try, but no sign-in. */
  async function openCatalogue(credential: Credential, signal: StopSignal): Promise<UpstreamResponse | null> {
    const key = credential.kind === 'key' ? credential : config.credentials.find((one) => one.kind === 'key')
    if (key !== undefined) return ask(key, signal)
    const token = parts.signIn.known(credential)
    if (token === null) throw new UpstreamError('invalid_credential', 'nobody is signed in yet')
    const response = await parts.open({
      method: 'GET',
      url: config.configBase + cataloguePath,
      headers: { ...acceptJson, authorization: `Bearer ${token.token}`, 'x-company-id': token.companyId },
      body: null,
      signal,
      deadlineMs: config.requestTimeoutMs,
      isAccount: true,
    })
    if (response.ok) return response
    response.body?.cancel().catch(() => {})
    return null
  }

  function ask(credential: Credential, signal: StopSignal): Promise<UpstreamResponse> {
    const request = {
      method: 'GET' as const,
      base: 'config' as const,
      path: cataloguePath,
      headers: acceptJson,
      body: null,
      deadlineMs: config.requestTimeoutMs,
    }
    return parts.authorized.open(request, { credential, signal })
  }

  return {
    ask,
    async resolve(name, wish) {
      const wanted = normalized(name)
      const own = configured.get(wanted)
      if (own !== undefined) return own
      const known = stateOf().endpoints
      const builtIn = builtInIds.get(wanted)
      if (known === null && (builtIn !== undefined || isId(name))) return builtIn ?? name
      const listed = findEndpoint(known ?? [], name)
      if (listed !== null) return listed.id
      if (builtIn !== undefined) return builtIn
      if (isId(name)) return name
      return findEndpoint(await catalogue(wish), name)?.id ?? config.defaultEndpointId
    },
    async reasoningEfforts(endpointId, wish) {
      const endpoints = await catalogue(wish)
      return endpoints.find((endpoint) => endpoint.id === endpointId)?.reasoningEfforts ?? []
    },
    async list(wish) {
      const endpoints = await catalogue(wish)
      const active = endpoints.filter((endpoint) => endpoint.isActive)
      const activeIds = new Set(active.map((endpoint) => endpoint.id))
      const isListed = stateOf().endpoints !== null
      // Names of endpoints that are known to be off would only lead to a 404.
      const builtIn = [...builtInIds].filter(([, id]) => !isListed || activeIds.has(id)).map(([name]) => name)
      const names = new Set([...Object.keys(config.models), ...active.map((endpoint) => endpoint.name), ...builtIn])
      return [...names].map((id) => ({ id, object: 'model' as const, created: 0, owned_by: 'ondemand' }))
    },
    forget() {
      const state = stateOf()
      // Not at every refused call: clients may ask for a model that is off again and again.
      state.freshUntil = Math.min(state.freshUntil, clock.now() + failedMs)
    },
  }
}

const cataloguePath = '/endpoints'
const acceptJson = { accept: 'application/json' }

/** Names are compared in lower case without spaces, as the program by key did. */
function normalized(name: string): string {
  return name.toLowerCase().replaceAll(/\s+/g, '')
}

/** Ids pass as they are: `predefined-…`, and of one account alone `byoi-…` and `byom-…`. */
function isId(name: string): boolean {
  return /^(?:predefined|byoi|byom)-./.test(name)
}

function findEndpoint(endpoints: readonly Endpoint[], name: string): Endpoint | null {
  const wanted = normalized(name)
  const found = endpoints.filter((endpoint) => endpoint.id === name || normalized(endpoint.name) === wanted)
  return found.find((endpoint) => endpoint.isActive) ?? found[0] ?? null
}

/** Null when it is no list of endpoints. */
function readEndpoints(json: unknown): readonly Endpoint[] | null {
  const lists = Array.isArray(json) ? [json] : Object.values(isRecord(json) ? json : {})
  const list = lists.find(
    (one) => Array.isArray(one) && one.some((entry) => isRecord(entry) && isText(entry.endpoint_id)),
  )
  if (!Array.isArray(list)) return null
  return list.flatMap((entry: unknown) => {
    if (!isRecord(entry) || !isText(entry.endpoint_id)) return []
    const { endpoint_id: id, endpoint_name: name, reasoning_efforts: efforts, status } = entry
    return {
      id,
      name: isText(name) ? name : id,
      isActive: status !== 'inactive',
      reasoningEfforts: Array.isArray(efforts) ? efforts.filter(isText) : [],
    }
  })
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/**
 * The names of the two programs that came before (https://github.com/caidaoli/OnDemand2API and
 * https://github.com/CrisRain/OnDemand-API-Proxy), then what was active on 2026-09-18
 * (https://github.com/bilawalsidhu/gods-eye-view). By then every one of the first part was inactive.
 */
const builtInIds: ReadonlyMap<string, string> = new Map(
  Object.entries({
    o3: 'predefined-openai-gpto3',
    'o3-mini': 'predefined-openai-gpto3-mini',
    'gpto3-mini': 'predefined-openai-gpto3-mini',
    'gpt-3.5-turbo': 'predefined-openai-gpto3-mini',
    'o4-mini': 'predefined-openai-gpto4-mini',
    'gpt-4o': 'predefined-openai-gpt4o',
    'gpt-4o-mini': 'predefined-openai-gpt4o-mini',
    'gpt-4.1': 'predefined-openai-gpt4.1',
    'gpt-4-turbo': 'predefined-openai-gpt4.1',
    'gpt-4.1-mini': 'predefined-openai-gpt4.1-mini',
    'gpt-4.1-nano': 'predefined-openai-gpt4.1-nano',
    'deepseek-v3': 'predefined-deepseek-v3',
    'deepseek-r1': 'predefined-deepseek-r1',
    'deepseek-r1-distill-llama-70b': 'predefined-deepseek-r1-distill-llama-70b',
    'claude-4-sonnet': 'predefined-claude-4-sonnet',
    'claude-4-opus': 'predefined-claude-4-opus',
    'gemini-2.0-flash': 'predefined-gemini-2.0-flash',
    'gemini-2.5-pro': 'predefined-gemini-2.5-pro-preview',
    'gemini-2.5-flash': 'predefined-gemini-2.5-flash',
    'grok-4': 'predefined-xai-grok4',
    'claude-3.7-sonnet': 'predefined-claude-3.7-sonnet',
    'claude-4-5-haiku': 'predefined-claude-4-5-haiku',
    'claude-fable-5-1': 'predefined-claude-fable-5.1',
    'claude-opus-5': 'predefined-claude-opus-5',
    'claude-sonnet-5': 'predefined-claude-sonnet-5',
    'cerebras-qwen-3.8': 'predefined-cerebras-qwen-3.8-27b',
    'deepseek-v4.1-flash': 'predefined-deepseek-flash',
    'deepseek-v4-flash-fast': 'predefined-deepseek-v4-flash',
    'deepseek-v4-flash-vision-exp': 'predefined-deepseek-v4-flash-vision-exp',
    'deepseek-v4-pro': 'predefined-deepseek-v4-pro',
    'gemini-3.8-flash': 'predefined-gemini-3.8-flash',
    'glm-5.3': 'predefined-glm-5.3',
    'glm-5.3-flash': 'predefined-glm-5.3-flash',
    'gpt-5.6-luna': 'predefined-gpt-5.6-luna',
    'gpt-5.6-sol': 'predefined-gpt-5.6-sol',
    'gpt-5.6-terra': 'predefined-gpt-5.6-terra',
    'gpt-6-astra': 'predefined-gpt-6-astra',
    'kimi-k3': 'predefined-kimi-k3',
    'kimi-k3-fast': 'predefined-kimi-k3-fast',
    'minimax-m3': 'predefined-minimax-m3',
    'muse-spark-1.3': 'predefined-muse_spark_1.3',
    'qwen-3.8-max': 'predefined-qwen-3.8-max',
    'ondemand-grok-4.6': 'predefined-xai-grok4.6',
  }),
)
