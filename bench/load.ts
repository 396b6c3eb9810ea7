/** Loads a server with one kind of chat call by `wrk`, after making sure that a single such call is answered whole. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clientKey, type Subject } from './subjects.ts'

export interface Case {
  readonly name: string
  readonly body: string
  /** The answer must end with this. */
  readonly end: string
}

export interface Load {
  readonly connections: number
  readonly seconds: number
  /** For the script that wrk reads. */
  readonly directory: string
}

export interface LoadResult {
  readonly calls: number
  readonly callsPerSecond: number
  readonly medianLatencyMs: number
  /** Refused, broken or timed out. */
  readonly errors: number
}

export const cases: readonly Case[] = [
  { name: 'JSON call', body: chatBody({}), end: '}' },
  // The client does not ask for usage: the gateway must ask for it, and take it out of the answer again.
  { name: '50-chunk stream', body: chatBody({ stream: true }), end: 'data: [DONE]\n\n' },
]

export async function load(subject: Subject, call: Case, options: Load): Promise<LoadResult> {
  await callOnce(subject, call)
  const script = join(options.directory, 'wrk.lua')
  await writeFile(script, wrkScript(call))
  const settings = ['-t', '1', '-c', String(options.connections), '-d', `${options.seconds}s`, '--timeout', '10s']
  const child = Bun.spawn(['wrk', ...settings, '-s', script, url(subject)], { stdout: 'pipe', stderr: 'inherit' })
  const output = await new Response(child.stdout).text()
  const line = /^RESULT (\d+) (\d+) (\d+) ([\d.]+)$/m.exec(output)
  if ((await child.exited) !== 0 || line === null) throw new Error(`wrk failed:\n${output}`)
  const [calls = 0, durationUs = 1, errors = 0, medianUs = 0] = line.slice(1).map(Number)
  return { calls, callsPerSecond: (calls * 1e6) / durationUs, medianLatencyMs: medianUs / 1000, errors }
}

async function callOnce(subject: Subject, call: Case): Promise<void> {
  const headers = { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' }
  const response = await fetch(url(subject), { method: 'POST', headers, body: call.body })
  const text = await response.text()
  if (response.ok && text.endsWith(call.end)) return
  throw new Error(`${subject.name} does not answer a ${call.name}: status ${response.status}, …${text.slice(-300)}`)
}

function url(subject: Subject): string {
  return `http://127.0.0.1:${subject.port}/v1/chat/completions`
}

function chatBody(fields: object): string {
  const messages = [
    { role: 'system', content: 'You are a helpful assistant. Answer in one or two sentences.' },
    { role: 'user', content: 'What is the difference between a proxy and a gateway, and when does it matter?' },
  ]
  return JSON.stringify({ model: 'gpt-4o-mini', messages, temperature: 0.7, max_tokens: 256, ...fields })
}

function wrkScript(call: Case): string {
  return `
wrk.method = "POST"
wrk.body = [==[${call.body}]==]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer ${clientKey}"
done = function(summary, latency)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("RESULT %d %d %d %.1f\\n", summary.requests, summary.duration, errors, latency:percentile(50)))
end
`
}
