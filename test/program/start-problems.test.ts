import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { databaseFileName } from '../../src/stores/database.ts'
import { createFolder, runProgram, settingsFor, startProgram } from '../helpers/program.ts'
import { goodSecret, startService } from './start-with.ts'

const nowhere = settingsFor('http://127.0.0.1:9/v1', [goodSecret])

test('a port in use is told in one line with what to do; exit 1', async () => {
  await using service = await startService()
  await using folder = await createFolder({ 'any2api.yaml': nowhere })
  const { port } = service.gateway
  const ended = await runProgram({ folder, environment: { PORT: String(port) } })
  expect(ended).toEqual({
    status: 1,
    stdout: '',
    stderr: `any2api: 0.0.0.0:${port} is in use; choose another port with --port or PORT\n`,
  })
}, 20_000)

for (const [how, words, environment] of [
  ['--data-dir', ['serve', '--data-dir', 'occupied/state'], {}],
  ['DATA_DIR', [], { DATA_DIR: 'occupied/state' }],
  ['STATE_DIRECTORY', [], { STATE_DIRECTORY: 'occupied/state' }],
] as const) {
  test(`a data directory named by ${how} that cannot be used is told in one line; exit 1`, async () => {
    await using folder = await createFolder({ 'any2api.yaml': nowhere, occupied: 'a file' })
    const { status, stdout, stderr } = await runProgram({ folder, words, environment })
    expect(stderr).toMatch(
      /^any2api: the data directory \S+occupied\/state cannot be used \(.+\): make it writable.*\n$/,
    )
    expect([status, stdout]).toEqual([1, ''])
  }, 20_000)
}

test('where only the default data directory cannot be written, it serves with its state in memory and says so', async () => {
  const upstream = startOpenAiSimulator({ credentials: { [goodSecret]: { kind: 'good' } } })
  try {
    await using folder = await createFolder({
      'any2api.yaml': settingsFor(upstream.baseUrl, [goodSecret]),
      data: 'a file',
    })
    await using gateway = await startProgram({ folder })
    expect((await gateway.chat()).status).toBe(200)
    expect(await (await fetch(`${gateway.url}/health`)).json()).toMatchObject({ status: 'ok', persistence: 'memory' })
    const stats = (await (await gateway.admin('/stats')).json()) as { totals: { requests: number } }
    expect(stats.totals.requests).toBe(1)
    const warning = gateway.log().find((line) => line.level === 'warn')
    expect(warning?.event).toContain('memory')
  } finally {
    upstream.stop()
  }
}, 20_000)

test('with its state in memory and no keys configured it says how to set them, and opens nothing', async () => {
  await using folder = await createFolder({
    'any2api.yaml': JSON.stringify({ providers: { up: { base_url: 'http://127.0.0.1:9/v1', keys: [goodSecret] } } }),
    data: 'a file',
  })
  await using gateway = await startProgram({ folder })
  expect(gateway.stdout()).toContain('set CLIENT_KEYS and ADMIN_KEY')
  expect((await fetch(`${gateway.url}/v1/models`)).status).toBe(401)
  expect((await fetch(`${gateway.url}/stats`)).status).toBe(401)
}, 20_000)

test('a database newer than the program is told in one line and left as it is; exit 1', async () => {
  await using folder = await createFolder({ 'any2api.yaml': nowhere, 'data/.keep': '' })
  const path = folder.at(`data/${databaseFileName}`)
  const newer = new Database(path)
  newer.run('CREATE TABLE later (name TEXT)')
  newer.run('PRAGMA user_version = 4711')
  newer.close()
  const before = await Bun.file(path).bytes()
  const { status, stderr } = await runProgram({ folder })
  expect(stderr).toMatch(/^any2api: the database \S+ is of version 4711.*\n$/)
  expect(status).toBe(1)
  expect(Buffer.from(await Bun.file(path).bytes()).equals(before)).toBe(true)
}, 20_000)

test('a damaged database is told in one line and left as it is; exit 1', async () => {
  await using folder = await createFolder({ 'any2api.yaml': nowhere })
  const path = `data/${databaseFileName}`
  await folder.write(path, 'this is no database '.repeat(1000))
  const { status, stderr } = await runProgram({ folder })
  expect(stderr).toMatch(/^any2api: the database \S+ is damaged.*\n$/)
  expect(status).toBe(1)
  expect(await Bun.file(folder.at(path)).text()).toStartWith('this is no database')
}, 20_000)

test('a second gateway on the same data directory is refused, and the first goes on', async () => {
  await using service = await startService()
  const { status, stderr } = await runProgram({ folder: service.folder })
  expect(stderr).toMatch(/^any2api: another any2api is running on the data directory .*\n$/)
  expect(status).toBe(1)
  expect((await service.gateway.chat()).status).toBe(200)
}, 20_000)
