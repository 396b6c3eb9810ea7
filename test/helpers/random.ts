/** Chance that is the same in every run: a failing case can be run again by its seed. */
export interface Chance {
  /** 0 to 1, 1 excluded. */
  next(): number
  /** A whole number below the limit. */
  below(limit: number): number
  pick<T>(items: readonly [T, ...T[]]): T
}

export function createChance(seed: number): Chance {
  let state = seed | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return { next, below, pick: (items) => items[below(items.length)] ?? items[0] }
}
