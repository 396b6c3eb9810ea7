/** Times on the axis of a chart and under its cursor, in the zone in which the gateway's days begin. */
import { locale } from './format.ts'

const daySeconds = 86_400

/** Formats marks on the axis; `stepSeconds` is the distance between two of them. Null zone: the browser's. */
export function axisTimes(times: readonly number[], stepSeconds: number, timezone: string | null): string[] {
  const zone = zoneOf(timezone)
  const day = new Intl.DateTimeFormat(locale(), { ...zone, month: 'short', day: 'numeric' })
  const clock = new Intl.DateTimeFormat(locale(), { ...zone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  return times.map((time) => {
    const date = new Date(time * 1000)
    const hour = clock.format(date)
    return stepSeconds >= daySeconds || hour === '00:00' ? day.format(date) : hour
  })
}

/** One bucket: its day, or its day and hour. */
export function bucketTime(time: number, bucketSeconds: number | null, timezone: string | null): string {
  const hours = bucketSeconds !== null && bucketSeconds >= daySeconds ? {} : { hour: '2-digit', minute: '2-digit' }
  const options = { ...zoneOf(timezone), weekday: 'short', month: 'short', day: 'numeric', hourCycle: 'h23', ...hours }
  return new Intl.DateTimeFormat(locale(), options as Intl.DateTimeFormatOptions).format(new Date(time * 1000))
}

function zoneOf(timezone: string | null): Intl.DateTimeFormatOptions {
  return timezone === null ? {} : { timeZone: timezone }
}
