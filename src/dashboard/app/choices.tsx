/** One of a few, as a row of buttons. */

export interface ChoicesProps<Choice extends string> {
  readonly label: string
  readonly options: readonly { readonly value: Choice; readonly title: string; readonly isPossible?: boolean }[]
  readonly chosen: Choice
  readonly onChoose: (choice: Choice) => void
}

export function Choices<Choice extends string>({ label, options, chosen, onChoose }: ChoicesProps<Choice>) {
  return (
    <fieldset class="choices">
      <legend class="hidden-label">{label}</legend>
      {options.map(({ value, title, isPossible = true }) => (
        <button
          key={value}
          type="button"
          aria-pressed={value === chosen}
          disabled={!isPossible}
          onClick={() => onChoose(value)}
        >
          {title}
        </button>
      ))}
    </fieldset>
  )
}
