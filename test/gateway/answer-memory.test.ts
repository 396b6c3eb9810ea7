/** What is remembered of running streams never grows beyond its bound, and no stream starves the others. */
import { expect, test } from 'bun:test'
import { createAnswerMemory } from '../../src/gateway/answer-memory.ts'

const chunk = new Uint8Array(200)
const bytesOf = (pieces: readonly Uint8Array[]) => Buffer.concat(pieces)
const lengthOf = (pieces: readonly Uint8Array[]) => bytesOf(pieces).byteLength

test('a stream alone is remembered up to its share', () => {
  const memory = createAnswerMemory(1024 * 1024)
  const stream = memory.begin()
  for (let pushed = 0; pushed < 1000; pushed++) stream.push(chunk)
  stream.push(new Uint8Array(1))
  expect(lengthOf(stream.take())).toBeWithin(20_000, 65_536)
})

test('its first bytes, without a gap, whatever its chunks are', () => {
  const random = (function* () {
    for (let state = 1; ; ) {
      state = (state * 48_271) % 0x7fffffff
      yield state
    }
  })()
  for (let round = 0; round < 200; round++) {
    const stream = createAnswerMemory(64 * 1024 + round * 4096).begin()
    const all: Buffer[] = []
    for (let pushed = 0; pushed < 100; pushed++) {
      const length = random.next().value % (pushed % 7 === 0 ? 3000 : 200)
      const piece = Buffer.alloc(length, random.next().value % 256)
      all.push(piece)
      stream.push(piece)
    }
    const kept = bytesOf(stream.take())
    expect(kept.byteLength).toBeGreaterThan(500)
    expect(kept.equals(Buffer.concat(all).subarray(0, kept.byteLength))).toBe(true)
  }
})

test('what it was given may be written over', () => {
  const stream = createAnswerMemory().begin()
  const reused = Buffer.from('one')
  stream.push(reused)
  reused.write('two')
  expect(bytesOf(stream.take()).toString()).toBe('one')
})

test('5,000 at once stay below the bound together, and each has a beginning', () => {
  const maxBytes = 8 * 1024 * 1024
  const memory = createAnswerMemory(maxBytes)
  const streams = Array.from({ length: 5000 }, () => memory.begin())
  for (let round = 0; round < 200; round++) for (const stream of streams) stream.push(chunk)
  const kept = streams.map((stream) => stream.take())
  const held = kept.flat().reduce((sum, { buffer }) => sum + buffer.byteLength + 128, 0)
  expect(held).toBeLessThan(maxBytes)
  for (const pieces of kept) expect(lengthOf(pieces)).toBeGreaterThanOrEqual(1000)
})

test('room comes back when a stream ends, once', () => {
  const memory = createAnswerMemory(1024 * 1024)
  for (let stream = 0; stream < 1000; stream++) {
    const one = memory.begin()
    for (let pushed = 0; pushed < 30; pushed++) one.push(chunk)
    expect(lengthOf(one.take())).toBe(6000)
    expect(one.take()).toHaveLength(0)
    one.push(chunk)
    expect(one.take()).toHaveLength(0)
  }
})
