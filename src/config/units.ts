/** Durations and sizes as people write them (`45s`, `64MiB`), and back. */
export const durationPattern = '^\\d+(\\.\\d+)?(ms|s|m|h|d)$'
export const positiveDurationPattern = '^(?=[0-9.]*[1-9])\\d+(\\.\\d+)?(ms|s|m|h|d)$'
export const sizePattern = '^(?=[0-9.]*[1-9])\\d+(\\.\\d+)?(B|KB|MB|GB|KiB|MiB|GiB)$'

const millisecondsOf: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
const bytesOf: Readonly<Record<string, number>> = {
  GiB: 1024 ** 3,
  GB: 1000 ** 3,
  MiB: 1024 ** 2,
  MB: 1000 ** 2,
  KiB: 1024,
  KB: 1000,
  B: 1,
}

/** Milliseconds. Expects a text that fits `durationPattern`. */
export function parseDuration(text: string): number {
  return parseQuantity(text, millisecondsOf)
}

/** What a timer of the runtime can hold: about 24 days. A longer deadline is as good as that. */
const longestTimerMs = 2 ** 31 - 1

/** Milliseconds for a timer. Expects a text that fits `durationPattern`. */
export function timerMs(text: string): number {
  return Math.min(parseDuration(text), longestTimerMs)
}

/** Bytes. Expects a text that fits `sizePattern`. */
export function parseSize(text: string): number {
  return parseQuantity(text, bytesOf)
}

export function formatDuration(durationMs: number): string {
  return formatQuantity(durationMs, millisecondsOf)
}

export function formatSize(bytes: number): string {
  return formatQuantity(bytes, bytesOf)
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number {
  const unit = text.replace(/^[\d.]+/, '')
  return Math.round(Number.parseFloat(text) * (units[unit] ?? Number.NaN))
}

/** In the largest unit that divides it: the tables begin with their largest. */
function formatQuantity(quantity: number, units: Readonly<Record<string, number>>): string {
  const [unit, worth] = Object.entries(units).find(([, each]) => quantity % each === 0 && quantity >= each) ?? ['', 1]
  return unit === '' ? `0${Object.keys(units).at(-1)}` : `${quantity / worth}${unit}`
}
