/** The endpoints, as OnDemand calls its models, that the simulated service lists: which are active, and how the list is spelt. */

/** The answer to `GET /config/v1/public/endpoints`, seen live 2026-09; the wrapper's name comes from one source only, hence the others. */
export function catalogueBody(asked: CatalogueAsked): unknown {
  const listed = asked.endpoints
    .map((endpoint) => (asked.inactive.includes(endpoint.id) ? { ...endpoint, isActive: false } : endpoint))
    .filter((endpoint) => asked.type === null || (endpoint.type ?? USUAL_TYPE) === asked.type)
    .map(catalogueEntry)
  switch (asked.wrapper) {
    case 'endpointsData':
      return { message: 'Endpoints fetched successfully', endpointsData: listed }
    case 'data':
      return { message: 'Endpoints fetched successfully', data: listed }
    case 'array':
      return listed
  }
}

export interface CatalogueAsked {
  readonly endpoints: readonly Endpoint[]
  /** Those that are inactive for this credential alone. */
  readonly inactive: readonly string[]
  /** Of the query `type`. */
  readonly type: string | null
  readonly wrapper: CatalogueWrapper
}

export type CatalogueWrapper = 'endpointsData' | 'data' | 'array'

export interface Endpoint {
  /** Of the form `predefined-…`, or `byoi-…` and `byom-…` for those of one account. */
  readonly id: string
  readonly name: string
  readonly isActive: boolean
  readonly isPremium?: boolean
  readonly type?: string
  readonly contextLength?: number
  readonly reasoningEfforts?: readonly string[]
}

const USUAL_TYPE = 'fulfillment'

function catalogueEntry(endpoint: Endpoint): unknown {
  return {
    endpoint_id: endpoint.id,
    endpoint_name: endpoint.name,
    endpoint_type: endpoint.type ?? USUAL_TYPE,
    endpoint_url: '',
    model_id: endpoint.id.replace(/^predefined-/, ''),
    status: endpoint.isActive ? 'active' : 'inactive',
    is_premium: endpoint.isPremium === true,
    reasoning_efforts: endpoint.reasoningEfforts ?? [],
    context_length: endpoint.contextLength ?? 128_000,
    streaming_supported: true,
    fallback_endpoint_id: null,
  }
}

const EFFORTS = ['low', 'medium', 'max'] as const

/** Some of those seen on one account on 2026-09-18; every name that was common a year before was inactive by then. */
export const USUAL_ENDPOINTS: readonly Endpoint[] = [
  { id: 'predefined-claude-4-5-haiku', name: 'claude-4-5-haiku', isActive: true, contextLength: 200_000 },
  {
    id: 'predefined-claude-sonnet-5',
    name: 'claude-sonnet-5',
    isActive: true,
    isPremium: true,
    contextLength: 1_000_000,
    reasoningEfforts: EFFORTS,
  },
  { id: 'predefined-deepseek-v4-pro', name: 'deepseek-v4-pro', isActive: true, reasoningEfforts: EFFORTS },
  { id: 'predefined-deepseek-flash', name: 'deepseek-v4.1-flash', isActive: true, isPremium: true },
  { id: 'predefined-gemini-3.8-flash', name: 'gemini-3.8-flash', isActive: true, contextLength: 1_000_000 },
  { id: 'predefined-glm-5.3', name: 'glm-5.3', isActive: true, reasoningEfforts: EFFORTS },
  { id: 'predefined-gpt-5.6-luna', name: 'gpt-5.6-luna', isActive: true, reasoningEfforts: EFFORTS },
  {
    id: 'predefined-gpt-5.6-sol',
    name: 'gpt-5.6-sol',
    isActive: true,
    isPremium: true,
    reasoningEfforts: EFFORTS,
  },
  { id: 'predefined-kimi-k3', name: 'kimi-k3', isActive: true },
  { id: 'predefined-xai-grok4.6', name: 'ondemand-grok-4.6', isActive: true },
  { id: 'predefined-openai-gpt4o', name: 'gpt-4o', isActive: false },
  { id: 'predefined-openai-gpt4o-mini', name: 'gpt-4o-mini', isActive: false },
  { id: 'predefined-openai-gpt4.1', name: 'gpt-4.1', isActive: false },
  { id: 'predefined-openai-gpto3-mini', name: 'o3-mini', isActive: false },
  { id: 'predefined-deepseek-r1', name: 'deepseek-r1', isActive: false },
  { id: 'predefined-claude-4-sonnet', name: 'claude-4-sonnet', isActive: false },
  { id: 'predefined-claude-4-opus', name: 'claude-4-opus', isActive: false },
  { id: 'predefined-grok-build-0.1', name: 'grok-build-0.1', isActive: false },
]
