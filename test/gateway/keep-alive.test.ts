/** While the upstream is silent a stream is kept open with comments; what comes after them is told in the stream. */
import { describe, expect, test } from 'bun:test'
import type { ServerConfig } from '../../src/domain.ts'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { testConfig } from '../helpers/start-gateway.ts'
import {
  createTestClock,
  dataOf,
  type ErrorBody,
  type Pair,
  type PairOptions,
  saidIn,
  startPair,
  until,
} from '../helpers/start-pair.ts'

const slow = 'sk-slow-credential-00001'
const good = 'sk-good-credential-00002'
const comment = ': keep-alive\n\n'

function startQuiet(credentials: PairOptions['credentials'], options: Partial<PairOptions> = {}): Promise<Pair> {
  const server: ServerConfig = { ...testConfig([]).server, keepAliveMs: 30 }
  return startPair({ credentials, ...options, config: { server, ...options.config } })
}

test('comments come while the upstream is silent, before its answer and within it, and change nothing', async () => {
  const behaviour: Behaviour = { kind: 'good', firstTokenDelayMs: 120, deltaCount: 2, text: 'late words', delayMs: 100 }
  await using pair = await startQuiet({ [slow]: behaviour })
  const response = await pair.gateway.chat({ stream: true })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toStartWith('text/event-stream')
  expect(response.headers.get('x-request-id')).toStartWith('req_')
  const text = await response.text()
  expect(text.startsWith(comment)).toBe(true)
  expect(text.split(comment).length).toBeGreaterThan(4)
  expect(saidIn(text)).toBe('late words')
  for (const event of text.split('\n\n').slice(0, -1)) expect(event).toMatch(/^(: keep-alive|data: (\{.*\}|\[DONE\]))$/)
  expect(await pair.onlyRecord()).toMatchObject({ outcome: 'succeeded', usageSource: 'upstream' })
})

test('no comment falls into the middle of an event that comes in pieces', async () => {
  const event = 'data: {"choices":[{"index":0,"delta":{"content":"one two three"}}]}\r\n\r\n'
  const pieces = [event, 'event: message\r\n', event.slice(0, 20), event.slice(20), 'data: [DONE]\r\n\r\n']
  const behaviour: Behaviour = { kind: 'script', covers: 'calls', chunks: pieces, delayMs: 80 }
  await using pair = await startQuiet({ [slow]: behaviour })
  const text = await (await pair.gateway.chat({ stream: true })).text()
  expect(text).toContain(comment)
  expect(text.replaceAll(comment, '')).toBe(pieces.join(''))
  expect(text).toContain(`event: message\r\n${event}`)
})

const errors: readonly (readonly [string, Behaviour, string])[] = [
  ['an upstream that fails', { kind: 'server_error', firstTokenDelayMs: 80 }, 'server_error'],
  ['an upstream that never answers', { kind: 'hanging' }, 'upstream_timeout'],
  ["the client's own mistake", { kind: 'bad_request', firstTokenDelayMs: 80 }, 'invalid_value'],
  ['a refused credential', { kind: 'revoked', firstTokenDelayMs: 80 }, 'upstream_credentials_refused'],
]
describe('after the first comment an error is told in the stream', () => {
  for (const [what, behaviour, code] of errors) {
    // Only where the deadline is what is looked at is it short: a busy machine must not reach the others'.
    const deadlineMs = behaviour.kind === 'hanging' ? 150 : 3000
    test(what, async () => {
      await using pair = await startQuiet(
        { [slow]: behaviour },
        {
          clock: createTestClock(),
          provider: { maxAttempts: 1, timeouts: { firstByteMs: deadlineMs, answerMs: deadlineMs, idleMs: deadlineMs } },
        },
      )
      const response = await pair.gateway.chat({ stream: true })
      expect(response.status).toBe(200)
      const text = await response.text()
      expect(text).toStartWith(comment)
      const events = dataOf(text)
      expect(events).toHaveLength(1)
      const { error } = JSON.parse(events[0] ?? '') as ErrorBody
      expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type'])
      expect(error.code).toBe(code)
      if (behaviour.kind === 'bad_request') expect(error.message).toStartWith("Invalid value: 'nobody'")
      expect(text).not.toContain('[DONE]')
      const record = await pair.onlyRecord()
      expect(record.errorCode).toBe(code)
      expect(['failed', 'refused']).toContain(record.outcome)
      await until(() => pair.credential(slow).inFlight === 0)
    })
  }
})

