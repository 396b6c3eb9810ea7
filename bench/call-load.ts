/** Loads a server with one kind of chat call by `wrk`, after making sure that a single such call is answered whole. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Call, requestBody, requestHeaders, requestPath } from './chat-request.ts'
import { output } from './children.ts'
import type { Subject } from './subjects.ts'

export interface CallLoad {
  readonly connections: number
  readonly seconds: number
  /** For the script that wrk reads. */
  readonly directory: string
}

export interface CallLoadResult {
  readonly calls: number
  readonly callsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Refused, broken or timed out. */
  readonly errors: number
}

export async function loadCalls(subject: Subject, call: Call, options: CallLoad): Promise<CallLoadResult> {
  const script = join(options.directory, 'wrk.lua')
  await writeFile(join(options.directory, 'wrk-body.json'), requestBody(subject, call))
  await writeFile(script, wrkScript(subject, options.directory))
  const settings = ['-t', '1', '-c', String(options.connections), '-d', `${options.seconds}s`, '--timeout', '10s']
  const url = `http://127.0.0.1:${subject.port}${requestPath(subject)}`
  const text = await output(['wrk', ...settings, '-s', script, url], options.seconds * 1_000 + 30_000)
  const line = /^RESULT (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)$/m.exec(text)
  if (line === null) throw new Error(`wrk says nothing about its calls:\n${text}`)
  const [calls = 0, durationUs = 1, errors = 0, p50Us = 0, p99Us = 0] = line.slice(1).map(Number)
  if (calls === 0) throw new Error(`no call was answered within ${options.seconds} s`)
  return { calls, callsPerSecond: (calls * 1e6) / durationUs, p50Ms: p50Us / 1_000, p99Ms: p99Us / 1_000, errors }
}

/** Throws where equal calls are not answered from the gateway's cache. */
export async function expectCacheHits(subject: Subject, call: Call): Promise<void> {
  await callOnce(subject, call)
  const headers = await callOnce(subject, call)
  if (headers.get('x-any2api-cache') !== 'hit') throw new Error('the second of two equal calls did not hit the cache')
}

/** Throws where the answer is not one, or not whole; gives back its headers. */
export async function callOnce(subject: Subject, call: Call): Promise<Headers> {
  const response = await fetch(`http://127.0.0.1:${subject.port}${requestPath(subject)}`, {
    method: 'POST',
    headers: requestHeaders(subject),
    body: requestBody(subject, call),
    signal: AbortSignal.timeout(10_000),
  })
  const text = (await response.text()).trim()
  const isWhole = call.isStreamed === true ? text.endsWith('data: [DONE]') : text.includes('"choices"')
  if (response.ok && isWhole) return response.headers
  throw new Error(`status ${response.status}: …${text.slice(-200)}`)
}

function wrkScript(subject: Subject, directory: string): string {
  const headers = Object.entries(requestHeaders(subject)).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`)
  return `
wrk.method = "POST"
wrk.body = io.open("${directory}/wrk-body.json"):read("*a")
${headers.join('\n')}
done = function(summary, latency)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("RESULT %d %d %d %.1f %.1f\\n",
    summary.requests, summary.duration, errors, latency:percentile(50), latency:percentile(99)))
end
`
}
