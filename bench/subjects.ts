/** Starts what is measured, each as a process of its own: the mock upstream, the gateway in front of it, and nginx in front of the same. */
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileLimit, firstAnswer, freePort, output, spawn, stop } from './children.ts'

/** A running server that answers chat calls. */
export interface Subject {
  readonly name: string
  readonly version?: string
  readonly port: number
  /** Its processes; what they start in their turn is found by itself. */
  readonly pids: readonly number[]
  /** By default `/v1/chat/completions`. */
  readonly path?: string
  /** What a call needs beside its content type, such as `authorization`; by default the client key as bearer. */
  readonly headers?: Readonly<Record<string, string>>
  /** By default `defaultModel`. */
  readonly model?: string
  /** From the start of the process to its first answer. */
  readonly startMs?: number
  /** Of its program on the disk, where that is one file. */
  readonly programBytes?: number
  stop(): Promise<void>
}

export const clientKey = 'sk-bench-6f1d0c9b7a3e4852'
export const defaultModel = 'gpt-4o-mini'
/** A name that the measured configuration leads to `defaultModel`. */
export const redirectedModel = 'redirected'

export async function startMock(): Promise<Subject> {
  const port = await freePort()
  const child = spawn([process.execPath, join(import.meta.dir, 'mock-upstream.ts'), '--port', String(port)])
  await firstAnswer(port, '/v1/models', child)
  return { name: 'direct', version: `Bun ${Bun.version}`, port, pids: [child.pid], stop: () => stop(child) }
}

export interface GatewayOptions {
  readonly name?: string
  readonly binary: string
  /** Of its own: configuration and data are written there. */
  readonly directory: string
  readonly upstreamPort: number
  readonly credentials?: number
  readonly isCacheOn?: boolean
}

/** Everything is on: access, a pool of credentials, accounting in SQLite, metrics, one log line for each call (thrown away). */
export async function startGateway(options: GatewayOptions): Promise<Subject & { readonly startMs: number }> {
  const { binary, directory } = options
  const config = join(directory, 'any2api.yaml')
  await mkdir(directory, { recursive: true })
  // YAML has JSON as a part.
  await writeFile(config, JSON.stringify(gatewayConfig(options), null, 2))
  const version = (await output([binary, '--version'], 5_000)).trim()
  const programBytes = (await stat(binary)).size
  const port = await freePort()
  const command = [binary, 'serve', '--config', config, '--port', String(port), '--data-dir', join(directory, 'data')]
  const begin = performance.now()
  const child = spawn(command, { LOG_LEVEL: 'info', LOG_FORMAT: 'json', HOST: '127.0.0.1' })
  await firstAnswer(port, '/health', child)
  const startMs = performance.now() - begin
  const name = options.name ?? 'any2api'
  return { name, version, port, pids: [child.pid], startMs, programBytes, stop: () => stop(child) }
}

function gatewayConfig({ upstreamPort, credentials = 50, isCacheOn = false }: GatewayOptions): object {
  return {
    access: { client_keys: [{ name: 'bench', key: clientKey }] },
    providers: {
      mock: {
        type: 'openai',
        base_url: `http://127.0.0.1:${upstreamPort}/v1`,
        keys: Array.from({ length: credentials }, (_, index) => `sk-upstream-${index}-${Bun.hash(String(index))}`),
      },
    },
    models: { [redirectedModel]: `mock/${defaultModel}` },
    default_provider: 'mock',
    ...(isCacheOn ? { cache: { enabled: true } } : {}),
  }
}

/** A plain reverse proxy with one worker and connections to the upstream kept open. */
export async function startNginx(directory: string, upstreamPort: number): Promise<Subject> {
  const port = await freePort()
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, 'nginx.conf'), nginxConfig(directory, port, upstreamPort))
  const begin = performance.now()
  const child = spawn(['nginx', '-e', 'stderr', '-p', directory, '-c', join(directory, 'nginx.conf')])
  await firstAnswer(port, '/v1/models', child)
  const startMs = performance.now() - begin
  const version = await nginxVersion()
  return { name: 'nginx', version, port, pids: [child.pid], startMs, stop: () => stop(child) }
}

function nginxConfig(directory: string, port: number, upstreamPort: number): string {
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off;
${user}
worker_processes 1;
worker_rlimit_nofile ${fileLimit};
pid ${directory}/nginx.pid;
error_log stderr crit;
events { worker_connections ${Math.min(fileLimit, 16_384)}; }
http {
  access_log off;
  ${scratch.map((name) => `${name}_temp_path ${directory}/${name};`).join('\n  ')}
  keepalive_requests 1000000000;
  # Long prompts stay in memory, as in a gateway.
  client_max_body_size 0;
  client_body_buffer_size 2m;
  upstream mock {
    server 127.0.0.1:${upstreamPort};
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`
}

async function nginxVersion(): Promise<string> {
  const text = await output(['sh', '-c', 'nginx -v 2>&1'], 5_000)
  return /nginx\/(\S+)/.exec(text)?.[1] ?? 'unknown'
}
