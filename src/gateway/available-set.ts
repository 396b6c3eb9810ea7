/** An ordered set that gives, adds and removes in constant time: the credentials that may be chosen now. */
export interface AvailableSet<T> {
  readonly size: () => number
  readonly has: (item: T) => boolean
  add(item: T): void
  remove(item: T): void
  /** The item at a position, counted round and round. Undefined only when the set is empty. */
  at(position: number): T | undefined
}

export function createAvailableSet<T>(initial: Iterable<T>): AvailableSet<T> {
  const items: T[] = [...initial]
  const positions = new Map(items.map((item, position) => [item, position]))
  return {
    size: () => items.length,
    has: (item) => positions.has(item),
    add(item) {
      if (positions.has(item)) return
      positions.set(item, items.length)
      items.push(item)
    },
    remove(item) {
      const position = positions.get(item)
      const last = items.pop()
      if (position === undefined) {
        if (last !== undefined) items.push(last)
        return
      }
      positions.delete(item)
      if (last === undefined || last === item) return
      items[position] = last
      positions.set(last, position)
    },
    at: (position) => items[position % items.length],
  }
}
