/** Starts processes, waits until they answer, and ends every one of them, however the run ends. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

export type Child = Bun.Subprocess<'ignore', 'ignore' | 'pipe', 'inherit'>

/** Open files that each started process may have. 5,000 streams through a proxy are 10,000 of them. */
export const fileLimit = Math.min(readHardLimit(), 65_536)

const startDeadlineMs = 15_000
const stopDeadlineMs = 5_000
const running = new Set<Child>()
const others: (() => Promise<void>)[] = []

/** With nothing of this shell's environment but the path: settings lying about must not change what is measured. */
export function spawn(command: readonly string[], environment: Readonly<Record<string, string>> = {}): Child {
  return track(Bun.spawn(limited(command), { env: { ...bareEnvironment(), ...environment }, ...ignored }))
}

/** Runs a command to its end and gives back what it printed. Throws where it fails or takes longer than the deadline. */
export async function output(command: readonly string[], deadlineMs: number): Promise<string> {
  const child = Bun.spawn(limited(command), { env: bareEnvironment(), ...ignored, stdout: 'pipe' })
  track(child)
  const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
  const text = await new Response(child.stdout).text()
  const status = await child.exited
  clearTimeout(timer)
  if (status === 0) return text
  throw new Error(`${command[0]} failed with status ${status}: ${text.slice(-300)}`)
}

export async function stop(child: Child): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs)
  await child.exited
  clearTimeout(timer)
}

/** For what was started elsewhere. */
export function stopAtEnd(stopOther: () => Promise<void>): void {
  others.push(stopOther)
}

export async function stopAll(): Promise<void> {
  await Promise.allSettled([...running].map(stop))
  await Promise.allSettled(others.map((stopOther) => stopOther()))
}

/** Asks until the answer is 200. Throws, with the child stopped, when it ends before or takes longer than 15 seconds. */
export async function firstAnswer(port: number, path: string, child: Child): Promise<void> {
  const deadline = performance.now() + startDeadlineMs
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`a server ended with status ${child.exitCode} before its first answer`)
    try {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        keepalive: false,
        signal: AbortSignal.timeout(1_000),
      })
      await response.arrayBuffer()
      if (response.ok) return
    } catch {
      // Not listening yet.
    }
    await Bun.sleep(1)
  }
  await stop(child)
  throw new Error(`no answer on port ${port} within ${startDeadlineMs} ms`)
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no port'))
        else resolve(address.port)
      })
    })
  })
}

const ignored = { stdin: 'ignore', stdout: 'ignore', stderr: 'inherit' } as const

function bareEnvironment(): Record<string, string> {
  return { PATH: Bun.env.PATH ?? '', HOME: Bun.env.HOME ?? '/' }
}

/** The shell gives way to the command, so that the process id is the command's. */
function limited(command: readonly string[]): string[] {
  return ['sh', '-c', `ulimit -n ${fileLimit}; exec "$@"`, 'sh', ...command]
}

function track<T extends Child>(child: T): T {
  running.add(child)
  child.exited.then(() => running.delete(child))
  return child
}

function readHardLimit(): number {
  const line = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
  return line?.[1] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(line?.[1] ?? 1_024)
}

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
