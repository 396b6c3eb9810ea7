/** Which day or month of a zone a moment lies in: where budgets begin and end. */
import type { BudgetPeriod } from '../domain.ts'
import type { LocalTime } from './local-time.ts'

/** Both in Unix milliseconds; `endsAt` is the first moment of the next one. */
export interface Period {
  readonly startsAt: number
  readonly endsAt: number
}

export function periodAround(localTime: LocalTime, kind: BudgetPeriod, time: number): Period {
  const [year = 0, month = 1, day = 1] = localTime.dayLabel(time).split('-').map(Number)
  const first = kind === 'day' ? day : 1
  const next = kind === 'day' ? Date.UTC(year, month - 1, day + 1) : Date.UTC(year, month, 1)
  return {
    startsAt: beginningOf(localTime, Date.UTC(year, month - 1, first)),
    endsAt: beginningOf(localTime, next),
  }
}

/** When the zone's day began that UTC has at this midnight. */
function beginningOf(localTime: LocalTime, midnight: number): number {
  const label = `${new Date(midnight).toISOString().slice(0, 10)}T00:00`
  return localTime.hourOfLabel(label) ?? midnight
}
