/** Starts another gateway as a process of its own, waits until it is ready, and tries it with calls whose answers are known. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../children.ts'
import { residentBytes, withDescendants } from '../process-usage.ts'
import { clientKey, type Subject } from '../subjects.ts'
import { homeOf, lastLines } from './install.ts'
import type { Launch, Peer } from './peer.ts'

export interface PeerSubject extends Subject {
  readonly version: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly model: string
  readonly startMs: number
  readonly trial: Trial
}

/** What was seen at its start and in its first calls. */
export interface Trial {
  /** Resident memory two seconds after that, before the first call. */
  readonly idleBytes: number
  readonly hasUsage: boolean
  /** Whether a stream that asks for usage ends with it. */
  readonly hasStreamUsage: boolean
  /** Whether a stream that does not ask is left without it, as OpenAI leaves it. */
  readonly isStreamUsageOnlyIfAsked: boolean
  /** Of 320 calls, 16 at once, half of them streams: how many were not answered well. */
  readonly failedCalls: number
}

/** Throws where it does not start, or does not give the mock's own answers back; its process is gone then. */
export async function runPeer(peer: Peer, directory: string, upstreamPort: number): Promise<PeerSubject> {
  const scratch = join(directory, `peer-${peer.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`)
  await rm(scratch, { recursive: true, force: true })
  await mkdir(scratch, { recursive: true })
  const port = await freePort()
  const otherPort = await freePort()
  const launch = await peer.launch({ home: homeOf(peer), scratch, port, otherPort, upstreamPort })
  const headers = { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json', ...launch.headers }

  const log = Bun.file(join(scratch, 'output.log'))
  const begin = performance.now()
  const child = Bun.spawn([...launch.command], {
    cwd: scratch,
    // With nothing of this shell's environment but the path: settings lying about must not change what is measured.
    env: { PATH: Bun.env.PATH ?? '', HOME: Bun.env.HOME ?? scratch, ...launch.environment },
    stdin: 'ignore',
    stdout: log,
    stderr: log,
  })
  try {
    await firstAnswer(child, `http://127.0.0.1:${port}${launch.readyPath}`, headers)
    const startMs = performance.now() - begin
    await Bun.sleep(restMs)
    const pids = [child.pid]
    const idleBytes = residentBytes(pids)
    const seen = await tryCalls({ launch, headers, port, upstreamPort })
    return {
      name: peer.name,
      version: peer.version,
      port,
      // Some start a process more with the first call.
      pids: [child.pid],
      path: chatPath,
      headers: { authorization: headers.authorization, ...launch.headers },
      model: launch.model ?? defaultModel,
      startMs,
      trial: { idleBytes, ...seen },
      stop: () => stop(child),
    }
  } catch (error) {
    await stop(child)
    const told = lastLines((await log.exists()) ? await log.text() : '')
    throw new Error(`${error instanceof Error ? error.message : error}${told === '' ? '' : `; it said: ${told}`}`)
  }
}

const chatPath = '/v1/chat/completions'
const defaultModel = 'gpt-4o-mini'
const startDeadlineMs = 120_000
const callDeadlineMs = 20_000
const restMs = 2_000

type Child = Bun.Subprocess<'ignore', Bun.BunFile, Bun.BunFile>

async function firstAnswer(child: Child, url: string, headers: Record<string, string>): Promise<void> {
  const deadline = performance.now() + startDeadlineMs
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`it ended with status ${child.exitCode} before its first answer`)
    try {
      const response = await fetch(url, { headers, keepalive: false, signal: AbortSignal.timeout(2_000) })
      await response.arrayBuffer()
      if (response.ok) return
    } catch {
      // Not listening yet.
    }
    await Bun.sleep(5)
  }
  throw new Error(`no answer at ${new URL(url).pathname} within ${startDeadlineMs / 1000} s`)
}

/** The mock is asked the same directly: what comes back through the gateway must be its text, whole. */
async function tryCalls(target: {
  launch: Launch
  headers: Record<string, string>
  port: number
  upstreamPort: number
}) {
  const { launch, headers, port, upstreamPort } = target
  const ask = async (throughPeer: boolean, fields: object) => {
    const model = throughPeer ? (launch.model ?? defaultModel) : defaultModel
    const messages = [{ role: 'user', content: 'What is the difference between a proxy and a gateway?' }]
    const response = await fetch(`http://127.0.0.1:${throughPeer ? port : upstreamPort}${chatPath}`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ model, messages, ...fields }),
      signal: AbortSignal.timeout(callDeadlineMs),
    })
    const text = await response.text()
    if (response.ok) return text
    throw new Error(`status ${response.status} to a call: ${text.slice(0, 200).replaceAll(/\s+/g, ' ')}`)
  }

  const answer = JSON.parse(await ask(true, {}))
  if (textOf(answer) !== textOf(JSON.parse(await ask(false, {})))) throw new Error('its answer is not that of the mock')

  const expected = readStream(await ask(false, { stream: true }))
  const stream = readStream(await ask(true, { stream: true }))
  if (!stream.isEnded) throw new Error('its stream does not end in [DONE]')
  if (stream.text !== expected.text) throw new Error(`its stream is not that of the mock: ${stream.text.slice(0, 100)}`)
  const failedCalls = await countFailures((index) => ask(true, index % 2 === 0 ? {} : { stream: true }))
  const asking = readStream(await ask(true, { stream: true, stream_options: { include_usage: true } }))
  return {
    hasUsage: answer.usage?.total_tokens > 0,
    hasStreamUsage: asking.hasUsage,
    isStreamUsageOnlyIfAsked: !stream.hasUsage,
    failedCalls,
  }
}

const trialUsers = 16
const trialCallsEach = 20

/** Limits that are on by default and calls that disturb each other show only when there are many. */
async function countFailures(call: (index: number) => Promise<string>): Promise<number> {
  let failures = 0
  const user = async () => {
    for (let index = 0; index < trialCallsEach; index++) await call(index).catch(() => failures++)
  }
  await Promise.all(Array.from({ length: trialUsers }, user))
  return failures
}

function readStream(body: string): { text: string; hasUsage: boolean; isEnded: boolean } {
  const events = body.split('\n').flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trim()] : []))
  const chunks = events.filter((event) => event !== '[DONE]').map((event) => JSON.parse(event))
  return {
    text: chunks.map((chunk) => chunk.choices?.[0]?.delta?.content ?? '').join(''),
    hasUsage: chunks.some((chunk) => chunk.usage?.total_tokens > 0),
    isEnded: events.at(-1) === '[DONE]',
  }
}

function textOf(answer: { choices?: { message?: { content?: string } }[] }): string {
  const text = answer.choices?.[0]?.message?.content
  if (typeof text !== 'string' || text === '') throw new Error('an answer without text')
  return text
}

async function stop(child: Child): Promise<void> {
  if (child.exitCode !== null) return
  const pids = withDescendants([child.pid])
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await child.exited
  clearTimeout(timer)
  for (const pid of pids.slice(1)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Went with its parent.
    }
  }
}
