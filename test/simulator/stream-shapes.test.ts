/** The shapes a good stream of the simulated upstream can take on the wire: cuts, line ends, compression, where usage stands. */
import { afterAll, expect, test } from 'bun:test'
import type { AnswerShape } from '../../src/simulator/openai/behaviours.ts'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { askChat, askRaw, chunksOf, contentOf, payloadsOf } from './simulator-client.ts'

const SECRET = 'sk-shaped-secret-0123456789'
const simulator = startOpenAiSimulator({})
afterAll(simulator.stop)

async function streamText(shape: AnswerShape, body = {}): Promise<string> {
  simulator.setBehaviour(SECRET, { kind: 'good', ...shape })
  return (await askChat(simulator, SECRET, { body: { stream: true, ...body } })).text()
}

/** HTTP chunk sizes of a raw answer. */
function chunkSizes(bytes: Uint8Array): number[] {
  const answer = Buffer.from(bytes)
  const body = answer.subarray(answer.indexOf('\r\n\r\n') + 4)
  const sizes: number[] = []
  for (let position = 0; position < body.length; ) {
    const lineEnd = body.indexOf('\r\n', position)
    const size = Number.parseInt(body.toString('latin1', position, lineEnd), 16)
    sizes.push(size)
    position = lineEnd + 2 + size + 2
  }
  return sizes
}

const TEXT = 'déjà vu, 你好, 🙂 and more'

test.each([1, 2, 3, 7])('cut every %d bytes, the text is the same', async (cutEveryBytes) => {
  const text = await streamText({ text: TEXT, cutEveryBytes, lineEnd: '\r\n' })
  expect(contentOf(text)).toBe(TEXT)
  expect(text.replaceAll('\r\n', '')).not.toContain('\n')
})

test('one byte at a time arrives in many reads, with cuts inside characters and between \\r and \\n', async () => {
  simulator.setBehaviour(SECRET, { kind: 'good', text: '🙂', cutEveryBytes: 1, lineEnd: '\r\n' })
  const answer = await askRaw(simulator, { secret: SECRET, body: { stream: true }, patienceMs: 500 })
  const sizes = chunkSizes(answer.bytes)
  expect(sizes.at(-1)).toBe(0)
  expect(sizes.slice(0, -1).every((size) => size === 1)).toBe(true)
  expect(answer.reads.length).toBeGreaterThan(100)
})

test('events each have an HTTP chunk, or share one', async () => {
  simulator.setBehaviour(SECRET, { kind: 'good', deltaCount: 4 })
  const apart = await askRaw(simulator, { secret: SECRET, body: { stream: true } })
  expect(chunkSizes(apart.bytes)).toHaveLength(1 + 4 + 1 + 1 + 1)
  simulator.setBehaviour(SECRET, { kind: 'good', deltaCount: 4, isInOneChunk: true })
  const together = await askRaw(simulator, { secret: SECRET, body: { stream: true } })
  expect(chunkSizes(together.bytes)).toHaveLength(2)
})

test('a huge event line arrives whole', async () => {
  const text = await streamText({ text: 'a b', hugeFrameBytes: 3 * 1024 * 1024 })
  expect(contentOf(text)).toHaveLength(3 * 1024 * 1024 + 3)
})

test('pieces come at their pace and in the number asked for', async () => {
  const startedAtMs = performance.now()
  const text = await streamText({ text: TEXT, deltaCount: 10, delayMs: 10 })
  expect(performance.now() - startedAtMs).toBeGreaterThan(100)
  expect(chunksOf(text)).toHaveLength(1 + 10 + 1)
  expect(contentOf(text)).toBe(TEXT)
})

test('compressed though nobody asked', async () => {
  simulator.setBehaviour(SECRET, { kind: 'good', text: TEXT, contentEncoding: 'gzip' })
  for (const stream of [true, false]) {
    const response = await fetch(`${simulator.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages: [], stream }),
      decompress: false,
    })
    expect(response.headers.get('content-encoding')).toBe('gzip')
    const plain = new TextDecoder().decode(Bun.gunzipSync(new Uint8Array(await response.bytes())))
    expect(plain).toContain(stream ? '[DONE]' : TEXT)
  }
})

const ASKING = { stream_options: { include_usage: true } }

test.each([
  ['when_asked', {}, 'nowhere'],
  ['when_asked', ASKING, 'alone'],
  ['always', {}, 'alone'],
  ['never', ASKING, 'nowhere'],
  ['on_finish_chunk', {}, 'finish'],
  ['every_chunk', {}, 'every'],
  ['x_groq', {}, 'x_groq'],
] as const)('usage %s with %j stands %s', async (usage, body, place) => {
  const tokens = { prompt: 11, completion: 22 }
  const text = await streamText({ usage, tokens, deltaCount: 2 }, body)
  const chunks = chunksOf(text)
  const withUsage = chunks.filter((chunk) => chunk.usage?.total_tokens === 33)
  const expectedCounts = { nowhere: 0, alone: 1, finish: 1, every: 4, x_groq: 0 }
  expect(withUsage).toHaveLength(expectedCounts[place])
  if (place === 'alone') expect(withUsage[0]?.choices).toEqual([])
  if (place === 'finish') expect(withUsage[0]?.choices[0]?.finish_reason).toBe('stop')
  expect(text.includes('"x_groq":{"id":"req_simulated","usage":{"prompt_tokens":11')).toBe(place === 'x_groq')
})

test('[DONE] may be missing, the model may have another name, thoughts may come first, Azure may begin without choices', async () => {
  const shape: AnswerShape = {
    isDoneSent: false,
    answeredModel: 'gpt-4o-2024-08-06',
    reasoningText: 'let me think',
    isAzure: true,
  }
  const text = await streamText(shape)
  const chunks = chunksOf(text)
  expect(payloadsOf(text)).not.toContain('[DONE]')
  expect(chunks[0]?.choices).toEqual([])
  expect(chunks[1]?.model).toBe('gpt-4o-2024-08-06')
  const thoughts = chunks.map((chunk) => chunk.choices[0]?.delta.reasoning_content ?? '').join('')
  expect(thoughts).toBe('let me think')
})
