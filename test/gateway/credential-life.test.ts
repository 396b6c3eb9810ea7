/** What becomes of a credential: it rests, is lost only with proof, comes back, and is remembered. */
import { describe, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { createMemory, startGateway, testConfig, testCredential, testProvider } from '../helpers/start-gateway.ts'
import { createTestClock, type Pair, readError, startPair, statusOf, until } from '../helpers/start-pair.ts'

const a = 'sk-first-credential-00001'
const b = 'sk-second-credential-0002'
const c = 'sk-third-credential-00003'
const good: Behaviour = { kind: 'good' }
const revoked: Behaviour = { kind: 'revoked' }

/** Lets the gateway see that its clock has been moved. */
function wake(pair: Pair): void {
  pair.gateway.gateway.reload(pair.gateway.gateway.config())
}

function checksOf(pair: Pair, secret: string): number {
  return pair.upstream.requests.filter((one) => one.credential === secret && one.path === '/v1/models').length
}

describe('a refused credential', () => {
  test('that passes our own check rests for a while and comes back by itself', async () => {
    const clock = createTestClock()
    await using pair = await startPair({
      credentials: { [a]: { kind: 'revoked', covers: 'calls', times: 1 }, [b]: good },
      clock,
    })
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    await until(() => checksOf(pair, a) === 1 && pair.upstream.inFlight() === 0)
    expect(pair.exclusions(a)).toEqual(['invalid_credential'])
    for (const _ of [1, 2]) await statusOf(pair.gateway.chat({}))
    expect(pair.upstream.requests.filter((one) => one.credential === a && one.method === 'POST')).toHaveLength(1)
    clock.advance(60_001)
    for (const _ of [1, 2]) expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    expect(pair.exclusions(a)).toEqual([])
    expect(pair.credential(a).successes).toBe(1)
    expect(pair.gateway.memory.blacklist.size).toBe(0)
  })

  test('that is the only one and passes our own check does not keep everybody waiting', async () => {
    await using pair = await startPair({ credentials: { [a]: { kind: 'revoked', covers: 'calls', times: 1 } } })
    expect(await statusOf(pair.gateway.chat({}))).toBe(502)
    await until(() => pair.exclusions(a).length === 0)
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
  })

  test('whose check is refused too is blacklisted for good when the upstream works for others', async () => {
    await using pair = await startPair({ credentials: { [a]: revoked, [b]: good } })
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    await until(() => pair.exclusions(a).includes('invalid_credential!'))
    const [entry] = pair.gateway.memory.blacklist.values()
    expect(entry).toMatchObject({ provider: 'openai', scope: '', reason: 'invalid_credential', until: null })
    expect(entry?.detail).toBe('401 invalid_api_key')
    expect(pair.gateway.logged()).toContain('"event":"credential blacklisted"')
  })

  test('is not blacklisted for good by a success that began before it was refused', async () => {
    const old: Behaviour = { kind: 'good', deltaCount: 8, text: 'a long answer', delayMs: 40 }
    const others = Array.from({ length: 5 }, (_, index) => `sk-blocked-credential-${index}`)
    const credentials = Object.fromEntries(others.map((secret) => [secret, revoked]))
    await using pair = await startPair({ credentials: { [a]: old, ...credentials }, provider: { maxAttempts: 1 } })
    const running = pair.gateway.chat({ stream: true })
    await pair.upstream.waitFor((one) => one.chunksSent > 1, 2000)
    expect(await statusOf(pair.gateway.chat({}))).toBe(502)
    await until(() => others.filter((secret) => checksOf(pair, secret) > 0).length === 4)
    await (await running).text()
    await until(() => pair.credential(a).successes === 1 && pair.upstream.inFlight() === 0)
    for (const secret of others) expect(pair.exclusions(secret).filter((one) => one.endsWith('!'))).toEqual([])
  })

  test('is checked anew when the upstream works again, before it is lost', async () => {
    const secrets = Array.from({ length: 8 }, (_, index) => `sk-blocked-credential-${index}`)
    await using pair = await startPair({
      credentials: Object.fromEntries(secrets.map((secret) => [secret, revoked])),
      provider: { maxAttempts: 1 },
    })
    expect(await statusOf(pair.gateway.chat({}))).toBe(502)
    const hit = () => secrets.filter((secret) => pair.exclusions(secret).length > 0)
    await until(() => hit().length === 4 && hit().every((secret) => checksOf(pair, secret) === 1))
    await until(() => pair.upstream.inFlight() === 0)
    const revived = hit().slice(1)
    for (const secret of [...secrets.filter((one) => !hit().includes(one)), ...revived])
      pair.upstream.setBehaviour(secret, good)
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    await until(() => hit().every((secret) => checksOf(pair, secret) === 2) && pair.upstream.inFlight() === 0)
    for (const secret of revived) expect(pair.exclusions(secret)).toEqual(['invalid_credential'])
    const lost = hit().filter((secret) => !revived.includes(secret))
    await until(() => lost.every((secret) => pair.exclusions(secret).includes('invalid_credential!')))
  })

  test('alone in its pool is lost only when our check is refused too, and the client never sees a 401', async () => {
    const clock = createTestClock()
    await using pair = await startPair({ credentials: { [a]: revoked }, clock })
    const first = await pair.gateway.chat({})
    expect(first.status).toBe(502)
    await readError(first)
    await until(() => pair.exclusions(a).includes('invalid_credential!'))
    const second = await pair.gateway.chat({})
    expect([second.status, second.headers.get('retry-after')]).toEqual([502, null])
    pair.upstream.setBehaviour(a, good)
    clock.advance(3_600_001)
    wake(pair)
    await until(() => pair.exclusions(a).length === 0)
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
  })

  test('alone in its pool, whose check cannot tell, rests and says until when', async () => {
    const clock = createTestClock()
    const steps: Behaviour[] = [revoked, { kind: 'hanging', covers: 'everything' }]
    const behaviour: Behaviour = { kind: 'sequence', covers: 'everything', steps }
    await using pair = await startPair({ credentials: { [a]: behaviour }, clock })
    const first = await pair.gateway.chat({})
    expect(first.status).toBe(502)
    const waitMs = Number(first.headers.get('retry-after-ms'))
    expect(waitMs).toBeWithin(59_000, 60_001)
    const second = await pair.gateway.chat({})
    expect(second.status).toBe(429)
    await readError(second)
    pair.upstream.setBehaviour(a, good)
    clock.advance(waitMs)
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
  })

  test('that was taken out of the settings and put back begins anew, after a restart too', async () => {
    await using pair = await startPair({ credentials: { [a]: revoked, [b]: good } })
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    await until(() => pair.exclusions(a).includes('invalid_credential!'))
    const config = pair.gateway.gateway.config()
    const [provider] = config.providers
    if (provider === undefined) throw new Error('no provider')
    pair.gateway.gateway.reload({ ...config, providers: [{ ...provider, credentials: [testCredential(b)] }] })
    pair.gateway.gateway.reload(config)
    expect(pair.exclusions(a)).toEqual([])
    expect(pair.gateway.memory.blacklist.size).toBe(0)
  })

  test('by fifty calls at once rests as long as if it had been one', async () => {
    await using pair = await startPair({
      credentials: {
        [a]: { kind: 'revoked', covers: 'calls', firstTokenDelayMs: 50 },
        [b]: { kind: 'good', firstTokenDelayMs: 50 },
      },
      provider: { rotation: 'least_busy' },
    })
    await Promise.all(Array.from({ length: 50 }, () => statusOf(pair.gateway.chat({}))))
    const [entry] = pair.credential(a).entries
    expect((entry?.until ?? 0) - Date.now()).toBeLessThan(60_001)
  })

  test('again and again rests longer each time', async () => {
    const clock = createTestClock()
    await using pair = await startPair({ credentials: { [a]: { kind: 'revoked', covers: 'calls' }, [b]: good }, clock })
    const rests: number[] = []
    for (let time = 0; time < 9; time++) {
      for (const _ of [1, 2]) await statusOf(pair.gateway.chat({}))
      const [entry] = pair.credential(a).entries
      rests.push(Math.round(((entry?.until ?? 0) - (entry?.since ?? 0)) / 60_000))
      clock.advance((entry?.until ?? 0) - clock.now() + 1)
    }
    expect(rests).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60])
  })
})

