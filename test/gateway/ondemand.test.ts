/** OnDemand through the front door: keys and accounts, sessions, streams, failures, limits of what it can do. */
import { describe, expect, test } from 'bun:test'
import { testClient, testConfig, until } from '../helpers/start-gateway.ts'
import { createJumpingClock, model, startOndemand } from '../helpers/start-ondemand.ts'
import { dataOf, readError, saidIn, statusOf } from '../helpers/start-pair.ts'

interface Completion {
  readonly id: string
  readonly model: string
  readonly choices: readonly {
    readonly message: {
      readonly content: string | null
      readonly reasoning_content?: string
      readonly tool_calls?: readonly {
        readonly id: string
        readonly function: { readonly name: string; readonly arguments: string }
      }[]
    }
    readonly finish_reason: string
  }[]
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number }
}

async function completionOf(answer: Promise<Response>): Promise<Completion> {
  const response = await answer
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
  return (await response.json()) as Completion
}

async function saidBy(answer: Promise<Response>): Promise<string> {
  return (await completionOf(answer)).choices[0]?.message.content ?? ''
}

const user = (content: string) => ({ role: 'user', content })
const streamed = (content: string) => ({ stream: true, messages: [user(content)] })
const json = (body: Uint8Array) => JSON.parse(Buffer.from(body).toString('utf8')) as Record<string, unknown>

const good = { kind: 'good', text: 'Hello there' } as const

describe('an answer', () => {
  test('by key: one session, one query, real usage, and the session is deleted', async () => {
    await using pair = await startOndemand({ keys: { one: { ...good, tokens: { input: 120, output: 3 } } } })
    const answer = await completionOf(pair.chat('hi'))
    expect(answer.choices[0]).toMatchObject({ message: { content: 'Hello there' }, finish_reason: 'stop' })
    expect(answer.usage).toMatchObject({ prompt_tokens: 120, completion_tokens: 3 })
    await pair.noSessionsLeft()
    expect(pair.upstream.sessions.length).toBe(1)
    expect(pair.upstream.requestsOf('query').map((one) => json(one.body))).toEqual([
      { query: 'hi', responseMode: 'stream', endpointId: 'predefined-glm-5.3' },
    ])
    const [record] = await pair.gateway.recorded(1)
    expect(record).toMatchObject({
      usageSource: 'upstream',
      usage: { inputTokens: 120, outputTokens: 3 },
      outcome: 'succeeded',
    })
  })

  test('to a long question, which is told whole', async () => {
    await using pair = await startOndemand({ keys: { one: good } })
    const question = 'Why is "this"\n\u4f60\u597d? '.repeat(500)
    expect(await saidBy(pair.chat(question))).toBe('Hello there')
    expect(pair.upstream.requestsOf('query').map((one) => json(one.body).query)).toEqual([question])
  })

  test('by account: signed in once, by the web app’s door', async () => {
    await using pair = await startOndemand({ accounts: { 'ann@example.com': { password: 'pw', behaviour: good } } })
    expect(await saidBy(pair.chat('one'))).toBe('Hello there')
    expect(await saidBy(pair.chat('two'))).toBe('Hello there')
    await pair.noSessionsLeft()
    expect(pair.upstream.accountFacts('ann@example.com')).toMatchObject({ signIns: 1, refreshes: 0 })
    expect(pair.gateway.logged()).not.toContain(Buffer.from('ann@example.com:pw').toString('base64'))
    expect(pair.status('ann@example.com').label).toBe('a***@example.com')
  })

  test('streamed: role, pieces, reason, usage only for who asked, [DONE]', async () => {
    await using pair = await startOndemand({ keys: { one: { ...good, thinkingText: 'I think so' } } })
    const plain = await (await pair.chat(streamed('hi'))).text()
    expect(saidIn(plain)).toBe('Hello there')
    expect(plain).toContain('"reasoning_content":"I"')
    expect(plain).not.toContain('"usage"')
    expect(plain.endsWith('data: [DONE]\n\n')).toBe(true)
    const asked = await (await pair.chat({ ...streamed('hi'), stream_options: { include_usage: true } })).text()
    expect(asked).toContain('"usage"')
    const ids = dataOf(asked)
      .filter((data) => data.startsWith('{'))
      .map((data) => (JSON.parse(data) as Completion).id)
    expect(new Set(ids).size).toBe(1)
    const records = await pair.gateway.recorded(2)
    expect(records.map((record) => record.usageSource)).toEqual(['upstream', 'upstream'])
  })

  test('every event type at once, its bytes cut anywhere, says no more than the answer', async () => {
    for (const cutEveryBytes of [1, 2, 3, 7, 64]) {
      await using pair = await startOndemand({
        keys: {
          one: {
            kind: 'good',
            text: 'Déjà vu, 你好 🙂',
            thinkingText: 'hm',
            isPlanned: true,
            hasUnknownEvents: true,
            cutEveryBytes,
          },
        },
      })
      expect(saidIn(await (await pair.chat(streamed('hi'))).text())).toBe('Déjà vu, 你好 🙂')
      expect(await completionOf(pair.chat('hi'))).toMatchObject({
        choices: [{ message: { content: 'Déjà vu, 你好 🙂', reasoning_content: 'hm' } }],
      })
    }
  })

  test('leaves its connection for the next call', async () => {
    await using pair = await startOndemand({ keys: { one: good } })
    for (let call = 0; call < 10; call++) {
      await (await pair.chat(call % 2 === 0 ? streamed('hi') : 'hi')).text()
      await pair.noSessionsLeft()
    }
    expect(pair.upstream.connections()).toBeLessThan(6)
    expect(pair.upstream.requests.every((one) => one.isFinished)).toBe(true)
  })

  test('of megabytes, repeated in one line at the end, comes once', async () => {
    await using pair = await startOndemand({ keys: { one: { kind: 'good', textBytes: 3_000_000, pieceCount: 40 } } })
    const said = await saidBy(pair.chat('hi'))
    expect(Math.abs(said.length - 3_000_000)).toBeLessThan(100)
  })

  test('a slow first word is waited for while heartbeats come, and they are not told', async () => {
    await using pair = await startOndemand({
      keys: { one: { ...good, firstTokenDelayMs: 700, heartbeatMs: 100 } },
      provider: { timeouts: { firstByteMs: 300, answerMs: 5000, idleMs: 300 } },
    })
    const stream = await (await pair.chat(streamed('hi'))).text()
    expect(saidIn(stream)).toBe('Hello there')
    expect(stream).not.toContain('sessionId')
  })

  test('reasoning can be hidden', async () => {
    await using pair = await startOndemand({
      keys: { one: { ...good, thinkingText: 'secret thoughts' } },
      provider: { reasoning: 'hidden' },
    })
    expect(await (await pair.chat(streamed('hi'))).text()).not.toContain('secret')
    const whole = await completionOf(pair.chat('hi'))
    expect(whole.choices[0]?.message.content).toBe('Hello there')
    expect(JSON.stringify(whole)).not.toContain('secret')
  })

  test('has the client’s name for a model that is redirected', async () => {
    await using pair = await startOndemand({
      keys: { one: good },
      config: { models: [{ pattern: 'fast', targets: [{ provider: 'ondemand', model }], price: null }] },
    })
    expect((await completionOf(pair.chat({ model: 'fast', messages: [user('hi')] }))).model).toBe('fast')
  })
})

