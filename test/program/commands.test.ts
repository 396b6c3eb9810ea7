import { expect, test } from 'bun:test'
import { version } from '../../package.json'
import { adminKey, builtProgram, createFolder, runProgram, settingsFor } from '../helpers/program.ts'
import { goodSecret, startService } from './start-with.ts'

const revokedSecret = 'sk-upstream-revoked-000001'

for (const words of [['--version'], ['version'], ['-v']]) {
  test(`${words} prints the version and nothing else`, async () => {
    await using folder = await createFolder()
    expect(await runProgram({ folder, words })).toEqual({
      status: 0,
      stdout: `any2api ${version} (test)\n`,
      stderr: '',
    })
  }, 20_000)
}

for (const words of [['--help'], ['help'], ['-h'], ['check', '--help']]) {
  test(`${words.join(' ')} lists every command and option`, async () => {
    await using folder = await createFolder()
    const { status, stdout, stderr } = await runProgram({ folder, words })
    expect([status, stderr]).toEqual([0, ''])
    const wanted = ['serve', 'demo', 'check', 'status', 'reset-keys', 'keys', 'healthcheck', 'schema']
    for (const name of wanted) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
    for (const name of [
      'config',
      'host',
      'port',
      'data-dir',
      'url',
      'admin-key',
      'probe',
      'json',
      'models',
      'stateful',
    ])
      expect(stdout).toContain(`--${name}`)
  }, 20_000)
}

for (const words of [
  ['sing'],
  ['serve', 'loudly'],
  ['--colour'],
  ['check', '--prob'],
  ['--port'],
  ['keys', 'borrow'],
  ['keys', 'revoke'],
  ['keys', 'new', 'one', 'two'],
]) {
  test(`\`${words.join(' ')}\` is no command: told in a line or two on standard error; exit 2`, async () => {
    await using folder = await createFolder({ 'any2api.yaml': settingsFor('http://127.0.0.1:9/v1', [goodSecret]) })
    const { status, stdout, stderr } = await runProgram({ folder, words })
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^any2api: /)
    expect(stderr.trimEnd().split('\n').length).toBeLessThan(4)
  }, 20_000)
}

test('schema prints a JSON Schema that is closed, and refers to nothing outside', async () => {
  await using folder = await createFolder()
  const { status, stdout, stderr } = await runProgram({ folder, words: ['schema'] })
  expect([status, stderr]).toEqual([0, ''])
  const schema = JSON.parse(stdout) as Record<string, unknown>
  expect(schema).toMatchObject({
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    additionalProperties: false,
  })
  expect(Object.keys(schema.properties as object)).toContain('providers')
  expect(schema.required).toBeUndefined()
  expect(stdout).not.toContain('"$ref"')
}, 20_000)

test('check prints what is in force with every secret masked; exit 0', async () => {
  await using folder = await createFolder({ 'any2api.yaml': settingsFor('https://upstream.example', [goodSecret]) })
  const { status, stdout, stderr } = await runProgram({ folder, words: ['check'] })
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout).toContain('https://upstream.example/v1')
  expect(stdout).not.toContain(goodSecret)
  expect(stdout).not.toContain(adminKey)
  const effective = Bun.YAML.parse(stdout) as { server: { shutdown_grace: string } }
  expect(effective.server.shutdown_grace).toBe('30s')
}, 20_000)

test('check tells every problem at once; exit 1', async () => {
  await using folder = await createFolder({
    'any2api.yaml': settingsFor('https://upstream.example', [goodSecret, 'sk-your-key here'], {
      server: { max_body: 64 },
      cachee: {},
    }),
  })
  const { status, stdout, stderr } = await runProgram({ folder, words: ['check'] })
  expect(status).toBe(1)
  expect(stderr).toStartWith('any2api: 3 problems in the settings\n')
  expect(`${stdout}${stderr}`).not.toContain(goodSecret)
  expect(stderr).not.toContain('sk-your-key here')
}, 20_000)

test('check --probe tries each credential and leaves no trace; exit 0 only when all work', async () => {
  await using service = await startService({
    credentials: { [goodSecret]: { kind: 'good' }, [revokedSecret]: { kind: 'revoked' } },
  })
  const { folder, upstream } = service
  const bad = await runProgram({ folder, words: ['check', '--probe'] })
  expect(bad.status).toBe(1)
  expect(bad.stdout).toMatch(/^up +\S+…0001 +works$/m)
  expect(bad.stdout).toMatch(/^up +\S+…0001 +refused$/m)
  expect(bad.stdout).not.toContain(goodSecret)
  upstream.setBehaviour(revokedSecret, { kind: 'good' })
  expect((await runProgram({ folder, words: ['check', '--probe'] })).status).toBe(0)
  upstream.stop()
  const dead = await runProgram({ folder, words: ['check', '--probe'] })
  expect(dead.status).toBe(1)
  expect(dead.stdout).toContain('unreachable')
}, 20_000)

