/** What the bench says about a series of figures. */
import { describe, expect, test } from 'bun:test'
import { difference, percentile, perRound, ratio, spread } from '../../bench/statistics.ts'

describe('statistics of the bench', () => {
  test.each([
    { values: [3, 1, 2], median: 2, min: 1, max: 3 },
    { values: [4, 1, 3, 2], median: 2.5, min: 1, max: 4 },
    { values: [7], median: 7, min: 7, max: 7 },
    { values: [], median: Number.NaN, min: Number.NaN, max: Number.NaN },
  ])('the spread of $values', ({ values, ...expected }) => {
    expect(spread(values)).toEqual(expected)
  })

  test('a percentile is a value that was measured, and the highest one for few values', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
    expect([0.5, 0.99, 1, 0].map((share) => percentile(hundred, share))).toEqual([50, 99, 100, 1])
    expect(percentile([1, 2, 3], 0.99)).toBe(3)
    expect(percentile([], 0.5)).toBeNaN()
  })

  test('rounds are compared with their neighbours; those that only one has are left out', () => {
    expect(perRound([10, 20, 30], [5, 5], ratio)).toEqual([2, 4])
    expect(perRound([10, 20], [1, 2, 3], difference)).toEqual([9, 18])
  })
})
