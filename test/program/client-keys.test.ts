import { expect, test } from 'bun:test'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { createFolder, runProgram, startProgram, waitFor } from '../helpers/program.ts'
import { goodSecret, type Service, startService } from './start-with.ts'

const keysOf =
  ({ folder }: Pick<Service, 'folder'>) =>
  (...words: string[]) =>
    runProgram({ folder, words: ['keys', ...words] })

/** How long a running gateway may take to notice. */
const noticeMs = 3000

test('a new key works beside a running gateway within three seconds, a revoked one stops as soon', async () => {
  await using service = await startService()
  const { gateway } = service
  const keys = keysOf(service)
  const made = await keys('new', 'carol')
  expect(made).toMatchObject({ status: 0, stderr: 'client key carol, shown this once:\n' })
  expect(made.stdout).toMatch(/^sk-any2api-\S{40,}\n$/)
  const secret = made.stdout.trim()
  const statusOf = async () => (await gateway.chat({}, secret)).status
  await waitFor(
    async () => (await statusOf()) === 200,
    'the new key works',
    () => '',
    noticeMs,
  )
  const { stdout } = await keys('list')
  expect(stdout).toMatch(/^carol +client +\S+ +all +no +\d{4}-/m)
  expect(stdout).not.toContain(secret)
  expect(await keys('revoke', 'carol')).toMatchObject({ status: 0, stderr: '' })
  await waitFor(
    async () => (await statusOf()) === 401,
    'the revoked key is refused',
    () => '',
    noticeMs,
  )
  expect((await gateway.chat()).status).toBe(200)
  expect(`${gateway.stdout()}`).not.toContain(secret)
}, 20_000)

test('--models restricts a key to these names', async () => {
  await using service = await startService()
  const { gateway } = service
  const made = await keysOf(service)('new', '--name', 'dave', '--models', 'gpt-4o*, o3-mini')
  const secret = made.stdout.trim()
  await waitFor(
    async () => (await gateway.chat({}, secret)).status === 200,
    'the key works',
    () => '',
    noticeMs,
  )
  expect((await gateway.chat({ model: 'gpt-4o-mini' }, secret)).status).toBe(200)
  expect((await gateway.chat({ model: 'o3-mini' }, secret)).status).toBe(200)
  expect((await gateway.chat({ model: 'gpt-4.1' }, secret)).status).toBe(403)
  const { stdout } = await keysOf(service)('list')
  expect(stdout).toMatch(/^dave +client +\S+ +gpt-4o\* o3-mini /m)
}, 20_000)

test('keys can be made before the first start, and then no client key is generated', async () => {
  const upstream = startOpenAiSimulator({ credentials: { [goodSecret]: { kind: 'good' } } })
  try {
    await using folder = await createFolder({
      'any2api.yaml': JSON.stringify({ providers: { up: { base_url: upstream.baseUrl, keys: [goodSecret] } } }),
    })
    const keys = keysOf({ folder })
    const secret = (await keys('new', 'early')).stdout.trim()
    await using gateway = await startProgram({ folder })
    expect((await gateway.chat({}, secret)).status).toBe(200)
    expect(await Bun.file(folder.at('data/generated-keys.txt')).text()).toMatch(/^admin key: \S+\n$/)
  } finally {
    upstream.stop()
  }
}, 20_000)

test('a name is given once, an unknown one cannot be revoked, and each is told in one line; exit 1', async () => {
  await using folder = await createFolder()
  const keys = keysOf({ folder })
  expect(await keys('list')).toMatchObject({ status: 1, stdout: '' })
  expect((await keys('new', 'erin')).status).toBe(0)
  const twice = await keys('new', 'erin')
  expect([twice.status, twice.stdout]).toEqual([1, ''])
  expect(twice.stderr).toMatch(/^any2api: a key named erin is already there.*\n$/)
  const unknown = await keys('revoke', 'frank')
  expect([unknown.status, unknown.stdout]).toEqual([1, ''])
  expect(unknown.stderr).toMatch(/^any2api: there is no key named frank.*\n$/)
  expect((await keys('list')).stdout.trimEnd().split('\n').length).toBe(2)
}, 20_000)

test('two keys without a name do not collide', async () => {
  await using folder = await createFolder()
  const keys = keysOf({ folder })
  const made = await Promise.all([keys('new'), keys('new'), keys('new')])
  expect(made.map(({ status }) => status)).toEqual([0, 0, 0])
}, 20_000)
