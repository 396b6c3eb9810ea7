/** The system calls of a process's main thread that are about files, as the system itself sees them. Needs Linux, strace, and leave to trace. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from '../helpers/program.ts'

export const canTrace = process.platform === 'linux' && Bun.which('strace') !== null && (await isAllowed())

/** Runs it, and tells each call that named a file or used one that is open. Threads other than the main one are not looked at. */
export async function fileCallsOf(pid: number, work: () => Promise<void>): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'any2api-trace-'))
  try {
    const output = join(folder, 'calls')
    await using tracer = await attach(pid, ['-y', '-e', `trace=${watched.join(',')}`, '-o', output])
    await work()
    await tracer[Symbol.asyncDispose]()
    const lines = (await readFile(output, 'utf8')).split('\n')
    // A descriptor is shown with what it is: a path, `socket:[1]`, `pipe:[2]`, `anon_inode:[eventfd]`.
    return lines.filter((line) => namesFile.test(line) && !namesSystem.test(line))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const namesFile = /^\w+\((?:AT_FDCWD|"|\d+<\/(?!dev\/null))/
/** No disk: the runtime looks at its own memory there. */
const namesSystem = /^\w+\((?:AT_FDCWD<[^>]*>, )?(?:"|\d+<)\/(?:proc|sys)\//

const watched = [
  '%file',
  'read',
  'write',
  'readv',
  'writev',
  'pread64',
  'pwrite64',
  'fsync',
  'fdatasync',
  'ftruncate',
  'fcntl',
  'flock',
  'getdents64',
]

async function attach(pid: number, options: readonly string[]): Promise<AsyncDisposable> {
  const child = Bun.spawn(['strace', ...options, '-p', String(pid)], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
  })
  let said = ''
  const reading = (async () => {
    const decoder = new TextDecoder()
    for await (const chunk of child.stderr) said += decoder.decode(chunk, { stream: true })
  })()
  const isAttached = async () => said.includes('attached') || child.exitCode !== null
  await waitFor(isAttached, 'a tracer', () => said)
  if (!said.includes('attached')) throw new Error(said)
  return {
    async [Symbol.asyncDispose]() {
      // It then lets go and writes down what it has.
      child.kill('SIGINT')
      await child.exited
      await reading
    },
  }
}

/** Some systems let nobody trace a process that is not a child. */
async function isAllowed(): Promise<boolean> {
  const other = Bun.spawn(['sleep', '30'], { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' })
  try {
    await using _ = await attach(other.pid, ['-e', 'trace=none'])
    return true
  } catch {
    return false
  } finally {
    other.kill('SIGKILL')
  }
}
