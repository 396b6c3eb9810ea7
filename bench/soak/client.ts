/** The clients of the soak, in a process of their own, so that none of their connections outlives them. Writes what it saw to a file. */
import { writeFile } from 'node:fs/promises'
import { createRandom, type Random } from '../random.ts'
import { type CallResult, chooseDeparture, chooseKind, makeCall } from './calls.ts'
import { adminKey } from './settings.ts'

export interface ClientOrder {
  readonly port: number
  readonly seed: number
  /** Of the first call. */
  readonly firstNumber: number
  readonly seconds: number
  readonly users: number
  /** Between two calls of one user; on average half of it. */
  readonly thinkMs: number
  readonly resultFile: string
}

export interface ClientReport {
  readonly results: readonly CallResult[]
  /** Reads of statistics and the like that did not go well. */
  readonly operatorProblems: readonly string[]
  readonly operatorReads: number
}

const order: ClientOrder = JSON.parse(Bun.argv[2] ?? '{}')
const base = `http://127.0.0.1:${order.port}`
const until = performance.now() + order.seconds * 1000
const results: CallResult[] = []
const operatorProblems: string[] = []
let operatorReads = 0
let number = order.firstNumber

const users = Array.from({ length: order.users }, (_, index) => user(createRandom(order.seed, index)))
const operators = [reader(createRandom(order.seed, 500)), watcher(createRandom(order.seed, 501))]
await Promise.all([...users, ...operators, resetter(createRandom(order.seed, 502))])
const report: ClientReport = { results, operatorProblems: operatorProblems.slice(0, 50), operatorReads }
await writeFile(order.resultFile, JSON.stringify(report))
process.exit(0)

async function user(random: Random): Promise<void> {
  await Bun.sleep(random.next() * order.thinkMs)
  while (performance.now() < until) {
    const kind = chooseKind(random)
    results.push(await makeCall(base, kind, { number: number++, random, departure: chooseDeparture(random) }))
    await Bun.sleep(random.next() * order.thinkMs)
  }
}

/** What dashboards and scrapers ask for. */
async function reader(random: Random): Promise<void> {
  const paths = [
    '/stats',
    '/stats?from=24h&by=model',
    '/stats?from=1h&bucket=hour&by=credential',
    '/metrics',
    '/blacklist',
    '/admin/requests?limit=100',
    '/admin/requests?outcome=failed',
    '/admin/config',
    '/health/ready',
    '/',
  ]
  while (performance.now() < until) {
    await operate('GET', paths[random.between(0, paths.length - 1)] ?? '/stats')
    await Bun.sleep(random.between(100, 900))
  }
}

/** Opens the live figures of the dashboard, looks for a while and leaves, as an open tab does. */
async function watcher(random: Random): Promise<void> {
  while (performance.now() < until) {
    const watching = Array.from({ length: random.between(1, 4) }, () => watch(random.between(200, 6000)))
    await Promise.all(watching)
  }
}

async function watch(forMs: number): Promise<void> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), forMs)
  try {
    const headers = { authorization: `Bearer ${adminKey}` }
    const response = await fetch(`${base}/admin/live`, { headers, signal: controller.signal })
    operatorReads++
    if (!response.ok) operatorProblems.push(`/admin/live: ${response.status}`)
    await response.text()
    operatorProblems.push('/admin/live ended by itself')
  } catch (error) {
    if (!controller.signal.aborted) operatorProblems.push(`/admin/live: ${error}`)
  } finally {
    clearTimeout(timer)
  }
}

async function resetter(random: Random): Promise<void> {
  while (performance.now() < until) {
    await Bun.sleep(Math.min(random.between(10_000, 30_000), Math.max(0, until - performance.now())))
    if (performance.now() < until) await operate('POST', '/reset-keys')
  }
}

async function operate(method: string, path: string): Promise<void> {
  operatorReads++
  try {
    const headers = { authorization: `Bearer ${adminKey}` }
    const response = await fetch(`${base}${path}`, { method, headers, signal: AbortSignal.timeout(30_000) })
    await response.arrayBuffer()
    if (!response.ok) operatorProblems.push(`${path}: ${response.status}`)
  } catch (error) {
    operatorProblems.push(`${path}: ${error}`)
  }
}
