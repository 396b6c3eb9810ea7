/**
 * The names a client may ask for: those of the settings and what upstreams list. A list that was fetched once is always served at
 * once: an old one is fetched anew in the background, and kept while that fails.
 */
import type { Clock } from '../clock.ts'
import type { Config, Credential } from '../domain.ts'
import { UpstreamError } from '../errors.ts'
import { describeError, type Logger } from '../log.ts'
import type { Model } from '../providers/provider.ts'
import type { Upstream } from './failover.ts'
import type { ModelResolver } from './resolve-model.ts'

export interface ModelList {
  list(view: ModelListView): Promise<Model[]>
  status(): ModelListStatus
}

export interface ModelListStatus {
  /** Lists of single upstreams that were there when they were asked for, and those that were waited for. */
  readonly hits: number
  readonly misses: number
  /** Lists that are kept. */
  readonly lists: number
}

export interface ModelListView {
  readonly config: Config
  readonly resolver: ModelResolver
  readonly upstreams: ReadonlyMap<string, Upstream>
}

interface Cached {
  readonly models: readonly Model[]
  /** Unix milliseconds of the last try. */
  readonly since: number
  /** The try failed: the names are older. */
  readonly isFailed: boolean
}

const failedMs = 30_000
const fetchDeadlineMs = 10_000
/** One dead key must not empty the list. */
const credentialsTried = 3

export function createModelList({ clock, log }: { clock: Clock; log: Logger }): ModelList {
  const cache = new Map<string, Cached>()
  /** One fetch at a time and provider, however many ask. */
  const underWay = new Map<string, Promise<readonly Model[]>>()
  let hits = 0
  let misses = 0

  async function modelsOf(upstream: Upstream, freshMs: number): Promise<readonly Model[]> {
    // Another address is another list.
    const key = `${upstream.config.name} ${upstream.provider.modelsUrl}`
    const cached = cache.get(key)
    const isFresh = cached !== undefined && clock.now() - cached.since < (cached.isFailed ? failedMs : freshMs)
    const running = isFresh ? null : (underWay.get(key) ?? refresh(upstream, key))
    // Old names are better than a wait; nothing at all is not.
    if (cached !== undefined && (isFresh || cached.models.length > 0)) {
      hits++
      return cached.models
    }
    misses++
    return running ?? []
  }

  /** Never rejects. Bounded by the deadlines of its fetches. */
  function refresh(upstream: Upstream, key: string): Promise<readonly Model[]> {
    const running = fetchModels(upstream, key)
      .catch((cause: unknown) => {
        log.error('a model list failed in a way that nobody foresaw', describeError(cause))
        return []
      })
      .finally(() => underWay.delete(key))
    underWay.set(key, running)
    return running
  }

  async function fetchModels(upstream: Upstream, key: string): Promise<readonly Model[]> {
    const known = cache.get(key)?.models ?? []
    const tried = new Set<string>()
    while (tried.size < credentialsTried) {
      const credential = upstream.pool.choose({ scope: '/models', excluded: tried, stickiness: null, only: null })
      if (credential === null) break
      tried.add(credential.id)
      const models = await fetchWith(upstream, credential)
      upstream.pool.release(credential)
      if (models === null) continue
      cache.set(key, { models, since: clock.now(), isFailed: false })
      return models
    }
    cache.set(key, { models: known, since: clock.now(), isFailed: true })
    return known
  }

  /** Null when this credential does not get the list; blame is a matter of calls, not of this. */
  async function fetchWith(upstream: Upstream, credential: Credential): Promise<Model[] | null> {
    const controller = new AbortController()
    const late = () => controller.abort(new UpstreamError('timeout', 'the model list took too long'))
    const deadline = setTimeout(late, fetchDeadlineMs)
    try {
      return await upstream.provider.listModels(credential, controller.signal)
    } catch (cause) {
      const { name } = upstream.config
      log.warn('model list not fetched', { provider: name, credential: credential.label, ...describeError(cause) })
      return null
    } finally {
      clearTimeout(deadline)
    }
  }

  return {
    async list({ config, resolver, upstreams }) {
      const lists = await Promise.all(
        [...upstreams.values()].map(async (one) => ({ one, models: await modelsOf(one, config.cache.modelListMs) })),
      )
      const found = new Map<string, Model>()
      for (const route of config.models) {
        if (route.pattern.includes('*')) continue
        found.set(route.pattern, {
          id: route.pattern,
          object: 'model',
          created: 0,
          owned_by: route.targets[0]?.provider ?? '',
        })
      }
      for (const { one, models } of lists) {
        for (const model of models) {
          // Only what a call by that name would reach.
          const reaches = resolver.resolve(model.id).targets.some((target) => target.provider === one.config.name)
          if (reaches && !found.has(model.id)) found.set(model.id, model)
        }
      }
      return [...found.values()]
    },
    status: () => ({ hits, misses, lists: cache.size }),
  }
}
