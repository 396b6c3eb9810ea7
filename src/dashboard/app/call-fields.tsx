/** Fields by which calls are found. */
import { useSignal } from '@preact/signals'
import { changeQuery } from './address.ts'
import { outcomeText } from './badge.tsx'
import { type CallFilter, statusClasses } from './call-filter.ts'
import { dimensionText } from './names.ts'
import { useRemote } from './remote.ts'
import { dimensions, outcomes, type RangeReport } from './reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    any: 'Any',
    outcome: 'Outcome',
    status: 'Status',
    minimum: 'At least (s)',
    id: 'Request ID',
    idHint: 'req_…',
    find: 'Open',
  },
  zh: {
    any: '不限',
    outcome: '结果',
    status: '状态码',
    minimum: '耗时至少（秒）',
    id: '请求 ID',
    idHint: 'req_…',
    find: '打开',
  },
})

/** A list that is longer is no choice any more; the address takes any name. */
const maxChoices = 300

export function CallFields({ filter }: { readonly filter: CallFilter }) {
  // Everything that was ever counted: requests are kept for a shorter time, but names do not come and go with the range.
  const remote = useRemote<Pick<RangeReport, 'models' | 'providers' | 'clients' | 'credentials'>>('stats')
  const known = remote.value.value
  const id = useSignal('')
  return (
    <div class="bar fields">
      {dimensions.map((dimension) => (
        <SelectField
          key={dimension}
          parameter={dimension}
          label={dimensionText(dimension)}
          options={known === null ? [] : mostUsed(known[`${dimension}s`])}
          value={filter.names[dimension] ?? ''}
        />
      ))}
      <SelectField
        parameter="outcome"
        label={text('outcome')}
        options={outcomes}
        titleOf={(outcome) => outcomeText(outcome)}
        value={filter.outcome ?? ''}
      />
      <SelectField parameter="status" label={text('status')} options={statusClasses} value={filter.status ?? ''} />
      <label class="field">
        {text('minimum')}
        <input
          class="short"
          type="number"
          min="0"
          max="86400"
          step="any"
          value={filter.minSeconds ?? ''}
          onChange={(event) => changeQuery({ min: event.currentTarget.value })}
        />
      </label>
      <form
        class="bar"
        onSubmit={(event) => {
          event.preventDefault()
          changeQuery({ id: id.value.trim() })
        }}
      >
        <label class="field">
          {text('id')}
          <input
            type="search"
            placeholder={text('idHint')}
            required
            value={id}
            onInput={(event) => {
              id.value = event.currentTarget.value
            }}
          />
        </label>
        <button type="submit">{text('find')}</button>
      </form>
    </div>
  )
}

interface SelectFieldProps<Option extends string> {
  readonly parameter: string
  readonly label: string
  readonly options: readonly Option[]
  readonly titleOf?: (option: Option) => string
  readonly value: Option | ''
}

/** What is chosen stands in the list even where nothing of it was counted. */
function SelectField<Option extends string>({
  parameter,
  label,
  options,
  titleOf = (option) => option,
  value,
}: SelectFieldProps<Option>) {
  const all = value === '' || options.includes(value) ? options : [value, ...options]
  return (
    <label class="field">
      {label}
      <select value={value} onChange={(event) => changeQuery({ [parameter]: event.currentTarget.value })}>
        <option value="">{text('any')}</option>
        {all.map((option) => (
          <option key={option} value={option}>
            {titleOf(option)}
          </option>
        ))}
      </select>
    </label>
  )
}

function mostUsed(totals: RangeReport['models']): string[] {
  return Object.entries(totals)
    .filter(([name]) => name !== '')
    .toSorted(([, left], [, right]) => right.requests - left.requests)
    .slice(0, maxChoices)
    .map(([name]) => name)
}
