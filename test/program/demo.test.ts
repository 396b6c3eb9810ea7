import { expect, test } from 'bun:test'
import { createFolder, launch, type Program, runProgram } from '../helpers/program.ts'

/** The commands that the demo prints, continued lines joined. */
function curlLines(program: Program): string[] {
  const joined = program.stdout().replaceAll('\\\n', ' ')
  return joined.split('\n').filter((line) => line.startsWith('curl '))
}

async function startDemo(
  environment: Readonly<Record<string, string | undefined>> = {},
  files: Readonly<Record<string, string>> = {},
) {
  const folder = await createFolder(files)
  const program = await launch({ folder, words: ['demo'], environment: { PORT: undefined, ...environment } })
  const [, address = '', port = ''] = await program.printed(/^ {2}Address +(http:\/\/\S+:(\d+))$/m)
  await program.printed('From here on, its log')
  return {
    program,
    address,
    port: Number(port),
    folder,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

test.skipIf(Bun.which('curl') === null)(
  'demo prints an address, both keys and curl lines, and each line does what it says when pasted',
  async () => {
    await using demo = await startDemo()
    const { program, address } = demo
    expect(program.stdout()).toMatch(/^ {2}Client key +Authorization: Bearer sk-any2api-\S+$/m)
    expect(program.stdout()).toMatch(/^ {2}Admin key +Authorization: Bearer admin-any2api-\S+$/m)
    expect(program.stdout()).toContain(`  Swagger UI   ${address}/swagger\n`)
    const lines = curlLines(program)
    expect(lines.length).toBe(7)
    const answers: string[] = []
    for (const line of lines) answers.push(await paste(`${line} --silent --show-error --fail`))
    const [answer = '', stream = '', ondemand = '', scira = '', models = '', stats = '', blacklist = ''] = answers
    expect(JSON.parse(answer)).toMatchObject({ object: 'chat.completion', model: 'gpt-4o' })
    expect(stream.trimEnd()).toEndWith('data: [DONE]')
    expect(stream).toContain('"model":"gpt-4"')
    expect(ondemand.trimEnd()).toEndWith('data: [DONE]')
    expect(ondemand).toContain('simulated')
    expect(scira.trimEnd()).toEndWith('data: [DONE]')
    expect(scira).toContain('simulated')
    expect((JSON.parse(models) as { data: { id: string }[] }).data.map(({ id }) => id)).toContain('gpt-4')
    expect(JSON.parse(stats)).toMatchObject({ totals: { requests: 4, succeeded: 4 } })
    expect(JSON.parse(blacklist)).toMatchObject({ totalKeys: 24 })
    const older = await paste(`${lines[3]?.replace('"grok-3"', '"grok-3-mini"')} --silent --show-error --fail`)
    expect(older.trimEnd()).toEndWith('data: [DONE]')
    expect(older).toContain('simulated')
    expect((await fetch(`${address}/`)).status).toBe(200)
    program.signal('SIGINT')
    expect(await program.ended(4000)).toBe(0)
    expect(program.stderr()).toBe('')
  },
  30_000,
)

async function paste(line: string): Promise<string> {
  const child = Bun.spawn(['sh', '-c', line], { stdout: 'pipe', stderr: 'inherit', env: { PATH: process.env.PATH } })
  const text = await new Response(child.stdout).text()
  expect(await child.exited).toBe(0)
  return text
}

test('a port that is taken is no reason not to start: the next free one is taken', async () => {
  await using first = await startDemo()
  await using second = await startDemo()
  expect(second.port).not.toBe(first.port)
  expect((await fetch(`${second.address}/health`)).status).toBe(200)
}, 20_000)

test('a port that was asked for and is taken is told in one line; exit 1', async () => {
  await using first = await startDemo()
  await using folder = await createFolder()
  const { status, stderr } = await runProgram({ folder, words: ['demo', '--port', String(first.port)] })
  expect(status).toBe(1)
  expect(stderr).toMatch(/^any2api: \S+ is in use.*\n$/)
}, 20_000)

test('settings that lie around do not disturb the demo, and the demo leaves nothing behind', async () => {
  const environment = {
    ANY2API_CONFIG: 'missing.yaml',
    PORT: 'nonsense',
    HOST: '203.0.113.1',
    DATA_DIR: '/proc/nowhere',
    STATE_DIRECTORY: '/proc/nowhere',
    ADMIN_KEY: 'testofli',
    CLIENT_KEYS: 'testofli',
    KEYS_FILE: 'missing.txt',
    CONFIG_PATH: 'missing.json',
    LOG_LEVEL: 'loud',
    LOG_PATH: '/proc/nowhere/log',
    HTTP_PROXY: 'http://127.0.0.1:9',
    http_proxy: 'http://127.0.0.1:9',
    NODE_ENV: 'development',
  }
  const files = {
    '.env': 'PORT=1\nLOG_LEVEL=loud\nnot a setting',
    'any2api.yaml': '{',
    'keys.txt': '',
    'bunfig.toml': '{',
  }
  await using demo = await startDemo(environment, files)
  const key = /Client key +Authorization: Bearer (\S+)/.exec(demo.program.stdout())?.[1]
  const answer = await fetch(`${demo.address}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }] }),
  })
  expect(answer.status).toBe(200)
  demo.program.signal('SIGTERM')
  expect(await demo.program.ended(4000)).toBe(0)
  const left = await Array.fromAsync(new Bun.Glob('**/*').scan({ cwd: demo.folder.path, dot: true }))
  expect(left.toSorted()).toEqual(Object.keys(files).toSorted())
}, 20_000)
