/** The breaker of a target: when it opens, what it lets through, and for how long. */
import { describe, expect, test } from 'bun:test'
import type { BreakerConfig } from '../../src/domain.ts'
import { createCircuitBreakers } from '../../src/gateway/circuit-breaker.ts'
import { silentLogger } from '../../src/log.ts'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { createTestClock, readError, startPair, statusOf, until } from '../helpers/start-pair.ts'

const config: BreakerConfig = {
  failures: 5,
  ratio: 0.5,
  minCalls: 20,
  windowMs: 30_000,
  openMs: 30_000,
  maxOpenMs: 300_000,
}

function start() {
  const clock = createTestClock()
  const breakers = createCircuitBreakers({ clock, log: silentLogger })
  const fail = (times: number, target = 't') => {
    for (let time = 0; time < times; time++) breakers.failed(target, config)
  }
  return { clock, breakers, fail }
}

describe('it opens', () => {
  test('after five failures in a row, not after four', () => {
    const { breakers, fail } = start()
    fail(4)
    expect(breakers.enter('t')).toBe('closed')
    fail(1)
    expect(breakers.enter('t')).toBe('open')
  })

  test('not while a success comes between', () => {
    const { breakers, fail } = start()
    for (let round = 0; round < 4; round++) {
      fail(4)
      breakers.alive('t')
    }
    expect(breakers.enter('t')).toBe('closed')
  })

  test('when half of at least twenty calls within the window fail, counting the good ones before too', () => {
    const { breakers } = start()
    for (let call = 0; call < 19; call++) call % 2 === 0 ? breakers.failed('t', config) : breakers.alive('t')
    expect(breakers.enter('t')).toBe('closed')
    breakers.failed('t', config)
    expect(breakers.enter('t')).toBe('open')
  })

  test('not when the failures lie further apart than the window', () => {
    const { clock, breakers } = start()
    for (let call = 0; call < 60; call++) {
      call % 2 === 0 ? breakers.failed('t', config) : breakers.alive('t')
      clock.advance(3000)
    }
    expect(breakers.enter('t')).toBe('closed')
  })

  test('for its own target only', () => {
    const { breakers, fail } = start()
    fail(5, 'openai/a')
    expect([breakers.enter('openai/a'), breakers.enter('openai/b'), breakers.enter('other/a')]).toEqual([
      'open',
      'closed',
      'closed',
    ])
  })
})

describe('half open', () => {
  test('it lets one probe through, and no second one until that has ended', () => {
    const { clock, breakers, fail } = start()
    fail(5)
    clock.advance(30_001)
    expect(breakers.enter('t')).toBe('probe')
    for (let call = 0; call < 50; call++) expect(breakers.enter('t')).toBe('open')
    breakers.silent('t')
    expect(breakers.enter('t')).toBe('probe')
    breakers.alive('t')
    expect(breakers.enter('t')).toBe('closed')
    expect(breakers.list()).toEqual([])
  })

  test('a failed probe doubles the time, up to its limit, and a success ends the doubling', () => {
    const { clock, breakers, fail } = start()
    fail(5)
    const opens: number[] = []
    for (let round = 0; round < 6; round++) {
      const openMs = (breakers.openUntil('t') ?? 0) - clock.now()
      opens.push(Math.round(openMs / 1000))
      clock.advance(openMs + 1)
      expect(breakers.enter('t')).toBe('probe')
      fail(1)
    }
    expect(opens).toEqual([30, 60, 120, 240, 300, 300])
    clock.advance(300_001)
    breakers.enter('t')
    breakers.alive('t')
    fail(5)
    expect(Math.round(((breakers.openUntil('t') ?? 0) - clock.now()) / 1000)).toBe(30)
  })

  test('a late answer of a call from before does not close an open one', () => {
    const { breakers, fail } = start()
    fail(5)
    breakers.alive('t')
    expect(breakers.enter('t')).toBe('open')
  })
})

