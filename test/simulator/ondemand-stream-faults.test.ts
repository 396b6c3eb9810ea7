/** Faults of streams and connections of the simulated OnDemand, seen byte by byte over a bare socket. */
import { afterAll, expect, test } from 'bun:test'
import type { Behaviour, StreamPoint } from '../../src/simulator/ondemand/behaviours.ts'
import { startOndemandSimulator } from '../../src/simulator/ondemand.ts'
import {
  askQuery,
  askRawQuery,
  askSession,
  keyProof,
  newSession,
  pieceCountOf,
  type QueryAsked,
} from './ondemand-client.ts'
import type { RawAnswer } from './simulator-client.ts'

const KEY = 'od-faulty-key-0123456789'
const PROOF = keyProof(KEY)
const simulator = startOndemandSimulator({ keys: { [KEY]: { kind: 'good' } } })
afterAll(simulator.stop)

async function asked(behaviour: Behaviour, body = {}): Promise<QueryAsked> {
  simulator.setBehaviour(KEY, { kind: 'good' })
  const sessionId = await newSession(simulator, PROOF)
  simulator.setBehaviour(KEY, behaviour)
  return { proof: PROOF, sessionId, body }
}

async function streamOf(behaviour: Behaviour, patience: number | RegExp = 2_000): Promise<RawAnswer> {
  return askRawQuery(simulator, await asked(behaviour), patience)
}

/** How long a test listens to one that says no more. */
const SILENCE_MS = 200

const LAST_CHUNK = '\r\n0\r\n\r\n'

test('hanging: takes the request and never answers, and notices that the client left', async () => {
  const answer = await streamOf({ kind: 'hanging' }, SILENCE_MS)
  expect(answer).toMatchObject({ text: '', ending: 'open' })
  const request = await simulator.waitFor((each) => each.treatment === 'hanging' && each.isAborted, 4_000)
  expect(request).toMatchObject({ isFinished: false, status: null, chunksSent: 0 })
})

test.each([
  ['reset', 'reset'],
  ['close', 'fin'],
] as const)('no answer: %s', async (how, ending) => {
  expect(await streamOf({ kind: 'no_answer', how })).toMatchObject({ text: '', ending })
})

const THINKING = { text: 'one two three four', thinkingText: 'let me think' } as const

test.each([
  ['head', '\r\n\r\n', 'event:', 0],
  ['opening', '"fulfilling"', 'fulfillment_thinking', 0],
  ['thinking', 'fulfillment_thinking', '"eventType": "fulfillment"', 0],
  [2, '"answer": "one"', '"answer": " three"', 2],
  ['text', '"answer": " four"', 'fulfillment_completed', 4],
  ['completed', 'fulfillment_completed', 'metricsLog', 4],
  ['metrics', 'metricsLog', '[DONE]', 4],
] as const)('silent and cut after %s', async (after: StreamPoint, present, absent, pieceCount) => {
  const silent = await streamOf({ kind: 'silent', after, ...THINKING }, SILENCE_MS)
  expect(silent.ending).toBe('open')
  const cut = await streamOf({ kind: 'cut', after, how: 'close', ...THINKING })
  expect(cut.ending).toBe('fin')
  for (const { text } of [silent, cut]) {
    expect(text).toStartWith('HTTP/1.1 200 OK\r\n')
    expect(text).toContain(present)
    expect(text).not.toContain(absent)
    expect(pieceCountOf(text)).toBe(pieceCount)
    expect(text).not.toEndWith(LAST_CHUNK)
  }
})

test('silent in mid-stream, but with a heartbeat now and then', async () => {
  const fourHeartbeats = /(?:event:heartbeat.*){4}/s
  const answer = await streamOf({ kind: 'silent', after: 2, heartbeatMs: 25, dataSpace: 'never' }, fourHeartbeats)
  expect(answer.text).toMatch(fourHeartbeats)
  expect(pieceCountOf(answer.text)).toBe(2)
  expect(answer.ending).toBe('open')
  await simulator.waitFor((each) => each.treatment === 'silent' && each.isAborted, 4_000)
})

test.each([
  ['reset', 'reset', false],
  ['close', 'fin', false],
  ['clean', 'fin', true],
] as const)('cut in mid-stream: %s', async (how, ending, hasLastChunk) => {
  // Paced: a reset may overtake bytes that have not been read.
  const answer = await streamOf({ kind: 'cut', after: 4, how, delayMs: 5 })
  expect(pieceCountOf(answer.text)).toBe(4)
  expect(answer.text.endsWith(LAST_CHUNK)).toBe(hasLastChunk)
  expect(answer.text).not.toContain('[DONE]')
  expect(answer.ending).toBe(ending)
  expect(simulator.requests.at(-1)).toMatchObject({ isFinished: false, isAborted: false, chunksSent: 6 })
})

test('a clean end without [DONE], before and after the answer is said to be complete', async () => {
  const before = await streamOf({ kind: 'cut', after: 'text', how: 'clean' })
  const after = await streamOf({ kind: 'cut', after: 'completed', how: 'clean' })
  expect([before, after].map(({ text }) => text.includes('fulfillment_completed'))).toEqual([false, true])
  expect([before, after].every(({ text }) => text.endsWith(LAST_CHUNK))).toBe(true)
})

