/** Looks at the gateway's process from outside every few seconds: memory, threads, descriptors, files, calls under way, and how long an answer takes. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { cpuSeconds } from '../process-usage.ts'
import { adminKey } from './settings.ts'

export interface Sample {
  /** Since the start of the soak. */
  readonly seconds: number
  readonly residentBytes: number
  readonly threads: number
  readonly descriptors: number
  readonly activeCalls: number
  readonly recordedCalls: number
  /** As the runtime tells it. */
  readonly heapBytes: number
  readonly databaseBytes: number
  readonly writeAheadBytes: number
  readonly logBytes: number
  /** Of all cores together, since the sample before. */
  readonly processorShare: number
  /** Of `/health` on a new connection, since the sample before. */
  readonly medianAnswerMs: number
  readonly longestAnswerMs: number
  /** Of the mock upstream, asked at the same time: what the machine itself is to blame for. */
  readonly longestReferenceMs: number
}

export interface Sampler {
  readonly samples: readonly Sample[]
  stop(): Promise<void>
}

export interface SampledGateway {
  readonly pid: number
  readonly port: number
  readonly referencePort: number
  /** With `data` and `log` in it. */
  readonly directory: string
}

export function startSampler(gateway: SampledGateway, everyMs: number): Sampler {
  const samples: Sample[] = []
  const begin = performance.now()
  let isStopped = false
  let answersMs: number[] = []
  let longestReferenceMs = 0
  let before = { cpu: cpuSeconds([gateway.pid]), at: begin }

  async function probe(): Promise<void> {
    while (!isStopped) {
      const start = performance.now()
      const since = () => performance.now() - start
      const [answerMs, referenceMs] = await Promise.all([
        get(gateway.port, '/health').then(since, since),
        get(gateway.referencePort, '/v1/models').then(since, since),
      ])
      answersMs.push(answerMs)
      longestReferenceMs = Math.max(longestReferenceMs, referenceMs)
      await Bun.sleep(probeEveryMs)
    }
  }

  async function sample(): Promise<void> {
    while (!isStopped) {
      await Bun.sleep(everyMs)
      if (isStopped) return
      const now = performance.now()
      const cpu = cpuSeconds([gateway.pid])
      const sorted = answersMs.sort((a, b) => a - b)
      answersMs = []
      const metrics = await readMetrics(gateway.port).catch(() => null)
      samples.push({
        seconds: (now - begin) / 1000,
        ...readProcess(gateway.pid),
        activeCalls: metrics?.active_requests ?? Number.NaN,
        recordedCalls: metrics?.request_count ?? Number.NaN,
        heapBytes: metrics?.mem_stats.heap_used ?? Number.NaN,
        ...readFiles(gateway.directory),
        processorShare: ((cpu - before.cpu) * 1000) / (now - before.at),
        medianAnswerMs: sorted[Math.floor(sorted.length / 2)] ?? 0,
        longestAnswerMs: sorted.at(-1) ?? 0,
        longestReferenceMs,
      })
      before = { cpu, at: now }
      longestReferenceMs = 0
    }
  }

  const done = Promise.all([probe(), sample()])
  return {
    samples,
    async stop() {
      isStopped = true
      await done
    },
  }
}

export interface JsonMetrics {
  readonly active_requests: number
  readonly request_count: number
  readonly success_count: number
  readonly refused_count: number
  readonly mem_stats: { readonly heap_used: number }
}

export async function readMetrics(port: number): Promise<JsonMetrics> {
  return JSON.parse(await get(port, '/metrics'))
}

/** On a connection of its own, which is closed afterwards, with the admin key. */
export async function get(port: number, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { authorization: `Bearer ${adminKey}`, accept: 'application/json', connection: 'close' },
    keepalive: false,
    signal: AbortSignal.timeout(30_000),
  })
  if (!response.ok) throw new Error(`${path}: ${response.status}`)
  return response.text()
}

export function readProcess(pid: number): { residentBytes: number; threads: number; descriptors: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
  return {
    residentBytes: number('VmRSS') * 1024,
    threads: number('Threads'),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  }
}

function readFiles(directory: string): { databaseBytes: number; writeAheadBytes: number; logBytes: number } {
  const data = filesIn(join(directory, 'data'))
  const sum = (files: readonly [string, number][]) => files.reduce((total, [, bytes]) => total + bytes, 0)
  const isWriteAhead = ([name]: readonly [string, number]) => name.endsWith('-wal')
  return {
    databaseBytes: sum(data.filter((file) => !isWriteAhead(file))),
    writeAheadBytes: sum(data.filter(isWriteAhead)),
    logBytes: sum(filesIn(join(directory, 'log'))),
  }
}

function filesIn(directory: string): [string, number][] {
  return readdirSync(directory).map((name) => {
    // A file that is rotated away meanwhile is no loss.
    const bytes = statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0
    return [name, bytes]
  })
}

const probeEveryMs = 250
