/** A gateway from source with its database, a simulated upstream behind it, and a browser in front: what tests of the pages share. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { loadConfig } from '../../src/config/load.ts'
import { silentLogger } from '../../src/log.ts'
import { type Server, startServer } from '../../src/server.ts'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { type OpenAiSimulator, startOpenAiSimulator } from '../../src/simulator/openai.ts'

export const adminKey = 'admin-of-the-pages-00000001'
export const clientKey = 'sk-client-of-the-pages-0001'
export const goodSecret = 'sk-upstream-good-secret-0001'
export const revokedSecret = 'sk-upstream-revoked-secret-0002'

const usualPlaces = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** Null where there is none; then tests of pages are left out: `test.skipIf(chromiumPath === null)`. */
export const chromiumPath = [process.env.CHROMIUM_PATH ?? '', ...usualPlaces].find((path) => existsSync(path)) ?? null

/** Says once in a test file what is left out. */
export function tellWhenSkipped(pages: string): void {
  if (chromiumPath === null)
    console.warn(`left out: ${pages} in a browser; no Chromium was found, CHROMIUM_PATH names one`)
}

export interface Stand extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  readonly upstream: OpenAiSimulator
  readonly server: Server
  readonly browser: Browser
  /** With the admin key. */
  admin(path: string, init?: RequestInit): Promise<Response>
  /** A chat call with the client key, read to its end. */
  chat(body?: Readonly<Record<string, unknown>>): Promise<Response>
  /** A page of a browser of its own, signed in and watched. */
  open(hash: string, look?: Look): Promise<WatchedPage>
}

export interface Look {
  readonly width?: number
  readonly height?: number
  readonly theme?: 'light' | 'dark'
  readonly language?: 'en' | 'zh'
}

export interface WatchedPage extends AsyncDisposable {
  readonly page: Page
  /** Errors and warnings of the console, exceptions, violations of the content security policy. */
  readonly complaints: readonly string[]
  /** Requests to anywhere but the gateway. */
  readonly foreignRequests: readonly string[]
  /** How many pixels the page is wider than its window; 0 is right. */
  overflow(): Promise<number>
  /** Serious and critical findings of axe, as `rule: element`. */
  findings(): Promise<readonly string[]>
}

export interface StandOptions {
  /** By secret; default: a good and a revoked one. */
  readonly credentials?: Readonly<Record<string, Behaviour>>
  /** Over the settings of the tests, by section. */
  readonly settings?: Readonly<Record<string, unknown>>
}

/** Throws where there is no Chromium. */
export async function startStand({ credentials = twoCredentials, settings = {} }: StandOptions = {}): Promise<Stand> {
  const directory = await mkdtemp(join(tmpdir(), 'any2api-pages-'))
  const upstream = startOpenAiSimulator({ credentials, defaultBehaviour: { kind: 'revoked' } })
  const load = () =>
    loadFrom(directory, {
      server: { host: '127.0.0.1', shutdown_grace: '100ms' },
      access: { admin_key: adminKey, client_keys: [{ name: 'team', key: clientKey, rpm: 60, budget_usd: 5 }] },
      providers: { simulated: { type: 'openai', base_url: upstream.baseUrl, keys: Object.keys(credentials) } },
      ...settings,
    })
  const loaded = load()
  if (loaded.config === null) throw new Error(JSON.stringify(loaded.problems))
  const config = { ...loaded.config, server: { ...loaded.config.server, port: 0 } }
  const server = await startServer({ config, loaded, load, log: silentLogger })
  const url = `http://127.0.0.1:${server.port}`
  const browser = await chromium.launch({ executablePath: chromiumPath ?? '', args: ['--no-sandbox'] })
  const withKey = (key: string, path: string, init: RequestInit = {}) =>
    fetch(url + path, { ...init, headers: { authorization: `Bearer ${key}`, ...(init.headers as object) } })

  return {
    url,
    upstream,
    server,
    browser,
    admin: (path, init) => withKey(adminKey, path, init),
    async chat(body = {}) {
      const answer = await withKey(clientKey, '/v1/chat/completions', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }], ...body }),
      })
      await answer.clone().text()
      return answer
    },
    open: (hash, look = {}) => openPage({ browser, url, hash, look }),
    async [Symbol.asyncDispose]() {
      await browser.close()
      await server.stop()
      upstream.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const twoCredentials: Readonly<Record<string, Behaviour>> = {
  [goodSecret]: { kind: 'good' },
  [revokedSecret]: { kind: 'revoked' },
}

function loadFrom(directory: string, settings: unknown) {
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

interface Opening {
  readonly browser: Browser
  readonly url: string
  readonly hash: string
  readonly look: Look
}

async function openPage({ browser, url, hash, look }: Opening): Promise<WatchedPage> {
  const { width = 1440, height = 900, theme = 'light', language = 'en' } = look
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    locale: language === 'zh' ? 'zh-CN' : 'en-US',
  })
  // By its API and not by the form: sign-ins of one address are limited. The form has a test of its own.
  await context.addCookies([{ ...(await sessionOf(url)), url }])
  const page = await context.newPage()
  page.setDefaultTimeout(deadlineMs)
  const complaints: string[] = []
  const foreignRequests: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    if (!/^(?:data|blob):/.test(request.url()) && !request.url().startsWith(`${url}/`))
      foreignRequests.push(request.url())
  })
  await page.goto(`${url}/#${hash}`)
  await page.waitForSelector('#content')
  return {
    page,
    complaints,
    foreignRequests,
    overflow: () =>
      page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
    async findings() {
      await page.evaluate(axe.source)
      return page.evaluate(findingsOfAxe)
    },
    [Symbol.asyncDispose]: () => context.close(),
  }
}

const deadlineMs = 5000
const sessions = new Map<string, { name: string; value: string }>()

/** One for all pages of a gateway. */
async function sessionOf(url: string): Promise<{ name: string; value: string }> {
  const known = sessions.get(url)
  if (known !== undefined) return known
  const answer = await fetch(`${url}/admin/session`, { method: 'POST', body: JSON.stringify({ admin_key: adminKey }) })
  const [name = '', value = ''] = (answer.headers.get('set-cookie') ?? '').split(';', 1)[0]?.split('=', 2) ?? []
  const session = { name, value }
  sessions.set(url, session)
  return session
}

/** Runs in the page, where axe is a global by then. */
async function findingsOfAxe(): Promise<string[]> {
  const inPage = (globalThis as unknown as { axe: typeof axe }).axe
  const { violations } = await inPage.run({ resultTypes: ['violations'] })
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)}`))
}