describe('what fails', () => {
  test.each([
    ['context_length', { kind: 'context_length' }, 400, 'context_length_exceeded'],
    ['context_length in the stream', { kind: 'context_length', where: 'stream' }, 400, 'context_length_exceeded'],
    ['content_policy', { kind: 'content_policy' }, 400, 'content_filter'],
    ['bad_request', { kind: 'bad_request' }, 400, 'invalid_request'],
    ['revoked', { kind: 'revoked' }, 502, 'upstream_credentials_refused'],
    ['forbidden', { kind: 'forbidden' }, 502, 'upstream_credentials_refused'],
    ['rate_limited', { kind: 'rate_limited' }, 429, 'rate_limit_exceeded'],
    ['server_error 500', { kind: 'server_error', status: 500 }, 502, 'server_error'],
    ['server_error 503', { kind: 'server_error', status: 503 }, 502, 'resource_unavailable'],
    ['server_error 520', { kind: 'server_error', status: 520 }, 502, 'server_error'],
    ['error_in_stream', { kind: 'error_in_stream' }, 502, 'model_error'],
    ['error_in_stream as an event', { kind: 'error_in_stream', style: 'event' }, 502, 'model_error'],
    [
      'rate limit in the stream',
      { kind: 'error_in_stream', errorCode: 'rate_limit_exceeded' },
      429,
      'rate_limit_exceeded',
    ],
    ['a cut before any word', { kind: 'cut', after: 'opening' }, 502, 'upstream_unreachable'],
    ['no answer', { kind: 'no_answer' }, 502, 'upstream_unreachable'],
    ['hanging', { kind: 'hanging' }, 504, 'upstream_timeout'],
  ] as const)('%s, streamed and not', async (_, behaviour, status, code) => {
    for (const stream of [true, false]) {
      await using pair = await startOndemand({
        keys: { one: { ...behaviour } },
        provider: { maxAttempts: 1, timeouts: { firstByteMs: 300, answerMs: 300, idleMs: 300 } },
      })
      const response = await pair.chat({ stream, messages: [user('hi')] })
      expect(response.status).toBe(status)
      expect((await readError(response)).code).toBe(code)
      await pair.noSessionsLeft()
    }
  })

  test('after words were told: an error event, no [DONE], and the record says so', async () => {
    await using pair = await startOndemand({ keys: { one: { kind: 'error_in_stream', after: 2, text: 'a b c d' } } })
    const stream = await (await pair.chat(streamed('hi'))).text()
    expect(saidIn(stream)).toBe('a b')
    expect(stream).toContain('"code":"model_error"')
    expect(stream).not.toContain('[DONE]')
    const [record] = await pair.gateway.recorded(1)
    expect(record?.outcome).toBe('failed')
    await pair.noSessionsLeft()
  })

  test.each(['reset', 'close', 'clean'] as const)('a stream that is cut (%s) does not look finished', async (how) => {
    await using pair = await startOndemand({
      keys: { one: { kind: 'cut', after: 2, how, text: 'a b c d', delayMs: 10 } },
    })
    const stream = await (await pair.chat(streamed('hi'))).text()
    expect(stream).toContain('upstream_stream_cut')
    expect(stream).not.toContain('[DONE]')
    await pair.noSessionsLeft()
  })

  test('a cut after the whole answer is none', async () => {
    await using pair = await startOndemand({
      keys: { one: { kind: 'cut', after: 'metrics', how: 'reset', text: 'a b', delayMs: 10 } },
    })
    expect(saidIn(await (await pair.chat(streamed('hi'))).text())).toBe('a b')
  })

  test.each([401, 403, 404] as const)('a stray %i is forgiven once, with the same key', async (status) => {
    await using pair = await startOndemand({ keys: { one: { ...good, kind: 'stray', status, times: 1 } } })
    expect(await saidBy(pair.chat('hi'))).toBe('Hello there')
    expect(pair.exclusions('one')).toEqual([])
  })

  test('another key takes over; the refused one rests, and is out for good only after a check of our own', async () => {
    await using pair = await startOndemand({ keys: { bad: { kind: 'revoked' }, fine: good } })
    expect(await saidBy(pair.chat('hi'))).toBe('Hello there')
    expect(await saidBy(pair.chat('hi'))).toBe('Hello there')
    await until(() => pair.exclusions('bad')[0] === 'invalid_credential!')
    expect(pair.upstream.requestsOf('catalogue').some((one) => one.credential === 'bad')).toBe(true)
    expect(pair.exclusions('fine')).toEqual([])
  })

  test('a limited key rests for five minutes while another serves', async () => {
    await using pair = await startOndemand({ keys: { slow: { kind: 'rate_limited' }, fine: good } })
    expect(await saidBy(pair.chat('hi'))).toBe('Hello there')
    const [entry] = pair.status('slow').entries
    expect(Math.round(((entry?.until ?? 0) - (entry?.since ?? 0)) / 1000)).toBe(300)
  })

  test('a model that is off for one key is asked of one other, then it is a 404, and nobody is blamed', async () => {
    const inactiveEndpoints = ['predefined-glm-5.3']
    const off = { ...good, inactiveEndpoints }
    await using pair = await startOndemand({ keys: { a: off, b: good } })
    expect(await saidBy(pair.chat('hi'))).toBe('Hello there')
    await using none = await startOndemand({ keys: { a: off, b: off, c: off } })
    const response = await none.chat('hi')
    expect(response.status).toBe(404)
    expect(await readError(response)).toMatchObject({ code: 'model_not_found', param: 'model' })
    expect(none.upstream.requestsOf('query').length).toBe(2)
    expect(['a', 'b', 'c'].flatMap(none.exclusions)).toEqual([])
  })

  test('an empty key is never sent', async () => {
    await using pair = await startOndemand({ keys: { '': good } })
    const response = await pair.chat('hi')
    expect([response.status, (await readError(response)).code]).toEqual([502, 'upstream_credentials_refused'])
    expect(pair.upstream.requests.length).toBe(0)
  })

  test('paths that OnDemand does not have are a 404', async () => {
    await using pair = await startOndemand({ keys: { one: good } })
    const response = await pair.gateway.call('/v1/embeddings', {
      method: 'POST',
      body: JSON.stringify({ model, input: 'x' }),
      headers: { 'content-type': 'application/json' },
    })
    expect(response.status).toBe(404)
    expect((await readError(response)).code).toBe('not_found')
  })

  test('retries of the settings are made before another key is asked', async () => {
    await using pair = await startOndemand({
      keys: { one: { ...good, kind: 'server_error', times: 2 } },
      provider: { retries: { max: 2, baseMs: 5 }, maxAttempts: 1 },
    })
    expect(await saidBy(pair.chat('hi'))).toBe('Hello there')
  })
})

