/** The program as users of its two OnDemand predecessors start it: with the settings they have, in front of a simulated OnDemand. */
import { afterAll, describe, expect, test } from 'bun:test'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { operationOf, startOndemandSimulator } from '../../src/simulator/ondemand.ts'
import {
  adminKey,
  createFolder,
  type Folder,
  type Gateway,
  runProgram,
  startProgram,
  waitFor,
} from '../helpers/program.ts'

const keys = ['key-one-of-the-program-tests', 'key-two-of-the-program-tests']
const privateKey = 'a-private-key-of-mine-0001'
const proxyToken = 'a-proxy-token-of-mine-0001'
const emails = ['your_ondemand_email_1@example.com', 'your_ondemand_email_2@example.com']
const passwords = ['your_ondemand_password_1', 'your_ondemand_password_2']

/** From the README of OnDemand-API-Proxy, its comment included; the token is one that nobody published. */
const readmeFile = `{
  "accounts": [
    {
      "email": "${emails[0]}",
      "password": "${passwords[0]}"
    },
    {
      "email": "${emails[1]}",
      "password": "${passwords[1]}"
    }
  ],
  "api_access_token": "${proxyToken}",
  "model_prices": {
    "gpt-3.5-turbo": {"input": 0.25, "output": 0.75},
    "gpt-4o": {"input": 1.25, "output": 5.00},
    "claude-3.5-sonnet": {"input": 1.50, "output": 7.50}
    // more models and their prices
  },
  "default_model_price": {"input": 1.00, "output": 3.00},
  "rate_limit_per_minute": 60,
  "account_cooldown_seconds": 300,
  "ondemand_session_timeout_minutes": 30,
  "session_timeout_minutes": 3600,
  "max_retries": 5,
  "retry_delay": 3,
  "request_timeout": 45,
  "stream_timeout": 180,
  "debug_mode": false,
  "FLASK_DEBUG": false,
  "stats_file_path": "stats_data.json",
  "stats_backup_path": "stats_data_backup.json",
  "stats_save_interval": 300,
  "default_endpoint_id": "predefined-claude-4-sonnet"
}`

const tokens = { input: 1200, output: 34 }
const text = 'one two three – déjà vu'

function startUpstream() {
  const shape = { kind: 'good', text, tokens } as const
  return startOndemandSimulator({
    endpoints: [
      { id: 'predefined-openai-gpt4o', name: 'gpt-4o', isActive: true },
      { id: 'predefined-claude-4-sonnet', name: 'claude-4-sonnet', isActive: true },
    ],
    keys: Object.fromEntries(keys.map((key) => [key, shape])),
    accounts: Object.fromEntries(
      emails.map((email, index) => [email, { password: passwords[index] ?? '', behaviour: shape }]),
    ),
  })
}

interface Predecessor {
  readonly title: string
  readonly files: Readonly<Record<string, string>>
  readonly environment: Readonly<Record<string, string>>
  readonly secret: string
  readonly areModelsOpen: boolean
  readonly credentials: readonly string[]
  /** What their owners must never find anywhere. */
  readonly secrets: readonly string[]
}

const upstream = startUpstream()
afterAll(upstream.stop)

const predecessors: readonly Predecessor[] = [
  {
    title: 'OnDemand2API with PRIVATE_KEY and ONDEMAND_APIKEYS',
    files: {},
    environment: {
      PRIVATE_KEY: privateKey,
      ONDEMAND_APIKEYS: keys.join(', '),
      ONDEMAND_API_BASE: upstream.chatBaseUrl,
    },
    secret: privateKey,
    areModelsOpen: false,
    credentials: keys,
    secrets: [...keys, privateKey],
  },
  {
    title: 'OnDemand-API-Proxy with the config.json of its README',
    files: { 'config.json': readmeFile },
    environment: {
      ONDEMAND_AUTH_BASE: upstream.authBaseUrl,
      ONDEMAND_CLIENT_BASE: upstream.accountChatBaseUrl,
    },
    secret: proxyToken,
    areModelsOpen: true,
    credentials: emails,
    secrets: [...passwords, ...emails, proxyToken],
  },
]

