/** What goes wrong at an upstream before the first content is not seen by any client library. */
import { describe, expect, test } from 'bun:test'
import OpenAI from 'openai'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { chatClients, receive } from './chat-clients.ts'
import { chatModel, concurrentStreams, question } from './client-check.ts'
import { secretOf, startScriptedGateway } from './scripted-gateway.ts'

interface FaultCase {
  readonly name: string
  readonly behaviour: Behaviour
  /** Noticed by a deadline alone. */
  readonly isSilent?: boolean
}

/** Each is of the first credential; the second is good. */
const faultCases: readonly FaultCase[] = [
  { name: 'is revoked', behaviour: { kind: 'revoked' } },
  { name: 'is deactivated', behaviour: { kind: 'deactivated' } },
  { name: 'is forbidden the model', behaviour: { kind: 'forbidden' } },
  { name: 'is rate limited', behaviour: { kind: 'rate_limited', retryAfterMs: 30_000 } },
  { name: 'has no quota left', behaviour: { kind: 'exhausted' } },
  { name: 'has not paid', behaviour: { kind: 'billing' } },
  { name: 'gets a server error', behaviour: { kind: 'server_error', status: 500 } },
  { name: 'gets a page', behaviour: { kind: 'server_error', status: 502 } },
  { name: 'finds an overloaded upstream', behaviour: { kind: 'overloaded', status: 529 } },
  { name: 'gets an error inside a 200', behaviour: { kind: 'error_in_200' } },
  { name: 'gets an empty body', behaviour: { kind: 'empty_body' } },
  { name: 'has its connection reset', behaviour: { kind: 'no_answer' } },
  { name: 'is never answered', behaviour: { kind: 'hanging' }, isSilent: true },
  { name: 'dies before its first content', behaviour: { kind: 'dying', afterChunks: 0 } },
  { name: 'falls silent before its first content', behaviour: { kind: 'silent', after: 'role' }, isSilent: true },
  { name: 'gets an error as its first event', behaviour: { kind: 'error_in_stream', afterChunks: 0 } },
]

const text = 'one two three 🙂'
const asked = { model: chatModel, prompt: question }
const impatience = { firstByteMs: 600, answerMs: 600, idleMs: 600 }

describe.each(chatClients)('$library', (client) => {
  test.concurrent.each(faultCases)(
    'a stream is whole when the first credential $name',
    async ({ behaviour, isSilent }) => {
      await using running = await startScriptedGateway({
        credentials: [
          { ...behaviour, text },
          { kind: 'good', text },
        ],
        provider: isSilent === true ? { timeouts: impatience } : {},
      })
      expect(await receive(client.stream(running.endpoint, asked))).toMatchObject({ text, cause: null })
      expect(await running.gateway.recorded(1)).toMatchObject([{ outcome: 'succeeded', status: 200 }])
      expect(running.upstream.calls(secretOf(0))).toBeGreaterThan(0)
    },
  )

  const wholeCases = faultCases.filter(({ behaviour }) => behaviour.kind !== 'error_in_stream')
  test.concurrent.each(wholeCases)(
    'an answer is whole when the first credential $name',
    async ({ behaviour, isSilent }) => {
      await using running = await startScriptedGateway({
        credentials: [
          { ...behaviour, text },
          { kind: 'good', text },
        ],
        provider: isSilent === true ? { timeouts: impatience } : {},
      })
      expect(await client.answer(running.endpoint, asked)).toMatchObject({ text })
      expect(await running.gateway.recorded(1)).toMatchObject([{ outcome: 'succeeded', status: 200 }])
    },
  )

  test('many streams at once are all whole among credentials that fail', async () => {
    await using running = await startScriptedGateway({
      credentials: [
        { kind: 'good', delayMs: 1 },
        { kind: 'revoked' },
        { kind: 'rate_limited', retryAfterMs: 30_000 },
        { kind: 'good', cutEveryBytes: 97 },
        { kind: 'exhausted' },
        { kind: 'good', lineEnd: '\r\n' },
        { kind: 'dying', afterChunks: 0, times: 2 },
      ],
    })
    const numbers = Array.from({ length: concurrentStreams }, (_, index) => index)
    const received = await Promise.all(
      numbers.map((number) =>
        receive(client.stream(running.endpoint, { model: chatModel, prompt: `number ${number}.` })),
      ),
    )
    expect(received.filter(({ cause }) => cause !== null)).toEqual([])
    const expected = (await client.answer(running.endpoint, { model: chatModel, prompt: 'number 0.' })).text
    expect(received.map((each) => each.text)).toEqual(
      numbers.map((number) => expected.replaceAll('number 0.', `number ${number}.`)),
    )
    const records = await running.gateway.recorded(concurrentStreams + 1)
    expect(records).toHaveLength(concurrentStreams + 1)
    expect(records.filter((record) => record.outcome !== 'succeeded')).toEqual([])
  })

  test.concurrent('a stream whose upstream refuses to tell usage is whole', async () => {
    await using running = await startScriptedGateway({ credentials: [{ kind: 'refuses_stream_options', text }] })
    expect(await receive(client.stream(running.endpoint, asked))).toMatchObject({ text, cause: null })
  })
})

describe('openai', () => {
  test.concurrent('an upload is sent again, byte for byte, when the first credential is revoked', async () => {
    await using running = await startScriptedGateway({ credentials: [{ kind: 'revoked' }, { kind: 'good' }] })
    const client = new OpenAI({ ...running.endpoint, maxRetries: 0 })
    const file = new File([new Uint8Array(300_000).fill(0xff)], 'längs.wav', { type: 'audio/wav' })
    const { text: heard } = await client.audio.transcriptions.create({ model: 'whisper-1', file })
    expect(heard).toContain('längs.wav has 300000 bytes')
    const uploads = running.upstream.requests.filter((request) => request.method === 'POST')
    expect(uploads.map((request) => request.credential)).toEqual([secretOf(0), secretOf(1)])
    const [first, second] = uploads
    expect(Buffer.from(second?.body ?? []).equals(first?.body ?? new Uint8Array())).toBe(true)
  })

  test.concurrent('a kept connection that the upstream has closed meanwhile is not seen', async () => {
    await using running = await startScriptedGateway({
      credentials: [{ kind: 'no_answer', isOnlyOnReusedConnection: true }],
    })
    const client = new OpenAI({ ...running.endpoint, maxRetries: 0 })
    for (let number = 0; number < 3; number += 1) {
      const { data } = await client.embeddings.create({ model: 'text-embedding-3-small', input: question })
      expect(data).toHaveLength(1)
    }
  })

  test.concurrent('embeddings and responses fail over too', async () => {
    await using running = await startScriptedGateway({
      credentials: [{ kind: 'rate_limited', retryAfterMs: 30_000 }, { kind: 'good' }],
    })
    const client = new OpenAI({ ...running.endpoint, maxRetries: 0 })
    const { data } = await client.embeddings.create({ model: 'text-embedding-3-small', input: question })
    expect(data).toHaveLength(1)
    const response = await client.responses.create({ model: chatModel, input: question, store: false })
    expect(response.output_text).toContain(question)
  })
})
