/** Numbers, money and times as people read them, in the page's language. */
import { language } from './language.ts'

/** Of numbers and times, in the page's language. */
export const locale = () => (language.value === 'zh' ? 'zh-CN' : 'en')

/** 1,284 */
export function formatCount(value: number): string {
  return new Intl.NumberFormat(locale()).format(value)
}

/** 1.3K, 25M: where there is little room. */
export function formatShort(value: number): string {
  return new Intl.NumberFormat(locale(), { notation: 'compact', maximumFractionDigits: 1 }).format(value)
}

/** US dollars; small amounts keep the digits that matter. */
export function formatMoney(usd: number): string {
  return new Intl.NumberFormat(locale(), {
    style: 'currency',
    currency: 'USD',
    currencyDisplay: 'narrowSymbol',
    ...moneyDigits(Math.abs(usd)),
  }).format(usd)
}

function moneyDigits(size: number): Intl.NumberFormatOptions {
  if (size === 0 || size >= 1) return { minimumFractionDigits: 2, maximumFractionDigits: 2 }
  return size < 0.01 ? { maximumSignificantDigits: 2 } : { minimumFractionDigits: 2, maximumFractionDigits: 4 }
}

/** Of something per second: 0.4, 12, 1,284. */
export function formatRate(perSecond: number): string {
  const digits = perSecond >= 100 ? 0 : 1
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: perSecond < 1 ? 2 : digits }).format(perSecond)
}

/** 12.5 % of a share from 0 to 1. */
export function formatShare(share: number): string {
  return new Intl.NumberFormat(locale(), { style: 'percent', maximumFractionDigits: 1 }).format(share)
}

/** 340ms, 1.2s, 3m; a dash where it is not known. */
export function formatDuration(durationMs: number | null): string {
  if (durationMs === null) return '–'
  const [value, unit] = inUnit(durationMs)
  const digits = unit === 'millisecond' || value >= 100 ? 0 : 1
  return new Intl.NumberFormat(locale(), {
    style: 'unit',
    unit,
    unitDisplay: 'narrow',
    maximumFractionDigits: digits,
  }).format(value)
}

function inUnit(durationMs: number): readonly [number, string] {
  if (durationMs < 1000) return [durationMs, 'millisecond']
  if (durationMs < 120_000) return [durationMs / 1000, 'second']
  if (durationMs < 7_200_000) return [durationMs / 60_000, 'minute']
  return durationMs < 172_800_000 ? [durationMs / 3_600_000, 'hour'] : [durationMs / 86_400_000, 'day']
}

/** Date and time to the second, in the browser's zone. */
export function formatTime(iso: string): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' }).format(
    new Date(iso),
  )
}

/** Hour and minute, with the date where it is not today's. */
export function formatClock(iso: string): string {
  const time = new Date(iso)
  const isToday = time.toDateString() === new Date().toDateString()
  return new Intl.DateTimeFormat(locale(), {
    ...(isToday ? { second: '2-digit' } : { month: 'short', day: 'numeric' }),
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(time)
}

/** From one time to another in a zone: Nov 20, 05:00 – Nov 21, 06:00. */
export function formatSpan(from: string, to: string, timeZone: string): string {
  const day = { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' } as const
  const format = new Intl.DateTimeFormat(locale(), { ...day, hourCycle: 'h23', timeZone })
  return format.formatRange(new Date(from), new Date(to))
}
