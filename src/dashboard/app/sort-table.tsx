/** A table whose columns can be sorted by, where all of its rows are here. */
import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { ScrollArea } from './scroll-area.tsx'
import { type Order, type SortedBy, sortRows } from './sort-rows.ts'

export interface Column<Row> extends SortedBy<Row> {
  readonly title: string
  /** Aligned to the right. */
  readonly isNumber?: boolean
  readonly cell: (row: Row) => ComponentChildren
}

export interface SortTableProps<Row> {
  /** What the table shows, for screen readers. */
  readonly label: string
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly rowKey: (row: Row) => string
  /** Id of the column that is sorted by at first; numbers begin with the greatest. */
  readonly sortedBy: string
  /** Only so many rows are shown. */
  readonly most?: number
}

export function SortTable<Row>({ label, columns, rows, rowKey, sortedBy, most }: SortTableProps<Row>) {
  const isNumber = (id: string) => columns.find((column) => column.id === id)?.isNumber === true
  const order = useSignal<Order>({ id: sortedBy, isDescending: isNumber(sortedBy) })
  const { id: current, isDescending } = order.value
  return (
    <ScrollArea label={label}>
      <table>
        <caption class="hidden-label">{label}</caption>
        <thead>
          <tr>
            {columns.map(({ id, title }) => (
              <th key={id} class={isNumber(id) ? 'number' : ''} aria-sort={ariaSort(id === current, isDescending)}>
                <button
                  type="button"
                  class="sort"
                  onClick={() => {
                    order.value = { id, isDescending: id === current ? !isDescending : isNumber(id) }
                  }}
                >
                  {title}
                  <span class="sort-mark" aria-hidden="true">
                    {sortMark(id === current, isDescending)}
                  </span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sortRows(rows, columns, order.value)
            .slice(0, most)
            .map((row) => (
              <tr key={rowKey(row)}>
                {columns.map(({ id, isNumber: isRight, cell }) => (
                  <td key={id} class={isRight === true ? 'number' : ''}>
                    {cell(row)}
                  </td>
                ))}
              </tr>
            ))}
        </tbody>
      </table>
    </ScrollArea>
  )
}

function ariaSort(isCurrent: boolean, isDescending: boolean): 'ascending' | 'descending' | 'none' {
  if (!isCurrent) return 'none'
  return isDescending ? 'descending' : 'ascending'
}

function sortMark(isCurrent: boolean, isDescending: boolean): string {
  if (!isCurrent) return ''
  return isDescending ? '▼' : '▲'
}
