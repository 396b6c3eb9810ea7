/** Closed by default: what each route answers without a key, with the wrong kind of key, and by crooked paths. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openPaths, sessionPath } from '../../src/access.ts'
import { type OpenAiSimulator, startOpenAiSimulator } from '../../src/simulator/openai.ts'
import {
  adminSecret,
  clientSecret,
  startGateway,
  type TestGateway,
  testConfig,
  testProvider,
} from '../helpers/start-gateway.ts'
import { sendRaw } from './send-raw.ts'

const secret = 'sk-upstream-secret-0001'
let upstream: OpenAiSimulator
let gateway: TestGateway

beforeAll(async () => {
  upstream = startOpenAiSimulator({ credentials: { [secret]: { kind: 'good' } } })
  gateway = await startGateway({ config: testConfig([testProvider(upstream.baseUrl, [secret])]) })
})

afterAll(async () => {
  await gateway.stop()
  upstream.stop()
})

interface Door {
  readonly method: string
  readonly path: string
}

function doors(): Door[] {
  const all = gateway.app.routes.map(({ method, path }) => ({
    method: method === 'ALL' ? 'POST' : method,
    path: path.replace('*', 'something'),
  }))
  // Where one signs in, it is the body that is looked at: test/routes/admin-session.test.ts.
  return all.filter(({ path }) => path !== sessionPath)
}

function isOpen(path: string): boolean {
  return openPaths.some((open) => (open.endsWith('*') ? path.startsWith(open.slice(0, -1)) : open === path))
}

async function expectUnauthorized(response: Response): Promise<void> {
  expect(response.status).toBe(401)
  expect(response.headers.get('x-request-id')).toMatch(/^req_/)
  expect(response.headers.get('www-authenticate')).toBe('Bearer')
  const { error } = (await response.json()) as { error: Record<string, unknown> }
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type'])
  expect(error.type).toBe('authentication_error')
}

test('every route that is not listed as open is closed without a key', async () => {
  const closed = doors().filter(({ path }) => !isOpen(path))
  expect(closed.length).toBeGreaterThan(10)
  for (const { method, path } of closed) await expectUnauthorized(await fetch(gateway.url + path, { method }))
})

test('every operator path is closed to a client key, and to a wrong one', async () => {
  const closed = doors().filter(({ path }) => !isOpen(path) && !path.startsWith('/v1/'))
  for (const { method, path } of closed) {
    await expectUnauthorized(await gateway.call(path, { method }))
    const headers = { authorization: 'Bearer nobody-knows-this-one' }
    await expectUnauthorized(await fetch(gateway.url + path, { method, headers }))
    await expectUnauthorized(await fetch(gateway.url + path, { method, headers: { 'x-api-key': clientSecret } }))
  }
})

test('the admin key opens no client path', async () => {
  for (const { method, path } of doors().filter((door) => door.path.startsWith('/v1/'))) {
    await expectUnauthorized(await gateway.admin(path, { method }))
  }
})

test('what is listed as open answers without a key', async () => {
  for (const { method, path } of doors().filter((door) => isOpen(door.path))) {
    const response = await fetch(gateway.url + path, { method, redirect: 'manual' })
    expect([200, 308]).toContain(response.status)
  }
})

const operatorPaths = ['/stats', '/blacklist', '/reset-keys', '/metrics', '/admin/config', '/admin/requests']

test.each(operatorPaths)('no crooked spelling of %s reaches it', async (path) => {
  const word = path.slice(1)
  const spellings = [
    `${path}foo`,
    `${path}/`,
    `/${path}`,
    `//any.host${path}`,
    `${path.toUpperCase()}`,
    `/%${word.charCodeAt(0).toString(16)}${word.slice(1)}`,
    `${path}%2f`,
    `${path}%00`,
    `${path};x`,
    `${path}#x`,
    `${path}\\`,
    `/.${path}`,
    `/x/..${path}`,
    `/swagger/..${path}`,
    `/swagger/%2e%2e${path}`,
    `/swagger${path}`,
    `/health${path}`,
    `http://any.host${path}`,
    `http://any.host/${path}`,
  ]
  for (const host of ['127.0.0.1', 'x', 'a.b', 'localhost:7860']) {
    for (const target of spellings) {
      const { status, body } = await sendRaw(gateway.url, { target, host })
      expect({ target, host, isRefused: [400, 401, 404].includes(status) }).toEqual({ target, host, isRefused: true })
      expect(body).not.toContain('totalKeys')
      expect(body).not.toContain('any2api_')
    }
  }
})

test.each(operatorPaths)('a client key does not reach %s under /v1, however short the host name', async (path) => {
  for (const host of ['x', 'ab', 'abc', 'abcd', 'localhost']) {
    for (const target of [`/v1${path}`, `//v1${path}`, `/v1/..${path}`, `/v1/%2e%2e${path}`]) {
      const { body } = await sendRaw(gateway.url, {
        target,
        host,
        headers: { authorization: `Bearer ${clientSecret}` },
      })
      expect(body).not.toContain('totalKeys')
      expect(body).not.toContain('any2api_')
    }
  }
})

test('no Host header, however odd, opens an operator path', async () => {
  const hosts = [
    '',
    'a/health?',
    'a/v1',
    'a/swagger/json?',
    'a/health#',
    'x#',
    'x?',
    'a@b',
    '[',
    'health',
    '/health',
    'a b',
  ]
  for (const host of hosts) {
    for (const path of operatorPaths) {
      for (const headers of [{}, { authorization: `Bearer ${clientSecret}` }]) {
        const { body } = await sendRaw(gateway.url, { target: path, host, headers })
        expect(body).not.toContain('totalKeys')
        expect(body).not.toContain('any2api_')
        expect(body).not.toContain('"object":"list"')
      }
    }
  }
})

test('without a key no crooked path reaches the model list or an upstream', async () => {
  const before = upstream.totalCalls()
  for (const target of ['//any.host/v1/models', '//v1/models', '/V1/models', '/x/../v1/models', '/%761/models']) {
    const { status, body } = await sendRaw(gateway.url, { target, host: 'x' })
    expect([400, 401, 404]).toContain(status)
    expect(body).not.toContain('gpt-4o')
  }
  expect(upstream.totalCalls()).toBe(before)
})

test('a short host name is served like any other', async () => {
  const headers = { authorization: `Bearer ${clientSecret}` }
  for (const host of ['x', 'gw', 'api', 'localhost']) {
    const { status, body } = await sendRaw(gateway.url, { target: '/v1/models', host, headers })
    expect(status).toBe(200)
    expect(body).toContain('gpt-4o')
    const stats = await sendRaw(gateway.url, {
      target: '/stats',
      host,
      headers: { authorization: `Bearer ${adminSecret}` },
    })
    expect(stats.status).toBe(200)
  }
})

test('metrics are open only when the operator says so', async () => {
  const config = testConfig([testProvider(upstream.baseUrl, [secret])])
  const open = await startGateway({ config: { ...config, server: { ...config.server, areMetricsPublic: true } } })
  expect((await fetch(`${open.url}/metrics`)).status).toBe(200)
  expect((await fetch(`${open.url}/metrics`, { method: 'HEAD' })).status).toBe(200)
  expect((await fetch(`${open.url}/metrics/`)).status).toBe(404)
  expect((await fetch(`${open.url}/stats`)).status).toBe(401)
  await open.stop()
})

test.each([
  [{ authorization: `Bearer ${clientSecret}` }, 200],
  [{ authorization: `bearer   ${clientSecret} ` }, 200],
  [{ authorization: clientSecret }, 200],
  [{ 'x-api-key': clientSecret }, 200],
  [{ 'api-key': clientSecret }, 200],
  [{ authorization: 'Bearer ', 'x-api-key': clientSecret }, 200],
  [{ authorization: `Basic ${clientSecret}` }, 401],
  [{ authorization: `Bearer ${clientSecret} x` }, 401],
  [{ authorization: 'Bearer' }, 401],
  [{}, 401],
] as [Record<string, string>, number][])('a client key in %j is answered %d', async (headers, status) => {
  expect((await fetch(`${gateway.url}/v1/models`, { headers })).status).toBe(status)
})
