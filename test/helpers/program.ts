/** The whole program as a process, as its user starts it: its own folder, a bare environment, its output and its end as values. */
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export const adminKey = 'admin-of-the-program-tests-01'
export const clientKey = 'sk-client-of-the-program-tests'

export interface Folder extends AsyncDisposable {
  readonly path: string
  /** Absolute path of a file in it. */
  at(name: string): string
  write(name: string, content: string): Promise<void>
}

/** A new folder with these files, gone when the test ends. */
export async function createFolder(files: Readonly<Record<string, string>> = {}): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'any2api-program-'))
  const write = async (name: string, content: string) => {
    await mkdir(dirname(join(path, name)), { recursive: true })
    await writeFile(join(path, name), content)
  }
  for (const [name, content] of Object.entries(files)) await write(name, content)
  return {
    path,
    at: (name) => join(path, name),
    write,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

export interface Start {
  readonly folder: Folder
  /** Command and options; `serve` when left out. */
  readonly words?: readonly string[]
  /** All of the environment besides PATH, HOME, TMPDIR and a PORT of 0; undefined takes a name away. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** `source` runs the files under `src/`; default: the compiled binary. */
  readonly from?: 'binary' | 'source'
}

export interface Ended {
  /** Null when a signal ended it. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end. */
export async function runProgram(start: Start): Promise<Ended> {
  await using program = await launch(start)
  const status = await program.ended()
  return { status, stdout: program.stdout(), stderr: program.stderr() }
}

export interface Program extends AsyncDisposable {
  readonly pid: number
  stdout(): string
  stderr(): string
  /** Waits until the text stands in the output. */
  printed(text: string | RegExp, deadlineMs?: number): Promise<RegExpExecArray>
  signal(name: 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGKILL'): void
  /** Exit status, or null when a signal ended it. Fails at the deadline. */
  ended(deadlineMs?: number): Promise<number | null>
}

export interface Gateway extends Program {
  readonly url: string
  readonly port: number
  /** Lines of the JSON log. */
  log(): LogLine[]
  /** The first line that fits, now or later. */
  logged(event: string, fits?: (line: LogLine) => boolean): Promise<LogLine>
  call(path: string, init?: RequestInit): Promise<Response>
  admin(path: string, init?: RequestInit): Promise<Response>
  /** A chat call with the client key; its body drained. */
  chat(body?: Record<string, unknown>, key?: string): Promise<ChatAnswer>
}

export interface ChatAnswer {
  readonly status: number
  readonly id: string
  readonly text: string
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly level: string; readonly event: string }

const startDeadlineMs = 15_000
const listening = /"event":"listening","url":"(http:\/\/[^"]+):(\d+)"/

/** Starts the gateway, waits until it answers, and kills it when the test ends. It must log JSON to standard output. */
export async function startProgram(start: Start): Promise<Gateway> {
  const program = await launch(start)
  try {
    const [, , port = ''] = await program.printed(listening, startDeadlineMs)
    const gateway = describeGateway(program, Number(port))
    await waitFor(async () => (await fetch(`${gateway.url}/health`)).ok, 'an answer of /health')
    return gateway
  } catch (error) {
    await program[Symbol.asyncDispose]()
    throw error
  }
}

function describeGateway(program: Program, port: number): Gateway {
  const url = `http://127.0.0.1:${port}`
  const log = () => program.stdout().split('\n').flatMap(parseLogLine)
  const withKey =
    (key: string) =>
    (path: string, init: RequestInit = {}) =>
      fetch(url + path, { ...init, headers: { authorization: `Bearer ${key}`, ...(init.headers as object) } })
  return {
    ...program,
    url,
    port,
    log,
    async logged(event, fits = () => true) {
      const find = () => log().find((line) => line.event === event && fits(line))
      await waitFor(
        async () => find() !== undefined,
        `a log line "${event}"`,
        () => program.stdout(),
      )
      return find() as LogLine
    },
    call: withKey(clientKey),
    admin: withKey(adminKey),
    async chat(body = {}, key = clientKey) {
      const response = await withKey(key)('/v1/chat/completions', chatRequest(body))
      return { status: response.status, id: response.headers.get('x-request-id') ?? '', text: await response.text() }
    },
  }
}

export function chatRequest(body: Record<string, unknown> = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }], ...body }),
  }
}

function parseLogLine(line: string): LogLine[] {
  if (!line.startsWith('{"time"') || !line.endsWith('}')) return []
  return [JSON.parse(line) as LogLine]
}

