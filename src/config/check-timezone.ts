/** Whether a setting names a time zone that this machine knows. */
import type { BuildContext } from './build-config.ts'

export function checkTimezone(pointer: string, timezone: string, { refuse }: BuildContext): string {
  if (!isTimezone(timezone)) refuse(pointer, 'must be the name of a time zone, such as UTC or Europe/Warsaw')
  return timezone
}

function isTimezone(timezone: string): boolean {
  if (timezone === 'UTC') return true
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
    return true
  } catch {
    return false
  }
}
