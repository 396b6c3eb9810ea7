/** Rows in the order of one of their columns. */

export interface SortedBy<Row> {
  readonly id: string
  /** What is sorted by; null: not known. */
  readonly value: (row: Row) => number | string | null
}

export interface Order {
  readonly id: string
  readonly isDescending: boolean
}

/** A new list; what is not known comes last in either direction. */
export function sortRows<Row>(rows: readonly Row[], columns: readonly SortedBy<Row>[], order: Order): Row[] {
  const column = columns.find(({ id }) => id === order.id)
  if (column === undefined) return [...rows]
  const sign = order.isDescending ? -1 : 1
  return rows.toSorted((left, right) => {
    const a = column.value(left)
    const b = column.value(right)
    if (a === null || b === null) return Number(a === null) - Number(b === null)
    if (typeof a === 'number' && typeof b === 'number') return sign * (a - b)
    return sign * String(a).localeCompare(String(b))
  })
}
