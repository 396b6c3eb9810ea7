/** One number with its name, and what is to be said about it. Stands in a `<dl class="figures">`. */

interface FigureProps {
  readonly title: string
  readonly value: string
  readonly note?: string
  readonly hint?: string
  readonly isBad?: boolean
}

export function Figure({ title, value, note = '', hint, isBad = false }: FigureProps) {
  return (
    <div class="figure" title={hint}>
      <dt>{title}</dt>
      <dd class={isBad ? 'bad' : ''}>{value}</dd>
      <dd class="note">{note}</dd>
    </div>
  )
}
