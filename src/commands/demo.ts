/** `any2api demo`: the gateway in front of simulated upstreams in the same process. Nothing to configure, nothing leaves the machine. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateSecret } from '../config/generate-key.ts'
import { type LoadResult, loadConfig } from '../config/load.ts'
import { type Server, startServer } from '../server.ts'
import { startOndemandDemo } from '../simulator/ondemand-scenario.ts'
import { startDemoUpstreams } from '../simulator/scenario.ts'
import { startSciraDemo } from '../simulator/scira-scenario.ts'
import { formatProblems } from './load-settings.ts'
import { openLog } from './open-log.ts'
import { runUntilStopped, startProblem, urlOf } from './serve.ts'
import { type Flags, formatTable, type Terminal } from './terminal.ts'

const defaultPort = 7860
/** Unless a port is asked for, a taken one is no reason not to start. */
const portsToTry = 20

export async function demo(terminal: Terminal, flags: Flags): Promise<number> {
  const upstreams = startUpstreams()
  const directory = await mkdtemp(join(tmpdir(), 'any2api-demo-'))
  try {
    return await run({ terminal, flags, upstreams, directory })
  } finally {
    upstreams.openai.stop()
    upstreams.ondemand.stop()
    upstreams.scira.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

function startUpstreams() {
  return { openai: startDemoUpstreams(), ondemand: startOndemandDemo(), scira: startSciraDemo() }
}

type Upstreams = ReturnType<typeof startUpstreams>

interface Demo {
  readonly terminal: Terminal
  readonly flags: Flags
  readonly upstreams: Upstreams
  readonly directory: string
}

async function run({ terminal, flags, upstreams, directory }: Demo): Promise<number> {
  const keys = { client: generateSecret('client'), admin: generateSecret('admin') }
  const ports = flags.port === undefined ? portsFrom(terminal.environment.PORT) : [Number(flags.port)]
  let problem = ''
  for (const port of ports) {
    const load = () => loadDemo({ flags, upstreams, directory, port, keys })
    const loaded = load()
    if (loaded.config === null) {
      terminal.printError(formatProblems(loaded.problems))
      return 2
    }
    const { config } = loaded
    const { log } = openLog(config.log, terminal)
    try {
      const server = await startServer({ config, loaded, log, load })
      terminal.print(welcome({ server, keys, upstreams }))
      return await runUntilStopped({ server, terminal, log })
    } catch (error) {
      problem = startProblem(error, config)
      if ((error as { code?: unknown } | null)?.code !== 'EADDRINUSE') break
    }
  }
  terminal.printError(`any2api: ${problem}\n`)
  return 1
}

/** Where the environment names a port, from there on; what it says may well be meant for another program. */
function portsFrom(named: string | undefined): number[] {
  const port = Number(named)
  const first = Number.isInteger(port) && port > 0 && port <= 65535 - portsToTry ? port : defaultPort
  return Array.from({ length: portsToTry }, (_, step) => first + step)
}

interface DemoSettings {
  readonly flags: Flags
  readonly upstreams: Upstreams
  readonly directory: string
  readonly port: number
  readonly keys: { readonly client: string; readonly admin: string }
}

/** The demo's settings pass the same door as everybody's. */
function loadDemo({ flags, upstreams, directory, port, keys }: DemoSettings): LoadResult {
  const { ondemand, scira } = upstreams
  const common = { timeouts: { first_byte: '10s', idle: '10s' }, blacklist: { recheck: '1m' }, max_attempts: 6 }
  const settings = {
    server: { host: flags.host ?? '127.0.0.1', port, shutdown_grace: '2s' },
    access: { admin_key: keys.admin, client_keys: [{ name: 'demo', key: keys.client, stateful: true }] },
    providers: {
      simulated: {
        type: 'openai',
        base_url: upstreams.openai.baseUrl,
        keys: upstreams.openai.secrets,
        ...common,
      },
      ondemand: {
        type: 'ondemand',
        keys: ondemand.keys.map(({ secret }) => secret),
        accounts: ondemand.accounts.map(({ email, password }) => ({ email, password })),
        chat_base: ondemand.chatBaseUrl,
        client_base: ondemand.accountChatBaseUrl,
        auth_base: ondemand.authBaseUrl,
        config_base: ondemand.catalogueUrl.replace(/\/endpoints$/, ''),
        ...common,
      },
      scira: {
        type: 'scira',
        base_url: scira.baseUrl,
        cookies: scira.cookies.map(({ cookie }) => cookie),
        ...common,
      },
      scira_2025: { type: 'scira', base_url: scira.olderBaseUrl, generation: 'mid_2025', ...common },
    },
    default_provider: 'simulated',
    models: {
      'gpt-4': 'simulated/gpt-4.1',
      'claude-*': 'ondemand/*',
      'grok-3': 'scira/*',
      'grok-3-mini': 'scira_2025/*',
    },
    log: { format: 'auto' },
  }
  const file = join(directory, 'any2api.json')
  return loadConfig({
    cwd: directory,
    environment: { DATA_DIR: directory },
    flags: { config: file, host: undefined, port: undefined, dataDir: undefined },
    readFile: (path) => {
      if (path === file) return JSON.stringify(settings)
      throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
    },
  })
}

function welcome({ server, keys, upstreams }: { server: Server } & Pick<DemoSettings, 'keys' | 'upstreams'>): string {
  const url = urlOf(server)
  const chat = (body: string, flag = '') =>
    [
      `curl ${flag}${url}/v1/chat/completions \\`,
      `  -H "Authorization: Bearer ${keys.client}" -H "Content-Type: application/json" \\`,
      `  -d '${body}'`,
    ].join('\n')
  const message = '"messages":[{"role":"user","content":"Hello, who are you?"}]'
  return `
any2api demo: the gateway in front of simulated upstreams. Nothing leaves this machine.

  Address      ${url}
  Dashboard    ${url}/
  Swagger UI   ${url}/swagger
  Client key   Authorization: Bearer ${keys.client}
  Admin key    Authorization: Bearer ${keys.admin}

An answer:

${chat(`{"model":"gpt-4o",${message}}`)}

A stream, from a model that is redirected (gpt-4 goes to gpt-4.1):

${chat(`{"model":"gpt-4","stream":true,${message}}`, '-N ')}

From the simulated OnDemand, a service of another protocol, by key and by account:

${chat(`{"model":"claude-sonnet-5","stream":true,${message}}`, '-N ')}

From the simulated Scira, a web app, by cookie (grok-3-mini goes to the app as it was in 2025, signed out):

${chat(`{"model":"grok-3","stream":true,${message}}`, '-N ')}

What the gateway knows:

curl ${url}/v1/models -H "Authorization: Bearer ${keys.client}"
curl ${url}/stats -H "Authorization: Bearer ${keys.admin}"
curl ${url}/blacklist -H "Authorization: Bearer ${keys.admin}"

The simulated credentials, good and bad. Calls are answered all the same, but where an answer is cut after its first words:

${formatTable(upstreams.openai.credentials.map(described))}

and of OnDemand:

${formatTable([...upstreams.ondemand.keys, ...upstreams.ondemand.accounts].map(described))}

and of Scira:

${formatTable(upstreams.scira.cookies.map(described))}

Ctrl-C stops it. From here on, its log:

`
}

function described({ name, description }: { readonly name: string; readonly description: string }): string[] {
  return [`  ${name}`, description]
}
