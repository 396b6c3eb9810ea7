import { expect, test } from 'bun:test'
import { createTokenBucket } from '../../src/gateway/token-bucket.ts'
import { createTokenWindow } from '../../src/gateway/token-window.ts'
import { createChance } from '../helpers/random.ts'

test.each([1, 2, 3])(
  'no 60 seconds hold more tokens than the limit, and at most a step later there is room (seed %d)',
  (seed) => {
    const chance = createChance(seed)
    const window = createTokenWindow()
    const limit = 1000
    const counted: { at: number; tokens: number }[] = []
    const since = (time: number) => counted.reduce((sum, one) => sum + (one.at > time ? one.tokens : 0), 0)
    let now = chance.next() * 1000
    for (let call = 0; call < 5000; call++) {
      now += chance.below(20) === 0 ? chance.next() * 70_000 : chance.next() * 2000
      const wanted = chance.below(400)
      const { waitMs } = window.look(now, limit, wanted)
      // Exact but for the step that is not yet wholly out.
      if (since(now - 60_000) + wanted > limit) expect(waitMs).toBeGreaterThan(0)
      if (since(now - 60_250) + wanted <= limit) expect(waitMs).toBe(0)
      if (waitMs > 0) continue
      window.add(now, wanted)
      counted.push({ at: now, tokens: wanted })
      if (counted.length > 2000) counted.splice(0, 1000)
    }
  },
)

test('what was set aside too much is given back where it was counted, what was too little counts from now', () => {
  const window = createTokenWindow()
  const left = (now: number) => window.look(now, 1000, 0).remaining
  const first = { step: window.add(0, 600), tokens: 600 }
  const second = { step: window.add(30_000, 300), tokens: 300 }
  expect(left(30_000)).toBe(100)
  window.correct(31_000, first, 50)
  expect(left(31_000)).toBe(650)
  window.correct(40_000, second, 500)
  expect(left(40_000)).toBe(450)
  expect(left(60_250)).toBe(500)
  // Only what came on top at 40 s is left.
  expect(left(90_250)).toBe(800)
  expect(window.look(90_250, 1000, 0).resetMs).toBe(10_000)
  expect(left(100_250)).toBe(1000)
})

test('a call that is settled when its minute is over gives back nothing that others have since taken', () => {
  const window = createTokenWindow()
  const old = { step: window.add(0, 600), tokens: 600 }
  window.add(70_000, 200)
  window.correct(70_000, old, 0)
  expect(window.look(70_000, 1000, 0).remaining).toBe(800)
})

test.each([1, 2, 3])('a bucket lets through its burst and then its rate, never more in any time (seed %d)', (seed) => {
  const chance = createChance(seed)
  const rate = chance.pick([
    { perSecond: 0.5, burst: 1 },
    { perSecond: 3, burst: 7 },
    { perSecond: 1 / 3, burst: 20 },
  ])
  const bucket = createTokenBucket()
  const taken: number[] = []
  let now = 0
  for (let call = 0; call < 5000; call++) {
    now += chance.below(30) === 0 ? chance.next() * 60_000 : chance.next() * 400
    const { waitMs, remaining } = bucket.look(now, rate)
    expect(waitMs === 0).toBe(remaining >= 1)
    if (waitMs > 0) {
      expect(bucket.look(now + waitMs, rate).waitMs).toBe(0)
      continue
    }
    bucket.take(now, rate)
    taken.push(now)
  }
  for (const [first, from] of taken.entries()) {
    for (const [more, at] of taken.slice(first, first + 50).entries()) {
      expect(more + 1).toBeLessThanOrEqual(rate.burst + ((at - from) / 1000) * rate.perSecond + 1e-3)
    }
  }
})
