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

describe('a label of an hour tells when it began', () => {
  test.each([
    ['UTC', '2025-03-01T10:00', '2025-03-01T10:00:00Z'],
    ['Europe/Warsaw', '2025-07-02T00:00', '2025-07-01T22:00:00Z'],
    ['Europe/Warsaw', '2025-01-02T00:00', '2025-01-01T23:00:00Z'],
    ['Asia/Kolkata', '2025-03-01T16:00', '2025-03-01T10:30:00Z'],
    // Clocks are put back: there are two such hours, and the first is meant.
    ['America/New_York', '2025-11-02T01:00', '2025-11-02T05:00:00Z'],
    ['America/New_York', '2025-11-02T02:00', '2025-11-02T07:00:00Z'],
    // Clocks are put forward: there is no such hour.
    ['America/New_York', '2025-03-09T02:00', '2025-03-09T07:00:00Z'],
    ['America/New_York', '2025-03-09T03:00', '2025-03-09T07:00:00Z'],
  ])('%s %s', (zone, label, start) => {
    expect(createLocalTime(zone).hourOfLabel(label)).toBe(Date.parse(start))
  })

  test.each(['', 'nonsense', '2025-03-01', '2025-03-01T10:30', '2025-13-01T10:00', '2025-03-01 10:00'])(
    '%j is none',
    (label) => {
      expect(createLocalTime('UTC').hourOfLabel(label)).toBeNull()
    },
  )
})

test('an unknown zone is an error', () => {
  expect(() => createLocalTime('Mars/Olympus')).toThrow(RangeError)
})
