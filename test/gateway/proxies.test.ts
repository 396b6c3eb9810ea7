/** Calls that take a proxy: all of them do, streams and aborts included, and its failures are told apart from the upstream's. */
import { describe, expect, test } from 'bun:test'
import type { ProxyConfig } from '../../src/domain.ts'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { type HttpProxyOptions, startHttpProxy } from '../helpers/http-proxy.ts'
import type { Relay } from '../helpers/relay.ts'
import { type SocksProxyOptions, startSocksProxy } from '../helpers/socks-proxy.ts'
import { testConfig, testProvider } from '../helpers/start-gateway.ts'
import { startOndemand } from '../helpers/start-ondemand.ts'
import { createTestClock, type Pair, readError, saidIn, startPair, statusOf, until } from '../helpers/start-pair.ts'

const secret = 'sk-credential-behind-proxy-1'
const other = 'sk-credential-behind-proxy-2'
const login = 'us er:p@ss/w%rd'
const encoded = 'us%20er:p%40ss%2Fw%25rd'
const good: Behaviour = { kind: 'good', text: 'one two three' }

type Kind = 'http' | 'socks5' | 'socks5h'
const kinds: readonly Kind[] = ['http', 'socks5', 'socks5h']

function through(kind: Kind, port: number, user = '', bypass: readonly string[] = []): ProxyConfig {
  return { url: `${kind}://${user === '' ? '' : `${user}@`}127.0.0.1:${port}`, bypass }
}

function startProxy(kind: Kind, options: SocksProxyOptions = {}): Promise<Relay> {
  return kind === 'http' ? startHttpProxy(options as HttpProxyOptions) : startSocksProxy(options)
}

async function startBehind(kind: Kind, proxy: Relay, behaviour: Behaviour = good, user = ''): Promise<Pair> {
  return startPair({ credentials: { [secret]: behaviour }, provider: { proxy: through(kind, proxy.port, user) } })
}