describe('when all credentials fail at once', () => {
  const blocks: Readonly<Record<string, Behaviour>> = {
    'with 401, our check too': revoked,
    'with 401, our check not': { kind: 'revoked', covers: 'calls' },
    'with 403 for the region': { kind: 'forbidden', reason: 'region', covers: 'everything' },
    'with 403 and a page': {
      kind: 'script',
      status: 403,
      headers: { 'content-type': 'text/html' },
      chunks: ['<html>blocked'],
      covers: 'everything',
    },
    'with 500': { kind: 'server_error', covers: 'everything' },
    'with resets': { kind: 'no_answer', covers: 'everything' },
  }
  for (const [how, behaviour] of Object.entries(blocks)) {
    test(`${how}: the target rests, no credential is lost, and all is well afterwards`, async () => {
      const clock = createTestClock()
      const secrets = [a, b, c]
      await using pair = await startPair({
        credentials: Object.fromEntries(secrets.map((secret) => [secret, good])),
        provider: { maxAttempts: 8 },
        clock,
      })
      for (const _ of secrets) expect(await statusOf(pair.gateway.chat({}))).toBe(200)
      clock.advance(10)
      for (const secret of secrets) pair.upstream.setBehaviour(secret, behaviour)
      expect(await statusOf(pair.gateway.chat({}))).toBeGreaterThanOrEqual(403)
      const callsBefore = pair.order().length
      const resting = await pair.gateway.chat({})
      expect(resting.status).toBe(503)
      expect((await readError(resting)).code).toBe('upstream_unavailable')
      expect(Number(resting.headers.get('retry-after'))).toBeWithin(29, 31)
      expect(pair.order()).toHaveLength(callsBefore)
      for (const secret of secrets)
        expect(
          pair.exclusions(secret).filter((one) => !one.startsWith('server_error') && !one.startsWith('unreachable')),
        ).toEqual([])
      for (const secret of secrets) pair.upstream.setBehaviour(secret, good)
      clock.advance(60_001)
      for (let call = 0; call < 6; call++) expect(await statusOf(pair.gateway.chat({}))).toBe(200)
      await until(() => pair.upstream.inFlight() === 0)
      for (const secret of secrets) expect(pair.exclusions(secret)).toEqual([])
      expect(pair.gateway.memory.blacklist.size).toBe(0)
    })
  }

  test('one that was lost before does not make the others its companions', async () => {
    const clock = createTestClock()
    await using pair = await startPair({ credentials: { [a]: { kind: 'exhausted' }, [b]: good, [c]: good }, clock })
    for (const _ of [1, 2, 3]) await statusOf(pair.gateway.chat({}))
    expect(pair.exclusions(a)).toEqual(['quota_exhausted!'])
    clock.advance(120_000)
    for (const secret of [b, c]) pair.upstream.setBehaviour(secret, revoked)
    await statusOf(pair.gateway.chat({}))
    await until(() => pair.upstream.inFlight() === 0)
    expect([...pair.exclusions(b), ...pair.exclusions(c)]).toEqual([])
    expect(pair.gateway.gateway.status().breakers).toMatchObject([{ state: 'open' }])
  })

  test('a big pool, which no single call can try out, is not lost either', async () => {
    const clock = createTestClock()
    const secrets = Array.from({ length: 40 }, (_, index) => `sk-big-pool-credential-${index}`)
    await using pair = await startPair({
      credentials: Object.fromEntries(secrets.map((secret) => [secret, revoked])),
      clock,
    })
    for (let call = 0; call < 6; call++) {
      await statusOf(pair.gateway.chat({}))
      clock.advance(25_000)
      wake(pair)
      await until(() => pair.upstream.inFlight() === 0)
    }
    for (const secret of secrets) pair.upstream.setBehaviour(secret, good)
    clock.advance(300_000)
    for (let call = 0; call < 10; call++) expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    await until(() => pair.upstream.inFlight() === 0)
    const lost = secrets.filter((secret) => pair.exclusions(secret).some((one) => one.endsWith('!')))
    expect(lost).toEqual([])
  })
})

