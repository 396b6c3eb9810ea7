/** Where hours and days begin in a time zone. Knows nothing of what is counted in them. */

export interface LocalTime {
  /** When the zone's hour around this moment began, both in Unix milliseconds. */
  hourStart(time: number): number
  /** `YYYY-MM-DDTHH:00` */
  hourLabel(time: number): string
  /** `YYYY-MM-DD` */
  dayLabel(time: number): string
  /** The zone's day around this moment, counted from 1970-01-01. */
  dayNumber(time: number): number
  /** When that day began, in Unix milliseconds. */
  dayStart(day: number): number
  /** When the hour of this label began: the first one where clocks are put back, the next where it was skipped. Null: it is no label. */
  hourOfLabel(label: string): number | null
}

const hourMs = 3_600_000
const dayMs = 86_400_000
/** Offsets are multiples of a quarter hour and change only at its beginning. */
const quarterHourMs = 900_000
const maxCachedOffsets = 4000

/** Throws RangeError where the zone is unknown. */
export function createLocalTime(timezone: string): LocalTime {
  // The zone of most needs no formatter, which takes 10 MB with all that it looks up.
  const format = timezone === 'UTC' ? null : createFormat(timezone)
  const offsets = new Map<number, number>()

  /** Milliseconds that local time is ahead of UTC. Cached: the formatter is too slow to be asked for every record. */
  function offsetMs(time: number): number {
    if (format === null) return 0
    const quarterHour = Math.floor(time / quarterHourMs) * quarterHourMs
    const cached = offsets.get(quarterHour)
    if (cached !== undefined) return cached
    if (offsets.size >= maxCachedOffsets) offsets.clear()
    const offset = localAsUtc(format, quarterHour) - quarterHour
    offsets.set(quarterHour, offset)
    return offset
  }

  function hourOfLabel(label: string): number | null {
    const local = /^\d{4}-\d\d-\d\dT\d\d:00$/.test(label) ? Date.parse(`${label}Z`) : Number.NaN
    return Number.isNaN(local) ? null : fromLocal(local)
  }

  /** Offsets around it: that of a day before holds until the clocks change. */
  function fromLocal(local: number): number {
    const before = local - offsetMs(local - dayMs)
    const after = local - offsetMs(local + dayMs)
    const fits = [before, after].find((time) => time + offsetMs(time) === local)
    return fits ?? before
  }

  const localIso = (time: number) => new Date(time + offsetMs(time)).toISOString()

  return {
    hourStart(time) {
      const offset = offsetMs(time)
      return Math.floor((time + offset) / hourMs) * hourMs - offset
    },
    hourLabel: (time) => `${localIso(time).slice(0, 13)}:00`,
    dayLabel: (time) => localIso(time).slice(0, 10),
    dayNumber: (time) => Math.floor((time + offsetMs(time)) / dayMs),
    dayStart: (day) => fromLocal(day * dayMs),
    hourOfLabel,
  }
}

function createFormat(timezone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
}

function localAsUtc(format: Intl.DateTimeFormat, time: number): number {
  const parts: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {}
  for (const part of format.formatToParts(time)) parts[part.type] = Number(part.value)
  return Date.UTC(parts.year ?? 0, (parts.month ?? 1) - 1, parts.day, parts.hour, parts.minute)
}
