/** A client that leaves stops the upstream, costs nobody anything, and is recorded once. */
import { describe, expect, test } from 'bun:test'
import type { Call } from '../../src/providers/provider.ts'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { sendRaw } from '../helpers/raw-client.ts'
import { clientSecret, testClient } from '../helpers/start-gateway.ts'
import { createTestClock, type Pair, startPair, statusOf, until } from '../helpers/start-pair.ts'

const secret = 'sk-abandoned-credential-1'
const authorization = `authorization: Bearer ${clientSecret}`

async function expectBlameless(pair: Pair): Promise<void> {
  await until(() => pair.upstream.inFlight() === 0)
  const record = await pair.onlyRecord()
  expect(record).toMatchObject({ status: 499, outcome: 'aborted', errorCode: 'client_closed_request' })
  await until(() => pair.credential(secret).inFlight === 0)
  expect(pair.credential(secret)).toMatchObject({ failures: 0, state: 'healthy', entries: [] })
  expect(pair.gateway.gateway.status().breakers).toEqual([])
  expect(pair.gateway.gateway.metrics.snapshot().activeCalls).toBe(0)
}

interface Row {
  readonly behaviour: Behaviour
  readonly isStream: boolean
  /** Whether the client reads the answer's beginning first. */
  readonly isBegun: boolean
  readonly keepAliveMs?: number
}

const rows: Readonly<Record<string, Row>> = {
  'before the head of a stream': { behaviour: { kind: 'hanging' }, isStream: true, isBegun: false },
  'before the head of a JSON answer': { behaviour: { kind: 'hanging' }, isStream: false, isBegun: false },
  'after the upstream sent its head': { behaviour: { kind: 'silent', after: 'head' }, isStream: true, isBegun: false },
  'after a role chunk': { behaviour: { kind: 'silent', after: 'role' }, isStream: true, isBegun: false },
  'in the middle of a JSON answer': {
    behaviour: { kind: 'silent', after: 'content' },
    isStream: false,
    isBegun: false,
  },
  'in the middle of a stream that goes on': {
    behaviour: { kind: 'good', deltaCount: 400, text: 'x'.repeat(4000), delayMs: 10 },
    isStream: true,
    isBegun: true,
  },
  'in the middle of a stream that has fallen silent': {
    behaviour: { kind: 'silent', after: 'content', afterChunks: 2 },
    isStream: true,
    isBegun: true,
  },
  'while only comments were sent': { behaviour: { kind: 'hanging' }, isStream: true, isBegun: true, keepAliveMs: 20 },
}