describe('a limit', () => {
  test('for one model leaves the credential to all others', async () => {
    for (const behaviour of [
      { kind: 'rate_limited', retryAfterMs: 30_000, models: ['gpt-4o'] },
      { kind: 'forbidden', models: ['gpt-4o'] },
    ] as const) {
      await using pair = await startPair({ credentials: { [a]: behaviour, [b]: good } })
      for (const _ of [1, 2, 3]) expect(await statusOf(pair.gateway.chat({}))).toBe(200)
      expect(pair.order()).toEqual([a, b, b, b])
      pair.upstream.reset()
      for (const _ of [1, 2, 3, 4]) expect(await statusOf(pair.gateway.chat({ model: 'gpt-4o-mini' }))).toBe(200)
      expect(pair.order().filter((secret) => secret === a)).toHaveLength(2)
    }
  })

  test('that names no model rests the whole credential', async () => {
    const words = { error: { message: 'Too many requests', type: 'requests', code: 'rate_limit_exceeded' } }
    const limited: Behaviour = {
      kind: 'script',
      covers: 'calls',
      status: 429,
      headers: { 'content-type': 'application/json', 'retry-after': '30' },
      chunks: [JSON.stringify(words)],
    }
    await using pair = await startPair({ credentials: { [a]: limited, [b]: good } })
    await statusOf(pair.gateway.chat({}))
    pair.upstream.reset()
    for (const _ of [1, 2, 3]) expect(await statusOf(pair.gateway.chat({ model: 'gpt-4o-mini' }))).toBe(200)
    expect(pair.order()).toEqual([b, b, b])
  })

  const forms: readonly (readonly [
    NonNullable<(Behaviour & { kind: 'rate_limited' })['retryAfter']>,
    number,
    number,
  ])[] = [
    ['seconds', 7300, 8000],
    ['milliseconds', 7300, 7300],
    ['date', 7300, 8300],
    ['none', 7300, 60_000],
    ['body', 7300, 60_000],
  ]
  for (const [retryAfter, retryAfterMs, expectedMs] of forms) {
    test(`told as ${retryAfter} rests for that long`, async () => {
      await using pair = await startPair({ credentials: { [a]: { kind: 'rate_limited', retryAfter, retryAfterMs } } })
      await statusOf(pair.gateway.chat({}))
      const [entry] = pair.credential(a).entries
      const restMs = (entry?.until ?? 0) - (entry?.since ?? 0)
      expect(restMs).toBeWithin(retryAfter === 'date' ? 7000 : expectedMs - 5, expectedMs + 5)
    })
  }

  for (const [first, second] of [
    [60_000, 5000],
    [5000, 60_000],
  ] as const) {
    test(`of ${first} ms and one of ${second} ms, told to two calls under way: the later one holds`, async () => {
      const limited = (retryAfterMs: number, firstTokenDelayMs: number) =>
        ({ kind: 'rate_limited', retryAfterMs, firstTokenDelayMs, forMs: 1e9 }) as const
      const steps = [limited(first, 30), limited(second, 60)]
      await using pair = await startPair({ credentials: { [a]: { kind: 'sequence', steps } } })
      await Promise.all([statusOf(pair.gateway.chat({})), statusOf(pair.gateway.chat({}))])
      const [entry, ...others] = pair.credential(a).entries
      expect(others).toEqual([])
      expect((entry?.until ?? 0) - Date.now()).toBeWithin(59_000, 60_001)
    })
  }
})

