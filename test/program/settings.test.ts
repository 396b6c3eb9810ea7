import { afterAll, beforeEach, expect, test } from 'bun:test'
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { adminKey, clientKey, createFolder, runProgram, settingsFor, startProgram } from '../helpers/program.ts'
import { goodSecret } from './start-with.ts'

const second = 'sk-upstream-second-0000001'
const third = 'sk-upstream-third-00000001'
const upstream = startOpenAiSimulator({
  credentials: { [goodSecret]: { kind: 'good' }, [second]: { kind: 'good' }, [third]: { kind: 'good' } },
})
beforeEach(upstream.reset)
afterAll(upstream.stop)

const credentialsUsed = () => upstream.requests.map((request) => request.credential)
const modelsAsked = () => upstream.requests.map((request) => (request.json() as { model: string }).model)

test('the environment of the multi-key proxy alone is enough, and each of its settings has its effect', async () => {
  await using folder = await createFolder({ 'my-keys.txt': `${goodSecret}\n# a comment\n${second}\n${third}\n` })
  const environment = {
    KEYS_FILE: 'my-keys.txt',
    OPENAI_BASE_URL: upstream.origin,
    AUTH_KEY: clientKey,
    START_INDEX: '1',
    BLACKLIST_THRESHOLD: '2',
    REQUEST_TIMEOUT: '2000',
    MAX_RETRIES: '2',
    MAX_SOCKETS: '20',
    ENABLE_CORS: 'true',
    HOST: '127.0.0.1',
  }
  const { stdout } = await runProgram({ folder, words: ['check'], environment: { ...environment, PORT: '4321' } })
  for (const line of ['port: 4321', 'threshold: 2', 'first_byte: 2s', 'answer: 2s', 'max_attempts: 3']) {
    expect(stdout).toContain(`${line}\n`)
  }
  await using gateway = await startProgram({ folder, environment })
  for (let call = 0; call < 3; call++) expect((await gateway.chat()).status).toBe(200)
  expect(credentialsUsed()).toEqual([second, third, goodSecret])
  expect((await gateway.chat({}, 'sk-of-somebody-else-00001')).status).toBe(401)
  expect((await gateway.call('/v1/models')).status).toBe(200)
  // Two retries: an upstream that fails each time is tried three times.
  for (const secret of [goodSecret, second, third]) upstream.setBehaviour(secret, { kind: 'server_error', times: 3 })
  upstream.reset()
  expect((await gateway.chat()).status).toBe(500)
  expect(upstream.totalCalls()).toBe(3)
  for (const secret of [goodSecret, second, third]) upstream.setBehaviour(secret, { kind: 'good' })
}, 20_000)

test('a keys.txt in the working directory alone is enough, even with an upstream and a port of its own defaults', async () => {
  await using folder = await createFolder({ 'keys.txt': `${goodSecret}\n${second}\n` })
  const { status, stdout } = await runProgram({ folder, words: ['check'], environment: { PORT: undefined } })
  expect(status).toBe(0)
  expect(stdout).toContain('port: 3000')
  expect(stdout).toContain('base_url: https://api.openai.com/v1')
  expect(stdout).toContain('credentials: 2')
  expect(stdout).not.toContain(goodSecret)
}, 20_000)

test('keys.txt in the working directory and OPENAI_BASE_URL serve', async () => {
  await using folder = await createFolder({ 'keys.txt': `${goodSecret}\n` })
  await using gateway = await startProgram({
    folder,
    environment: { OPENAI_BASE_URL: upstream.baseUrl, AUTH_KEY: clientKey },
    from: 'source',
  })
  expect((await gateway.chat()).status).toBe(200)
}, 20_000)

const redirectClients = ['sk-first-client-of-redirects', 'sk-second-client-of-redirects']

function redirectFile(target: string): string {
  return JSON.stringify({
    api: { url: `${upstream.baseUrl}/chat/completions`, key: goodSecret },
    allowed_keys: redirectClients,
    model_redirects: { 'my-model': target },
  })
}

test('the config.json of the redirect proxy works by CONFIG_PATH, for each of its keys', async () => {
  await using folder = await createFolder({ 'deep/redirects.json': redirectFile('gpt-4.1') })
  await using gateway = await startProgram({ folder, environment: { CONFIG_PATH: folder.at('deep/redirects.json') } })
  for (const key of redirectClients) {
    const { status, text } = await gateway.chat({ model: 'my-model' }, key)
    expect(status).toBe(200)
    expect((JSON.parse(text) as { model: string }).model).toBe('my-model')
  }
  expect((await gateway.chat({ model: 'gpt-4o' }, redirectClients[0])).status).toBe(200)
  expect(modelsAsked()).toEqual(['gpt-4.1', 'gpt-4.1', 'gpt-4o'])
  expect((await gateway.chat({}, 'sk-of-somebody-else-00001')).status).toBe(401)
}, 20_000)

test('its default port is 5000', async () => {
  await using folder = await createFolder({ 'config/config.json': redirectFile('gpt-4.1') })
  const { status, stdout } = await runProgram({ folder, words: ['check'], environment: { PORT: undefined } })
  expect(status).toBe(0)
  expect(stdout).toContain('port: 5000')
}, 20_000)

test('its config.json is found in the working directory and read anew when it changes, however it is replaced', async () => {
  await using folder = await createFolder({ 'config.json': redirectFile('first') })
  await using gateway = await startProgram({ folder })
  const ask = async () => {
    expect((await gateway.chat({ model: 'my-model' }, redirectClients[1])).status).toBe(200)
    return modelsAsked().at(-1)
  }
  const reloads = () => gateway.log().filter((line) => line.event === 'configuration reloaded').length
  expect(await ask()).toBe('first')
  await writeFile(folder.at('config.json'), redirectFile('in-place'))
  await gateway.logged('configuration reloaded', () => reloads() === 1)
  expect(await ask()).toBe('in-place')
  await folder.write('new.json', redirectFile('renamed'))
  await rename(folder.at('new.json'), folder.at('config.json'))
  await gateway.logged('configuration reloaded', () => reloads() === 2)
  expect(await ask()).toBe('renamed')
}, 20_000)

