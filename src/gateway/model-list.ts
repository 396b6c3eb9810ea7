/** The names a client may ask for: those of the settings and what upstreams list, fetched at most once an hour, kept when a fetch fails. */
import type { Clock } from '../clock.ts'
import type { Config, Credential } from '../domain.ts'
import { UpstreamError } from '../errors.ts'
import { describeError, type Logger } from '../log.ts'
import type { Model } from '../providers/provider.ts'
import type { Upstream } from './failover.ts'
import type { ModelResolver } from './resolve-model.ts'

export interface ModelList {
  list(view: ModelListView): Promise<Model[]>
}

export interface ModelListView {
  readonly config: Config
  readonly resolver: ModelResolver
  readonly upstreams: ReadonlyMap<string, Upstream>
}

interface Cached {
  readonly models: readonly Model[]
  /** Unix milliseconds; after it a new fetch is tried. */
  readonly freshUntil: number
}

const freshMs = 3_600_000
const failedMs = 30_000
const fetchDeadlineMs = 10_000
/** One dead key must not empty the list. */
const credentialsTried = 3

export function createModelList({ clock, log }: { clock: Clock; log: Logger }): ModelList {
  const cache = new Map<string, Cached>()
  /** One fetch at a time and provider, however many ask. */
  const underWay = new Map<string, Promise<readonly Model[]>>()

  async function modelsOf(upstream: Upstream): Promise<readonly Model[]> {
    // Another address is another list.
    const key = `${upstream.config.name} ${upstream.provider.modelsUrl}`
    const cached = cache.get(key)
    if (cached !== undefined && cached.freshUntil > clock.now()) return cached.models
    const running = underWay.get(key) ?? fetchModels(upstream, key)
    underWay.set(key, running)
    return running.finally(() => underWay.delete(key))
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
      cache.set(key, { models, freshUntil: clock.now() + freshMs })
      return models
    }
    cache.set(key, { models: known, freshUntil: clock.now() + failedMs })
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
        [...upstreams.values()].map(async (one) => ({ one, models: await modelsOf(one) })),
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
  }
}