describe('server errors', () => {
  test('in a row cool a credential, and a success between them begins the row anew', async () => {
    const clock = createTestClock()
    const fail: Behaviour = { kind: 'server_error' }
    const steps = [fail, fail, good, fail, fail, fail]
    await using pair = await startPair({ credentials: { [a]: { kind: 'sequence', steps }, [b]: good }, clock })
    const states: string[] = []
    for (let call = 0; call < 12; call++) {
      expect(await statusOf(pair.gateway.chat({}))).toBe(200)
      states.push(pair.credential(a).state)
    }
    expect(pair.upstream.requests.filter((one) => one.credential === a)).toHaveLength(6)
    expect(states.at(-1)).toBe('cooling')
    clock.advance(60_001)
    expect(pair.credential(a)).toMatchObject({ state: 'healthy', failuresInRow: 0 })
  })
})

describe('what is remembered', () => {
  test('lasts over a restart, with its end', async () => {
    const memory = createMemory()
    const clock = createTestClock()
    const credentials = {
      [a]: { kind: 'exhausted' },
      [b]: { kind: 'rate_limited', retryAfterMs: 50_000 },
      [c]: good,
    } as const
    {
      await using pair = await startPair({ credentials, memory, clock })
      for (const _ of [1, 2, 3]) await statusOf(pair.gateway.chat({}))
    }
    await using pair = await startPair({ credentials: { [a]: good, [b]: good, [c]: good }, memory, clock })
    expect(pair.exclusions(a)).toEqual(['quota_exhausted!'])
    expect(pair.exclusions(b)).toEqual(['rate_limited@gpt-4o /chat/completions'])
    for (const _ of [1, 2, 3]) expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    expect(new Set(pair.order())).toEqual(new Set([c]))
    // Not at start: a restart is no reason to check.
    expect(pair.upstream.requests.filter((one) => one.path === '/v1/models')).toEqual([])
    clock.advance(51_000)
    for (const _ of [1, 2, 3, 4]) await statusOf(pair.gateway.chat({}))
    expect(pair.order().filter((secret) => secret === b).length).toBeGreaterThan(0)
    expect(memory.blacklist.size).toBe(1)
    clock.advance(3_600_000)
    wake(pair)
    await until(() => pair.exclusions(a).length === 0)
    expect(checksOf(pair, a)).toBe(1)
    expect(memory.blacklist.size).toBe(0)
  })

  test('an end that passed while nothing ran is over', async () => {
    const memory = createMemory()
    const clock = createTestClock()
    {
      await using pair = await startPair({
        credentials: { [a]: { kind: 'rate_limited', retryAfterMs: 5000 } },
        memory,
        clock,
      })
      await statusOf(pair.gateway.chat({}))
      expect(memory.blacklist.size).toBe(1)
    }
    clock.advance(6000)
    await using pair = await startPair({ credentials: { [a]: good }, memory, clock })
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    expect(memory.blacklist.size).toBe(0)
  })

  test('lasts over a reload, also when the credentials stand in another order', async () => {
    await using pair = await startPair({ credentials: { [a]: { kind: 'exhausted' }, [b]: good } })
    await statusOf(pair.gateway.chat({}))
    pair.gateway.gateway.reload(testConfig([testProvider(pair.upstream.baseUrl, [b, c, a])]))
    expect(pair.exclusions(a)).toEqual(['quota_exhausted!'])
    expect(pair.credential(b).successes).toBe(1)
    expect(pair.gateway.gateway.status().counts).toEqual({ total: 3, healthy: 2, blacklisted: 1 })
  })

  test('is forgotten by a reset, in memory and in the store, breakers included', async () => {
    await using pair = await startPair({
      credentials: { [a]: { kind: 'exhausted' }, [b]: { kind: 'exhausted' }, [c]: { kind: 'server_error' } },
      clock: createTestClock(),
      provider: { maxAttempts: 8 },
    })
    for (const _ of [1, 2]) await statusOf(pair.gateway.chat({}))
    expect(pair.gateway.gateway.status().breakers).not.toEqual([])
    expect(pair.gateway.gateway.reset({ provider: 'other', credential: null })).toEqual({ cleared: 0, total: 0 })
    expect(pair.gateway.gateway.reset({ provider: null, credential: pair.credential(a).id })).toEqual({
      cleared: 1,
      total: 3,
    })
    expect([pair.exclusions(a), pair.exclusions(b)]).toEqual([[], ['quota_exhausted!']])
    pair.gateway.gateway.reset({ provider: 'openai', credential: null })
    expect(pair.gateway.gateway.status()).toMatchObject({ counts: { healthy: 3, blacklisted: 0 }, breakers: [] })
    expect(pair.gateway.memory.blacklist.size).toBe(0)
  })

  test('of another provider with the same secret is not taken over', async () => {
    const memory = createMemory()
    await using pair = await startPair({ credentials: { [a]: { kind: 'exhausted' } }, memory })
    await statusOf(pair.gateway.chat({}))
    const other = await startGateway({
      config: testConfig([testProvider(pair.upstream.baseUrl, [a], { name: 'elsewhere' })]),
      memory,
    })
    expect(other.gateway.status().counts.healthy).toBe(1)
    await other.stop()
  })
})

