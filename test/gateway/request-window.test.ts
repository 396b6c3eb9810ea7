import { expect, test } from 'bun:test'
import { createRequestWindow } from '../../src/gateway/request-window.ts'
import { createChance } from '../helpers/random.ts'

/** Asks, and takes a place where there is one. */
function windowWith(limit: number) {
  const window = createRequestWindow()
  return (now: number, limitNow = limit) => {
    const before = window.look(now, limitNow)
    if (before.waitMs === 0) window.add(now)
    const { remaining, resetMs } = window.look(now, limitNow)
    return { isAllowed: before.waitMs === 0, remaining, resetMs, waitMs: before.waitMs }
  }
}

test('so many requests are allowed in a minute, and each place is free again a minute after its request', () => {
  const take = windowWith(3)
  const at = (now: number) => Object.values(take(now))
  expect(at(0)).toEqual([true, 2, 60_000, 0])
  expect(at(20_000)).toEqual([true, 1, 60_000, 0])
  expect(at(59_000)).toEqual([true, 0, 60_000, 0])
  expect(at(59_999)).toEqual([false, 0, 59_001, 1])
  expect(at(60_000)).toEqual([true, 0, 60_000, 0])
  expect(at(79_999)).toEqual([false, 0, 40_001, 1])
  expect(at(80_000)).toEqual([true, 0, 60_000, 0])
  expect(at(500_000)).toEqual([true, 2, 60_000, 0])
})

test.each([1, 2, 3])(
  'no minute anywhere holds more than the limit, and none is refused without need (seed %d)',
  (seed) => {
    const chance = createChance(seed)
    const limit = 20
    const take = windowWith(limit)
    let now = 0
    const allowed: number[] = []
    for (let request = 0; request < 20_000; request++) {
      // Bursts and pauses.
      now += chance.below(10) === 0 ? chance.below(40_000) : chance.below(500)
      const inWindow = allowed.filter((time) => time > now - 60_000).length
      const { isAllowed } = take(now)
      expect(isAllowed).toBe(inWindow < limit)
      if (isAllowed) allowed.push(now)
      if (allowed.length > 100) allowed.splice(0, 50)
    }
  },
)

test('a limit that a reload lowers holds at once', () => {
  const take = windowWith(10)
  for (let request = 0; request < 10; request++) take(request * 1000)
  expect(take(9000, 4)).toMatchObject({ isAllowed: false, remaining: 0, waitMs: 57_000 })
  expect(take(66_000, 4).isAllowed).toBe(true)
})
