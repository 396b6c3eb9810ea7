/**
 * Sends many paced streams at once to one server and checks every one of them, in a process of its own:
 * `bun bench/stream-load.ts '<StreamLoad as JSON>'` prints a `StreamLoadResult` as JSON.
 */
import type { Socket } from 'bun'
import { createAnswerReader } from './http-answer.ts'
import { createRandom } from './random.ts'
import { percentile } from './statistics.ts'
import { createStreamCheck } from './stream-check.ts'
import { systemMicroseconds } from './system-clock.ts'

export interface StreamLoad {
  readonly port: number
  /** The whole request, head and body. */
  readonly request: string
  readonly streams: number
  /**
   * Requests are sent over this time, on connections opened before: each at a random moment of its share of it, the same ones in every
   * run. Exactly even, their deltas would all come in the same few milliseconds, as those of independent clients do not.
   */
  readonly spreadMs: number
  /** From the first request; what has not ended by then is not whole. */
  readonly deadlineMs: number
}

export interface StreamLoadResult {
  readonly whole: number
  /** What was wrong with the others, and how often. */
  readonly faults: Readonly<Record<string, number>>
  /** The most streams under way at one moment, from the first event of each to its end. */
  readonly atOnce: number
  /** From sending the request to the first event. */
  readonly firstEventMs: Percentiles
  /** From the upstream's sending a delta to its arrival here. */
  readonly delayMs: Percentiles
  /** How much longer (or shorter) the pause before a delta was here than where it was sent. */
  readonly gapMs: Percentiles
  /** From sending the request to the end of the stream. */
  readonly durationMs: Percentiles
  /** From the first request to the last end. */
  readonly wallMs: number
  /** Processor time of this process over the time of the clock, while streams were under way. */
  readonly busy: number
}

export interface Percentiles {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

interface Stream {
  readonly isEnded: boolean
  readonly fault: string | null
  begin(request: Buffer): void
  receive(bytes: Buffer): void
  close(): void
}

const connectsAtOnce = 100
const seed = 1

if (import.meta.main) {
  const load: StreamLoad = JSON.parse(process.argv[2] ?? '{}')
  console.log(JSON.stringify(await run(load)))
  process.exit(0)
}

async function run(load: StreamLoad): Promise<StreamLoadResult> {
  const firstEvents: number[] = []
  const delays: number[] = []
  const gaps: number[] = []
  const durations: number[] = []
  let open = 0
  let atOnce = 0
  let ended = 0
  const allEnded = Promise.withResolvers<void>()

  const sockets: Socket<Stream>[] = []
  for (let tried = 0; tried < load.streams; tried += connectsAtOnce) {
    const count = Math.min(connectsAtOnce, load.streams - tried)
    const connected = await Promise.all(Array.from({ length: count }, connect))
    sockets.push(...connected.filter((socket) => socket !== null))
  }
  const unconnected = load.streams - sockets.length

  const request = Buffer.from(load.request)
  const cpuBefore = process.cpuUsage()
  const begin = performance.now()
  const timer = setTimeout(allEnded.resolve, load.deadlineMs)
  const random = createRandom(seed, 0)
  const share = load.spreadMs / sockets.length
  for (const [index, socket] of sockets.entries()) {
    const dueMs = (index + random.next()) * share
    while (performance.now() - begin < dueMs) await Bun.sleep(1)
    socket.data.begin(request)
    socket.write(request)
  }
  if (sockets.length > 0) await allEnded.promise
  clearTimeout(timer)
  const wallMs = performance.now() - begin
  const cpu = process.cpuUsage(cpuBefore)

  const faults: Record<string, number> = unconnected === 0 ? {} : { 'could not connect': unconnected }
  for (const { data } of sockets) {
    const fault = data.isEnded ? data.fault : 'no end within the deadline'
    if (fault !== null) faults[fault] = (faults[fault] ?? 0) + 1
  }
  const broken = Object.values(faults).reduce((total, count) => total + count, 0)
  return {
    whole: load.streams - broken,
    faults,
    atOnce,
    firstEventMs: percentiles(firstEvents),
    delayMs: percentiles(delays),
    gapMs: percentiles(gaps),
    durationMs: percentiles(durations),
    wallMs,
    busy: (cpu.user + cpu.system) / 1_000 / wallMs,
  }

  function connect(): Promise<Socket<Stream> | null> {
    const stream = createStream()
    return Bun.connect<Stream>({
      hostname: '127.0.0.1',
      port: load.port,
      data: stream,
      socket: {
        data: (socket, bytes) => socket.data.receive(bytes),
        close: (socket) => socket.data.close(),
        error: (socket) => socket.data.close(),
      },
    }).catch(() => null)
  }

  function createStream(): Stream {
    let sentUs = 0
    let arrivedUs = 0
    let lastDelayUs: number | null = null
    let hasBegun = false
    const check = createStreamCheck((deltaSentUs) => {
      if (!hasBegun) {
        hasBegun = true
        open += 1
        atOnce = Math.max(atOnce, open)
        firstEvents.push(arrivedUs - sentUs)
      }
      if (deltaSentUs === null) return
      const delay = arrivedUs - deltaSentUs
      delays.push(delay)
      if (lastDelayUs !== null) gaps.push(delay - lastDelayUs)
      lastDelayUs = delay
    })
    const reader = createAnswerReader((bytes) => check.push(bytes.toString('latin1')))
    const stream = {
      isEnded: false,
      fault: null as string | null,
      begin() {
        sentUs = systemMicroseconds()
      },
      receive(bytes: Buffer) {
        arrivedUs = systemMicroseconds()
        if (stream.isEnded) return
        try {
          reader.push(bytes)
        } catch (error) {
          return end(String(error))
        }
        if (reader.isEnded) end(reader.status === 200 ? check.fault() : `status ${reader.status}`)
      },
      close() {
        if (stream.isEnded) return
        reader.close()
        if (reader.isEnded) end(reader.status === 200 ? check.fault() : `status ${reader.status}`)
        else end('the connection was closed before the end')
      },
    }
    return stream

    function end(fault: string | null): void {
      stream.isEnded = true
      stream.fault = fault
      if (hasBegun) open -= 1
      durations.push(systemMicroseconds() - sentUs)
      ended += 1
      if (ended === sockets.length) allEnded.resolve()
    }
  }
}

/** In milliseconds, of values in microseconds. */
function percentiles(values: readonly number[]): Percentiles {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number) => percentile(sorted, share) / 1_000
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}