describe('a check in the background', () => {
  test('that is refused again is made again after the same time, and one that cannot tell changes nothing', async () => {
    const clock = createTestClock()
    await using pair = await startPair({ credentials: { [a]: revoked, [b]: good }, clock })
    await statusOf(pair.gateway.chat({}))
    await until(() => pair.exclusions(a).includes('invalid_credential!'))
    // Again and again: the gateway may still be noting the end of the check before.
    const passTime = () => {
      clock.advance(3_600_001)
      wake(pair)
      return true
    }
    const behaviours: readonly Behaviour[] = [
      revoked,
      { kind: 'server_error', covers: 'everything' },
      { kind: 'no_answer', covers: 'everything' },
    ]
    for (const behaviour of behaviours) {
      pair.upstream.setBehaviour(a, behaviour)
      const before = checksOf(pair, a)
      await until(() => passTime() && checksOf(pair, a) > before)
      await until(() => pair.upstream.inFlight() === 0)
      expect(pair.exclusions(a)).toEqual(['invalid_credential!'])
    }
    pair.upstream.setBehaviour(a, good)
    await until(() => passTime() && pair.exclusions(a).length === 0)
    expect(pair.gateway.logged()).toContain('a check found it working')
  })

  test('never asks about more than four at once', async () => {
    const clock = createTestClock()
    const secrets = Array.from({ length: 12 }, (_, index) => `sk-many-checks-credential-${index}`)
    await using pair = await startPair({
      credentials: Object.fromEntries(secrets.map((secret) => [secret, { kind: 'exhausted' }])),
      provider: { maxAttempts: 12 },
      clock,
    })
    await statusOf(pair.gateway.chat({}))
    for (const secret of secrets) pair.upstream.setBehaviour(secret, { kind: 'hanging', covers: 'everything' })
    clock.advance(3_600_001)
    wake(pair)
    await until(() => pair.upstream.inFlight() === 4)
    wake(pair)
    await Bun.sleep(20)
    expect(pair.upstream.inFlight()).toBe(4)
  })
})