describe.each(predecessors)('$title', (given) => {
  const { files, environment, secret, areModelsOpen, credentials } = given

  test('is all that is needed: it would listen on port 7860', async () => {
    await using folder = await createFolder(files)
    const { status, stdout } = await runProgram({
      folder,
      words: ['check'],
      environment: { ...environment, PORT: undefined },
    })
    expect(status).toBe(0)
    expect(stdout).toContain('\n  port: 7860\n')
    for (const each of given.secrets) expect(stdout).not.toContain(each)
  }, 20_000)

  test('answers whole and streamed, with every credential in its turn, and leaves no session', async () => {
    await using folder = await createFolder(files)
    await using gateway = await startProgram({ folder, environment })
    upstream.reset()
    const whole = await gateway.chat({}, secret)
    expect(whole.status).toBe(200)
    expect(JSON.parse(whole.text)).toMatchObject({
      model: 'gpt-4o',
      choices: [{ message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
      usage: { prompt_tokens: tokens.input, completion_tokens: tokens.output },
    })
    const streamed = await gateway.chat({ stream: true, stream_options: { include_usage: true } }, secret)
    expect(streamed.text).toEndWith('data: [DONE]\n\n')
    expect(contentOf(streamed.text)).toBe(text)
    expect(streamed.text).toContain(`"prompt_tokens":${tokens.input}`)
    await noSessionsLeft()
    expect(upstream.sessions.map(({ credential }) => credential).sort()).toEqual([...credentials].sort())
    expect(upstream.sessions.map(({ queries }) => queries.map((query) => query.endpointId))).toEqual([
      ['predefined-openai-gpt4o'],
      ['predefined-openai-gpt4o'],
    ])
    expect((await gateway.chat({}, 'sk-a-key-that-never-was-valid')).status).toBe(401)
  }, 20_000)

  test(`the list of models is ${areModelsOpen ? 'open' : 'for clients'}`, async () => {
    await using folder = await createFolder(files)
    await using gateway = await startProgram({ folder, environment })
    const stranger = await fetch(`${gateway.url}/v1/models`)
    expect(stranger.status).toBe(areModelsOpen ? 200 : 401)
    const told = await stranger.text()
    expect(told.includes('"gpt-4o"')).toBe(areModelsOpen)
  }, 20_000)

  test('no secret is in the log, the database or any page of the operator, whatever upstream says', async () => {
    await using folder = await createFolder(files)
    await using gateway = await startProgram({
      folder,
      environment: { ...environment, ADMIN_KEY: adminKey, LOG_LEVEL: 'debug' },
    })
    upstream.reset()
    const answers = [await gateway.chat({}, secret), await gateway.chat({}, secret)]
    // An upstream that repeats what it was sent.
    const headers = { 'content-type': 'application/json' }
    for (const each of credentials) {
      upstream.setBehaviour(each, { kind: 'script', status: 400, headers, chunks: [echo(given, each)] })
    }
    answers.push(await gateway.chat({}, secret))
    for (const each of credentials) {
      upstream.setBehaviour(each, { kind: 'script', chunks: [`data:[ERROR]:${echo(given, each)}\n\n`] })
    }
    answers.push(await gateway.chat({}, secret), await gateway.chat({ stream: true }, secret))
    for (const each of credentials) upstream.setBehaviour(each, { kind: 'stray', status: 401, times: 1, text, tokens })
    answers.push(await gateway.chat({}, secret))
    for (const each of credentials) upstream.setBehaviour(each, { kind: 'good', text, tokens })
    await noSessionsLeft()
    expect(answers.map(({ text: told }) => told.includes('[credential]'))).toEqual([
      ...[false, false],
      ...[true, true, true],
      false,
    ])

    const pages = await Promise.all(['/stats', '/blacklist', '/admin/config'].map((path) => pageOf(gateway, path)))
    gateway.signal('SIGTERM')
    expect(await gateway.ended()).toBe(0)
    const places = [
      gateway.stdout(),
      gateway.stderr(),
      ...pages,
      ...(await filesOf(folder)),
      ...answers.map((each) => each.text),
    ]
    const secrets = [...given.secrets, adminKey, ...tokensOf(null)]
    for (const [index, place] of places.entries()) {
      for (const each of secrets) expect(place.includes(each) ? `${each} is in place ${index}` : '').toBe('')
    }
    expect(tokensOf(null).length > 0).toBe(areModelsOpen)
    expect(gateway.log().filter(({ event }) => event === 'call').length).toBeGreaterThan(2)
  }, 20_000)
})

function noSessionsLeft(): Promise<void> {
  const isEmpty = async () => upstream.sessions.every(({ deletedAtMs }) => deletedAtMs !== null)
  return waitFor(isEmpty, 'the deletion of every session')
}

/** An error that quotes all that belongs to a credential. */
function echo({ secrets }: Predecessor, credential: string): string {
  const place = emails.indexOf(credential)
  const own = place < 0 ? [] : [passwords[place] ?? '', ...tokensOf(credential)]
  const message = [credential, ...own].join(' is not ')
  expect(secrets).toContain(credential)
  return JSON.stringify({ errorCode: 'invalid_request', message })
}

/** Bearer tokens of one account that were sent so far; of all (null) also the Basic pairs, and what was offered for a new token. */
function tokensOf(credential: string | null): string[] {
  const requests = upstream.requests.filter((one) => credential === null || one.credential === credential)
  const schemes = credential === null ? /^(?:Bearer|Basic) (.+)$/ : /^Bearer (.+)$/
  const sent = requests.flatMap((one) => schemes.exec(one.header('authorization') ?? '')?.[1] ?? [])
  const offered = requests.flatMap((one) => (operationOf(one) === 'refresh' ? refreshTokensIn(one.json()) : []))
  return [...new Set([...sent, ...offered])]
}

function refreshTokensIn(body: unknown): string[] {
  const { data } = body as { data: { token: string; refreshToken: string } }
  return [data.token, data.refreshToken]
}

function contentOf(stream: string): string {
  const chunks = [...stream.matchAll(/^data: (\{.*\})$/gm)].map(([, json = '{}']) => JSON.parse(json) as Chunk)
  return chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta.content ?? '')).join('')
}

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[]
}

async function pageOf(gateway: Gateway, path: string): Promise<string> {
  const response = await gateway.admin(path)
  expect(response.status).toBe(200)
  return response.text()
}

/** All that the program has written, the database among it. */
async function filesOf(folder: Folder): Promise<string[]> {
  const names = await readdir(folder.at('data'), { recursive: true, withFileTypes: true })
  const paths = names.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name))
  expect(paths.map((path) => path.split('/').at(-1))).toContain('any2api.db')
  return Promise.all(paths.map(async (path) => Buffer.from(await Bun.file(path).bytes()).toString('latin1')))
}
