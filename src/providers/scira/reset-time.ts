/** When a limit ends, as a sentence tells it. How Scira words it was published nowhere, so every usual way is understood. */

/** Milliseconds from `now` (Unix milliseconds); null when the text names no time to come. */
export function readResetTime(text: string, now: number): number | null {
  const waitMs = readMoment(text, now) ?? readSpan(text)
  return waitMs === null || waitMs <= 0 ? null : Math.min(waitMs, maxWaitMs)
}

const maxWaitMs = 31 * 24 * 3_600_000
const maxTextLength = 2000

/** A date of ISO 8601, what JavaScript makes of a date, or Unix time in seconds or milliseconds. */
function readMoment(text: string, now: number): number | null {
  const shown = text.slice(0, maxTextLength)
  for (const pattern of dates) {
    const [found] = pattern.exec(shown) ?? []
    const time = found === undefined ? Number.NaN : Date.parse(found)
    if (!Number.isNaN(time)) return time - now
  }
  const digits = /(?<![\d.])\d{10}(?:\d{3})?(?![\d.]*\d)/.exec(shown)?.[0]
  if (digits === undefined) return null
  return Number(digits) * (digits.length === 10 ? 1000 : 1) - now
}

const dates = [
  /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?/i,
  /(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? [\w :,+-]{10,40}?(?:GMT|UTC)(?:[+-]\d{4})?/,
]

const unitsMs: readonly (readonly [RegExp, number])[] = [
  [/(\d{1,6}(?:\.\d{1,3})?)\s?(?:weeks?|w)\b/i, 7 * 24 * 3_600_000],
  [/(\d{1,6}(?:\.\d{1,3})?)\s?(?:days?|d)\b/i, 24 * 3_600_000],
  [/(\d{1,6}(?:\.\d{1,3})?)\s?(?:hours?|hrs?|h)\b/i, 3_600_000],
  [/(\d{1,6}(?:\.\d{1,3})?)\s?(?:minutes?|mins?|m)\b/i, 60_000],
  [/(\d{1,6}(?:\.\d{1,3})?)\s?(?:seconds?|secs?|s)\b/i, 1000],
]

/** "in 3 days, 4 hours": only after a word that looks ahead, since "25 requests per 7 days" names no end. */
function readSpan(text: string): number | null {
  const ahead = /\b(?:in|after|wait)\s+((?:(?:about|and|another)\s+|\d[\d.]*\s?[a-z]+[\s,.]*){1,12})/i.exec(
    text.slice(0, maxTextLength),
  )?.[1]
  if (ahead === undefined) return null
  let spanMs = 0
  for (const [pattern, unitMs] of unitsMs) spanMs += Number(pattern.exec(ahead)?.[1] ?? 0) * unitMs
  return spanMs === 0 ? null : spanMs
}
