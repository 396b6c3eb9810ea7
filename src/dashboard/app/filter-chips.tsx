/** The filters in force, each with a button that takes it away. */
import { changeQuery } from './address.ts'
import { dimensionText, nameText } from './names.ts'
import type { Dimension } from './reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: { label: 'Filters', remove: 'Remove filter {name}', clear: 'Clear all' },
  zh: { label: '筛选条件', remove: '移除筛选 {name}', clear: '全部清除' },
})

export interface Chip {
  /** Its name in the address. */
  readonly parameter: string
  readonly title: string
  readonly value: string
}

export function FilterChips({ chips }: { readonly chips: readonly Chip[] }) {
  if (chips.length === 0) return null
  return (
    <ul class="chips" aria-label={text('label')}>
      {chips.map(({ parameter, title, value }) => (
        <li key={parameter} class="chip">
          <span class="quiet">{title}</span> <b>{value}</b>
          <button
            type="button"
            aria-label={text('remove', { name: `${title} ${value}` })}
            onClick={() => changeQuery({ [parameter]: null })}
          >
            ×
          </button>
        </li>
      ))}
      {chips.length > 1 && (
        <li>
          <button
            type="button"
            class="small"
            onClick={() => changeQuery(Object.fromEntries(chips.map(({ parameter }) => [parameter, null])))}
          >
            {text('clear')}
          </button>
        </li>
      )}
    </ul>
  )
}

export function nameChips(filter: Readonly<Partial<Record<Dimension, string>>>): Chip[] {
  return Object.entries(filter).map(([dimension, value]) => ({
    parameter: dimension,
    title: dimensionText(dimension as Dimension),
    value: nameText(value),
  }))
}
