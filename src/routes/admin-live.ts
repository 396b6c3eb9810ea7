/** `GET /admin/live`: what happens now, an event each second, for any number of watchers at the price of one. */

import { GatewayError } from '../errors.ts'
import { describeRecord } from './admin-requests.ts'
import { documentRoute } from './documentation.ts'
import type { OperatorContext, OperatorParts } from './operator.ts'

const eventEveryMs = 1000
/** Events that wait for a watcher who does not read; later ones pass it by. */
const maxWaitingEvents = 5
const maxWatchers = 100
/** Longer than an event takes to come; the server's own limit would do as well. */
const retryMs = 2000

interface Watcher {
  readonly controller: ReadableStreamDefaultController<Uint8Array>
}

export function adminLive(parts: OperatorParts) {
  const { gateway, stopping } = parts
  const { live } = gateway.metrics
  const watchers = new Set<Watcher>()
  const encoder = new TextEncoder()
  let timer: ReturnType<typeof setInterval> | null = null
  let lastCall = 0
  stopping?.addEventListener('abort', end, { once: true })

  function event(since: number): Uint8Array {
    return encoder.encode(`event: live\ndata: ${JSON.stringify(describeLive(parts, since))}\n\n`)
  }

  function tick(): void {
    const bytes = event(lastCall)
    lastCall = live.callsSince(lastCall).last
    for (const { controller } of watchers) if ((controller.desiredSize ?? 0) > 0) controller.enqueue(bytes)
  }

  function begin(watcher: Watcher): void {
    if (watchers.size === 0) lastCall = live.callsSince(0).last
    watchers.add(watcher)
    watcher.controller.enqueue(encoder.encode(`retry: ${retryMs}\n\n`))
    watcher.controller.enqueue(event(0))
    timer ??= setInterval(tick, eventEveryMs)
  }

  function leave(watcher: Watcher): void {
    watchers.delete(watcher)
    if (watchers.size > 0 || timer === null) return
    clearInterval(timer)
    timer = null
  }

  function end(): void {
    for (const watcher of [...watchers]) {
      leave(watcher)
      watcher.controller.close()
    }
  }

  return ({ request }: OperatorContext): Response => {
    if (stopping?.aborted) throw new GatewayError('shutting_down', 'the gateway is stopping', { status: 503 })
    if (watchers.size >= maxWatchers)
      throw new GatewayError('too_many_watchers', 'too many are watching', { status: 503 })
    const headers = {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    }
    if (request.method === 'HEAD') return new Response(null, { headers })
    let watcher: Watcher | null = null
    const body = new ReadableStream<Uint8Array>(
      {
        start(controller) {
          const own = { controller }
          watcher = own
          begin(own)
          request.signal.addEventListener('abort', () => leave(own), { once: true })
        },
        cancel() {
          if (watcher !== null) leave(watcher)
        },
      },
      { highWaterMark: maxWaitingEvents },
    )
    return new Response(body, { headers })
  }
}

function describeLive({ gateway, store, clock }: OperatorParts, since: number) {
  const { live } = gateway.metrics
  const { lastMinute, seconds, firstByteMs, durationMs } = live.read()
  const { providers, breakers } = gateway.status()
  const credentials = { healthy: 0, cooling: 0, blacklisted: 0, paused: 0 }
  for (const provider of providers) for (const { state } of provider.credentials) credentials[state]++
  return {
    time: new Date(clock.now()).toISOString(),
    in_flight: gateway.metrics.snapshot().activeCalls,
    last_minute: {
      requests: lastMinute.requests,
      errors: lastMinute.errors,
      aborted: lastMinute.aborted,
      requests_per_second: lastMinute.requests / 60,
      errors_per_second: lastMinute.errors / 60,
      input_tokens: lastMinute.inputTokens,
      output_tokens: lastMinute.outputTokens,
      cost_usd: lastMinute.costMicroUsd / 1_000_000,
    },
    first_byte_ms: firstByteMs,
    duration_ms: durationMs,
    seconds,
    credentials,
    breakers: breakers.map(({ target, state, until }) => ({
      target,
      state,
      until: until === null ? null : new Date(until).toISOString(),
    })),
    store_problem: store.problem(),
    calls: live.callsSince(since).calls.map(describeRecord),
  }
}

export const adminLiveDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'What happens now',
  description:
    'Server-sent events: the first at once, then one a second. `last_minute` are calls that ended in the last 60 seconds, percentiles those of the last five minutes, `calls` those that ended since the event before (at most 50).',
  answer: {
    description: 'Events named `live`',
    content: {
      'text/event-stream': {
        example:
          'event: live\ndata: {"time":"2030-01-01T10:05:01.000Z","in_flight":3,"last_minute":{"requests":120,"errors":1}}\n\n',
      },
    },
  },
  errors: [503],
})