describe('an account', () => {
  const email = 'ann@example.com'
  const account = { password: 'pw', behaviour: good }

  test('whose token has ended: refreshed, for a session and for a query', async () => {
    await using pair = await startOndemand({ accounts: { [email]: account } })
    await saidBy(pair.chat('one'))
    await pair.noSessionsLeft()
    pair.upstream.expireTokens(email)
    expect(await saidBy(pair.chat('two'))).toBe('Hello there')
    expect(pair.upstream.accountFacts(email)).toMatchObject({ signIns: 1, refreshes: 1 })
    await using short = await startOndemand({ accounts: { [email]: { ...account, token: { uses: 1 } } } })
    // The session takes the only use of the token: it is the query that meets the 401.
    expect(await saidBy(short.chat('one'))).toBe('Hello there')
    expect(short.upstream.accountFacts(email)).toMatchObject({ signIns: 1 })
    expect(short.upstream.accountFacts(email).refreshes).toBeGreaterThan(0)
  })

  test('whose refresh is refused signs in anew', async () => {
    await using pair = await startOndemand({ accounts: { [email]: { ...account, refresh: { kind: 'revoked' } } } })
    await saidBy(pair.chat('one'))
    await pair.noSessionsLeft()
    pair.upstream.expireTokens(email)
    expect(await saidBy(pair.chat('two'))).toBe('Hello there')
    expect(pair.upstream.accountFacts(email)).toMatchObject({ signIns: 2 })
  })

  test('whose token is about to end is refreshed before', async () => {
    const clock = createJumpingClock()
    await using pair = await startOndemand({
      accounts: { [email]: { ...account, token: { claimedLifetimeMs: 600_000 } } },
      clock,
    })
    await saidBy(pair.chat('one'))
    await pair.noSessionsLeft()
    clock.jump(545_000)
    await saidBy(pair.chat('two'))
    expect(pair.upstream.accountFacts(email)).toMatchObject({ signIns: 1, refreshes: 1 })
    expect(pair.upstream.requests.filter((one) => one.treatment === 'not admitted')).toEqual([])
  })

  test('with a wrong password is not tried again for a minute, after two for an hour', async () => {
    const clock = createJumpingClock()
    const wrong = { ...account, signIn: { kind: 'locked' } as const }
    await using pair = await startOndemand({
      accounts: { [email]: wrong },
      provider: { blacklist: { threshold: 3, cooldownMs: 1, recheckMs: 1_000_000_000 } },
      clock,
    })
    const facts = () => pair.upstream.accountFacts(email).signIns
    const response = await pair.chat('one')
    expect([response.status, facts()]).toEqual([502, 1])
    expect(await response.text()).not.toContain('pw')
    clock.jump(30_000)
    await statusOf(pair.chat('two'))
    expect(facts()).toBe(1)
    clock.jump(31_000)
    await statusOf(pair.chat('three'))
    expect(facts()).toBe(2)
    clock.jump(1_800_000)
    await statusOf(pair.chat('four'))
    expect(facts()).toBe(2)
  })

  test('that is rejected twice is out for good when our own check meets the same', async () => {
    const clock = createJumpingClock()
    const wrong = { ...account, signIn: { kind: 'revoked' } as const }
    await using pair = await startOndemand({
      accounts: { [email]: wrong },
      provider: { blacklist: { threshold: 3, cooldownMs: 50_000, recheckMs: 5 } },
      clock,
    })
    await statusOf(pair.chat('one'))
    expect(pair.exclusions(email)).toEqual(['invalid_credential'])
    clock.jump(61_000)
    await statusOf(pair.chat('two'))
    await until(() => pair.exclusions(email)[0] === 'invalid_credential!')
    pair.upstream.setAccount(email, account)
    clock.jump(3_700_000)
    await until(() => pair.exclusions(email).length === 0)
    expect(await saidBy(pair.chat('three'))).toBe('Hello there')
  })

  test('whose sign-in answers without what is needed is no account to blame', async () => {
    await using pair = await startOndemand({ accounts: { [email]: { ...account, missing: ['companyId'] } } })
    const response = await pair.chat('one')
    expect([response.status, (await readError(response)).code]).toEqual([502, 'sign_in_incomplete'])
    expect(pair.exclusions(email)).toEqual([])
  })

  test('stands in one pool with keys', async () => {
    await using pair = await startOndemand({ keys: { one: good }, accounts: { [email]: account } })
    for (const words of ['a', 'b', 'c', 'd']) await saidBy(pair.chat(words))
    await pair.noSessionsLeft()
    expect(pair.upstream.sessionsOf('one').created).toBe(2)
    expect(pair.upstream.sessionsOf(email).created).toBe(2)
  })

  test('and its token survive a reload', async () => {
    await using pair = await startOndemand({ accounts: { [email]: account } })
    await saidBy(pair.chat('one'))
    pair.gateway.gateway.reload(testConfig([{ ...pair.provider, reasoning: 'hidden' }]))
    await saidBy(pair.chat('two'))
    await pair.noSessionsLeft()
    expect(pair.upstream.accountFacts(email).signIns).toBe(1)
  })
})