test('status shows health, totals and each credential; --json the same for programs', async () => {
  await using service = await startService({
    credentials: { [goodSecret]: { kind: 'good' }, [revokedSecret]: { kind: 'revoked' } },
  })
  const { folder, gateway } = service
  for (let call = 0; call < 3; call++) await gateway.chat()
  const environment = { PORT: String(gateway.port) }
  const { status, stdout, stderr } = await runProgram({ folder, words: ['status'], environment })
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(new RegExp(`^status +ok, up \\S+, version ${version}, state in sqlite$`, 'm'))
  expect(stdout).toMatch(/^calls +3 \(3 succeeded, 0 failed, 0 aborted\)$/m)
  expect(stdout).toMatch(/^credentials +1 of 2 healthy$/m)
  expect(stdout).toMatch(/^up +\S+…0001 +healthy +- +- +0 +3 +0$/m)
  expect(stdout).toMatch(/^up +\S+…0001 +(blacklisted|cooling) +invalid_credential +\S+ +0 +0 +1$/m)
  expect(stdout).not.toContain(goodSecret)
  const json = await runProgram({ folder, words: ['status', '--json'], environment })
  expect(JSON.parse(json.stdout)).toMatchObject({ health: { status: 'ok' }, stats: { totals: { requests: 3 } } })
}, 20_000)

test('reset-keys makes excluded credentials available again: all, or those of a provider or of one label', async () => {
  await using service = await startService({
    credentials: { [goodSecret]: { kind: 'good' }, [revokedSecret]: { kind: 'revoked' } },
  })
  const { folder, gateway } = service
  const reset = async (...words: string[]) =>
    await runProgram({ folder, words: ['reset-keys', ...words], environment: { PORT: String(gateway.port) } })
  const spoil = async () => {
    const before = gateway.log().filter((line) => line.event === 'credential blacklisted').length
    for (let call = 0; call < 3; call++) await gateway.chat()
    const count = () => gateway.log().filter((line) => line.event === 'credential blacklisted').length
    await gateway.logged('credential blacklisted', () => count() > before)
  }
  await spoil()
  expect(await reset()).toEqual({ status: 0, stdout: '1 of 2 credentials made available again\n', stderr: '' })
  expect((await reset()).stdout).toBe('0 of 2 credentials made available again\n')
  await spoil()
  expect((await reset('--provider', 'up')).stdout).toBe('1 of 2 credentials made available again\n')
  await spoil()
  const label = gateway.log().find((line) => line.event === 'credential blacklisted')?.credential
  expect((await reset('--credential', String(label))).stdout).toStartWith('1 of ')
  const unknown = await reset('--provider', 'nobody')
  expect(unknown.status).toBe(1)
  expect(unknown.stderr).toContain('no such provider')
}, 20_000)

for (const command of ['status', 'reset-keys']) {
  test(`${command} with a wrong admin key, or with no gateway there, says so in one line; exit 1`, async () => {
    await using service = await startService()
    const { folder, gateway } = service
    const wrong = await runProgram({
      folder,
      words: [command, '--url', gateway.url, '--admin-key', 'not-the-admin-key'],
    })
    expect([wrong.status, wrong.stdout]).toEqual([1, ''])
    expect(wrong.stderr).toMatch(/^any2api: http:\S+ answered 401: .+\n$/)
    gateway.signal('SIGKILL')
    await gateway.ended()
    const gone = await runProgram({ folder, words: [command, '--url', gateway.url] })
    expect([gone.status, gone.stdout]).toEqual([1, ''])
    expect(gone.stderr).toMatch(/^any2api: http:\S+ does not answer .*\n$/)
  }, 20_000)
}

test('healthcheck says by its exit status alone whether the gateway of these settings answers', async () => {
  await using service = await startService({ settings: { server: { host: '0.0.0.0' } } })
  const { folder, gateway } = service
  const environment = { PORT: String(gateway.port), HTTP_PROXY: 'http://127.0.0.1:9', http_proxy: 'http://127.0.0.1:9' }
  const healthy = await runProgram({ folder, words: ['healthcheck'], environment })
  expect(healthy).toEqual({ status: 0, stdout: '', stderr: '' })
  gateway.signal('SIGKILL')
  await gateway.ended()
  const gone = await runProgram({ folder, words: ['healthcheck'], environment })
  expect([gone.status, gone.stdout]).toEqual([1, ''])
  expect(gone.stderr).toMatch(/^any2api: http:\S+ does not answer .*\n$/)
}, 20_000)

test('healthcheck is not fooled by another program on the port', async () => {
  await using folder = await createFolder()
  const other = Bun.serve({ port: 0, fetch: () => new Response('<html>hello</html>') })
  try {
    const { status } = await runProgram({ folder, words: ['healthcheck', '--url', other.url.href] })
    expect(status).toBe(1)
  } finally {
    await other.stop(true)
  }
}, 20_000)

test('a long output reaches a slow reader whole, and one that leaves early is no fault', async () => {
  const keys = Array.from({ length: 3000 }, (_, index) => `two words ${index}`)
  await using folder = await createFolder({ 'any2api.yaml': settingsFor('http://127.0.0.1:9/v1', keys) })
  const pipe = async (reader: string) => {
    const command = `"${await builtProgram()}" check 2>&1 >/dev/null | ${reader}`
    const child = Bun.spawn(['sh', '-c', command], { cwd: folder.path, stdout: 'pipe', stderr: 'pipe' })
    return (await Promise.all([child.stdout.text(), child.stderr.text()])).map((text) => text.trim())
  }
  expect(await pipe('(sleep 0.5; wc -l)')).toEqual(['3001', ''])
  expect(await pipe('head -1')).toEqual(['any2api: 3000 problems in the settings', ''])
}, 20_000)
