/** Faults of streams and connections of the simulated upstream, seen byte by byte over a bare socket. */
import { afterAll, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { askChat, askRaw, type RawAnswer, sendRaw } from './simulator-client.ts'

const SECRET = 'sk-faulty-secret-0123456789'
const simulator = startOpenAiSimulator({})
afterAll(simulator.stop)

function streamOf(behaviour: Behaviour, patienceMs = 150): Promise<RawAnswer> {
  simulator.setBehaviour(SECRET, behaviour)
  return askRaw(simulator, { secret: SECRET, body: { stream: true }, patienceMs })
}

const LAST_CHUNK = '\r\n0\r\n\r\n'

function contentCount(text: string): number {
  return text.match(/"delta":\{"content":"/g)?.length ?? 0
}

test('hanging: takes the request and never answers, and notices that the client left', async () => {
  const answer = await streamOf({ kind: 'hanging' })
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

test('no answer on a reused connection only', async () => {
  simulator.setBehaviour(SECRET, { kind: 'no_answer', isOnlyOnReusedConnection: true, how: 'close' })
  const request = (connection: string) =>
    `POST /v1/moderations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${SECRET}\r\nContent-Type: application/json\r\nConnection: ${connection}\r\nContent-Length: 13\r\n\r\n{"input":"a"}`
  const answer = await sendRaw(simulator, [request('keep-alive'), request('keep-alive')], 300)
  expect(answer.text.match(/HTTP\/1\.1 200/g)).toHaveLength(1)
  expect(answer.ending).toBe('fin')
})

test('silent after the head: the header lines are complete and nothing follows', async () => {
  const answer = await streamOf({ kind: 'silent', after: 'head' })
  expect(answer.text).toStartWith('HTTP/1.1 200 OK\r\n')
  expect(answer.text).toEndWith('\r\n\r\n')
  expect(answer.text).not.toContain('data:')
  expect(answer.ending).toBe('open')
})

test.each([
  ['role', 0],
  ['content', 2],
] as const)('silent after %s', async (after, count) => {
  const answer = await streamOf({ kind: 'silent', after, afterChunks: 2 })
  expect(answer.text).toContain('"role":"assistant"')
  expect(contentCount(answer.text) - 1).toBe(count - 1)
  expect(answer.text).not.toContain(LAST_CHUNK)
  expect(answer.ending).toBe('open')
})

test.each([
  ['reset', 'reset', false],
  ['close', 'fin', false],
  ['clean', 'open', true],
] as const)('dying mid-stream: %s', async (how, ending, hasLastChunk) => {
  // Paced: a reset may overtake bytes that have not been read.
  const answer = await streamOf({ kind: 'dying', afterChunks: 4, how, delayMs: 5 })
  expect(contentCount(answer.text)).toBe(4)
  expect(answer.text.endsWith(LAST_CHUNK)).toBe(hasLastChunk)
  expect(answer.text).not.toContain('[DONE]')
  expect(answer.text).not.toContain('"finish_reason":"stop"')
  expect(answer.ending).toBe(ending)
  const request = simulator.requests.at(-1)
  expect(request).toMatchObject({ isFinished: false, isAborted: false, chunksSent: 5 })
})

test('dying in the middle of an answer that is not a stream', async () => {
  simulator.setBehaviour(SECRET, { kind: 'dying', how: 'close' })
  const answer = await askRaw(simulator, { secret: SECRET })
  expect(answer.text).toContain('"object": "chat.completion"')
  expect(answer.text).not.toContain('"usage"')
  expect(answer.ending).toBe('fin')
  simulator.setBehaviour(SECRET, { kind: 'dying' })
  const response = await askChat(simulator, SECRET)
  expect(response.text()).rejects.toMatchObject({ code: 'ECONNRESET' })
})

test.each([
  ['openai', 0, 'data: {"error":{"message":', '"role"'],
  ['openai', 3, 'data: {"error":{"message":', '[DONE]'],
  ['named_event', 0, 'event: error\ndata: {"error":', '"role"'],
  ['openrouter', 0, '"finish_reason":"error"', '"role":"assistant"'],
] as const)('error event in a stream as %s after %d chunks', async (style, afterChunks, present, absent) => {
  const { text } = await streamOf({ kind: 'error_in_stream', style, afterChunks })
  expect(text).toStartWith('HTTP/1.1 200')
  expect(text).toContain(present)
  expect(text).not.toContain(absent)
  expect(contentCount(text) - (style === 'openrouter' ? 1 : 0)).toBe(afterChunks)
  expect(text).toEndWith(LAST_CHUNK)
})

test('an error event may be followed by [DONE], and may be about the key', async () => {
  const { text } = await streamOf({ kind: 'error_in_stream', isDoneSent: true, errorCode: 'invalid_api_key' })
  expect(text).toContain('"code":"invalid_api_key"')
  expect(text).toContain('data: [DONE]')
})

test('a slow first token, with and without comment lines meanwhile', async () => {
  const early = await streamOf({ kind: 'good', firstTokenDelayMs: 200, heartbeatMs: 40 }, 120)
  expect(early.text.match(/: OPENROUTER PROCESSING\n\n/g)?.length).toBeGreaterThanOrEqual(2)
  expect(early.text).not.toContain('data:')
  const quiet = await streamOf({ kind: 'good', firstTokenDelayMs: 200 }, 120)
  expect(quiet.text).toStartWith('HTTP/1.1 200')
  expect(quiet.text).toEndWith('\r\n\r\n')
  const nothing = await streamOf({ kind: 'good', firstTokenDelayMs: 200, isHeadSentEarly: false }, 120)
  expect(nothing.text).toBe('')
  const patient = await streamOf({ kind: 'good', firstTokenDelayMs: 80, isHeadSentEarly: false }, 300)
  expect(patient.text).toContain('[DONE]')
})

test('a script is sent exactly as it stands', async () => {
  const chunks = ['data: {"a"', ':1}\n\n', new Uint8Array([0xff, 0x00]), 'data: [DONE]\n\n']
  simulator.setBehaviour(SECRET, {
    kind: 'script',
    chunks,
    status: 203,
    headers: { 'Content-Type': 'text/x' },
    delayMs: 1,
  })
  const response = await askChat(simulator, SECRET)
  expect(response.status).toBe(203)
  expect(response.headers.get('content-type')).toBe('text/x')
  expect(await response.bytes()).toEqual(new Uint8Array(Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)))))
  const cut = await streamOf({ kind: 'script', chunks: ['data: x\n\n'], ending: 'close', delayMs: 1 })
  expect(cut.text).toEndWith('data: x\n\n\r\n')
  expect(cut.ending).toBe('fin')
})

test('a kept connection may be closed unannounced after an answer', async () => {
  const answer = await streamOf({ kind: 'good', closeConnectionAfterMs: 30 }, 500)
  expect(answer.text).toContain('connection: keep-alive')
  expect(answer.text).toContain('[DONE]')
  expect(answer.ending).toBe('fin')
})