describe('a client that leaves', () => {
  test.each([true, false])('stops the upstream at once, and the session is deleted (stream: %p)', async (stream) => {
    await using pair = await startOndemand({ keys: { one: { kind: 'silent', after: 'opening' } } })
    const controller = new AbortController()
    const answer = pair.chat({ stream, messages: [user('hi')] }, { signal: controller.signal }).catch(() => null)
    await pair.upstream.waitFor((one) => one.path.endsWith('/query'), 4_000)
    controller.abort()
    await answer
    await pair.upstream.waitFor((one) => one.path.endsWith('/query') && one.isAborted, 4_000)
    await pair.noSessionsLeft()
    expect(pair.exclusions('one')).toEqual([])
  })

  test('while its session is made leaves none behind', async () => {
    await using pair = await startOndemand({ keys: { one: { ...good, headDelayMs: 200 } } })
    const controller = new AbortController()
    const answer = pair.chat('hi', { signal: controller.signal }).catch(() => null)
    await pair.upstream.waitFor((one) => one.path.endsWith('/sessions'), 4_000)
    controller.abort()
    await answer
    await until(() => pair.upstream.sessions.length === 1)
    await pair.noSessionsLeft()
    expect(pair.upstream.requestsOf('query').length).toBe(0)
  })
})

