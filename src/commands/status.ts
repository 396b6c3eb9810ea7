/** `any2api status` and `any2api reset-keys`: what the running gateway says of itself, as tables. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gatewayUrl } from './healthcheck.ts'
import { loadSettings } from './load-settings.ts'
import { generatedKeysFile } from './serve.ts'
import { type Flags, formatTable, type Terminal } from './terminal.ts'

export async function status(terminal: Terminal, flags: Flags): Promise<number> {
  // One after the other: what is wrong is told once.
  const stats = await ask(terminal, flags, '/stats')
  if (stats === null) return 1
  const health = await ask(terminal, flags, '/health')
  if (health === null) return 1
  if (flags.json === true) {
    terminal.print(`${JSON.stringify({ health, stats }, null, 2)}\n`)
    return 0
  }
  const totals = fieldsOf(stats.totals)
  const keys = fieldsOf(stats.keys)
  terminal.print(
    `${formatTable([
      ['status', `${health.status}, up ${health.uptime}, version ${health.version}, state in ${health.persistence}`],
      [
        'calls',
        `${totals.requests} (${totals.succeeded} succeeded, ${totals.failed} failed, ${totals.aborted} aborted)`,
      ],
      ['tokens', `${totals.input_tokens} in, ${totals.output_tokens} out, ${totals.cached_tokens} cached`],
      ['cost', `$${totals.cost_usd}`],
      ['credentials', `${keys.healthyKeys} of ${keys.totalKeys} healthy`],
    ])}\n\n`,
  )
  const credentials = Array.isArray(keys.credentials) ? keys.credentials.map(fieldsOf) : []
  const rows = credentials.map((one) => [
    text(one.provider),
    text(one.label),
    text(one.state),
    text(one.reason),
    text(one.until),
    text(one.inFlight),
    text(one.successes),
    text(one.failures),
  ])
  terminal.print(
    `${formatTable([['PROVIDER', 'CREDENTIAL', 'STATE', 'REASON', 'UNTIL', 'BUSY', 'OK', 'FAILED'], ...rows])}\n`,
  )
  return 0
}

export async function resetKeys(terminal: Terminal, flags: Flags): Promise<number> {
  const query = new URLSearchParams()
  if (flags.provider !== undefined) query.set('provider', flags.provider)
  if (flags.credential !== undefined) query.set('credential', flags.credential)
  const path = query.size === 0 ? '/reset-keys' : `/reset-keys?${query}`
  const answer = await ask(terminal, flags, path, 'POST')
  if (answer === null) return 1
  terminal.print(`${answer.clearedCount} of ${answer.totalKeys} credentials made available again\n`)
  return 0
}

type Fields = Record<string, unknown>

const deadlineMs = 10_000

/** Null after the problem has been printed. */
async function ask(terminal: Terminal, flags: Flags, path: string, method = 'GET'): Promise<Fields | null> {
  const url = gatewayUrl(terminal, flags)
  const key = adminKeyOf(terminal, flags)
  if (key === null) {
    terminal.printError('any2api: this needs the admin key: set ADMIN_KEY, or give --admin-key\n')
    return null
  }
  const headers = { authorization: `Bearer ${key}`, accept: 'application/json' }
  try {
    const signal = AbortSignal.timeout(deadlineMs)
    const response = await fetch(url + path, { method, headers, signal, proxy: false } as RequestInit)
    const body = fieldsOf(await response.json())
    if (response.ok) return body
    terminal.printError(`any2api: ${url} answered ${response.status}: ${text(fieldsOf(body.error).message)}\n`)
  } catch (error) {
    terminal.printError(`any2api: ${url} does not answer (${error instanceof Error ? error.name : 'unknown error'})\n`)
  }
  return null
}

/** From the command line, the settings, or the file that a first start without a terminal left behind. */
function adminKeyOf(terminal: Terminal, flags: Flags): string | null {
  const given = flags['admin-key'] ?? terminal.environment.ADMIN_KEY
  if (given !== undefined && given !== '') return given
  const { adminKey, effective } = loadSettings(terminal, flags)
  const written = adminKey()
  if (written !== null) return written
  const directory = String((effective.store as { directory?: unknown } | undefined)?.directory ?? 'data')
  try {
    const generated = readFileSync(join(directory, generatedKeysFile), 'utf8')
    // The newest: an older one may have been for a database that is gone.
    return [...generated.matchAll(/^admin key: (\S+)$/gm)].at(-1)?.[1] ?? null
  } catch {
    return null
  }
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

function text(value: unknown): string {
  return value === null || value === undefined ? '-' : String(value)
}
