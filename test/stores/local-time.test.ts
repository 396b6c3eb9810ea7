import { describe, expect, test } from 'bun:test'
import { createLocalTime } from '../../src/stores/local-time.ts'

describe('hours begin where the zone has them', () => {
  const cases = [
    { zone: 'UTC', time: '2025-03-01T10:59:59.999Z', start: '2025-03-01T10:00:00Z', label: '2025-03-01T10:00' },
    { zone: 'Europe/Warsaw', time: '2025-07-01T22:15:00Z', start: '2025-07-01T22:00:00Z', label: '2025-07-02T00:00' },
    { zone: 'Asia/Kolkata', time: '2025-03-01T10:40:00Z', start: '2025-03-01T10:30:00Z', label: '2025-03-01T16:00' },
    { zone: 'Asia/Kathmandu', time: '2025-03-01T18:14:59Z', start: '2025-03-01T17:15:00Z', label: '2025-03-01T23:00' },
    {
      zone: 'America/New_York',
      time: '2025-11-02T05:30:00Z',
      start: '2025-11-02T05:00:00Z',
      label: '2025-11-02T01:00',
    },
    {
      zone: 'America/New_York',
      time: '2025-11-02T06:30:00Z',
      start: '2025-11-02T06:00:00Z',
      label: '2025-11-02T01:00',
    },
    {
      zone: 'Australia/Lord_Howe',
      time: '2025-06-01T00:45:00Z',
      start: '2025-06-01T00:30:00Z',
      label: '2025-06-01T11:00',
    },
    {
      zone: 'Australia/Lord_Howe',
      time: '2025-01-01T00:45:00Z',
      start: '2025-01-01T00:00:00Z',
      label: '2025-01-01T11:00',
    },
  ]
  test.each(cases)('$zone $time', ({ zone, time, start, label }) => {
    const localTime = createLocalTime(zone)
    expect(localTime.hourStart(Date.parse(time))).toBe(Date.parse(start))
    expect(localTime.hourLabel(Date.parse(start))).toBe(label)
    expect(localTime.dayLabel(Date.parse(time))).toBe(label.slice(0, 10))
  })
})

test('an unknown zone is an error', () => {
  expect(() => createLocalTime('Mars/Olympus')).toThrow(RangeError)
})
