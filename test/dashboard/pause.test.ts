/** Pauses before the live stream is asked for again. */
import { expect, test } from 'bun:test'
import { pauseMs } from '../../src/dashboard/app/pause.ts'

test('they double, up to half a minute', () => {
  const middle = () => 0.5
  expect([0, 1, 2, 3, 4, 5, 6, 5000].map((failures) => pauseMs(failures, middle))).toEqual([
    1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000,
  ])
})

test('they are spread by a quarter to either side', () => {
  expect(pauseMs(1, () => 0)).toBe(1500)
  expect(pauseMs(1, () => 1)).toBe(2500)
})
