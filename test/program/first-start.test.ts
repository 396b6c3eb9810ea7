import { afterAll, expect, test } from 'bun:test'
import { readdir, rm, stat } from 'node:fs/promises'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { builtProgram, createFolder, type Folder, runProgram, startProgram } from '../helpers/program.ts'
import { goodSecret } from './start-with.ts'

const upstream = startOpenAiSimulator({ credentials: { [goodSecret]: { kind: 'good' } } })
afterAll(upstream.stop)

/** Nothing but an upstream. */
const bare = JSON.stringify({ providers: { up: { base_url: upstream.baseUrl, keys: [goodSecret] } } })
const generatedFile = 'data/generated-keys.txt'

async function generatedKeys(folder: Folder): Promise<{ client: string; admin: string }> {
  const text = await Bun.file(folder.at(generatedFile)).text()
  const [, client = '', admin = ''] = /^client key: (\S{40,})\nadmin key: (\S{40,})\n$/.exec(text) ?? []
  return { client, admin }
}

async function adminStatus(url: string, key: string): Promise<number> {
  return (await fetch(`${url}/stats`, { headers: { authorization: `Bearer ${key}` } })).status
}

/** Whether any file of the data directory, the generated keys' own apart, has the text in it. */
async function isStored(folder: Folder, text: string): Promise<boolean> {
  const names = (await readdir(folder.at('data'))).filter((name) => name !== 'generated-keys.txt')
  expect(names).toContain('any2api.db')
  for (const name of names) {
    if (Buffer.from(await Bun.file(folder.at(`data/${name}`)).bytes()).includes(text)) return true
  }
  return false
}

test('without keys in the settings, keys are generated that work at once; only their file can tell them', async () => {
  await using folder = await createFolder({ 'any2api.yaml': bare })
  await using gateway = await startProgram({ folder })
  const { client, admin } = await generatedKeys(folder)
  expect((await stat(folder.at(generatedFile))).mode & 0o777).toBe(0o600)
  expect((await gateway.chat({}, client)).status).toBe(200)
  expect(await adminStatus(gateway.url, admin)).toBe(200)
  expect(await adminStatus(gateway.url, client)).toBe(401)
  expect((await gateway.chat({}, admin)).status).toBe(401)
  gateway.signal('SIGTERM')
  expect(await gateway.ended()).toBe(0)
  expect(gateway.stdout()).toContain('generated-keys.txt')
  for (const secret of [client, admin, goodSecret]) {
    expect(`${gateway.stdout()}${gateway.stderr()}`).not.toContain(secret)
    expect(await isStored(folder, secret)).toBe(false)
  }
}, 20_000)

test('no secret reaches the database while it is in use, nor after a kill', async () => {
  await using folder = await createFolder({ 'any2api.yaml': bare })
  await using gateway = await startProgram({ folder })
  const { client, admin } = await generatedKeys(folder)
  upstream.setBehaviour(goodSecret, { kind: 'revoked', times: 1 })
  await gateway.chat({}, client)
  await gateway.chat({}, client)
  await gateway.chat({}, 'sk-a-key-that-never-was-valid')
  await adminStatus(gateway.url, admin)
  gateway.signal('SIGKILL')
  await gateway.ended()
  for (const secret of [client, admin, goodSecret, 'sk-a-key-that-never-was-valid'])
    expect(await isStored(folder, secret)).toBe(false)
}, 20_000)

test('the second start generates nothing, and the keys of the first still work, with their file deleted', async () => {
  await using folder = await createFolder({ 'any2api.yaml': bare })
  const first = await startProgram({ folder })
  const { client, admin } = await generatedKeys(folder)
  first.signal('SIGTERM')
  await first.ended()
  await rm(folder.at(generatedFile))
  await using second = await startProgram({ folder })
  expect(second.stdout()).not.toContain('generated')
  expect(await Bun.file(folder.at(generatedFile)).exists()).toBe(false)
  expect((await second.chat({}, client)).status).toBe(200)
  expect(await adminStatus(second.url, admin)).toBe(200)
}, 20_000)

test('only what the settings lack is generated, and status finds the generated admin key', async () => {
  await using folder = await createFolder({ 'any2api.yaml': bare })
  await using gateway = await startProgram({ folder, environment: { CLIENT_KEYS: 'sk-a-key-of-the-settings' } })
  expect(await Bun.file(folder.at(generatedFile)).text()).toMatch(/^admin key: \S+\n$/)
  expect((await gateway.chat({}, 'sk-a-key-of-the-settings')).status).toBe(200)
  const { status, stdout } = await runProgram({
    folder,
    words: ['status'],
    environment: { PORT: String(gateway.port) },
  })
  expect(status).toBe(0)
  expect(stdout).toContain('status')
}, 20_000)

test('anonymous use has to be asked for, and then generates no client key', async () => {
  await using folder = await createFolder({ 'any2api.yaml': bare })
  await using gateway = await startProgram({ folder, environment: { ALLOW_ANONYMOUS: 'true' } })
  expect(await Bun.file(folder.at(generatedFile)).text()).toMatch(/^admin key: \S+\n$/)
  expect((await fetch(`${gateway.url}/v1/models`)).status).toBe(200)
}, 20_000)

const script = Bun.which('script')

test.skipIf(script === null)(
  'on a terminal the generated keys are shown once, and written nowhere',
  async () => {
    await using folder = await createFolder({ 'any2api.yaml': bare })
    const run = async () => {
      const binary = await builtProgram()
      const child = Bun.spawn([script ?? '', '-qec', `exec ${binary}`, folder.at('typescript')], {
        cwd: folder.path,
        env: { PATH: process.env.PATH, HOME: folder.path, PORT: '0', TERM: 'xterm', SHELL: '/bin/sh' },
        stdin: 'pipe',
        stdout: 'pipe',
        stderr: 'ignore',
      })
      let text = ''
      let isStopped = false
      const decoder = new TextDecoder()
      for await (const chunk of child.stdout) {
        text += decoder.decode(chunk, { stream: true })
        // The terminal turns the control character into SIGINT.
        if (!text.includes('listening') || isStopped) continue
        isStopped = true
        child.stdin.write('\u0003')
        await child.stdin.end()
      }
      expect(await child.exited).toBe(0)
      return text
    }
    const first = await run()
    expect(first).toMatch(/client key: sk-any2api-\S{40,}/)
    expect(first).toMatch(/admin key: admin-any2api-\S{40,}/)
    expect(await Bun.file(folder.at(generatedFile)).exists()).toBe(false)
    expect(await isStored(folder, /client key: (\S+)/.exec(first)?.[1] ?? '?')).toBe(false)
    expect(await run()).not.toContain('key: ')
  },
  20_000,
)
