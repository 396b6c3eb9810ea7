/** Numbers, money and times as people read them. */
import { afterEach, describe, expect, test } from 'bun:test'
import { axisTimes, bucketTime } from '../../src/dashboard/app/chart-time.ts'
import {
  formatClock,
  formatCount,
  formatDuration,
  formatMoney,
  formatRate,
  formatShare,
  formatShort,
  formatSpan,
} from '../../src/dashboard/app/format.ts'
import { language } from '../../src/dashboard/app/language.ts'
import { defineTexts } from '../../src/dashboard/app/texts.ts'

afterEach(() => {
  language.value = 'en'
})

describe('in English', () => {
  test.each([
    [formatCount(1284), '1,284'],
    [formatShort(1284), '1.3K'],
    [formatMoney(0), '$0.00'],
    [formatMoney(0.000974), '$0.00097'],
    [formatMoney(0.5), '$0.50'],
    [formatMoney(0.0568), '$0.0568'],
    [formatMoney(1234.567), '$1,234.57'],
    [formatRate(0.083), '0.08'],
    [formatRate(12.34), '12.3'],
    [formatRate(1284.4), '1,284'],
    [formatShare(0.1254), '12.5%'],
    [formatDuration(null), '–'],
    [formatDuration(0), '0ms'],
    [formatDuration(999.4), '999ms'],
    [formatDuration(1240), '1.2s'],
    [formatDuration(119_000), '119s'],
    [formatDuration(180_000), '3m'],
    [formatDuration(7_200_000), '2h'],
    [formatDuration(3 * 86_400_000), '3d'],
  ])('%s', (told, expected) => {
    expect(told).toBe(expected)
  })
})

test('in Chinese where Chinese is chosen', () => {
  language.value = 'zh'
  expect(formatShort(12_840)).toBe('1.3万')
  expect(formatMoney(2.5)).toBe('$2.50')
  expect(formatDuration(1240)).toBe('1.2秒')
})

test('a time of today needs no date, another does; midnight is 00', () => {
  const today = new Date()
  today.setHours(0, 5, 9, 0)
  expect(formatClock(today.toISOString())).toBe('00:05:09')
  expect(formatClock(new Date(2020, 10, 20, 5, 12).toISOString())).toBe('Nov 20, 05:12')
})

test('a range is told in the zone of the gateway', () => {
  const span = formatSpan('2030-01-01T16:00:00Z', '2030-01-02T16:00:00Z', 'Asia/Shanghai')
  expect(span.replaceAll(/\s/g, ' ')).toBe('Jan 2, 2030, 00:00 – Jan 3, 2030, 00:00')
})

test('marks on the axis are hours within a day and dates where one begins, in the zone given', () => {
  const times = ['2030-01-01T12:00:00Z', '2030-01-01T16:00:00Z'].map((time) => Date.parse(time) / 1000)
  expect(axisTimes(times, 14_400, 'Asia/Shanghai')).toEqual(['20:00', 'Jan 2'])
  expect(axisTimes(times, 86_400, 'UTC')).toEqual(['Jan 1', 'Jan 1'])
})

test('a bucket of an hour is told with its hour, one of a day without', () => {
  const time = Date.parse('2030-01-01T16:00:00Z') / 1000
  expect(bucketTime(time, 3600, 'Asia/Shanghai')).toBe('Wed, Jan 2, 00:00')
  expect(bucketTime(time, 86_400, 'UTC')).toBe('Tue, Jan 1')
})

test('a text follows the language and takes its values, unknown ones stay visible', () => {
  const text = defineTexts({ en: { hello: 'Hello {name}, {other}' }, zh: { hello: '{name}，你好 {other}' } })
  expect(text('hello', { name: 'A' })).toBe('Hello A, {other}')
  language.value = 'zh'
  expect(text('hello', { name: 'A', other: 2 })).toBe('A，你好 2')
})
