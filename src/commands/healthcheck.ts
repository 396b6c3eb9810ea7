/** `any2api healthcheck`: exit 0 if the running gateway answers. For Docker and systemd; no curl needed. */
import { loadSettings } from './load-settings.ts'
import { urlOf } from './serve.ts'
import type { Flags, Terminal } from './terminal.ts'

const deadlineMs = 5000

export async function healthcheck(terminal: Terminal, flags: Flags): Promise<number> {
  const url = gatewayUrl(terminal, flags)
  try {
    const response = await fetch(`${url}/health`, {
      signal: AbortSignal.timeout(deadlineMs),
      proxy: false,
    } as RequestInit)
    const body: unknown = await response.json()
    if (response.ok && (body as { status?: unknown } | null)?.status === 'ok') return 0
    terminal.printError(`any2api: ${url}/health answered ${response.status}\n`)
  } catch (error) {
    terminal.printError(`any2api: ${url} does not answer (${error instanceof Error ? error.name : 'unknown error'})\n`)
  }
  return 1
}

/** `--url`, else where the settings say it listens. Problems in the settings are not this command's business. */
export function gatewayUrl(terminal: Terminal, flags: Flags): string {
  if (flags.url !== undefined) return flags.url.replace(/\/+$/, '')
  const { config, effective } = loadSettings(terminal, flags)
  const server = (config?.server ?? effective.server ?? {}) as { host?: unknown; port?: unknown }
  return urlOf({ host: String(server.host ?? 'localhost'), port: Number(server.port ?? 7860) })
}