for (const kind of kinds) {
  describe(`through ${kind}`, () => {
    test('an answer arrives whole, streamed or not, and so do lists and other paths', async () => {
      await using proxy = await startProxy(kind, { login })
      await using pair = await startBehind(kind, proxy, good, encoded)
      expect(saidIn(await (await pair.gateway.chat({ stream: true })).text())).toBe('one two three')
      const whole = (await (await pair.gateway.chat({})).json()) as { choices: { message: { content: string } }[] }
      expect(whole.choices[0]?.message.content).toBe('one two three')
      expect(await statusOf(pair.gateway.call('/v1/models'))).toBe(200)
      expect(await statusOf(pair.gateway.call('/v1/files'))).toBe(200)
      expect(pair.upstream.requests).toHaveLength(4)
      const headers = pair.upstream.requests.flatMap((request) => request.headers.map(([name]) => name.toLowerCase()))
      // An HTTP proxy takes its own out itself; the one of the tests does not.
      if (kind !== 'http') expect(headers.filter((name) => name.startsWith('proxy-'))).toEqual([])
    })

    test('a large request and a large answer arrive as they were', async () => {
      await using proxy = await startProxy(kind, { isSlow: true })
      const text = 'word '.repeat(400_000)
      await using pair = await startBehind(kind, proxy, { kind: 'good', text })
      const content = 'ü'.repeat(3_000_000)
      const response = await pair.gateway.chat({ messages: [{ role: 'user', content }] })
      const answer = (await response.json()) as { choices: { message: { content: string } }[] }
      expect(answer.choices[0]?.message.content === text).toBe(true)
      const received = JSON.parse(Buffer.from(pair.upstream.requests[0]?.body ?? []).toString('utf8'))
      expect(received.messages[0].content === content).toBe(true)
    })

    test('a client that leaves in mid-stream closes the connections of the proxy and of the upstream', async () => {
      await using proxy = await startProxy(kind)
      await using pair = await startBehind(kind, proxy, { kind: 'good', text: 'a b c d e f g h i j k l', delayMs: 50 })
      const client = new AbortController()
      const answer = await pair.gateway.chat({ stream: true }, { signal: client.signal })
      await answer.body?.getReader().read()
      client.abort()
      await until(() => proxy.open() === 0 && pair.upstream.inFlight() === 0)
      expect(await pair.onlyRecord()).toMatchObject({ outcome: 'aborted' })
      expect(pair.credential(secret)).toMatchObject({ failures: 0, inFlight: 0 })
    })

    test('a client that leaves before the answer closes them too', async () => {
      await using proxy = await startProxy(kind)
      await using pair = await startBehind(kind, proxy, { kind: 'hanging' })
      const client = new AbortController()
      const answer = pair.gateway.chat({}, { signal: client.signal }).catch(() => null)
      await until(() => pair.upstream.inFlight() === 1)
      client.abort()
      await answer
      await until(() => proxy.open() === 0 && pair.upstream.inFlight() === 0)
    })

    test('a hundred streams at once all end as they should', async () => {
      await using proxy = await startProxy(kind)
      await using pair = await startBehind(kind, proxy, { kind: 'good', text: 'a b c d', delayMs: 20 })
      const streams = Array.from({ length: 100 }, async () =>
        saidIn(await (await pair.gateway.chat({ stream: true })).text()),
      )
      expect(new Set(await Promise.all(streams))).toEqual(new Set(['a b c d']))
    })

    test('a proxy that dies in mid-stream does not make the answer look finished', async () => {
      await using proxy = await startProxy(kind)
      await using pair = await startBehind(kind, proxy, { kind: 'good', text: 'a b c d e f g h', delayMs: 40 })
      const answer = await pair.gateway.chat({ stream: true })
      proxy.cut()
      const text = await answer.text()
      expect(text).not.toContain('[DONE]')
      expect(text).toContain('"error"')
    })

    test('what is excepted goes directly', async () => {
      await using proxy = await startProxy(kind)
      await using pair = await startPair({
        credentials: { [secret]: good },
        provider: { proxy: through(kind, proxy.port, '', ['example.com', '127.0.0.0/8']) },
      })
      expect(await statusOf(pair.gateway.chat({}))).toBe(200)
      expect(proxy.connections()).toBe(0)
    })

    test('a new proxy serves what begins after the reload, the old one what began before', async () => {
      await using before = await startProxy(kind)
      await using after = await startProxy(kind)
      await using pair = await startBehind(kind, before, { kind: 'good', text: 'a b c d e', delayMs: 30 })
      const answer = await pair.gateway.chat({ stream: true })
      pair.gateway.gateway.reload(
        testConfig([testProvider(pair.upstream.baseUrl, [secret], { proxy: through(kind, after.port) })]),
      )
      expect(await statusOf(pair.gateway.chat({}))).toBe(200)
      expect(saidIn(await answer.text())).toBe('a b c d e')
      expect([before.asked.length, after.asked.length]).toEqual([1, 1])
    })
  })
}

test('socks5 sends an address, socks5h the name, both what is an address already', async () => {
  await using proxy = await startSocksProxy()
  await using pair = await startPair({ credentials: { [secret]: good } })
  const { port } = pair.upstream
  for (const [kind, host] of [
    ['socks5', 'localhost'],
    ['socks5h', 'localhost'],
    ['socks5h', 'upstream.test'],
    ['socks5h', '127.0.0.1'],
    ['socks5', '[::1]'],
    ['socks5h', '[2001:db8::7f00:1]'],
  ] as const) {
    const provider = testProvider(`http://${host}:${port}/v1`, [secret], { proxy: through(kind, proxy.port) })
    pair.gateway.gateway.reload(testConfig([provider]))
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
  }
  expect(proxy.asked).toEqual([
    `ipv4 127.0.0.1:${port}`,
    `name localhost:${port}`,
    `name upstream.test:${port}`,
    `ipv4 127.0.0.1:${port}`,
    `ipv6 ${'0'.repeat(31)}1:${port}`,
    `ipv6 20010db8${'0'.repeat(16)}7f000001:${port}`,
  ])
})

test('OnDemand is called through it too, signing in included', async () => {
  await using proxy = await startSocksProxy()
  await using pair = await startOndemand({
    accounts: { 'a@example.com': { password: 'pass-word-1', behaviour: { kind: 'good', text: 'Hello there' } } },
    provider: { proxy: through('socks5h', proxy.port), maxIdleSockets: 0 },
  })
  expect(saidIn(await (await pair.chat({ stream: true, messages: [{ role: 'user', content: 'Hi' }] })).text())).toBe(
    'Hello there',
  )
  await pair.noSessionsLeft()
  // Without idle connections each request has one of its own, so that one past the proxy would be missed here.
  expect(pair.upstream.requests.length).toBeGreaterThan(2)
  expect(proxy.connections()).toBe(pair.upstream.requests.length)
})