describe('a gateway that stops', () => {
  const key = 'od-key-stopping'

  test('has deleted the session of its last call before', async () => {
    const deletion = { kind: 'good', headDelayMs: 100 } as const
    await using pair = await startOndemand({
      keys: { [key]: { kind: 'by_operation', operations: { delete: deletion }, text: 'Hello' } },
    })
    await completionOf(pair.chat('Hi'))
    await pair.gateway.stop()
    expect(pair.upstream.sessionsOf(key)).toEqual({ created: 1, deleted: 1, alive: 0 })
    expect(pair.upstream.inFlight()).toBe(0)
  })

  test('tries a deletion that failed once more, without a pause', async () => {
    const deletion = { kind: 'server_error' } as const
    await using pair = await startOndemand({
      keys: { [key]: { kind: 'by_operation', operations: { delete: deletion }, text: 'Hello' } },
    })
    await completionOf(pair.chat('Hi'))
    await pair.gateway.stop()
    expect(pair.upstream.requestsOf('delete')).toHaveLength(2)
  })

  test('does not wait long for a deletion that hangs, and breaks it off', async () => {
    await using pair = await startOndemand({
      keys: { [key]: { kind: 'by_operation', operations: { delete: { kind: 'hanging' } }, text: 'Hello' } },
      provider: { requestTimeoutMs: 30_000 },
    })
    await completionOf(pair.chat('Hi'))
    await pair.gateway.stop()
    const deletion = await pair.upstream.waitFor((each) => each.method === 'DELETE' && each.isAborted, 4000)
    expect(deletion.isFinished).toBe(false)
  })
})

