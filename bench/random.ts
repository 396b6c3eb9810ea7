/** Chance that is the same again for the same seed. */

export interface Random {
  /** At least 0, below 1. */
  next(): number
  /** Whole, both ends included. */
  between(low: number, high: number): number
  /** By weight. */
  pick<T>(choices: readonly (readonly [weight: number, value: T])[]): T
}

/** Mulberry32. `stream` gives users of one seed chances of their own. */
export function createRandom(seed: number, stream: number): Random {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b)) | 0
  function next(): number {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  return {
    next,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    pick(choices) {
      let left = next() * choices.reduce((total, [weight]) => total + weight, 0)
      for (const [weight, value] of choices) {
        left -= weight
        if (left < 0) return value
      }
      const last = choices.at(-1)
      if (last === undefined) throw new Error('nothing to choose from')
      return last[1]
    },
  }
}