test('OnDemand behind a proxy that fails blames no account', async () => {
  await using pair = await startOndemand({
    accounts: { 'a@example.com': { password: 'pass-word-1', behaviour: { kind: 'good' } } },
    provider: { proxy: { url: 'socks5h://127.0.0.1:1', bypass: [] }, maxAttempts: 1 },
  })
  const response = await pair.chat('Hi')
  expect([response.status, (await readError(response)).code]).toEqual([502, 'proxy_unreachable'])
  expect(pair.status('a@example.com')).toMatchObject({ state: 'healthy', failures: 0, entries: [] })
})

test('a hundred reloads under load through a proxy cost no call', async () => {
  await using proxy = await startSocksProxy()
  const config = { proxy: through('socks5h', proxy.port) }
  await using pair = await startPair({ credentials: { [secret]: good }, provider: config })
  let isDone = false
  const worker = async () => {
    for (let call = 0; call < 25; call++)
      expect(await statusOf(pair.gateway.chat({ stream: call % 2 === 0 }))).toBe(200)
  }
  const reloads = (async () => {
    for (let count = 0; count < 100 && !isDone; count++) {
      pair.gateway.gateway.reload(testConfig([testProvider(pair.upstream.baseUrl, [secret], config)]))
      await Bun.sleep(1)
    }
  })()
  await Promise.all(Array.from({ length: 8 }, worker))
  isDone = true
  await reloads
  await pair.gateway.recorded(200)
  expect(pair.gateway.records.filter(({ outcome, attempts }) => outcome !== 'succeeded' || attempts > 1)).toEqual([])
})

interface FaultRow {
  readonly kind: Kind
  readonly proxy?: SocksProxyOptions
  readonly user?: string
  /** The one that listens is not asked. */
  readonly url?: string
  readonly code: string
  readonly isUpstreams?: boolean
}

const faultRows: Readonly<Record<string, FaultRow>> = {
  'an HTTP proxy that is not there': { kind: 'http', url: 'http://127.0.0.1:1', code: 'proxy_unreachable' },
  'an HTTP proxy with an unknown name': { kind: 'http', url: 'http://nobody.invalid:1', code: 'proxy_unreachable' },
  'an HTTP proxy that wants a login': { kind: 'http', proxy: { login }, code: 'proxy_auth_required' },
  'an HTTP proxy that refuses ours': { kind: 'http', proxy: { login }, user: 'a:b', code: 'proxy_auth_required' },
  'a SOCKS proxy that is not there': { kind: 'socks5', url: 'socks5://127.0.0.1:1', code: 'proxy_unreachable' },
  'a SOCKS proxy with an unknown name': { kind: 'socks5', url: 'socks5://nobody.invalid:1', code: 'proxy_unreachable' },
  'a SOCKS proxy that wants a login': { kind: 'socks5h', proxy: { login }, code: 'proxy_auth_required' },
  'a SOCKS proxy that refuses ours': { kind: 'socks5h', proxy: { login }, user: 'a:b', code: 'proxy_auth_required' },
  'a SOCKS proxy that hangs up on ours': {
    kind: 'socks5h',
    proxy: { login, fault: 'close_at_login' },
    user: 'a:b',
    code: 'proxy_auth_required',
  },
  'a SOCKS proxy that hangs up': { kind: 'socks5', proxy: { fault: 'close' }, code: 'proxy_unreachable' },
  'what is no SOCKS proxy': { kind: 'socks5', proxy: { fault: 'garbage' }, code: 'proxy_protocol_error' },
  'a SOCKS proxy that fails': { kind: 'socks5', proxy: { fault: 1 }, code: 'proxy_cannot_connect' },
  'a SOCKS proxy whose rules forbid it': { kind: 'socks5', proxy: { fault: 2 }, code: 'proxy_refused' },
  'an unreachable network behind SOCKS': {
    kind: 'socks5',
    proxy: { fault: 3 },
    code: 'ENETUNREACH',
    isUpstreams: true,
  },
  'an unreachable host behind SOCKS': { kind: 'socks5', proxy: { fault: 4 }, code: 'EHOSTUNREACH', isUpstreams: true },
  'a refused connection behind SOCKS': { kind: 'socks5', proxy: { fault: 5 }, code: 'ECONNREFUSED', isUpstreams: true },
  'a lost way behind SOCKS': { kind: 'socks5', proxy: { fault: 6 }, code: 'ETIMEDOUT', isUpstreams: true },
  'a SOCKS proxy without CONNECT': { kind: 'socks5', proxy: { fault: 7 }, code: 'proxy_refused' },
  'a SOCKS proxy without this kind of address': { kind: 'socks5', proxy: { fault: 8 }, code: 'proxy_refused' },
  'an unknown reply of SOCKS': { kind: 'socks5', proxy: { fault: 77 }, code: 'proxy_cannot_connect' },
}

