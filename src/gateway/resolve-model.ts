/** From the name a client asks for to the ordered targets that may answer it. Whether they can is not decided here. */
import type { Config, ModelRoute, Price, Target } from '../domain.ts'

export interface ModelResolver {
  /** Targets in order; empty when no route fits and there is no default provider. */
  resolve(model: string): ResolvedRoute
}

export interface ResolvedRoute {
  readonly targets: readonly Target[]
  readonly price: Price | null
  /** Named by the settings, not just left to the default provider. */
  readonly isRouted: boolean
}

/** Exact name, then the pattern with the most literal characters, then the default provider. */
export function createModelResolver(config: Pick<Config, 'models' | 'defaultProvider'>): ModelResolver {
  const exact = new Map<string, ModelRoute>()
  const patterns: { matches: (model: string) => boolean; route: ModelRoute }[] = []
  const bySpecificity = [...config.models].sort((a, b) => b.pattern.length - a.pattern.length)
  for (const route of bySpecificity) {
    if (route.pattern.includes('*')) patterns.push({ matches: createPatternMatch(route.pattern), route })
    else exact.set(route.pattern, route)
  }
  function find(model: string): ResolvedRoute {
    const route = exact.get(model) ?? patterns.find((pattern) => pattern.matches(model))?.route
    if (route !== undefined) {
      const targets = route.targets.map((target) =>
        target.model.includes('*') ? { ...target, model: target.model.replace('*', () => model) } : target,
      )
      return { targets, price: route.price, isRouted: true }
    }
    const provider = config.defaultProvider
    return { targets: provider === null ? [] : [{ provider, model }], price: null, isRouted: false }
  }

  /** Asked for at the beginning of a call and at its end, and mostly the same as before. */
  let lastModel = ''
  let last = find(lastModel)
  return {
    resolve(model) {
      if (model === lastModel) return last
      last = find(model)
      lastModel = model
      return last
    },
  }
}

/** `*` stands for any characters, none included; everything else for itself. */
export function createPatternMatch(pattern: string): (model: string) => boolean {
  const pieces = pattern.split('*')
  const [head = ''] = pieces
  const tail = pieces.at(-1) ?? ''
  const middle = pieces.slice(1, -1)
  return (model) => {
    if (pieces.length === 1) return model === pattern
    if (model.length < head.length + tail.length || !model.startsWith(head) || !model.endsWith(tail)) return false
    let position = head.length
    for (const piece of middle) {
      const found = model.indexOf(piece, position)
      if (found < 0) return false
      position = found + piece.length
    }
    return position <= model.length - tail.length
  }
}
