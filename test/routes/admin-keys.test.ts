/** Client keys made and revoked by the operator while the gateway runs, with the database that keeps them. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createStoredKey } from '../../src/config/generate-key.ts'
import { loadConfig } from '../../src/config/load.ts'
import { silentLogger } from '../../src/log.ts'
import { type Server, startServer } from '../../src/server.ts'
import { type OpenAiSimulator, startOpenAiSimulator } from '../../src/simulator/openai.ts'

const adminKey = 'admin-of-the-keys-00000001'
const configuredKey = 'sk-client-of-the-keys-0001'
const upstreamKey = 'sk-upstream-of-the-keys-0001'
let directory = ''
let upstream: OpenAiSimulator
let server: Server

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'any2api-keys-'))
  upstream = startOpenAiSimulator({ credentials: { [upstreamKey]: { kind: 'good' } } })
  server = await start()
})

afterAll(async () => {
  await server.stop()
  upstream.stop()
  await rm(directory, { recursive: true, force: true })
})

async function start(): Promise<Server> {
  const file = join(directory, 'any2api.json')
  const settings = {
    server: { host: '127.0.0.1', shutdown_grace: '100ms' },
    access: { admin_key: adminKey, client_keys: [{ name: 'of-the-settings', key: configuredKey, rpm: 7 }] },
    providers: { simulated: { type: 'openai', base_url: upstream.baseUrl, keys: [upstreamKey] } },
  }
  const load = () =>
    loadConfig({
      cwd: directory,
      environment: { DATA_DIR: directory },
      flags: { config: file, host: undefined, port: undefined, dataDir: undefined },
      readFile: (path) => {
        if (path === file) return JSON.stringify(settings)
        throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
      },
    })
  const loaded = load()
  if (loaded.config === null) throw new Error(JSON.stringify(loaded.problems))
  const config = { ...loaded.config, server: { ...loaded.config.server, port: 0 } }
  return startServer({ config, loaded, load, log: silentLogger })
}

interface KeyAnswer {
  readonly name: string
  readonly key: string
  readonly label: string
  readonly source: string
  readonly limits: Record<string, unknown>
  readonly error: { readonly code: string; readonly param: string | null; readonly message: string }
}

async function ask(method: string, body?: unknown, query = ''): Promise<{ status: number; answer: KeyAnswer }> {
  const response = await fetch(`http://127.0.0.1:${server.port}/admin/keys${query}`, {
    method,
    headers: { authorization: `Bearer ${adminKey}` },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return { status: response.status, answer: (await response.json()) as KeyAnswer }
}

const create = (wish: unknown) => ask('POST', wish)
const revoke = (name: string) => ask('DELETE', undefined, `?name=${encodeURIComponent(name)}`)
const listed = async () => (await ask('GET')).answer as unknown as { keys: KeyAnswer[] }

async function chatStatus(key: string, model = 'gpt-4o'): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${server.port}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] }),
  })
  await response.text()
  return response.status
}

test('a new key is valid at once, over a restart, and no longer once revoked', async () => {
  const { status, answer } = await create({ name: 'lasting' })
  expect(status).toBe(201)
  expect(await chatStatus(answer.key)).toBe(200)
  await server.stop()
  server = await start()
  expect(await chatStatus(answer.key)).toBe(200)
  expect((await revoke('lasting')).status).toBe(200)
  expect(await chatStatus(answer.key)).toBe(401)
  expect((await revoke('lasting')).answer.error.code).toBe('key_not_found')
})

test('the limits and models of a new key hold', async () => {
  const { answer } = await create({ name: 'limited', models: ['gpt-*'], rpm: 1, budget_usd: 2.5, budget_period: 'day' })
  expect(answer.limits).toMatchObject({ rpm: 1, budget_usd: 2.5, budget_period: 'day', tpm: null })
  expect(await chatStatus(answer.key, 'claude-x')).toBe(403)
  expect(await chatStatus(answer.key)).toBe(200)
  expect(await chatStatus(answer.key)).toBe(429)
})

test('all keys are listed with where they come from, and none with its secret', async () => {
  const { answer } = await create({ name: 'listed' })
  const list = await listed()
  expect(list.keys.find(({ name }) => name === 'of-the-settings')).toMatchObject({
    source: 'settings',
    limits: { rpm: 7 },
    created_at: null,
  })
  expect(list.keys.find(({ name }) => name === 'listed')).toMatchObject({
    source: 'data_directory',
    label: answer.label,
  })
  const text = JSON.stringify(list)
  expect(text).not.toContain(answer.key)
  expect(text).not.toContain(configuredKey)
  expect(text).not.toContain(new Bun.CryptoHasher('sha256').update(answer.key).digest('hex'))
})

test('one without a name gets one', async () => {
  const { status, answer } = await create({})
  expect(status).toBe(201)
  expect(answer.name).toMatch(/^client-[0-9a-f]{8}$/)
})

test('a name is given once, in the settings or here', async () => {
  await create({ name: 'twice' })
  for (const name of ['twice', 'of-the-settings']) {
    const { status, answer } = await create({ name })
    expect([name, status, answer.error.code]).toEqual([name, 409, 'key_exists'])
  }
})

test('a key of the settings is not revoked here, and the admin key is no client key', async () => {
  const configured = await revoke('of-the-settings')
  expect([configured.status, configured.answer.error.code]).toEqual([409, 'key_in_settings'])
  expect(await chatStatus(configuredKey)).toBe(200)
  await server.store.addKey(createStoredKey('admin', 'admin-generated-secret-0001'))
  expect((await revoke('generated-admin')).status).toBe(404)
  expect((await listed()).keys.some(({ name }) => name === 'generated-admin')).toBe(false)
  expect((await revoke('')).status).toBe(400)
})

const refused: readonly [wish: unknown, param: string | null][] = [
  ['{', null],
  [[], null],
  ['"text"', null],
  [{ name: '' }, 'name'],
  [{ name: 5 }, 'name'],
  [{ models: 'gpt-4o' }, 'models'],
  [{ rpm: 0 }, 'rpm'],
  [{ rps: 'many' }, 'rps'],
  [{ budget_usd: -1 }, 'budget_usd'],
  [{ budget_period: 'week' }, 'budget_period'],
  [{ stateful: 'yes' }, 'stateful'],
  [{ key: 'sk-a-secret-of-my-own-0001' }, 'key'],
]

test.each(refused)('%j is refused, and makes no key', async (wish, param) => {
  const before = (await listed()).keys.length
  const { status, answer } = await create(wish)
  expect([status, answer.error.param]).toEqual([400, param])
  expect(answer.error.message).not.toContain('undefined')
  expect((await listed()).keys.length).toBe(before)
})

test('only the operator gets to the keys', async () => {
  for (const method of ['GET', 'POST', 'DELETE']) {
    const response = await fetch(`http://127.0.0.1:${server.port}/admin/keys?name=twice`, {
      method,
      headers: { authorization: `Bearer ${configuredKey}` },
    })
    expect([method, response.status]).toEqual([method, 401])
  }
})
