/** How long until a time of the gateway's; counts down by itself. */
import type { ReadonlySignal } from '@preact/signals'
import { countdownText } from './countdown-text.ts'
import { formatTime } from './format.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({ en: { now: 'due now', in: '{time} left' }, zh: { now: '即将恢复', in: '剩余 {time}' } })

export interface CountdownProps {
  readonly until: string
  /** Unix milliseconds. */
  readonly now: ReadonlySignal<number | null>
}

export function Countdown({ until, now }: CountdownProps) {
  const left = now.value === null ? null : countdownText(until, now.value)
  return (
    <time dateTime={until} title={formatTime(until)} class="countdown">
      {left === null ? text('now') : text('in', { time: left })}
    </time>
  )
}