describe('a client that leaves', () => {
  for (const [when, { behaviour, isStream, isBegun, keepAliveMs }] of Object.entries(rows)) {
    test(when, async () => {
      await using pair = await startPair({ credentials: { [secret]: behaviour } })
      if (keepAliveMs !== undefined) {
        const config = pair.gateway.gateway.config()
        pair.gateway.gateway.reload({ ...config, server: { ...config.server, keepAliveMs } })
      }
      const controller = new AbortController()
      const answer = pair.gateway.chat({ stream: isStream }, { signal: controller.signal })
      answer.catch(() => {})
      await pair.upstream.waitFor(() => true, 2000)
      if (isBegun) {
        const reader = (await answer).body?.getReader()
        await reader?.read()
      } else if (behaviour.kind === 'silent') {
        await until(() => pair.upstream.requests[0]?.status === 200)
      }
      controller.abort()
      const request = await pair.upstream.waitFor((one) => one.isAborted, 3000)
      expect(request.isFinished).toBe(false)
      await expectBlameless(pair)
    })
  }

  test('while the gateway waits for its next try: nothing more is tried', async () => {
    await using pair = await startPair({
      credentials: { [secret]: { kind: 'server_error' } },
      clock: {
        ...createTestClock(),
        sleep: (_, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
      },
    })
    const controller = new AbortController()
    const answer = pair.gateway.chat({}, { signal: controller.signal })
    answer.catch(() => {})
    await until(() => pair.gateway.logged().includes('attempt failed'))
    controller.abort()
    const record = await pair.onlyRecord()
    expect(record).toMatchObject({ status: 499, outcome: 'aborted', attempts: 1 })
    expect(pair.upstream.totalCalls()).toBe(1)
    expect(pair.credential(secret)).toMatchObject({ inFlight: 0, failures: 1 })
  })

  test('before anything was tried: nothing is, and the one credential is not lost', async () => {
    await using pair = await startPair({ credentials: { [secret]: { kind: 'good' } } })
    const call: Call = {
      id: 'req_gone',
      client: testClient('alice', clientSecret),
      method: 'POST',
      path: '/chat/completions',
      query: '',
      headers: new Headers(),
      body: new Uint8Array(Buffer.from('{"model":"gpt-4o","messages":[]}')),
      view: { model: 'gpt-4o', modelSpan: null, isModelQuoted: true, isStream: false, json: {}, outline: {} },
      signal: AbortSignal.abort(),
      time: Date.now(),
      startedMs: performance.now(),
    }
    expect((await pair.gateway.gateway.chat(call)).status).toBe(499)
    expect(await pair.onlyRecord()).toMatchObject({ status: 499, outcome: 'aborted', attempts: 0 })
    expect(pair.upstream.totalCalls()).toBe(0)
    expect(pair.credential(secret).inFlight).toBe(0)
    expect(await statusOf(pair.gateway.chat({}))).toBe(200)
  })

  test('a hundred times, mid-stream and before: leaves no call, no place and no connection behind', async () => {
    const behaviour: Behaviour = { kind: 'good', deltaCount: 200, text: 'y'.repeat(400), delayMs: 5 }
    await using pair = await startPair({ credentials: { [secret]: behaviour } })
    const calls = Array.from({ length: 100 }, async (_, index) => {
      const controller = new AbortController()
      try {
        const answer = pair.gateway.chat({ stream: index % 2 === 0 }, { signal: controller.signal })
        if (index % 4 === 0) await (await answer).body?.getReader().read()
        else setTimeout(() => controller.abort(), 5)
        controller.abort()
        await answer
      } catch {}
    })
    await Promise.all(calls)
    await until(() => pair.upstream.inFlight() === 0 && pair.credential(secret).inFlight === 0)
    expect(pair.gateway.gateway.metrics.snapshot().activeCalls).toBe(0)
    expect(pair.credential(secret)).toMatchObject({ failures: 0, entries: [] })
    for (const record of pair.gateway.records) expect(['aborted', 'succeeded']).toContain(record.outcome)
  })
})

describe('a client that stops reading', () => {
  for (const isStream of [true, false]) {
    test(`${isStream ? 'a stream' : 'a binary answer'} stops the upstream at the deadline, and memory stays bounded`, async () => {
      const megabyte = `data: {"choices":[{"index":0,"delta":{"content":"${'z'.repeat(1_000_000)}"}}]}\n\n`
      const chunks = Array.from({ length: 200 }, () => megabyte)
      const headers = { 'content-type': isStream ? 'text/event-stream' : 'audio/mpeg' }
      await using pair = await startPair({
        credentials: { [secret]: { kind: 'script', covers: 'calls', headers, chunks } },
        provider: { timeouts: { firstByteMs: 2000, answerMs: 2000, idleMs: 300 } },
      })
      const before = process.memoryUsage.rss()
      const client = await sendRaw(pair.gateway.url, {
        path: isStream ? '/v1/chat/completions' : '/v1/audio/speech',
        headers: [authorization, 'content-type: application/json'],
        body: JSON.stringify({
          model: 'gpt-4o',
          stream: isStream,
          input: 'x',
          messages: [{ role: 'user', content: 'x' }],
        }),
      })
      await until(() => client.received().length > 1000)
      client.pause()
      const request = await pair.upstream.waitFor((one) => one.isAborted, 4000)
      expect(request.chunksSent).toBeLessThan(100)
      expect(process.memoryUsage.rss() - before).toBeLessThan(150_000_000)
      const record = await pair.onlyRecord()
      expect(record).toMatchObject({ status: 499, outcome: 'aborted' })
      expect(pair.credential(secret)).toMatchObject({ failures: 0, inFlight: 0, entries: [] })
      client.resume()
      await until(() => client.isClosed())
      expect(client.received()).not.toContain('[DONE]')
    })
  }

  test('and reads on in time misses nothing', async () => {
    const piece = `data: {"choices":[{"index":0,"delta":{"content":"${'w'.repeat(1_000_000)}"}}]}\n\n`
    const chunks = [...Array.from({ length: 20 }, () => piece), 'data: [DONE]\n\n']
    await using pair = await startPair({
      credentials: { [secret]: { kind: 'script', covers: 'calls', chunks } },
      provider: { timeouts: { firstByteMs: 2000, answerMs: 2000, idleMs: 2000 } },
    })
    const client = await sendRaw(pair.gateway.url, {
      path: '/v1/chat/completions',
      headers: [authorization, 'content-type: application/json'],
      body: JSON.stringify({ model: 'gpt-4o', stream: true, messages: [{ role: 'user', content: 'x' }] }),
    })
    await until(() => client.received().length > 1000)
    client.pause()
    await Bun.sleep(200)
    client.resume()
    await until(() => client.received().includes('[DONE]'))
    expect(client.received().split('w'.repeat(1000)).length).toBeGreaterThan(19_000)
    expect(await pair.onlyRecord()).toMatchObject({ outcome: 'succeeded' })
  })
})
