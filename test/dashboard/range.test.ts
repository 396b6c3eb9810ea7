/** Ranges of time as the page's address names them. */
import { describe, expect, test } from 'bun:test'
import {
  customChanges,
  fieldValue,
  isHourly,
  presetChanges,
  rangeParameters,
  readRange,
} from '../../src/dashboard/app/range.ts'

const offered = ['24h', '7d'] as const
const read = (query: string) => readRange(new URLSearchParams(query), offered, '7d')
const now = new Date(2030, 4, 17, 13, 45)

describe('a range is read from the address', () => {
  const cases = [
    ['range=24h', { preset: '24h', from: null, to: null }],
    ['', { preset: '7d', from: null, to: null }],
    ['range=90d', { preset: '7d', from: null, to: null }],
    ['range=nonsense', { preset: '7d', from: null, to: null }],
    // A preset is not bounded by what an earlier choice left.
    ['range=24h&from=2030-01-01T00:00:00Z', { preset: '24h', from: null, to: null }],
    [
      'range=custom&from=2030-01-01T00:00:00Z&to=2030-01-02T00:00:00Z',
      { preset: 'custom', from: '2030-01-01T00:00:00.000Z', to: '2030-01-02T00:00:00.000Z' },
    ],
    ['range=custom&to=2030-01-02T00:00:00Z', { preset: 'custom', from: null, to: '2030-01-02T00:00:00.000Z' }],
    ['range=custom', { preset: '7d', from: null, to: null }],
    ['range=custom&from=yesterday', { preset: '7d', from: null, to: null }],
  ] as const
  test.each(cases)('%p', (query, expected) => {
    expect(read(query)).toEqual(expected)
  })
})

test('the gateway is asked for what the range says', () => {
  const open = { from: null, to: null }
  expect(rangeParameters({ preset: '7d', ...open }, now)).toEqual({ from: '7d' })
  expect(rangeParameters({ preset: 'all', ...open }, now)).toEqual({})
  expect(rangeParameters({ preset: 'custom', from: 'a', to: null }, now)).toEqual({ from: 'a' })
  expect(rangeParameters({ preset: 'custom', from: 'a', to: 'b' }, now)).toEqual({ from: 'a', to: 'b' })
})

test('today begins at midnight where the browser is', () => {
  const { from = '' } = rangeParameters({ preset: 'today', from: null, to: null }, now)
  expect(new Date(from)).toEqual(new Date(2030, 4, 17))
})

test('a custom range survives the way through field and address', () => {
  const changes = customChanges('2030-05-17T13:45', '')
  expect(changes).toEqual({ range: 'custom', from: now.toISOString(), to: null })
  expect(fieldValue(changes.from ?? null)).toBe('2030-05-17T13:45')
  expect(fieldValue(null)).toBe('')
})

test('choosing a preset takes the custom bounds away', () => {
  expect(presetChanges('24h')).toEqual({ range: '24h', from: null, to: null })
})

describe('hours are offered for 62 days at most', () => {
  const day = 86_400_000
  const ago = (days: number) => new Date(now.getTime() - days * day).toISOString()
  const cases = [
    ['30 days', { preset: '30d', from: null, to: null }, true],
    ['90 days', { preset: '90d', from: null, to: null }, false],
    ['all time', { preset: 'all', from: null, to: null }, false],
    ['62 days to now', { preset: 'custom', from: ago(62), to: null }, true],
    ['63 days to now', { preset: 'custom', from: ago(63), to: null }, false],
    ['ten days long ago', { preset: 'custom', from: ago(400), to: ago(390) }, true],
    ['everything up to an end', { preset: 'custom', from: null, to: ago(1) }, false],
  ] as const
  test.each(cases)('%s', (_name, range, expected) => {
    expect(isHourly(range, now)).toBe(expected)
  })
})
