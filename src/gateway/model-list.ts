/** The names a client may ask for: those of the settings and what upstreams list, fetched at most once an hour, kept when a fetch fails. */
import type { Clock } from '../clock.ts'
import type { Config } from '../domain.ts'
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
const nothingExcluded: ReadonlySet<string> = new Set()

export function createModelList({ clock, log }: { clock: Clock; log: Logger }): ModelList {
  const cache = new Map<string, Cached>()
  /** One fetch at a time and provider, however many ask. */
  const underWay = new Map<string, Promise<readonly Model[]>>()

  async function modelsOf(upstream: Upstream): Promise<readonly Model[]> {
    // Another address is another list.
    const key = `${upstream.config.name} ${upstream.config.baseUrl}`
    const cached = cache.get(key)
    if (cached !== undefined && cached.freshUntil > clock.now()) return cached.models
    const running = underWay.get(key) ?? fetchModels(upstream, key)
    underWay.set(key, running)
    return running.finally(() => underWay.delete(key))
  }

  async function fetchModels(upstream: Upstream, key: string): Promise<readonly Model[]> {
    const known = cache.get(key)?.models ?? []
    const wish = { scope: '/models', excluded: nothingExcluded, stickiness: null, only: null }
    const credential = upstream.pool.choose(wish)
    if (credential === null) return known
    const controller = new AbortController()
    const late = () => controller.abort(new UpstreamError('timeout', 'the model list took too long'))
    const deadline = setTimeout(late, fetchDeadlineMs)
    try {
      const models = await upstream.provider.listModels(credential, controller.signal)
      cache.set(key, { models, freshUntil: clock.now() + freshMs })
      return models
    } catch (cause) {
      log.warn('model list not fetched', { provider: upstream.config.name, ...describeError(cause) })
      cache.set(key, { models: known, freshUntil: clock.now() + failedMs })
      return known
    } finally {
      clearTimeout(deadline)
      upstream.pool.release(credential)
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
