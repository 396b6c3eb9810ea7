import { expect, test } from 'bun:test'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLog } from '../../src/commands/open-log.ts'
import type { Terminal } from '../../src/commands/terminal.ts'
import {
  builtProgram,
  chatRequest,
  clientKey,
  createFolder,
  freePort,
  launch,
  runProgram,
  settingsFor,
  waitFor,
} from '../helpers/program.ts'
import { goodSecret, startService } from './start-with.ts'
import { repeat } from './stream-client.ts'

test('every call has its line in JSON, and LOG_LEVEL decides what is written', async () => {
  await using service = await startService()
  const { id } = await service.gateway.chat()
  const line = await service.gateway.logged('call')
  expect(line).toMatchObject({
    level: 'info',
    id,
    client: 'tester',
    model: 'gpt-4o',
    status: 200,
    outcome: 'succeeded',
  })
}, 20_000)

for (const [level, isCallLogged] of [
  ['warn', false],
  ['WARNING', false],
  ['debug', true],
] as const) {
  test(`LOG_LEVEL=${level} writes ${isCallLogged ? '' : 'no '}lines of level info`, async () => {
    await using folder = await createFolder({ 'any2api.yaml': settingsFor('http://127.0.0.1:9/v1', [goodSecret]) })
    const environment = { LOG_LEVEL: level, PORT: String(await freePort()) }
    await using program = await launch({ folder, environment })
    // It may have nothing to say, so that it answers is the sign that it has started.
    await waitFor(
      async () => (await runProgram({ folder, words: ['healthcheck'], environment })).status === 0,
      'its start',
    )
    program.signal('SIGTERM')
    await program.ended()
    expect(program.stdout().includes('"level":"info"')).toBe(isCallLogged)
  }, 20_000)
}

test('LOG_FORMAT=text writes a line of text for each event, without colours where nobody looks', async () => {
  await using folder = await createFolder({ 'any2api.yaml': settingsFor('http://127.0.0.1:9/v1', [goodSecret]) })
  await using program = await launch({ folder, environment: { LOG_FORMAT: 'text' } })
  await program.printed(/^\d{4}-\d\d-\d\d [\d:.]+ info +listening url=http:\/\/localhost:\d+ version=\S+ commit=test$/m)
  expect(program.stdout()).not.toContain('\u001b')
}, 20_000)

test('LOG_PATH writes to a private file, to the last line; standard output stays silent', async () => {
  await using folder = await createFolder({ 'any2api.yaml': settingsFor('http://127.0.0.1:9/v1', [goodSecret]) })
  await using program = await launch({ folder, environment: { LOG_PATH: 'logs/deep/any2api.log' } })
  const read = () => readFile(folder.at('logs/deep/any2api.log'), 'utf8').catch(() => '')
  await waitFor(async () => (await read()).includes('"listening"'), 'the log file', program.stderr)
  program.signal('SIGTERM')
  expect(await program.ended()).toBe(0)
  const lines = (await read()).trimEnd().split('\n')
  const events = lines.map((line) => (JSON.parse(line) as { event: string }).event)
  expect(events).toEqual(['listening', 'stopping', 'stopped'])
  expect((await stat(folder.at('logs/deep/any2api.log'))).mode & 0o777).toBe(0o600)
  expect([program.stdout(), program.stderr()]).toEqual(['', ''])
}, 20_000)

test('a log file that cannot be written is told once on standard error, and the service goes on', async () => {
  await using service = await startService({ files: { occupied: 'a file' } })
  const { folder, gateway, again } = service
  gateway.signal('SIGTERM')
  await gateway.ended()
  const environment = { LOG_PATH: 'occupied/any2api.log', PORT: String(await freePort()) }
  await using program = await launch({ folder, environment })
  await program.printed('the log file cannot be written')
  await waitFor(
    async () => (await runProgram({ folder, words: ['healthcheck'], environment })).status === 0,
    'its start',
  )
  program.signal('SIGTERM')
  expect(await program.ended()).toBe(0)
  expect(program.stderr().trimEnd().split('\n').length).toBe(1)
  expect((await (await again()).chat()).status).toBe(200)
}, 20_000)

test('a reader of the log who stops reading stops neither the service nor its end', async () => {
  const port = await freePort()
  await using service = await startService()
  await using folder = await createFolder({
    'any2api.yaml': settingsFor(service.upstream.baseUrl, [goodSecret]),
  })
  const child = Bun.spawn(
    ['sh', '-c', `"${await builtProgram()}" --port ${port} & echo $!; wait $!; echo $? >status`],
    {
      cwd: folder.path,
      env: { PATH: process.env.PATH },
      // The kernel's buffer is full after some hundred lines, and nobody empties it.
      stdout: 'pipe',
      stderr: 'inherit',
    },
  )
  const reader = child.stdout.getReader()
  const pid = Number(new TextDecoder().decode((await reader.read()).value).trim())
  const url = `http://127.0.0.1:${port}`
  await waitFor(async () => (await fetch(`${url}/health`).catch(() => null))?.ok === true, 'its start')
  const call = () => fetch(`${url}/v1/chat/completions`, withKey(chatRequest()))
  const answers = await repeat({ times: 2000, atOnce: 20 }, async () => {
    const response = await call()
    await response.arrayBuffer()
    return response.status
  })
  expect(answers.filter((status) => status !== 200)).toEqual([])
  process.kill(pid, 'SIGTERM')
  const read = () => readFile(folder.at('status'), 'utf8').catch(() => '')
  await waitFor(
    async () => (await read()) === '0\n',
    'its end',
    () => '',
    3000,
  )
  await reader.cancel()
}, 20_000)

function withKey(init: RequestInit): RequestInit {
  return { ...init, headers: { ...(init.headers as Record<string, string>), authorization: `Bearer ${clientKey}` } }
}

test('a log file that grows too large is rotated, and no line is lost', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'any2api-log-'))
  const terminal: Terminal = {
    environment: {},
    cwd: folder,
    isInteractive: false,
    print: () => {},
    printError: (text) => {
      throw new Error(text)
    },
    liftRequestLimit: async () => {},
    onSignal: () => {},
  }
  const config = {
    level: 'info',
    format: 'json',
    path: join(folder, 'any2api.log'),
    retentionMs: 86_400_000 * 20,
  } as const
  const opened = openLog(config, terminal, '10K')
  for (let batch = 0; batch < 10; batch++) {
    for (let line = 0; line < 40; line++) opened.log.info('call', { number: batch * 40 + line, text: 'x'.repeat(60) })
    opened.log.flush()
    // The library looks at the size between two writes.
    await Bun.sleep(20)
  }
  await opened.close()
  const files = (await readdir(folder)).filter((name) => name.endsWith('.log'))
  expect(files.length).toBeGreaterThan(2)
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')))
  const numbers = texts.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as { number: number }).number),
  )
  expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 400 }, (_, number) => number))
  for (const text of texts) expect(text.length).toBeLessThan(20_000)
  await rm(folder, { recursive: true })
})
