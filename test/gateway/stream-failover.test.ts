/** Until the first content another upstream can still answer; after it, an answer that breaks off says so. */
import { describe, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { createTestClock, dataOf, type ErrorBody, saidIn, startPair, until } from '../helpers/start-pair.ts'

const bad = 'sk-bad-credential-000001'
const good = 'sk-good-credential-00002'
const short = { firstByteMs: 400, answerMs: 400, idleMs: 400 }
const role = 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'

function script(...chunks: string[]): Behaviour {
  return { kind: 'script', covers: 'calls', chunks }
}

const beforeContent: Readonly<Record<string, Behaviour>> = {
  'an error event at once': { kind: 'error_in_stream' },
  'a role chunk, then an error event': script(role, 'data: {"error":{"message":"x","type":"server_error"}}\n\n'),
  'a role chunk, then an error event cut into pieces': script(
    role.slice(0, 30),
    `${role.slice(30)}data: {"err`,
    'or":{"message":"x"}}\n',
    '\n',
  ),
  'a role chunk, then a named error event': script(role, 'event: error\ndata: {"error":{"message":"x"}}\n\n'),
  'an error event of a rate limit': { kind: 'error_in_stream', errorCode: 'rate_limit_exceeded' },
  'an error event of a wrong key': { kind: 'error_in_stream', errorCode: 'invalid_api_key' },
  'an error event of a used up quota': {
    kind: 'error_in_stream',
    errorCode: 'insufficient_quota',
    style: 'openrouter',
  },
  'comments, then an error event': script(
    ': PROCESSING\n\n',
    ': PROCESSING\n\n',
    'data: {"error":{"message":"x"}}\n\n',
  ),
  'a role chunk, then the end': script(role),
  nothing: script(),
  'a comment alone': script(': x\n\n'),
  'a role chunk, then a reset': { kind: 'dying', afterChunks: 0 },
  'a role chunk, then a close': { kind: 'dying', afterChunks: 0, how: 'close' },
  'silence after its head': { kind: 'silent', after: 'head' },
  'silence after its role chunk': { kind: 'silent', after: 'role' },
  'a page': { kind: 'script', covers: 'calls', headers: { 'content-type': 'text/html' }, chunks: ['<html>no</html>'] },
  'JSON that is an error': { kind: 'error_in_200' },
  'JSON that is broken': {
    kind: 'script',
    covers: 'calls',
    headers: { 'content-type': 'application/json' },
    chunks: ['{"id":'],
    ending: 'reset',
  },
}

describe('before the first content', () => {
  for (const [what, behaviour] of Object.entries(beforeContent)) {
    test(`${what}: another credential answers`, async () => {
      await using pair = await startPair({
        credentials: { [bad]: behaviour, [good]: { kind: 'good', text: 'all well' } },
        // Only where silence is the failure; a busy machine is slow enough to look silent.
        provider: behaviour.kind === 'silent' ? { timeouts: short } : {},
        clock: createTestClock(),
      })
      const response = await pair.gateway.chat({ stream: true })
      expect(response.status).toBe(200)
      const text = await response.text()
      expect(saidIn(text)).toBe('all well')
      expect(text.match(/"role"/g)).toHaveLength(1)
      expect(text).toEndWith('data: [DONE]\n\n')
      expect(await pair.onlyRecord()).toMatchObject({ outcome: 'succeeded', attempts: 2, status: 200 })
      await until(() => pair.upstream.inFlight() === 0)
      expect(pair.credential(bad).inFlight + pair.credential(good).inFlight).toBe(0)
    })
  }
})

const content = (text: string) => `data: {"choices":[{"index":0,"delta":{"content":"${text}"}}]}\n\n`

const afterContent: Readonly<Record<string, readonly [Behaviour, string]>> = {
  'a reset': [{ kind: 'dying', afterChunks: 3, delayMs: 40 }, 'upstream_stream_cut'],
  'a close': [{ kind: 'dying', afterChunks: 3, how: 'close', delayMs: 40 }, 'upstream_stream_cut'],
  'an end without a finish': [{ kind: 'dying', afterChunks: 3, how: 'clean' }, 'upstream_stream_cut'],
  silence: [{ kind: 'silent', after: 'content', afterChunks: 3 }, 'upstream_timeout'],
  'an end inside an event': [script(role, content('a'), content('b').slice(0, 40)), 'upstream_stream_cut'],
  'a reset inside an event': [
    { ...script(role, content('a'), content('b').slice(0, 40)), ending: 'reset', delayMs: 40 } as Behaviour,
    'upstream_stream_cut',
  ],
  'an end between the line ends': [
    script(role, content('a'), content('b').slice(0, -1).replace('}}]}', '}')),
    'upstream_stream_cut',
  ],
  'a cut between lines that end in CRLF': [
    {
      ...script(content('a').replaceAll('\n', '\r\n'), 'event: message\r\n', 'data: {"half":1}\r\n'),
      ending: 'reset',
      delayMs: 40,
    } as Behaviour,
    'upstream_stream_cut',
  ],
}

describe('after the first content', () => {
  for (const [what, [behaviour, code]] of Object.entries(afterContent)) {
    for (const isRenamed of [false, true]) {
      test(`${what} is told in the stream${isRenamed ? ', renamed or not' : ''}, without [DONE], and not tried again`, async () => {
        await using pair = await startPair({
          credentials: { [bad]: behaviour, [good]: { kind: 'good' } },
          provider: { timeouts: { firstByteMs: 400, answerMs: 400, idleMs: 400 } },
          config: isRenamed
            ? { models: [{ pattern: 'alias', targets: [{ provider: 'openai', model: 'gpt-4o' }], price: null }] }
            : {},
        })
        const response = await pair.gateway.chat({ stream: true, model: isRenamed ? 'alias' : 'gpt-4o' })
        const text = await response.text()
        const events = dataOf(text)
        expect(events).not.toContain('[DONE]')
        for (const data of events) expect(() => JSON.parse(data)).not.toThrow()
        const last = JSON.parse(events.at(-1) ?? '') as ErrorBody
        expect(last.error).toMatchObject({ code, type: 'server_error', param: null })
        expect(text).toEndWith('\n\n')
        // A reader that goes by blank lines must find one event in each.
        for (const event of text.replaceAll('\r\n', '\n').split('\n\n'))
          expect(event.match(/^data:/gm)?.length ?? 0).toBeLessThan(2)
        expect(pair.order()).toEqual([bad])
        expect(await pair.onlyRecord()).toMatchObject({
          outcome: 'cut',
          status: 200,
          errorCode: code,
          attempts: 1,
          usageSource: 'counted',
        })
        await until(() => pair.upstream.inFlight() === 0)
        expect(pair.credential(bad)).toMatchObject({ inFlight: 0, failures: 1, state: 'healthy' })
      })
    }
  }

  test("the upstream's own error event is passed on, once", async () => {
    await using pair = await startPair({ credentials: { [bad]: { kind: 'error_in_stream', afterChunks: 2 } } })
    const text = await (await pair.gateway.chat({ stream: true })).text()
    expect(dataOf(text).filter((data) => data.includes('"error"'))).toHaveLength(1)
    expect(text).not.toContain('[DONE]')
    expect((await pair.onlyRecord()).outcome).not.toBe('succeeded')
  })

  test('a binary answer that breaks off breaks the connection', async () => {
    const headers = { 'content-type': 'audio/mpeg' }
    const dying: Behaviour = { ...script('RIFF', 'more', 'most'), headers, ending: 'reset', delayMs: 40 } as Behaviour
    await using pair = await startPair({ credentials: { [bad]: dying } })
    const response = await pair.gateway.call('/v1/audio/speech', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'tts-1', input: 'word '.repeat(400), voice: 'alloy' }),
    })
    expect(response.status).toBe(200)
    await expect(response.arrayBuffer()).rejects.toThrow()
    expect(await pair.onlyRecord()).toMatchObject({ outcome: 'cut' })
  })

  test('a JSON answer that breaks off is tried again', async () => {
    await using pair = await startPair({
      credentials: { [bad]: { kind: 'dying' }, [good]: { kind: 'good', text: 'all well' } },
    })
    expect(await (await pair.gateway.chat({})).json()).toMatchObject({
      choices: [{ message: { content: 'all well' } }],
    })
    expect(pair.order()).toEqual([bad, good])
  })
})

