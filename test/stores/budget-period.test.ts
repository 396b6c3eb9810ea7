import { expect, test } from 'bun:test'
import { periodAround } from '../../src/stores/budget-period.ts'
import { createLocalTime } from '../../src/stores/local-time.ts'

test.each([
  ['UTC', 'day', '2024-02-29T23:59:59.999Z', '2024-02-29T00:00:00Z', '2024-03-01T00:00:00Z'],
  ['UTC', 'month', '2024-12-31T12:00:00Z', '2024-12-01T00:00:00Z', '2025-01-01T00:00:00Z'],
  ['Asia/Kolkata', 'day', '2025-06-14T18:30:00Z', '2025-06-14T18:30:00Z', '2025-06-15T18:30:00Z'],
  // Days of 23 and 25 hours, and a month in which the clocks change.
  ['Europe/Berlin', 'day', '2025-03-30T10:00:00Z', '2025-03-29T23:00:00Z', '2025-03-30T22:00:00Z'],
  ['Europe/Berlin', 'day', '2025-10-26T10:00:00Z', '2025-10-25T22:00:00Z', '2025-10-26T23:00:00Z'],
  ['Europe/Berlin', 'month', '2025-03-10T10:00:00Z', '2025-02-28T23:00:00Z', '2025-03-31T22:00:00Z'],
  // A day that began at one o'clock.
  ['America/Sao_Paulo', 'day', '2018-11-04T12:00:00Z', '2018-11-04T03:00:00Z', '2018-11-05T02:00:00Z'],
] as const)('in %s the %s around %s begins and ends with the zone', (timezone, kind, time, starts, ends) => {
  const localTime = createLocalTime(timezone)
  const expected = { startsAt: Date.parse(starts), endsAt: Date.parse(ends) }
  expect(periodAround(localTime, kind, Date.parse(time))).toEqual(expected)
  expect(periodAround(localTime, kind, expected.startsAt)).toEqual(expected)
  expect(periodAround(localTime, kind, expected.endsAt).startsAt).toBe(expected.endsAt)
})