test('50 clients at once on 3 credentials: nobody hears another, every session goes, one sign-in for each account', async () => {
  await using pair = await startOndemand({
    keys: { one: { kind: 'good', delayMs: 1 } },
    accounts: {
      'ann@example.com': { password: 'pw', behaviour: { kind: 'good', delayMs: 1 } },
      'bob@example.com': { password: 'pw', behaviour: { kind: 'good', delayMs: 1 } },
    },
  })
  const words = Array.from({ length: 50 }, (_, index) => `secret-word-${index}-of-client`)
  const answers = await Promise.all(
    words.map(async (word, index) => {
      const stream = index % 2 === 0
      const text = await (await pair.chat({ stream, messages: [user(word)] })).text()
      return stream ? saidIn(text) : text
    }),
  )
  for (const [index, answer] of answers.entries()) {
    expect(answer.match(/secret-word-\d+-of-client/g) ?? []).toEqual([words[index] ?? ''])
  }
  await pair.noSessionsLeft()
  expect(pair.upstream.sessions.length).toBe(50)
  expect(pair.upstream.sessions.every((session) => session.queries.length === 1)).toBe(true)
  for (const email of ['ann@example.com', 'bob@example.com']) {
    expect(pair.upstream.accountFacts(email)).toMatchObject({ signIns: 1, refreshes: 0 })
  }
})

describe('sessions that are reused', () => {
  const session = { isReused: true, idleMs: 600_000, isDeleted: true }
  const bobSecret = 'sk-client-of-the-tests-0002'

  async function talk(pair: Awaited<ReturnType<typeof startOndemand>>, init?: RequestInit) {
    const first = await saidBy(pair.chat({ messages: [user('alpha')] }, init))
    const second = [user('alpha'), { role: 'assistant', content: first }, user('beta')]
    await saidBy(pair.chat({ messages: second }, init))
  }

  test('serve the same client’s same conversation, which then tells only what is new', async () => {
    await using pair = await startOndemand({ keys: { one: good }, provider: { session } })
    await talk(pair)
    expect(pair.upstream.sessions.map((one) => one.queries.map((query) => query.text))).toEqual([['alpha', 'beta']])
  })

  test('serve no other client, even for the same words', async () => {
    const clients = [testClient('alice', 'sk-client-of-the-tests-0001'), testClient('bob', bobSecret)]
    const access = { ...testConfig([]).access, clientKeys: clients }
    await using pair = await startOndemand({ keys: { one: good }, provider: { session }, config: { access } })
    const first = await saidBy(pair.chat({ messages: [user('alpha')] }))
    const messages = [user('alpha'), { role: 'assistant', content: first }, user('beta')]
    await saidBy(pair.chat({ messages }, { headers: { authorization: `Bearer ${bobSecret}` } }))
    expect(pair.upstream.sessions.map((one) => one.queries.length)).toEqual([1, 1])
  })

  test('survive a reload', async () => {
    await using pair = await startOndemand({ keys: { one: good }, provider: { session } })
    const first = await saidBy(pair.chat({ messages: [user('alpha')] }))
    pair.gateway.gateway.reload(testConfig([{ ...pair.provider, strayPauseMs: 1 }]))
    await saidBy(pair.chat({ messages: [user('alpha'), { role: 'assistant', content: first }, user('beta')] }))
    expect(pair.upstream.sessions.map((one) => one.queries.length)).toEqual([2])
  })

  test('are one conversation’s alone while it is under way', async () => {
    await using pair = await startOndemand({ keys: { one: { ...good, delayMs: 5 } }, provider: { session } })
    const first = await saidBy(pair.chat({ messages: [user('alpha')] }))
    const messages = [user('alpha'), { role: 'assistant', content: first }, user('beta')]
    await Promise.all([1, 2, 3].map(() => saidBy(pair.chat({ messages }))))
    expect(pair.upstream.sessions.map((one) => one.queries.length).sort()).toEqual([1, 1, 2])
  })

  test('are repaired once, with the whole conversation, when upstream has forgotten them', async () => {
    await using pair = await startOndemand({ keys: { one: good }, provider: { session } })
    const first = await saidBy(pair.chat({ messages: [user('alpha')] }))
    pair.upstream.forgetSessions(null)
    const messages = [user('alpha'), { role: 'assistant', content: first }, user('beta')]
    expect(await saidBy(pair.chat({ messages }))).toBe('Hello there')
    expect(pair.upstream.sessions.at(-1)?.queries.map((query) => query.text)).toEqual([
      '[User]\nalpha\n\n[Assistant]\nHello there\n\n[User]\nbeta\n\n[Assistant]',
    ])
  })

  test('are deleted after their idle time', async () => {
    await using pair = await startOndemand({ keys: { one: good }, provider: { session: { ...session, idleMs: 100 } } })
    await saidBy(pair.chat('alpha'))
    expect(pair.upstream.sessions.every((one) => one.deletedAtMs === null)).toBe(true)
    await pair.noSessionsLeft()
  })
})

