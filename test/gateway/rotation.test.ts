/** Which credential serves the next call, and what it costs to decide. */
import { describe, expect, test } from 'bun:test'
import type { BlacklistEntry, Credential } from '../../src/domain.ts'
import { UpstreamError } from '../../src/errors.ts'
import {
  type CredentialPool,
  createCredentialPool,
  type PoolConfig,
  type Wish,
} from '../../src/gateway/credential-pool.ts'
import { silentLogger } from '../../src/log.ts'
import { testCredential } from '../helpers/start-gateway.ts'
import { createTestClock, startPair, statusOf } from '../helpers/start-pair.ts'

const any: Wish = { scope: '', excluded: new Set(), stickiness: null, only: null }
const clock = createTestClock()

function poolOf(credentials: readonly Credential[], changes: Partial<PoolConfig> = {}): CredentialPool {
  const pool = createCredentialPool({
    provider: 'openai',
    clock,
    log: silentLogger,
    put: () => {},
    remove: () => {},
    onCheckWanted: () => {},
  })
  const blacklist = { threshold: 3, cooldownMs: 60_000, recheckMs: 3_600_000 }
  pool.update({ credentials, rotation: 'round_robin', startIndex: 0, blacklist, ...changes })
  return pool
}

const named = (count: number) => Array.from({ length: count }, (_, index) => testCredential(`secret-${index}`))

/** Chooses and gives back; the position of what was chosen. */
function next(pool: CredentialPool, credentials: readonly Credential[], wish: Partial<Wish> = {}): number {
  const chosen = pool.choose({ ...any, ...wish })
  if (chosen === null) return -1
  pool.release(chosen)
  return credentials.indexOf(chosen)
}

const limited = (retryAfterMs: number, isModelScoped = false) =>
  new UpstreamError('rate_limited', 'x', { status: 429, retryAfterMs, isModelScoped })

describe('round robin', () => {
  test('goes through all in order, beginning where it is told to', async () => {
    const secrets = ['sk-r0', 'sk-r1', 'sk-r2']
    for (const startIndex of [0, 2, 7]) {
      await using pair = await startPair({
        credentials: Object.fromEntries(secrets.map((secret) => [secret, { kind: 'good' }])),
        provider: { startIndex },
      })
      for (let call = 0; call < 7; call++) await statusOf(pair.gateway.chat({}))
      expect(pair.order()).toEqual(Array.from({ length: 7 }, (_, index) => secrets[(startIndex + index) % 3] ?? ''))
    }
  })

  test('is fair over 1,000 calls, many at once', async () => {
    const secrets = Array.from({ length: 7 }, (_, index) => `sk-fair-${index}`)
    await using pair = await startPair({
      credentials: Object.fromEntries(secrets.map((secret) => [secret, { kind: 'good', text: 'x' }])),
    })
    const worker = async () => {
      for (let call = 0; call < 40; call++) expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    }
    await Promise.all(Array.from({ length: 25 }, worker))
    for (const secret of secrets) expect(pair.upstream.calls(secret)).toBeWithin(142, 144)
    expect(pair.gateway.records).toHaveLength(1000)
  })

  test('stays fair to those that are left when some go and come', () => {
    const credentials = named(10)
    const pool = poolOf(credentials)
    const counts = new Map<number, number>()
    for (const index of [3, 9, 0]) {
      const credential = credentials[index]
      if (credential !== undefined) pool.failed(credential, limited(1000), '')
    }
    for (let call = 0; call < 700; call++) {
      const index = next(pool, credentials)
      counts.set(index, (counts.get(index) ?? 0) + 1)
    }
    expect([...counts.keys()].sort()).toEqual([1, 2, 4, 5, 6, 7, 8])
    for (const count of counts.values()) expect(count).toBe(100)
    clock.advance(1001)
    const back = new Set(Array.from({ length: 10 }, () => next(pool, credentials)))
    expect(back.size).toBe(10)
  })

  test('never gives what a call has already tried, and says so when nothing is left', () => {
    const credentials = named(5)
    const pool = poolOf(credentials)
    const excluded = new Set<string>()
    const chosen = new Set<number>()
    for (let attempt = 0; attempt < 5; attempt++) {
      const index = next(pool, credentials, { excluded })
      chosen.add(index)
      excluded.add(credentials[index]?.id ?? '')
    }
    expect(chosen.size).toBe(5)
    expect(next(pool, credentials, { excluded })).toBe(-1)
  })
})