test('a swap of symbolic links, as Kubernetes makes it, is a change', async () => {
  await using folder = await createFolder({ 'mount/..one/config.json': redirectFile('before') })
  await symlink('..one', folder.at('mount/..data'))
  await symlink('..data/config.json', folder.at('mount/config.json'))
  await using gateway = await startProgram({ folder, environment: { CONFIG_PATH: 'mount/config.json' } })
  await mkdir(folder.at('mount/..two'))
  await folder.write('mount/..two/config.json', redirectFile('after'))
  await symlink('..two', folder.at('mount/..data_tmp'))
  await rename(folder.at('mount/..data_tmp'), folder.at('mount/..data'))
  await gateway.logged('configuration reloaded')
  expect((await gateway.chat({ model: 'my-model' }, redirectClients[0])).status).toBe(200)
  expect(modelsAsked().at(-1)).toBe('after')
}, 20_000)

const files: Record<string, string> = {
  'any2api.yaml': `
access:
  admin_key: ${adminKey}
  client_keys: [{ name: tester, key: ${clientKey} }]
providers:
  up: { base_url: "${upstream.baseUrl}", keys: [${goodSecret}] }
`,
  'any2api.json': settingsFor(upstream.baseUrl, [goodSecret]),
  'any2api.jsonc': `// a comment\n${settingsFor(upstream.baseUrl, [goodSecret])}`,
  'any2api.toml': `
[access]
admin_key = "${adminKey}"
client_keys = ["${clientKey}"]
[providers.up]
base_url = "${upstream.baseUrl}"
keys = ["${goodSecret}"]
`,
}

for (const [name, content] of Object.entries(files)) {
  test(`${name} in the working directory is enough`, async () => {
    await using folder = await createFolder({ [name]: content })
    await using gateway = await startProgram({ folder })
    expect((await gateway.chat()).status).toBe(200)
    expect((await gateway.admin('/stats')).status).toBe(200)
  }, 20_000)
}

test('secrets can come from the environment and from .env; the environment wins over both .env and the file', async () => {
  await using folder = await createFolder({
    'any2api.yaml': settingsFor(upstream.baseUrl, [`\${UPSTREAM_KEY}`], {
      access: { client_keys: [{ name: 'tester', key: `\${TESTER_KEY}` }] },
      log: { level: 'error' },
    }),
    '.env': `TESTER_KEY=${clientKey}\nUPSTREAM_KEY=sk-never-used-0000000001\nexport ADMIN_KEY="${adminKey}"\nLOG_LEVEL=warn\n`,
  })
  await using gateway = await startProgram({
    folder,
    environment: { UPSTREAM_KEY: goodSecret, LOG_LEVEL: 'info' },
  })
  expect((await gateway.chat()).status).toBe(200)
  expect(credentialsUsed()).toEqual([goodSecret])
  expect((await gateway.admin('/stats')).status).toBe(200)
}, 20_000)

test('an option of the command line wins over the environment, wherever it stands', async () => {
  await using folder = await createFolder({ 'elsewhere.json': settingsFor(upstream.baseUrl, [goodSecret]) })
  await using gateway = await startProgram({
    folder,
    words: ['--config', 'elsewhere.json', '--port=0', 'serve', '--data-dir', 'state'],
    environment: { PORT: 'nonsense', DATA_DIR: '/proc/nowhere' },
  })
  expect((await gateway.chat()).status).toBe(200)
  expect(await Bun.file(folder.at('state/any2api.db')).exists()).toBe(true)
}, 20_000)

test('everything that is wrong is told at once, each with its place; exit 2', async () => {
  await using folder = await createFolder({
    'any2api.yaml': `
server: { prot: 80, shutdown_grace: 30 }
access: { client_keys: [testofli] }
providers:
  up: { base_url: "ftp://somewhere", keys: [${goodSecret}], rotation: sideways }
models: { alias: nobody/gpt-4o }
`,
  })
  const { status, stdout, stderr } = await runProgram({ folder, environment: { LOG_LEVEL: 'loud' } })
  expect([status, stdout]).toEqual([2, ''])
  const places = stderr
    .split('\n')
    .slice(1, -1)
    .map((line) => line.trim().split(': ').slice(0, 2).join(': '))
  expect(stderr.split('\n')[0]).toBe('any2api: 7 problems in the settings')
  expect(places.toSorted()).toEqual(
    [
      'any2api.yaml: server.prot',
      'any2api.yaml: server.shutdown_grace',
      'any2api.yaml: access.client_keys[0]',
      'any2api.yaml: providers.up.base_url',
      'any2api.yaml: providers.up.rotation',
      'any2api.yaml: models.alias',
      'environment LOG_LEVEL: must be one of debug, info, warn, error',
    ].toSorted(),
  )
  expect(stderr).toContain('port')
  expect(stderr).not.toContain(goodSecret)
  expect(stderr).not.toContain('testofli')
  expect(await Bun.file(folder.at('data/any2api.db')).exists()).toBe(false)
}, 20_000)

test('without any settings it says what the shortest ones are; exit 2', async () => {
  await using folder = await createFolder()
  const { status, stderr } = await runProgram({ folder })
  expect(status).toBe(2)
  expect(stderr).toContain('providers: { openai: {')
}, 20_000)