describe('models', () => {
  test('the operator’s table, the catalogue, the built-in table, ids, the default', async () => {
    await using pair = await startOndemand({
      keys: { one: good },
      provider: { models: { mine: 'predefined-kimi-k3' }, defaultEndpointId: 'predefined-glm-5.3' },
    })
    const asked = async (name: string) => {
      await statusOf(pair.chat({ model: name, messages: [user('hi')] }))
      return json(pair.upstream.requestsOf('query').at(-1)?.body ?? new Uint8Array()).endpointId
    }
    expect(await asked('Mine')).toBe('predefined-kimi-k3')
    expect(await asked('claude-sonnet-5')).toBe('predefined-claude-sonnet-5')
    expect(await asked('predefined-deepseek-v4-pro')).toBe('predefined-deepseek-v4-pro')
    expect(await asked('byoi-1234')).toBe('byoi-1234')
    expect(pair.upstream.requestsOf('catalogue').length).toBe(0)
    expect(await asked('no-such-model')).toBe('predefined-glm-5.3')
    expect(await asked('another-one')).toBe('predefined-glm-5.3')
    expect(pair.upstream.requestsOf('catalogue').length).toBe(1)
  })

  test('a name that the catalogue alone knows', async () => {
    const endpoints = [{ id: 'predefined-new-1', name: 'Brand New', isActive: true }]
    await using pair = await startOndemand({ keys: { one: good }, simulator: { endpoints } })
    expect(await saidBy(pair.chat({ model: 'brand new', messages: [user('hi')] }))).toBe('Hello there')
  })

  test('an unknown name is a 404 without a query', async () => {
    await using pair = await startOndemand({ keys: { one: good, two: good } })
    const response = await pair.chat({ model: 'no-such-model', messages: [user('hi')] })
    expect([response.status, (await readError(response)).code]).toEqual([404, 'model_not_found'])
    expect(pair.upstream.requestsOf('session').length).toBe(0)
  })

  test('the list has what is active, and stays when the catalogue fails', async () => {
    const listOf = async (pair: Awaited<ReturnType<typeof startOndemand>>) => {
      const { data } = (await (await pair.gateway.call('/v1/models')).json()) as { data: { id: string }[] }
      return data.map((one) => one.id)
    }
    await using pair = await startOndemand({
      keys: { one: good },
      provider: { models: { mine: 'predefined-kimi-k3' } },
    })
    const listed = await listOf(pair)
    expect(listed).toContain('mine')
    expect(listed).toContain('glm-5.3')
    expect(listed).not.toContain('gpt-4o')
    await using failing = await startOndemand({
      keys: { one: { kind: 'by_operation', operations: { catalogue: { kind: 'server_error' } } } },
    })
    expect(await listOf(failing)).toContain('gpt-4o')
  })
})

describe('parameters', () => {
  test('go by OnDemand’s names; what cannot be honoured is named in a header', async () => {
    await using pair = await startOndemand({ keys: { one: good } })
    const response = await pair.chat({
      messages: [user('hi')],
      ...{ temperature: 0.3, presence_penalty: -2, stop: ['X'], reasoning_effort: 'high' },
      ...{ seed: 7, n: 3, max_tokens: 5, user: 'u-1', 'bad name\n': 1 },
    })
    expect(response.headers.get('x-any2api-dropped')).toBe('presence_penalty, seed, n, max_tokens, other, user')
    expect(json(pair.upstream.requestsOf('query')[0]?.body ?? new Uint8Array())).toEqual({
      query: 'hi',
      responseMode: 'stream',
      endpointId: 'predefined-glm-5.3',
      reasoningEffort: 'max',
      modelConfigs: { temperature: 0.3, presencePenalty: 0, stopSequences: ['X'] },
    })
  })

  test('reasoning_effort is sent only where the catalogue lists it', async () => {
    await using pair = await startOndemand({ keys: { one: good } })
    const response = await pair.chat({ model: 'kimi-k3', messages: [user('hi')], reasoning_effort: 'low' })
    expect([response.status, response.headers.get('x-any2api-dropped')]).toEqual([200, 'reasoning_effort'])
  })

  test('are refused where the settings say so', async () => {
    await using pair = await startOndemand({ keys: { one: good }, provider: { unsupported: 'refuse' } })
    for (const fields of [{ seed: 7 }, { n: 2 }]) {
      const response = await pair.chat({ messages: [user('hi')], ...fields })
      expect(response.status).toBe(400)
      expect(await readError(response)).toMatchObject({
        param: Object.keys(fields)[0] ?? '',
        code: 'unsupported_parameter',
      })
    }
    expect(pair.upstream.requestsOf('session').length).toBe(0)
  })

  test('images are refused with a clear 400', async () => {
    await using pair = await startOndemand({ keys: { one: good } })
    const image = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }
    const response = await pair.chat({ messages: [{ role: 'user', content: [image] }] })
    expect(response.status).toBe(400)
    expect(await readError(response)).toMatchObject({ code: 'unsupported_content', param: 'messages.0.content.0' })
  })

  test('the settings decide about plugins, system text and length', async () => {
    await using pair = await startOndemand({
      keys: { one: good },
      provider: {
        pluginField: 'agentIds',
        plugins: ['agent-1'],
        isFulfillmentOnly: true,
        systemPlacement: 'fulfillment_prompt',
        maxQueryLength: 10,
      },
    })
    await statusOf(pair.chat({ messages: [{ role: 'system', content: 'Be brief and kind' }, user('hi')] }))
    expect(json(pair.upstream.requestsOf('query')[0]?.body ?? new Uint8Array())).toMatchObject({
      query: 'hi',
      agentIds: ['agent-1'],
      fulfillmentOnly: true,
      modelConfigs: { fulfillmentPrompt: 'Be brief and kind' },
    })
    const long = await pair.chat('this is too long')
    expect([long.status, (await readError(long)).code]).toEqual([400, 'context_length_exceeded'])
  })
})

