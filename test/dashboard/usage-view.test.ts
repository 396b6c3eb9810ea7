/** What the usage page shows, as its address says it. */
import { describe, expect, test } from 'bun:test'
import type { SeriesLine } from '../../src/dashboard/app/reports.ts'
import {
  areKeptTogether,
  canSplitBy,
  filterChanges,
  readUsageView,
  usageParameters,
  valuesOf,
} from '../../src/dashboard/app/usage-view.ts'

const read = (query: string) => readUsageView(new URLSearchParams(query))

test('without parameters: requests of seven days, a day at a time, by model', () => {
  expect(read('')).toEqual({
    range: { preset: '7d', from: null, to: null },
    bucket: 'day',
    isHourPossible: true,
    by: 'model',
    measure: 'requests',
    filter: {},
  })
})

test('what the address says is shown; what it misspells is as if it said nothing', () => {
  expect(read('by=client&measure=cost&bucket=hour&model=gpt-4o&credential=')).toMatchObject({
    by: 'client',
    measure: 'cost',
    bucket: 'hour',
    filter: { model: 'gpt-4o' },
  })
  expect(read('by=weather&measure=mood&bucket=week')).toMatchObject({ by: 'model', measure: 'requests', bucket: 'day' })
})

test('a short range is shown by the hour, a long one by the day whatever is wished', () => {
  expect(read('range=24h').bucket).toBe('hour')
  expect(read('range=24h&bucket=day').bucket).toBe('day')
  expect(read('range=90d&bucket=hour')).toMatchObject({ bucket: 'day', isHourPossible: false })
})

test('the gateway is always asked with parameters, for without any it answers another shape', () => {
  expect(usageParameters(read('range=all')).toString()).toBe('bucket=day&by=model')
  expect(usageParameters(read('range=24h&by=client&provider=a%26b')).toString()).toBe(
    'from=24h&bucket=hour&by=client&provider=a%26b',
  )
})

describe('credentials are counted with providers only', () => {
  test.each([
    ['credential', 'provider', true],
    ['credential', 'model', false],
    ['client', 'credential', false],
    ['client', 'model', true],
  ] as const)('%s with %s', (one, other, expected) => {
    expect(areKeptTogether(one, other)).toBe(expected)
    expect(areKeptTogether(other, one)).toBe(expected)
  })

  test('a filter by credential replaces those it cannot be joined with, and the split', () => {
    expect(filterChanges(read('model=m&provider=p&by=client'), 'credential', 'c')).toEqual({
      model: null,
      credential: 'c',
      by: 'provider',
    })
  })

  test('any other filter leaves the rest as it is', () => {
    expect(filterChanges(read('model=m&by=model'), 'client', 'alice')).toEqual({ client: 'alice' })
  })

  test('no split is offered that the filter forbids', () => {
    expect(canSplitBy('credential', { model: 'm' })).toBe(false)
    expect(canSplitBy('credential', { provider: 'p' })).toBe(true)
    expect(canSplitBy('credential', {})).toBe(true)
  })
})

test('tokens are those in and those out together', () => {
  const line = { requests: [1, 2], cost_usd: [0.1, 0.2], input_tokens: [10, 20], output_tokens: [3, 4] } as never
  const values = (measure: 'requests' | 'tokens' | 'cost') => valuesOf(line as SeriesLine, measure)
  expect(values('requests')).toEqual([1, 2])
  expect(values('tokens')).toEqual([13, 24])
  expect(values('cost')).toEqual([0.1, 0.2])
})