describe('least busy', () => {
  test('chooses one that does less than the others', () => {
    const credentials = named(5)
    const pool = poolOf(credentials, { rotation: 'least_busy' })
    const busy = Array.from({ length: 13 }, () => pool.choose(any))
    expect(
      pool
        .list()
        .map((one) => one.inFlight)
        .sort(),
    ).toEqual([2, 2, 3, 3, 3])
    for (const one of busy.slice(0, 5)) if (one !== null) pool.release(one)
    for (let call = 0; call < 5; call++) pool.choose(any)
    expect(
      pool
        .list()
        .map((one) => one.inFlight)
        .sort(),
    ).toEqual([2, 2, 3, 3, 3])
  })

  test('through the front door: a slow one is left alone', async () => {
    await using pair = await startPair({
      credentials: { 'sk-slow': { kind: 'good', firstTokenDelayMs: 300 }, 'sk-quick': { kind: 'good' } },
      provider: { rotation: 'least_busy' },
    })
    const slow = statusOf(pair.gateway.chat({}))
    await pair.upstream.waitFor((one) => one.credential === 'sk-slow', 4_000)
    for (let call = 0; call < 6; call++) await statusOf(pair.gateway.chat({}))
    expect(pair.upstream.calls('sk-quick')).toBe(6)
    await slow
  })
})

describe('sticky', () => {
  const talk = (...said: string[]) => ({ messages: said.map((content) => ({ role: 'user', content })) })

  test('gives one conversation one credential, and different ones different ones', async () => {
    const secrets = Array.from({ length: 8 }, (_, index) => `sk-sticky-${index}`)
    await using pair = await startPair({
      credentials: Object.fromEntries(secrets.map((secret) => [secret, { kind: 'good', text: 'x' }])),
      provider: { rotation: 'sticky' },
    })
    for (let turn = 1; turn <= 5; turn++) {
      await statusOf(pair.gateway.chat(talk('you are a cat', 'hello', ...Array.from({ length: turn }, () => 'more'))))
    }
    expect(new Set(pair.order()).size).toBe(1)
    for (let person = 0; person < 40; person++) await statusOf(pair.gateway.chat(talk(`I am ${person}`, 'hello')))
    expect(new Set(pair.order()).size).toBeGreaterThan(4)
  })

  test('moves on while its credential rests, and returns', () => {
    for (const size of [2, 3, 7919, 10_000]) {
      const credentials = named(size)
      const pool = poolOf(credentials, { rotation: 'sticky' })
      const wish = { stickiness: 123_456_789 }
      const first = next(pool, credentials, wish)
      const credential = credentials[first]
      if (credential === undefined) throw new Error('nothing chosen')
      pool.failed(credential, limited(1000), '')
      const second = next(pool, credentials, wish)
      expect(second).not.toBe(first)
      expect(second).toBeGreaterThanOrEqual(0)
      expect(next(pool, credentials, wish)).toBe(second)
      clock.advance(1001)
      expect(next(pool, credentials, wish)).toBe(first)
    }
  })
})

describe('10,000 credentials of which 9,990 are out', () => {
  /** Counts every look at a credential or at an exclusion. */
  function counted() {
    const looks = { count: 0 }
    const credentials: Credential[] = named(10_000).map(({ id, ...rest }) => ({
      ...rest,
      get id() {
        looks.count++
        return id
      },
    }))
    const until = clock.now() + 3_000_000
    const entries: BlacklistEntry[] = credentials.slice(0, 9990).map((credential, index) => ({
      provider: 'openai',
      credentialId: credential.id,
      label: credential.label,
      scope: '',
      reason: 'rate_limited',
      detail: '',
      since: clock.now(),
      get until() {
        looks.count++
        return until + index
      },
    }))
    return { looks, credentials, entries }
  }

  for (const rotation of ['round_robin', 'least_busy', 'sticky'] as const) {
    test(`cost a choice what ten cost: ${rotation}`, () => {
      const { looks, credentials, entries } = counted()
      const pool = poolOf(credentials, { rotation })
      pool.restore(entries)
      expect(pool.counts()).toEqual({ total: 10_000, healthy: 10, blacklisted: 9990 })
      looks.count = 0
      const chosen = new Set<string>()
      for (let call = 0; call < 1000; call++) {
        const credential = pool.choose({ ...any, scope: 'gpt-4o', stickiness: rotation === 'sticky' ? call * 7 : null })
        if (credential === null) throw new Error('nothing chosen')
        chosen.add(credential.label)
        pool.release(credential)
        pool.succeeded(credential, clock.now())
      }
      expect(chosen.size).toBe(10)
      // Three looks to give back and report, at most 16 to choose; never 9,990.
      expect(looks.count / 1000).toBeLessThan(24)
    })
  }

  test('cost a failure no walk through all of them', () => {
    const { looks, credentials, entries } = counted()
    const pool = poolOf(credentials)
    pool.restore(entries)
    const last = credentials.slice(9990)
    looks.count = 0
    for (const credential of last.slice(0, 5)) pool.failed(credential, limited(5000, true), 'gpt-4o')
    for (const credential of last.slice(0, 5)) pool.failed(credential, new UpstreamError('server_error', 'x'), 'gpt-4o')
    expect(looks.count).toBeLessThan(100)
  })
})
