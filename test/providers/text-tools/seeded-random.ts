/** Random choices that are the same in every run (mulberry32). */

export interface SeededRandom {
  /** From 0 to `limit - 1`. */
  below(limit: number): number
  pick<Item>(items: readonly [Item, ...Item[]]): Item
}

export function createSeededRandom(seed: number): SeededRandom {
  let state = seed
  return {
    below,
    pick: (items) => items[below(items.length)] ?? items[0],
  }

  function below(limit: number): number {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}
