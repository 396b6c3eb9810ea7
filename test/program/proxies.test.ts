/** Upstreams with TLS behind proxies: the running program, which trusts the certificate of the tests. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { startHttpProxy } from '../helpers/http-proxy.ts'
import {
  chatRequest,
  createFolder,
  type Folder,
  type Gateway,
  settingsFor,
  startProgram,
  waitFor,
} from '../helpers/program.ts'
import { certificateFile, type Relay, startTlsFront } from '../helpers/relay.ts'
import { startSocksProxy } from '../helpers/socks-proxy.ts'
import { saidIn } from '../helpers/start-pair.ts'

const secret = 'sk-behind-tls-and-proxy-01'
const login = 'visible-user:visible:password'
const encoded = 'visible-user:visible%3Apassword'
const text = 'one two three four five six'
const upstream = startOpenAiSimulator({ credentials: { [secret]: { kind: 'good', text, delayMs: 15 } } })
const names = ['http', 'https', 'socks5', 'socks5h'] as const
type Name = (typeof names)[number]

const open: AsyncDisposable[] = []
let front: Relay
let folder: Folder
let gateway: Gateway
let proxies: Record<Name, Relay>

beforeAll(async () => {
  front = await startTlsFront(upstream.port)
  proxies = {
    http: await startHttpProxy({ login }),
    https: await startHttpProxy({ login, isTls: true }),
    socks5: await startSocksProxy({ login }),
    socks5h: await startSocksProxy({ login, isSlow: true }),
  }
  const failing = {
    refusing: await startHttpProxy({ fault: 403 }),
    failing: await startHttpProxy({ fault: 502 }),
    hanging_up: await startHttpProxy({ fault: 'close' }),
  }
  const wanting = await startHttpProxy({ login })
  const provider = (proxy: string, host = 'localhost') => ({
    base_url: `https://${host}:${front.port}/v1`,
    keys: [secret],
    proxy,
    max_attempts: 1,
  })
  const good = names.map((name) => [name, provider(`${name}://${encoded}@localhost:${proxies[name].port}`)] as const)
  const providers = Object.fromEntries([
    ...good,
    // A name that only the proxy knows.
    ['far', provider(`socks5h://${encoded}@127.0.0.1:${proxies.socks5h.port}`, 'upstream.test')],
    ...Object.entries(failing).map(([name, { port }]) => [name, provider(`http://127.0.0.1:${port}`)] as const),
    ['wanting', provider(`http://127.0.0.1:${wanting.port}`)],
    ['excepted', { ...provider(`http://127.0.0.1:1`), no_proxy: [`localhost:${front.port}`] }],
  ])
  const models = Object.fromEntries(Object.keys(providers).map((name) => [name, `${name}/gpt-4o`]))
  const settings = { ...JSON.parse(settingsFor('http://unused', [])), providers, models }
  folder = await createFolder({ 'any2api.json': JSON.stringify(settings) })
  gateway = await startProgram({ folder, from: 'source', environment: { NODE_EXTRA_CA_CERTS: certificateFile } })
  open.push(gateway, folder, front, wanting, ...Object.values(failing), ...Object.values(proxies))
}, 30_000)

afterAll(async () => {
  for (const one of open) await one[Symbol.asyncDispose]()
  upstream.stop()
})

async function readStream(model: string): Promise<string> {
  return saidIn(await (await gateway.call('/v1/chat/completions', chatRequest({ model, stream: true }))).text())
}

for (const name of names) {
  describe(`TLS through ${name}`, () => {
    test('an answer arrives whole, streamed or not, over one connection that is kept', async () => {
      const before = proxies[name].connections()
      for (let call = 0; call < 3; call++) expect(await readStream(name)).toBe(text)
      expect((await gateway.chat({ model: name })).text).toContain(text)
      expect(proxies[name].connections() - before).toBe(1)
    })

    test('a hundred streams at once all end as they should', async () => {
      const said = await Promise.all(Array.from({ length: 100 }, () => readStream(name)))
      expect(new Set(said)).toEqual(new Set([text]))
    })

    test('a client that leaves in mid-stream stops the upstream and closes its way there', async () => {
      const client = new AbortController()
      const answer = await gateway.call('/v1/chat/completions', {
        ...chatRequest({ model: name, stream: true }),
        signal: client.signal,
      })
      await answer.body?.getReader().read()
      const [through, arrived] = [proxies[name].open(), front.open()]
      client.abort()
      await waitFor(
        async () => upstream.inFlight() === 0 && proxies[name].open() < through && front.open() < arrived,
        'the end of all connections of the call',
      )
    })

    test('a proxy that dies in mid-stream does not make the answer look finished', async () => {
      const answer = await gateway.call('/v1/chat/completions', chatRequest({ model: name, stream: true }))
      proxies[name].cut()
      const said = await answer.text()
      expect(said).not.toContain('[DONE]')
      expect(said).toContain('"error"')
      expect(await readStream(name)).toBe(text)
    })
  })
}

test('a name that only the proxy knows is left to it, and is the one in the certificate', async () => {
  expect((await gateway.chat({ model: 'far' })).text).toContain(text)
  expect(proxies.socks5h.asked).toContain(`name upstream.test:${front.port}`)
})

test('what is excepted goes directly', async () => {
  expect((await gateway.chat({ model: 'excepted' })).status).toBe(200)
})

for (const [model, code] of [
  ['refusing', 'proxy_refused'],
  ['failing', 'proxy_cannot_connect'],
  ['wanting', 'proxy_auth_required'],
  ['hanging_up', 'proxy_unreachable'],
] as const) {
  test(`a proxy that is ${model} says so: ${code}`, async () => {
    const answer = await gateway.chat({ model })
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([502, code])
    const line = await gateway.logged('attempt failed', (one) => one.id === answer.id)
    expect(line).toMatchObject({ kind: 'proxy_failed', code })
  })
}

test('no user name and no password of a proxy is shown, by the program or by its pages', async () => {
  const config = await (await gateway.admin('/admin/config')).text()
  expect(config).toContain(`socks5h://***@localhost:${proxies.socks5h.port}`)
  for (const place of [config, gateway.stdout(), gateway.stderr()]) expect(place).not.toContain('visible')
})

test('a stop is not held up by connections that are kept', async () => {
  gateway.signal('SIGTERM')
  expect(await gateway.ended(5000)).toBe(0)
})