test('failover goes on behind the comments', async () => {
  const failing: Behaviour = { kind: 'server_error', firstTokenDelayMs: 100 }
  await using pair = await startQuiet({ [slow]: failing, [good]: { kind: 'good', text: 'in the end' } })
  const text = await (await pair.gateway.chat({ stream: true })).text()
  expect(text).toStartWith(comment)
  expect(saidIn(text)).toBe('in the end')
  expect(await pair.onlyRecord()).toMatchObject({ outcome: 'succeeded', attempts: 2 })
})

const wholeAnswer =
  '{\n  "id": "x",\n  "model": "gpt-4o",\n  "choices": [{"message": {"role": "assistant", "content": "ü", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, "finish_reason": "tool_calls"}],\n  "usage": {"prompt_tokens": 3, "completion_tokens": 2}\n}\n'

test.each([
  ['at once', 0],
  ['after the first comment', 100],
])(
  'an upstream that answers a stream with one JSON body %s is told as the stream it should have been',
  async (_, firstTokenDelayMs) => {
    const behaviour: Behaviour = {
      kind: 'script',
      covers: 'calls',
      headers: { 'content-type': 'application/json' },
      firstTokenDelayMs,
      chunks: [wholeAnswer],
    }
    const models = [{ pattern: 'alias', targets: [{ provider: 'openai', model: 'gpt-4o' }], price: null }]
    await using pair = await startQuiet({ [slow]: behaviour }, { config: { models } })
    const response = await pair.gateway.chat({ stream: true, model: 'alias' })
    expect(response.headers.get('content-type')).toStartWith('text/event-stream')
    const events = dataOf(await response.text())
    expect(events.pop()).toBe('[DONE]')
    const [first, second, ...more] = events.map((event) => JSON.parse(event))
    expect(more).toEqual([])
    expect(first).toMatchObject({ model: 'alias', object: 'chat.completion.chunk' })
    expect(first.choices[0].delta).toMatchObject({
      role: 'assistant',
      content: 'ü',
      tool_calls: [{ index: 0, id: 'c1' }],
    })
    expect(second.choices[0]).toMatchObject({ delta: {}, finish_reason: 'tool_calls' })
    expect(await pair.onlyRecord()).toMatchObject({ outcome: 'succeeded', usage: { inputTokens: 3, outputTokens: 2 } })
  },
)

test('an answer that is not a stream is never given comments', async () => {
  await using pair = await startQuiet({ [slow]: { kind: 'good', firstTokenDelayMs: 120 } })
  const text = await (await pair.gateway.chat({})).text()
  expect(() => JSON.parse(text)).not.toThrow()
})

test('an answer that cannot be told as a stream is an error, and recorded as one', async () => {
  const behaviour: Behaviour = {
    kind: 'script',
    covers: 'calls',
    headers: { 'content-type': 'application/json' },
    firstTokenDelayMs: 100,
    chunks: ['{"id": "resp_1", "object": "response", "status": "completed", "output": []}'],
  }
  await using pair = await startQuiet({ [slow]: behaviour })
  const response = await pair.gateway.call('/v1/responses', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-4o', input: 'x', stream: true }),
  })
  const events = dataOf(await response.text())
  expect(events).toHaveLength(1)
  const { error } = JSON.parse(events[0] ?? '') as ErrorBody
  expect(await pair.onlyRecord()).toMatchObject({ outcome: 'failed', errorCode: error.code ?? '' })
})
