/** What is remembered of running streams never grows beyond its bound, and no stream starves the others. */
import { expect, test } from 'bun:test'
import { createAnswerMemory } from '../../src/gateway/answer-memory.ts'

const chunk = new Uint8Array(200)
const lengthOf = (pieces: readonly Uint8Array[]) => pieces.reduce((sum, piece) => sum + piece.byteLength, 0)

test('a stream alone is remembered up to its share, without a gap', () => {
  const memory = createAnswerMemory(1024 * 1024)
  const stream = memory.begin()
  for (let pushed = 0; pushed < 1000; pushed++) stream.push(chunk)
  stream.push(new Uint8Array(1))
  const pieces = stream.take()
  expect(lengthOf(pieces)).toBeWithin(20_000, 65_536)
  expect(pieces.every((piece) => piece === chunk)).toBe(true)
})

test('5,000 at once stay below the bound together, and each has a beginning', () => {
  const maxBytes = 16 * 1024 * 1024
  const memory = createAnswerMemory(maxBytes)
  const streams = Array.from({ length: 5000 }, () => memory.begin())
  for (let round = 0; round < 200; round++) for (const stream of streams) stream.push(chunk)
  const kept = streams.map((stream) => stream.take())
  const overhead = 256 * kept.flat().length
  expect(kept.reduce((sum, pieces) => sum + lengthOf(pieces), 0) + overhead).toBeLessThan(maxBytes)
  for (const pieces of kept) expect(lengthOf(pieces)).toBeGreaterThan(1000)
})

test('room comes back when a stream ends, once', () => {
  const memory = createAnswerMemory(1024 * 1024)
  for (let stream = 0; stream < 1000; stream++) {
    const one = memory.begin()
    for (let pushed = 0; pushed < 30; pushed++) one.push(chunk)
    expect(one.take()).toHaveLength(30)
    expect(one.take()).toHaveLength(0)
    one.push(chunk)
    expect(one.take()).toHaveLength(0)
  }
})
