/** Starts what is measured, each as a process of its own: the mock upstream, the gateway in front of it, and nginx in front of the same. */
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { family } from './process-usage.ts'

/** A running server that answers chat calls. */
export interface Subject {
  readonly name: string
  readonly port: number
  /** All its processes. */
  readonly pids: readonly number[]
  stop(): Promise<void>
}

export const clientKey = 'sk-bench-6f1d0c9b7a3e4852'

const credentialCount = 50
const startDeadlineMs = 15_000

export async function startMock(): Promise<Subject> {
  const port = await freePort()
  const script = join(import.meta.dir, 'mock-upstream.ts')
  const child = spawn([process.execPath, script, '--port', String(port)], {})
  await firstAnswer(port, '/v1/models', child)
  return { name: 'mock alone', port, pids: [child.pid], stop: () => stop(child) }
}

/** Everything is on: access, a pool of 50 credentials, accounting in SQLite, metrics, one log line per call. */
export async function writeGatewayConfig(directory: string, upstreamPort: number): Promise<string> {
  const config = {
    access: { client_keys: [{ name: 'bench', key: clientKey }] },
    providers: {
      mock: {
        type: 'openai',
        base_url: `http://127.0.0.1:${upstreamPort}/v1`,
        keys: Array.from({ length: credentialCount }, (_, index) => `sk-upstream-${index}-${Bun.hash(String(index))}`),
      },
    },
    default_provider: 'mock',
  }
  await mkdir(directory, { recursive: true })
  const file = join(directory, 'any2api.yaml')
  // YAML has JSON as a part.
  await writeFile(file, JSON.stringify(config, null, 2))
  return file
}

/** Also says how long it took from the start of the process to its first answer. */
export async function startGateway(binary: string, directory: string): Promise<Subject & { startMs: number }> {
  const port = await freePort()
  const args = [
    '--config',
    join(directory, 'any2api.yaml'),
    '--port',
    String(port),
    '--data-dir',
    join(directory, 'data'),
  ]
  const begin = performance.now()
  const child = spawn([binary, 'serve', ...args], { LOG_LEVEL: 'info', LOG_FORMAT: 'json', HOST: '127.0.0.1' })
  await firstAnswer(port, '/health', child)
  const startMs = performance.now() - begin
  return { name: 'any2api', port, pids: [child.pid], stop: () => stop(child), startMs }
}

/** A plain reverse proxy with one worker and connections to the upstream kept open. */
export async function startNginx(directory: string, upstreamPort: number): Promise<Subject> {
  const port = await freePort()
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, 'nginx.conf'), nginxConfig(directory, port, upstreamPort))
  const child = spawn(['nginx', '-e', 'stderr', '-p', directory, '-c', join(directory, 'nginx.conf')], {})
  await firstAnswer(port, '/v1/models', child)
  return { name: 'nginx', port, pids: family(child.pid), stop: () => stop(child) }
}

function nginxConfig(directory: string, port: number, upstreamPort: number): string {
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off;
${user}
worker_processes 1;
pid ${directory}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  ${scratch.map((name) => `${name}_temp_path ${directory}/${name};`).join('\n  ')}
  keepalive_requests 1000000000;
  upstream mock {
    server 127.0.0.1:${upstreamPort};
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`
}

type Child = Bun.Subprocess<'ignore', 'ignore', 'inherit'>

/** With nothing of this shell's environment but the path: settings lying about must not change what is measured. */
function spawn(command: string[], environment: Record<string, string>): Child {
  const env = { PATH: Bun.env.PATH ?? '', HOME: Bun.env.HOME ?? '/', ...environment }
  return Bun.spawn(command, { env, stdin: 'ignore', stdout: 'ignore', stderr: 'inherit' })
}

async function stop(child: Child): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await child.exited
  clearTimeout(timer)
}

async function firstAnswer(port: number, path: string, child: Child): Promise<void> {
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

function freePort(): Promise<number> {
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