describe('tools', () => {
  const tools = [
    {
      type: 'function',
      function: {
        name: 'weather',
        description: 'Weather of a city',
        parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      },
    },
  ]
  /** Writes a call with the tag that the instructions name. */
  const callsTool = ({ query }: { readonly query: string }) => {
    const tag = /<tool_call_\w+>/.exec(query)?.[0] ?? ''
    return `Let me see.\n${tag}\n{"name":"weather","arguments":{"city":"Łódź"}}\n${tag.replace('<', '</')}`
  }

  test('are called, streamed and not, and the tags stay out of the text', async () => {
    await using pair = await startOndemand({ keys: { one: { kind: 'good', text: callsTool, pieceSizes: [1, 2, 3] } } })
    const whole = await completionOf(pair.chat({ tools, messages: [user('weather?')] }))
    expect(whole.choices[0]).toMatchObject({
      message: {
        content: 'Let me see.',
        tool_calls: [{ function: { name: 'weather', arguments: '{"city":"Łódź"}' } }],
      },
      finish_reason: 'tool_calls',
    })
    const stream = await (await pair.chat({ stream: true, tools, messages: [user('weather?')] })).text()
    expect(saidIn(stream).trim()).toBe('Let me see.')
    expect(stream).toContain('"tool_calls":[{"index":0')
    expect(stream).toContain('"finish_reason":"tool_calls"')
    expect(stream).not.toContain('<tool_call')
  })

  test('and their results are told back', async () => {
    await using pair = await startOndemand({ keys: { one: good } })
    const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Łódź"}' } }
    await completionOf(
      pair.chat({
        tools,
        messages: [
          user('weather?'),
          { role: 'assistant', content: null, tool_calls: [call] },
          { role: 'tool', tool_call_id: 'call_1', content: 'rain, 8 degrees' },
        ],
      }),
    )
    const { query } = json(pair.upstream.requestsOf('query')[0]?.body ?? new Uint8Array())
    expect(query).toContain('"arguments":{"city":"Łódź"}')
    expect(query).toContain('rain, 8 degrees')
    expect(query).toContain('[Tool results]')
  })

  test('a choice that names no tool is a 400', async () => {
    await using pair = await startOndemand({ keys: { one: good } })
    const tool_choice = { type: 'function', function: { name: 'nothing' } }
    const response = await pair.chat({ tools, tool_choice, messages: [user('hi')] })
    expect([response.status, (await readError(response)).param]).toEqual([400, 'tool_choice'])
  })

  test('JSON mode is asked for in the system text, and a code fence around the answer is taken off', async () => {
    await using pair = await startOndemand({
      keys: { one: { kind: 'good', text: '```json\n{"a":1}\n```', pieceSizes: [1] } },
    })
    const asked = { messages: [user('hi')], response_format: { type: 'json_object' } }
    expect(await saidBy(pair.chat(asked))).toBe('{"a":1}')
    expect(saidIn(await (await pair.chat({ ...asked, stream: true })).text())).toBe('{"a":1}')
    expect(json(pair.upstream.requestsOf('query')[0]?.body ?? new Uint8Array()).query).toContain('JSON document')
  })
})
