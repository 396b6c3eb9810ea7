/** Faults of streams and connections of the simulated Scira, in both formats, and what it records. */
import { afterEach, describe, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/scira/behaviours.ts'
import type { GenerationName } from '../../src/simulator/scira/generations.ts'
import { type SciraSimulator, startSciraSimulator } from '../../src/simulator/scira.ts'
import { ask, askBare } from './scira-client.ts'
import type { RawAnswer } from './simulator-client.ts'

let simulator: SciraSimulator | null = null
afterEach(() => simulator?.stop())

function start(signedOut: Behaviour, generation: GenerationName): SciraSimulator {
  simulator = startSciraSimulator({ signedOut, generation })
  return simulator
}

const LAST_CHUNK = '\r\n0\r\n\r\n'
const TEXT = 'one two three four five six'

describe.each([
  ['2025-05', /\n0:"/g, '\nd:'],
  ['2026-03', /"type":"text-delta"/g, '"type":"finish"'],
] as const)('%s', (generation, piece, finish) => {
  const streamOf = (behaviour: Behaviour, patience?: number | RegExp): Promise<RawAnswer> =>
    askBare(start({ text: TEXT, ...behaviour } as Behaviour, generation), generation, patience)
  const pieceCount = (answer: RawAnswer) => answer.text.match(piece)?.length ?? 0

  test('hanging: never answers, and notices that the client left', async () => {
    expect(await streamOf({ kind: 'hanging' }, 30)).toMatchObject({ text: '', ending: 'open' })
    const request = await simulator?.waitFor((each) => each.isAborted, 4_000)
    expect(request).toMatchObject({ treatment: 'hanging', isFinished: false, status: null })
  })

  test.each([
    ['reset', 'reset'],
    ['close', 'fin'],
  ] as const)('no answer: %s', async (how, ending) => {
    expect(await streamOf({ kind: 'no_answer', how })).toMatchObject({ text: '', ending })
  })

  test.each([
    ['head', 0],
    ['opening', 0],
    [2, 2],
    ['text', 6],
  ] as const)('silent after %s', async (after, count) => {
    const answer = await streamOf({ kind: 'silent', after })
    expect(answer.text).toStartWith('HTTP/1.1 200 OK\r\n')
    expect([pieceCount(answer), answer.ending]).toEqual([count, 'open'])
    expect(answer.text).not.toContain(finish)
  })

  test.each([
    ['reset', 'reset', false],
    ['close', 'fin', false],
    ['clean', 'open', true],
  ] as const)('cut: %s, without finish', async (how, ending, isEnded) => {
    const answer = await streamOf({ kind: 'cut', after: 2, how, framesPerWrite: 1 })
    expect([pieceCount(answer), answer.ending, answer.text.endsWith(LAST_CHUNK)]).toEqual([2, ending, isEnded])
    expect(answer.text).not.toContain(finish)
    expect(answer.text).not.toContain('[DONE]')
    expect(simulator?.requests[0]).toMatchObject({ isFinished: false, isAborted: false, treatment: 'cut' })
  })

  test.each([
    [{}, 0, 'Oops, an error occurred!'],
    [{ after: 'head' }, 0, 'Oops, an error occurred!'],
    [{ after: 3, about: 'rate_limit' }, 3, 'rate limit'],
    [{ after: 1, errorText: 'Own "words"' }, 1, 'Own \\"words\\"'],
  ] as const)('an error in the stream: %j', async (error, count, text) => {
    const answer = await streamOf({ kind: 'error_in_stream', ...error })
    expect(pieceCount(answer)).toBe(count)
    expect(answer.text).toMatch(generation === '2025-05' ? /\n3:"/ : /data: {"type":"error","errorText":"/)
    expect(answer.text).toContain(text)
    expect(answer.text).not.toContain(finish)
    expect(answer.text.endsWith(LAST_CHUNK)).toBe(true)
    expect(answer.text.includes('data: [DONE]')).toBe(generation === '2026-03')
  })

  test('an error in the stream, and the finishing lines after it', async () => {
    const answer = await streamOf({ kind: 'error_in_stream', isFinishSent: true })
    expect(answer.text).toContain('"finishReason":"error"')
    expect(answer.text).toContain(finish)
  })

  test('aborted: after three pieces it ends without finish', async () => {
    const answer = await streamOf({ kind: 'aborted' })
    expect([pieceCount(answer), answer.text.endsWith(LAST_CHUNK)]).toEqual([3, true])
    expect(answer.text).not.toContain(finish)
    expect(answer.text.includes('data: {"type":"abort"}\n\n')).toBe(generation === '2026-03')
  })

  test('empty: no text but all else, or not a byte', async () => {
    const answer = await streamOf({ kind: 'empty' })
    expect(pieceCount(answer)).toBe(0)
    expect(answer.text).toContain(finish)
    simulator?.stop()
    const nothing = await streamOf({ kind: 'empty', what: 'body' })
    expect(nothing.text).toEndWith('transfer-encoding: chunked\r\n\r\n0\r\n\r\n')
  })

  test('garbage and unknown parts stand between the pieces, and the pieces are the same', async () => {
    const answer = await streamOf({ kind: 'good', hasGarbageLines: true, hasUnknownParts: true })
    expect(pieceCount(answer)).toBe(6)
    expect(answer.text).toContain('THIS MUST BE IGNORED')
    expect(answer.text).toContain('not JSON')
  })

  test('line ends may be of two characters', async () => {
    const answer = await streamOf({ kind: 'good', lineEnd: '\r\n' })
    const body = answer.text.slice(answer.text.indexOf('\r\n\r\n'))
    expect(body).not.toMatch(/[^\r]\n/)
  })

  test('exactly these bytes', async () => {
    const answer = await streamOf({ kind: 'script', status: 203, headers: { 'x-own': '1' }, chunks: ['0:"a', '"\n'] })
    expect(answer.text).toBe(
      'HTTP/1.1 203 \r\nx-own: 1\r\ntransfer-encoding: chunked\r\n\r\n4\r\n0:"a\r\n2\r\n"\n\r\n0\r\n\r\n',
    )
  })

  test('slow to the first byte, slow to the first word, slow between pieces', async () => {
    expect((await streamOf({ kind: 'good', headDelayMs: 10_000 }, 30)).text).toBe('')
    simulator?.stop()
    const opening = generation === '2025-05' ? /f:\{/ : /"type":"start-step"/
    const opened = await streamOf({ kind: 'good', firstTokenDelayMs: 60_000 }, opening)
    expect(opened.text).toMatch(opening)
    expect(pieceCount(opened)).toBe(0)
    simulator?.stop()
    const begun = await streamOf({ kind: 'good', delayMs: 60_000 }, /msg-1/)
    expect(begun.text).toContain('msg-1')
    expect(pieceCount(begun)).toBe(0)
  })

  test('a client that leaves mid-stream is noticed, and nothing more is sent', async () => {
    const upstream = start({ kind: 'good', pieceCount: 500, delayMs: 5 }, generation)
    const controller = new AbortController()
    // Kept: an answer that nobody holds any more is left by the runtime as soon as it collects it.
    const response = await ask(upstream, { generation, signal: controller.signal })
    await upstream.waitFor((request) => request.chunksSent >= 3, 4_000)
    expect(upstream.inFlight()).toBe(1)
    controller.abort()
    const left = await upstream.waitFor((request) => request.isAborted, 4_000)
    expect(left).toMatchObject({ isFinished: false, treatment: 'good' })
    expect(left.chunksSent).toBeLessThan(200)
    expect(upstream.inFlight()).toBe(0)
    await expect(response.text()).rejects.toThrow()
  })

  test('requests are counted by cookie, and forgotten when told', async () => {
    const upstream = start({ kind: 'good' }, generation)
    await (await ask(upstream, { generation, headers: { cookie: 'a=1; b=2' } })).text()
    await (await ask(upstream, { generation })).text()
    expect([upstream.calls('a=1; b=2'), upstream.calls(null), upstream.totalCalls()]).toEqual([1, 1, 2])
    expect(upstream.requests[0]).toMatchObject({ credential: 'a=1; b=2', isFinished: true, status: 200 })
    upstream.reset()
    expect([upstream.requests.length, upstream.totalCalls()]).toEqual([0, 0])
  })
})

test('a sequence takes a step for each call, faults may be limited to models and groups, and behaviours can be changed', async () => {
  const upstream = start(
    { kind: 'sequence', steps: [{ kind: 'offline' }, { kind: 'good' }], isRepeated: true },
    '2026-03',
  )
  const statuses: number[] = []
  for (let index = 0; index < 4; index += 1) statuses.push((await ask(upstream)).status)
  expect(statuses).toEqual([503, 200, 503, 200])
  upstream.setSignedOut({ kind: 'offline', models: ['scira-qwen-4b'], groups: ['web'] })
  const status = async (fields: Readonly<Record<string, unknown>>) => (await ask(upstream, { fields })).status
  expect(await status({ model: 'scira-qwen-4b' })).toBe(200)
  expect(await status({ group: 'web' })).toBe(200)
  expect(await status({ model: 'scira-qwen-4b', group: 'web' })).toBe(503)
  upstream.setAccount('session=a', { kind: 'not_found' })
  expect((await ask(upstream, { headers: { cookie: 'session=a' } })).status).toBe(404)
  upstream.removeAccount('session=a')
  expect((await ask(upstream, { headers: { cookie: 'session=a' } })).status).toBe(200)
})

test('the path may be another', async () => {
  simulator = startSciraSimulator({ path: '/api/other' })
  expect(simulator.url).toBe(`${simulator.origin}/api/other`)
  expect((await ask(simulator)).status).toBe(200)
})
