/** Signing in with a browser: what the cookie opens, what it never does, and that nobody guesses the key. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { sessionCookie, sessionPath } from '../../src/access.ts'
import { systemClock } from '../../src/clock.ts'
import { hashSecret } from '../../src/config/credential.ts'
import { type OpenAiSimulator, startOpenAiSimulator } from '../../src/simulator/openai.ts'
import {
  adminSecret,
  clientSecret,
  startGateway,
  type TestGateway,
  testConfig,
  testProvider,
} from '../helpers/start-gateway.ts'

const secret = 'sk-upstream-secret-0001'
let upstream: OpenAiSimulator

beforeAll(() => {
  upstream = startOpenAiSimulator({ credentials: { [secret]: { kind: 'good' } } })
})

afterAll(() => upstream.stop())

interface Started {
  readonly gateway: TestGateway
  /** Moves the clock. */
  readonly pass: (durationMs: number) => void
}

async function withGateway(check: (started: Started) => Promise<void>): Promise<void> {
  let aheadMs = 0
  const clock = {
    ...systemClock,
    now: () => Date.now() + aheadMs,
    monotonic: () => performance.now() + aheadMs,
  }
  const gateway = await startGateway({ config: testConfig([testProvider(upstream.baseUrl, [secret])]), clock })
  const pass = (durationMs: number) => {
    aheadMs += durationMs
  }
  try {
    await check({ gateway, pass })
  } finally {
    await gateway.stop()
  }
}

function signIn(gateway: TestGateway, key: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(gateway.url + sessionPath, { method: 'POST', body: JSON.stringify({ admin_key: key }), headers })
}

async function cookieOf(gateway: TestGateway): Promise<string> {
  const response = await signIn(gateway, adminSecret)
  expect(response.status).toBe(204)
  return response.headers.get('set-cookie')?.split(';')[0] ?? ''
}

test('the admin key becomes a cookie that scripts cannot read and foreign pages cannot send', () =>
  withGateway(async ({ gateway }) => {
    const response = await signIn(gateway, adminSecret)
    const cookie = response.headers.get('set-cookie') ?? ''
    expect(cookie).toStartWith(`${sessionCookie}=`)
    expect(cookie).toContain('HttpOnly')
    expect(cookie).toContain('SameSite=Strict')
    expect(cookie).toContain('Max-Age=43200')
    expect(cookie).not.toContain('Secure')
    expect(cookie).not.toContain(adminSecret)
    const behindTls = await signIn(gateway, adminSecret, { 'x-forwarded-proto': 'https' })
    expect(behindTls.headers.get('set-cookie')).toContain('Secure')
  }))

test('a session reads and changes what the admin key would, until it is closed', () =>
  withGateway(async ({ gateway }) => {
    const cookie = await cookieOf(gateway)
    const ask = (path: string, init: RequestInit = {}) =>
      fetch(gateway.url + path, { ...init, headers: { cookie: `other=1; ${cookie}`, ...(init.headers as object) } })
    expect((await ask('/stats')).status).toBe(200)
    expect(await (await ask(sessionPath)).json()).toEqual({ signed_in: true })
    expect(await (await fetch(gateway.url + sessionPath)).json()).toEqual({ signed_in: false })
    expect((await fetch(gateway.url + sessionPath, { method: 'DELETE' })).status).toBe(401)
    expect((await ask('/reset-keys', { method: 'POST', headers: { origin: gateway.url } })).status).toBe(200)
    expect((await ask(sessionPath, { method: 'DELETE' })).status).toBe(204)
    expect((await ask('/stats')).status).toBe(401)
  }))