test('ten thousand failing names, which clients can invent, are all that is kept', () => {
  const { breakers } = start()
  for (let name = 0; name < 10_100; name++) breakers.failed(`t${name}`, config)
  expect(breakers.list().length).toBeLessThanOrEqual(10_000)
})

describe('through the front door', () => {
  const secret = 'sk-breaker-credential-001'

  test('fifty calls at a half open target make one request; the rest is told when to come back', async () => {
    const clock = createTestClock()
    await using pair = await startPair({
      credentials: { [secret]: { kind: 'server_error' } },
      provider: { maxAttempts: 5 },
      clock,
    })
    expect(await statusOf(pair.gateway.chat({}))).toBe(500)
    const resting = await pair.gateway.chat({})
    expect(resting.status).toBe(503)
    expect(resting.headers.get('retry-after')).toBe('30')
    await readError(resting)
    pair.upstream.setBehaviour(secret, { kind: 'good', firstTokenDelayMs: 200 })
    pair.upstream.reset()
    clock.advance(30_001)
    const statuses = await Promise.all(Array.from({ length: 50 }, () => statusOf(pair.gateway.chat({}))))
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 503)).toHaveLength(49)
    expect(pair.upstream.totalCalls()).toBe(1)
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    expect(pair.gateway.gateway.status().breakers).toEqual([])
  })

  test('a departed client gives the place of the probe back; one that came before does not', async () => {
    const clock = createTestClock()
    const slow: Behaviour = { kind: 'good', deltaCount: 500, text: 'x'.repeat(500), delayMs: 20 }
    await using pair = await startPair({ credentials: { [secret]: slow }, provider: { maxAttempts: 5 }, clock })
    const early = new AbortController()
    const running = await pair.gateway.chat({ stream: true }, { signal: early.signal })
    await running.body?.getReader().read()
    pair.upstream.setBehaviour(secret, { kind: 'server_error' })
    await statusOf(pair.gateway.chat({}))
    pair.upstream.setBehaviour(secret, { kind: 'hanging' })
    clock.advance(30_001)
    const probing = new AbortController()
    pair.gateway.chat({}, { signal: probing.signal }).catch(() => {})
    await pair.upstream.waitFor((one) => one.treatment === 'hanging', 4_000)
    early.abort()
    await until(() => pair.gateway.records.some((record) => record.outcome === 'aborted'))
    expect(await statusOf(pair.gateway.chat({}))).toBe(503)
    probing.abort()
    await until(() => pair.credential(secret).inFlight === 0)
    pair.upstream.setBehaviour(secret, { kind: 'good' })
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
  })

  test('one model that fails leaves the others alone', async () => {
    const failing: Behaviour = { kind: 'server_error', models: ['gpt-4o'] }
    await using pair = await startPair({
      credentials: { [secret]: failing },
      provider: { maxAttempts: 5 },
      clock: createTestClock(),
    })
    await statusOf(pair.gateway.chat({}))
    expect(await statusOf(pair.gateway.chat({}))).toBe(503)
    expect(await statusOf(pair.gateway.chat({ model: 'gpt-4o-mini' }))).toBe(200)
  })
})

test('the failures of few credentials open nothing, those of half of them do, and so do those of the only one', () => {
  const breakers = createCircuitBreakers({ clock: createTestClock(), log: silentLogger })
  const by = (credential: string) => ({ credential, poolSize: 5 })
  for (let time = 0; time < 50; time++) breakers.failed('t', config, by('a'))
  expect(breakers.enter('t')).toBe('closed')
  for (let time = 0; time < 50; time++) breakers.failed('t', config, by('b'))
  expect(breakers.enter('t')).toBe('closed')
  breakers.failed('t', config, by('c'))
  expect(breakers.enter('t')).toBe('open')
  for (let time = 0; time < 5; time++) breakers.failed('alone', config, { credential: 'a', poolSize: 1 })
  expect(breakers.enter('alone')).toBe('open')
})
