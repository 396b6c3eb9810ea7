/** `any2api check`: the effective configuration with secrets masked, and every problem at once. `--probe` tries each credential. */
import type { Config, Credential, ProviderConfig } from '../domain.ts'
import { UpstreamError } from '../errors.ts'
import type { Provider } from '../providers/provider.ts'
import { createProvider } from '../providers/registry.ts'
import { formatProblems, loadSettings } from './load-settings.ts'
import { type Flags, formatTable, type Terminal } from './terminal.ts'

export async function check(terminal: Terminal, flags: Flags): Promise<number> {
  const { config, effective, notices, problems, configFile } = loadSettings(terminal, flags)
  terminal.print(`# ${configFile ?? 'no any2api.* file; from the environment, the files named below, and defaults'}\n`)
  terminal.print(`${Bun.YAML.stringify(effective, null, 2)}\n`)
  for (const notice of notices) terminal.print(`# ${notice}\n`)
  if (config === null) {
    terminal.printError(formatProblems(problems))
    return 1
  }
  if (flags.probe !== true) return 0
  return (await probe(config, terminal)) ? 0 : 1
}

const probesAtOnce = 8
const probeDeadlineMs = 15_000

/** Asks each upstream for its model list with each credential. False if any is refused or unreachable. */
async function probe(config: Config, terminal: Terminal): Promise<boolean> {
  const waiting = config.providers.flatMap((provider) => {
    const upstream = createProvider(provider)
    return provider.credentials.map((credential) => ({ provider, upstream, credential }))
  })
  const total = waiting.length
  const rows: string[][] = []
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      rows.push(await probeOne(next))
      if (terminal.isInteractive) terminal.printError(`\rprobing credentials: ${rows.length} of ${total} `)
    }
  }
  await Promise.all(Array.from({ length: probesAtOnce }, work))
  if (terminal.isInteractive) terminal.printError('\r\u001b[K')
  terminal.print(`${formatTable([['PROVIDER', 'CREDENTIAL', 'RESULT'], ...rows.sort()])}\n`)
  return rows.every(([, , result]) => result === works)
}

const works = 'works'

async function probeOne(one: {
  provider: ProviderConfig
  upstream: Provider
  credential: Credential
}): Promise<string[]> {
  const { provider, upstream, credential } = one
  const row = (result: string) => [provider.name, credential.label, result]
  const controller = new AbortController()
  const late = () => controller.abort(new UpstreamError('timeout', `no answer within ${probeDeadlineMs / 1000} s`))
  const deadline = setTimeout(late, probeDeadlineMs)
  try {
    return row((await upstream.recheck(credential, controller.signal)) ? works : 'refused')
  } catch (error) {
    if (!(error instanceof UpstreamError)) return row('failed')
    // Whoever has no model list answers all the same.
    if (error.status === 404 || error.status === 405) return row('cannot be told: the upstream has no model list')
    return row(
      `${error.kind.replaceAll('_', ' ')}${error.status === 0 ? '' : ` (${error.status})`}: ${error.message.slice(0, 100)}`,
    )
  } finally {
    clearTimeout(deadline)
  }
}