const foreign: [string, Record<string, string>][] = [
  ['another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
  ['another host of the same site', { 'sec-fetch-site': 'same-site' }],
  ['another port, told by Origin alone', { origin: 'http://127.0.0.1:1' }],
  ['a page without an origin', { origin: 'null' }],
]

test.each(foreign)('a page of %s changes nothing with the cookie, and cannot sign in', (_name, headers) =>
  withGateway(async ({ gateway }) => {
    const cookie = await cookieOf(gateway)
    const response = await fetch(`${gateway.url}/reset-keys`, { method: 'POST', headers: { cookie, ...headers } })
    expect(response.status).toBe(401)
    expect((await signIn(gateway, adminSecret, headers)).status).toBe(403)
  }),
)

test('a cookie never authorises a GET that changes state, nor a client path', () =>
  withGateway(async ({ gateway }) => {
    const cookie = await cookieOf(gateway)
    expect((await fetch(`${gateway.url}/reset-keys`, { headers: { cookie } })).status).toBe(401)
    expect((await fetch(`${gateway.url}/v1/models`, { headers: { cookie } })).status).toBe(401)
  }))

test('a session ends after twelve hours', () =>
  withGateway(async ({ gateway, pass }) => {
    const cookie = await cookieOf(gateway)
    pass(12 * 3_600_000 - 1000)
    expect((await fetch(`${gateway.url}/stats`, { headers: { cookie } })).status).toBe(200)
    pass(1001)
    expect((await fetch(`${gateway.url}/stats`, { headers: { cookie } })).status).toBe(401)
  }))

test('a changed admin key ends the sessions of the old one', () =>
  withGateway(async ({ gateway }) => {
    const cookie = await cookieOf(gateway)
    const config = gateway.gateway.config()
    gateway.gateway.reload({ ...config, access: { ...config.access, adminKeyHash: hashSecret('another-admin-key') } })
    expect((await fetch(`${gateway.url}/stats`, { headers: { cookie } })).status).toBe(401)
  }))

test('whoever guesses keys is stopped after ten, and let in again when Retry-After is over', () =>
  withGateway(async ({ gateway, pass }) => {
    for (let attempt = 0; attempt < 10; attempt++) {
      const response = await signIn(gateway, `guess-number-${attempt}`)
      expect(response.status).toBe(401)
      expect(await response.text()).not.toContain('guess-number')
    }
    const refused = await signIn(gateway, adminSecret)
    expect(refused.status).toBe(429)
    const waitSeconds = Number(refused.headers.get('retry-after'))
    expect(waitSeconds).toBeGreaterThan(0)
    // A key in the header is not touched by it.
    expect((await gateway.admin('/stats')).status).toBe(200)
    pass(waitSeconds * 1000)
    expect((await signIn(gateway, adminSecret)).status).toBe(204)
  }))

test.each([
  ['a client key', JSON.stringify({ admin_key: clientSecret }), 401],
  ['no JSON', 'admin_key=x', 400],
  ['no key', '{}', 400],
])('signing in with %s is refused without repeating it', (_name, body, status) =>
  withGateway(async ({ gateway }) => {
    const response = await fetch(gateway.url + sessionPath, { method: 'POST', body })
    expect(response.status).toBe(status)
    expect(await response.text()).not.toContain(clientSecret)
    expect(response.headers.get('set-cookie')).toBeNull()
  }),
)

test('the operator tries a model without a client key, and it is recorded as the dashboard’s call', () =>
  withGateway(async ({ gateway }) => {
    const cookie = await cookieOf(gateway)
    const body = JSON.stringify({ model: 'gpt-4o', stream: true, messages: [{ role: 'user', content: 'Hello' }] })
    const headers = { cookie, 'content-type': 'application/json', origin: gateway.url }
    const path = '/admin/v1/chat/completions'
    const response = await fetch(gateway.url + path, { method: 'POST', body, headers })
    expect(response.status).toBe(200)
    expect(response.headers.get('x-request-id')).toMatch(/^req_/)
    expect(await response.text()).toContain('[DONE]')
    const [record] = await gateway.recorded(1)
    expect(record?.client).toBe('dashboard')
    expect((await fetch(`${gateway.url}/admin/v1/models`, { headers: { cookie } })).status).toBe(200)
    expect((await gateway.call(path, { method: 'POST', body })).status).toBe(401)
  }))