describe('nobody but the proxy is blamed for', () => {
  for (const [what, row] of Object.entries(faultRows)) {
    test(what, async () => {
      await using proxy = await startProxy(row.kind, row.proxy)
      await using pair = await startPair({
        credentials: { [secret]: good, [other]: good },
        provider: {
          proxy: row.url === undefined ? through(row.kind, proxy.port, row.user) : { url: row.url, bypass: [] },
          breaker: { failures: 8, ratio: 1, minCalls: 20, windowMs: 30_000, openMs: 30_000, maxOpenMs: 30_000 },
          blacklist: { threshold: 1, cooldownMs: 60_000, recheckMs: 60_000 },
        },
        clock: createTestClock(),
      })
      const response = await pair.gateway.chat({})
      expect(response.status).toBe(502)
      const error = await readError(response)
      expect(error.code).toBe(row.isUpstreams ? 'upstream_unreachable' : row.code)
      expect(error.message).toStartWith(row.isUpstreams ? 'the upstream cannot' : 'the proxy towards the upstream')
      expect(pair.gateway.logged()).toContain(
        `"kind":"${row.isUpstreams ? 'unreachable' : 'proxy_failed'}","status":0,"code":"${row.code}"`,
      )
      expect(await pair.onlyRecord()).toMatchObject({ outcome: 'failed', errorCode: error.code })
      if (!row.isUpstreams) {
        for (const each of [secret, other])
          expect(pair.credential(each)).toMatchObject({ state: 'healthy', failures: 0, entries: [] })
      }
      expect(pair.upstream.totalCalls()).toBe(0)
    })
  }

  test('a proxy that fails again and again: the breaker opens', async () => {
    await using pair = await startPair({
      credentials: { [secret]: good },
      provider: { proxy: { url: 'socks5://127.0.0.1:1', bypass: [] }, maxAttempts: 1 },
      clock: createTestClock(),
    })
    for (let call = 0; call < 5; call++) await statusOf(pair.gateway.chat({}))
    expect(pair.gateway.gateway.status().breakers).toMatchObject([{ state: 'open' }])
  })

  test('a proxy that fails: the next target serves', async () => {
    await using pair = await startPair({ credentials: { [secret]: good } })
    const provider = (name: string, proxy: ProxyConfig | null) =>
      testProvider(pair.upstream.baseUrl, [secret], { name, proxy })
    const targets = ['first', 'second'].map((name) => ({ provider: name, model: 'gpt-4o' }))
    const first = provider('first', { url: 'socks5h://127.0.0.1:1', bypass: [] })
    const models = [{ pattern: 'gpt-4o', targets, price: null }]
    pair.gateway.gateway.reload(testConfig([first, provider('second', null)], { models }))
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
    expect(await pair.onlyRecord()).toMatchObject({ provider: 'second', attempts: 2 })
  })
})

test("an upstream's own error through a proxy stays the upstream's", async () => {
  for (const kind of kinds) {
    await using proxy = await startProxy(kind)
    await using pair = await startBehind(kind, proxy, { kind: 'server_error', status: 503 })
    const response = await pair.gateway.chat({})
    expect([response.status, (await readError(response)).code]).toEqual([503, 'service_unavailable_error'])
  }
})

test('no user name or password of a proxy is ever told', async () => {
  const hidden = ['visible-user', 'visible-password', '127.0.0.1:1']
  for (const url of ['http', 'socks5', 'socks5h'].map(
    (kind) => `${kind}://visible-user:visible-password@127.0.0.1:1`,
  )) {
    await using pair = await startPair({
      credentials: { [secret]: good },
      provider: { proxy: { url, bypass: [] }, maxAttempts: 1 },
    })
    const text = await (await pair.gateway.chat({})).text()
    for (const place of [text, pair.gateway.logged(), JSON.stringify(pair.gateway.records)])
      for (const word of hidden) expect(place).not.toContain(word)
  }
})