test('comments of the upstream do not hold off the deadline of the first event', async () => {
  const slow = { kind: 'good', firstTokenDelayMs: 5000, heartbeatMs: 10 } as const
  await using pair = await startPair({
    credentials: { [bad]: slow, [good]: { kind: 'good', text: 'quick' } },
    provider: { timeouts: { firstByteMs: 80, answerMs: 80, idleMs: 1000 } },
  })
  expect(saidIn(await (await pair.gateway.chat({ stream: true })).text())).toBe('quick')
})

test('events without content do not hold off the end of the patience', async () => {
  const idle = Array.from({ length: 400 }, () => role)
  const drip: Behaviour = { kind: 'script', covers: 'calls', chunks: idle, delayMs: 10 }
  await using pair = await startPair({
    credentials: { [bad]: drip },
    provider: { maxWaitMs: 150, timeouts: { firstByteMs: 100, answerMs: 100, idleMs: 100 } },
  })
  const startedMs = performance.now()
  const response = await pair.gateway.chat({ stream: true })
  expect(response.status).toBe(504)
  expect(performance.now() - startedMs).toBeLessThan(1500)
  await until(() => pair.upstream.inFlight() === 0)
})

test('a healthy stream may take longer than every deadline', async () => {
  const slow = { kind: 'good', deltaCount: 30, delayMs: 30, text: 'thirty pieces of one long text' } as const
  await using pair = await startPair({
    credentials: { [good]: slow },
    provider: { maxWaitMs: 400, timeouts: { firstByteMs: 400, answerMs: 400, idleMs: 400 } },
  })
  expect(saidIn(await (await pair.gateway.chat({ stream: true })).text())).toBe('thirty pieces of one long text')
  expect((await pair.onlyRecord()).durationMs).toBeGreaterThan(800)
})
