/** Requests per second with bursts: a bucket that refills evenly, and of which each request takes one token. Full at first. */
import type { Quota } from './quota.ts'

export interface TokenBucket {
  /** How it stands for one more request; takes nothing. */
  look(now: number, rate: BucketRate): Quota
  take(now: number, rate: BucketRate): void
}

export interface BucketRate {
  readonly perSecond: number
  /** What the bucket holds. */
  readonly burst: number
}

/** Sums of fractions are a little off: a token that is so near to whole is whole. */
const tolerance = 1e-6

export function createTokenBucket(): TokenBucket {
  let level = Number.POSITIVE_INFINITY
  let levelAt = 0

  const levelNow = (now: number, { perSecond, burst }: BucketRate) =>
    Math.min(burst, level + ((now - levelAt) / 1000) * perSecond)

  return {
    look(now, rate) {
      const available = levelNow(now, rate)
      return {
        limit: rate.burst,
        remaining: Math.max(0, Math.floor(available + tolerance)),
        waitMs: available >= 1 - tolerance ? 0 : ((1 - available) / rate.perSecond) * 1000,
        resetMs: ((rate.burst - available) / rate.perSecond) * 1000,
      }
    },
    take(now, rate) {
      level = levelNow(now, rate) - 1
      levelAt = now
    },
  }
}