/** Starts a command and does not wait for anything. */
export async function launch({ folder, words = [], environment = {}, from = 'binary' }: Start): Promise<Program> {
  const given = { PATH: process.env.PATH, HOME: folder.path, TMPDIR: folder.path, PORT: '0', ...environment }
  const command = from === 'binary' ? [await builtProgram()] : [process.execPath, '--no-env-file', sourceOfMain]
  const child = Bun.spawn([...command, ...words], {
    cwd: folder.path,
    env: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  const all = () => `${stdout.text()}${stderr.text()}`
  let isEnded = false
  const end = Promise.all([child.exited, stdout.whole, stderr.whole]).then(() => {
    isEnded = true
  })
  return {
    pid: child.pid,
    stdout: stdout.text,
    stderr: stderr.text,
    async printed(wanted, deadlineMs = 5000) {
      const pattern = typeof wanted === 'string' ? new RegExp(RegExp.escape(wanted)) : wanted
      const find = () => pattern.exec(stdout.text()) ?? pattern.exec(stderr.text())
      const isThere = async () => {
        if (find() === null && isEnded) throw new Error(`ended with ${child.exitCode} before ${wanted}:\n${all()}`)
        return find() !== null
      }
      await waitFor(isThere, String(wanted), all, deadlineMs)
      return find() as RegExpExecArray
    },
    signal: (name) => child.kill(name),
    async ended(deadlineMs = startDeadlineMs) {
      await waitFor(async () => isEnded, 'the end of the program', all, deadlineMs)
      return child.exitCode
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await end
    },
  }
}

function collect(stream: ReadableStream<Uint8Array>): { text: () => string; whole: Promise<void> } {
  let text = ''
  const read = async () => {
    const decoder = new TextDecoder()
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true })
  }
  return { text: () => text, whole: read() }
}

/** A port that was free a moment ago: for where the program cannot tell which one it chose. */
export async function freePort(): Promise<number> {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const { port } = listener
  listener.stop(true)
  return port
}

/** Asks again and again; fails at the deadline, with what there is instead. */
export async function waitFor(
  condition: () => Promise<boolean>,
  wanted: string,
  instead: () => string = () => '',
  deadlineMs = 5000,
): Promise<void> {
  const end = performance.now() + deadlineMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${wanted}\n${instead()}`)
    await Bun.sleep(10)
  }
}

/** A configuration file with both keys of the tests and one provider. YAML is a superset of JSON. */
export function settingsFor(baseUrl: string, keys: readonly string[], changes: Settings = {}): string {
  const { provider, ...others } = changes
  return JSON.stringify({
    access: { admin_key: adminKey, client_keys: [{ name: 'tester', key: clientKey }] },
    providers: { up: { base_url: baseUrl, keys, ...provider } },
    ...others,
  })
}

export type Settings = Readonly<Record<string, unknown>> & { readonly provider?: Readonly<Record<string, unknown>> }

const root = join(import.meta.dir, '../..')
const sourceOfMain = join(root, 'src/main.ts')
const nameOfBuild = 'any2api-built-'
const buildDeadlineMs = 60_000
const oldBuildMs = 600_000

let built: Promise<string> | null = null

/** Path of the binary, compiled once for all test processes as long as no source changes. */
export function builtProgram(): Promise<string> {
  built ??= build()
  return built
}

async function build(): Promise<string> {
  const folder = join(tmpdir(), `${nameOfBuild}${await fingerprintOfSources()}`)
  const binary = join(folder, 'any2api')
  if (await isThere(binary)) return binary
  // A build that was killed leaves its folder behind.
  if (await isOlderThan(folder, buildDeadlineMs)) await rm(folder, { recursive: true, force: true })
  // Whoever makes the folder builds; the others wait for what comes out.
  const isOurs = await mkdir(folder).then(
    () => true,
    () => false,
  )
  if (isOurs) {
    await removeOldBuilds()
    const child = Bun.spawn([process.execPath, join(root, 'build.ts'), '--outfile', `${binary}.new`], {
      cwd: root,
      env: { ...process.env, BUILD_COMMIT: 'test' },
      stdout: 'ignore',
      stderr: 'pipe',
    })
    const said = await new Response(child.stderr).text()
    if ((await child.exited) !== 0) {
      await rm(folder, { recursive: true, force: true })
      throw new Error(`the program cannot be built:\n${said}`)
    }
    await rename(`${binary}.new`, binary)
  }
  await waitFor(
    () => isThere(binary),
    `the build in ${folder}`,
    () => 'remove the folder and try again',
    buildDeadlineMs,
  )
  return binary
}

async function fingerprintOfSources(): Promise<string> {
  const hash = new Bun.CryptoHasher('sha256')
  const paths = await Array.fromAsync(new Bun.Glob('src/**/*').scan({ cwd: root }))
  for (const path of [...paths.sort(), 'build.ts', 'package.json', 'bun.lock']) {
    hash.update(path)
    hash.update(await Bun.file(join(root, path)).bytes())
  }
  return hash.update(Bun.version).digest('hex').slice(0, 16)
}

async function removeOldBuilds(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(nameOfBuild)) continue
    const path = join(tmpdir(), name)
    if (await isOlderThan(path, oldBuildMs)) await rm(path, { recursive: true, force: true })
  }
}

function isOlderThan(path: string, ageMs: number): Promise<boolean> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs > ageMs,
    () => false,
  )
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
