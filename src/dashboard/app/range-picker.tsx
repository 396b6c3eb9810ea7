/** Chooses a range of time: one of the usual ones, or from here to there. */
import { useSignal } from '@preact/signals'
import { changeQuery } from './address.ts'
import { customChanges, fieldValue, type Preset, presetChanges, type Range } from './range.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    label: 'Time range',
    today: 'Today',
    '1h': '1 hour',
    '24h': '24 hours',
    '7d': '7 days',
    '30d': '30 days',
    '90d': '90 days',
    all: 'All time',
    custom: 'Custom…',
    from: 'From',
    to: 'To',
    apply: 'Apply',
    backwards: 'The end is before the beginning.',
    empty: 'Give a beginning or an end.',
  },
  zh: {
    label: '时间范围',
    today: '今天',
    '1h': '1 小时',
    '24h': '24 小时',
    '7d': '7 天',
    '30d': '30 天',
    '90d': '90 天',
    all: '全部',
    custom: '自定义…',
    from: '开始',
    to: '结束',
    apply: '应用',
    backwards: '结束时间早于开始时间。',
    empty: '请填写开始或结束时间。',
  },
})

export interface RangePickerProps {
  readonly range: Range
  readonly offered: readonly Preset[]
  readonly hasCustom?: boolean
}

/** The choice goes into the address, where the page reads it. */
export function RangePicker({ range, offered, hasCustom = true }: RangePickerProps) {
  const isCustomOpen = useSignal(range.preset === 'custom')
  const isOpen = isCustomOpen.value
  return (
    <div class="range">
      <fieldset class="choices">
        <legend class="hidden-label">{text('label')}</legend>
        {offered.map((preset) => (
          <button
            key={preset}
            type="button"
            aria-pressed={preset === range.preset && !isOpen}
            onClick={() => {
              isCustomOpen.value = false
              changeQuery(presetChanges(preset))
            }}
          >
            {text(preset)}
          </button>
        ))}
        {hasCustom && (
          <button
            type="button"
            aria-pressed={isOpen}
            aria-expanded={isOpen}
            onClick={() => {
              isCustomOpen.value = !isOpen
            }}
          >
            {text('custom')}
          </button>
        )}
      </fieldset>
      {hasCustom && isOpen && <CustomRange range={range} />}
    </div>
  )
}

function CustomRange({ range }: { readonly range: Range }) {
  const from = useSignal(fieldValue(range.from))
  const to = useSignal(fieldValue(range.to))
  const problem = useSignal<string | null>(null)

  function submit(event: SubmitEvent): void {
    event.preventDefault()
    problem.value = null
    if (from.value === '' && to.value === '') problem.value = text('empty')
    else if (from.value !== '' && to.value !== '' && from.value >= to.value) problem.value = text('backwards')
    else changeQuery(customChanges(from.value, to.value))
  }

  return (
    <form class="bar" onSubmit={submit}>
      {[
        { name: 'from' as const, value: from },
        { name: 'to' as const, value: to },
      ].map(({ name, value }) => (
        <label key={name} class="field">
          {text(name)}
          <input
            type="datetime-local"
            value={value}
            onInput={(event) => {
              value.value = event.currentTarget.value
            }}
          />
        </label>
      ))}
      <button type="submit">{text('apply')}</button>
      <p class="problem" role="alert">
        {problem}
      </p>
    </form>
  )
}
