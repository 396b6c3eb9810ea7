/** How figures are written for people. */
import type { Spread } from './statistics.ts'

/** With as many decimals as say something: none above 100, three below 0.1. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size >= 99.95) return Math.round(value).toLocaleString('en')
  if (size >= 9.995) return value.toFixed(1)
  return value.toFixed(size >= 0.0995 || size === 0 ? 2 : 3)
}

/** Of 1,000 bytes and more without decimals. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return '–'
  if (bytes >= 999_500) return `${Math.round(bytes / 1e6)} MB`
  return bytes >= 1_000 ? `${Math.round(bytes / 1e3)} KB` : `${bytes} B`
}

/** The median with the lowest and the highest, which are left out where they are the same. */
export function formatSpread({ median, min, max }: Spread): string {
  const [middle, low, high] = [median, min, max].map(formatNumber)
  return low === high ? `${middle}` : `${middle} (${low} to ${high})`
}