test.each([
  ['opening', 0],
  [0, 0],
  [3, 3],
  ['text', 4],
] as const)('an error in the stream after %s', async (after, pieceCount) => {
  const { text } = await streamOf({ kind: 'error_in_stream', after, ...THINKING, dataSpace: 'never' })
  expect(pieceCountOf(text)).toBe(pieceCount)
  expect(text).toContain('event:message\ndata:[ERROR]:{"message":"The model failed","errorCode":"model_error"}\n\n')
  expect(text).not.toContain('[DONE]')
  expect(text).toEndWith(LAST_CHUNK)
  expect(text.includes('fulfillment_thinking')).toBe(after !== 'opening')
})

test('an error in the stream may be an event, have other words, or be followed by [DONE]', async () => {
  const event = await streamOf({
    kind: 'error_in_stream',
    style: 'event',
    errorCode: 'server_error',
    message: 'broken',
  })
  expect(event.text).toContain('"eventType":"error"')
  expect(event.text).toContain('"errorCode":"server_error","message":"broken"')
  expect(event.text).not.toContain('[ERROR]')
  const plain = await streamOf({ kind: 'error_in_stream', markerText: 'no JSON here', dataSpace: 'never' })
  expect(plain.text).toContain('data:[ERROR]:no JSON here\n\n')
  const done = await streamOf({ kind: 'error_in_stream', isDoneSent: true, dataSpace: 'never' })
  expect(done.text).toContain('data:[DONE]')
})

test('an error before any text does not wait for the first word', async () => {
  const { text } = await streamOf({ kind: 'error_in_stream', firstTokenDelayMs: 5_000 })
  expect(text).toContain('[ERROR]:')
})

test('whole answers: failed, cut in the middle, silent in the middle', async () => {
  const sync = { responseMode: 'sync' }
  const failed = await askQuery(simulator, await asked({ kind: 'error_in_stream' }, sync))
  expect(await failed.json()).toMatchObject({ data: { status: 'failed', answer: null } })
  const cut = await askRawQuery(simulator, await asked({ kind: 'cut', how: 'close' }, sync))
  expect(cut.text).toContain('"answer":"This is')
  expect(cut.text).not.toContain('"metrics"')
  expect(cut.ending).toBe('fin')
  const silent = await askRawQuery(simulator, await asked({ kind: 'silent' }, sync), SILENCE_MS)
  expect(silent.text).not.toContain('"metrics"')
  expect(silent.ending).toBe('open')
})

test('a script is sent exactly as it stands, and makes no session of which nobody learns', async () => {
  const chunks = ['data:{"a"', ':1}\n\n', new Uint8Array([0xff, 0x00])]
  const response = await askQuery(simulator, await asked({ kind: 'script', chunks, status: 203, delayMs: 1 }))
  expect(response.status).toBe(203)
  expect(await response.bytes()).toEqual(new Uint8Array(Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)))))
  const { created } = simulator.sessionsOf(KEY)
  const headers = { 'content-type': 'application/json' }
  simulator.setBehaviour(KEY, { kind: 'script', chunks: ['{"data":{}}'], headers, covers: ['session'] })
  expect(await (await askSession(simulator, PROOF)).json()).toEqual({ data: {} })
  expect(simulator.sessionsOf(KEY).created).toBe(created)
})

test('a client that leaves mid-stream is noticed, with the number of chunks it was sent', async () => {
  simulator.reset()
  const controller = new AbortController()
  const query = await asked({ kind: 'good', text: 'x'.repeat(1_000), pieceCount: 1_000, delayMs: 5 })
  const response = await askQuery(simulator, { ...query, signal: controller.signal })
  expect(response.status).toBe(200)
  await simulator.waitFor((request) => request.chunksSent >= 5, 4_000)
  expect(simulator.inFlight()).toBe(1)
  controller.abort()
  const left = await simulator.waitFor((request) => request.isAborted, 4_000)
  expect(left.chunksSent).toBeLessThan(100)
  expect(left).toMatchObject({ isFinished: false, credential: KEY })
  expect(simulator.inFlight()).toBe(0)
  await expect(response.text()).rejects.toThrow()
})

test('requests are kept with their bytes and headers, and can be forgotten', async () => {
  simulator.reset()
  const query = await asked({ kind: 'good' }, { query: 'exactly this' })
  await (await askQuery(simulator, query)).text()
  const [session, received] = simulator.requests
  expect(session).toMatchObject({ method: 'POST', path: '/chat/v1/sessions', status: 201, isFinished: true })
  expect(received?.header('apikey')).toBe(KEY)
  expect(received?.json()).toMatchObject({ query: 'exactly this', responseMode: 'stream' })
  expect(simulator.requestsOf('query')).toHaveLength(1)
  expect([simulator.calls(KEY), simulator.totalCalls()]).toEqual([2, 2])
  simulator.reset()
  expect([simulator.requests.length, simulator.sessions.length, simulator.totalCalls()]).toEqual([0, 0, 0])
  expect((await askQuery(simulator, query)).status).toBe(200)
})

test('what is waited for may be a fact about sessions', async () => {
  simulator.reset()
  simulator.setBehaviour(KEY, { kind: 'good' })
  const waited = simulator.waitFor(() => simulator.sessionsOf(KEY).created === 2, 4_000)
  await newSession(simulator, PROOF)
  await newSession(simulator, PROOF)
  expect((await waited).number).toBe(1)
})

test('five hundred paced streams at once take hardly longer than one', async () => {
  const query = await asked({ kind: 'good', text: 'a b c d e', delayMs: 20 })
  const startedAtMs = performance.now()
  const answers = Array.from({ length: 500 }, async () => (await askQuery(simulator, query)).text())
  expect((await Promise.all(answers)).every((text) => text.includes('[DONE]'))).toBe(true)
  expect(performance.now() - startedAtMs).toBeLessThan(3_000)
})
