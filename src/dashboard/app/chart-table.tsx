/** The numbers of a chart as a table, for whoever cannot see it or wants them exactly. */
import { useSignal } from '@preact/signals'
import { type ChartProps, valueText } from './chart-lines.ts'
import { bucketTime } from './chart-time.ts'
import { ScrollArea } from './scroll-area.tsx'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: { table: 'Show the numbers', time: 'Time' },
  zh: { table: '查看数据表', time: '时间' },
})

export function ChartTable(props: ChartProps) {
  const { label, times, lines, format } = props
  const bucketSeconds = props.bucketSeconds ?? null
  const timezone = props.timezone ?? null
  const isOpen = useSignal(false)
  return (
    <details
      class="chart-numbers"
      onToggle={(event) => {
        isOpen.value = event.currentTarget.open
      }}
    >
      <summary>{text('table')}</summary>
      {isOpen.value && (
        <ScrollArea label={label} isTall>
          <table>
            <thead>
              <tr>
                <th scope="col">{text('time')}</th>
                {lines.map(({ name }) => (
                  <th key={name} scope="col" class="number">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times.map((time, at) => (
                <tr key={time}>
                  <th scope="row">{bucketTime(time, bucketSeconds, timezone)}</th>
                  {lines.map(({ name, values }) => (
                    <td key={name} class="number">
                      {valueText(values[at] ?? null, format)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollArea>
      )}
    </details>
  )
}
