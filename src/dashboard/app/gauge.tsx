/** How much of a limit is used: a line and the numbers. */

export interface GaugeProps {
  readonly title: string
  readonly used: number
  readonly limit: number
  /** Both in words. */
  readonly numbers: string
  readonly note?: string
}

export function Gauge({ title, used, limit, numbers, note }: GaugeProps) {
  const share = limit <= 0 ? 1 : Math.min(1, Math.max(0, used / limit))
  return (
    <div class="gauge">
      <span class="quiet">{title}</span>
      <span class="gauge-bar" aria-hidden="true">
        <span class={gaugeColour(share)} style={{ width: `${share * 100}%` }} />
      </span>
      <span class="numbers">
        {numbers} {note !== undefined && <span class="quiet">{note}</span>}
      </span>
    </div>
  )
}

function gaugeColour(share: number): string {
  if (share >= 1) return 'bad'
  return share >= 0.8 ? 'warn' : ''
}
