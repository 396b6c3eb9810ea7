/** Every wish to count is answered exactly once, whatever becomes of the thread that counts. */
import { expect, test } from 'bun:test'
import {
  type AnswerBeginning,
  type CountWish,
  createTokenCounter,
  type TokenCounterLimits,
} from '../../src/gateway/token-counter.ts'
import type { TokenCount } from '../../src/gateway/token-messages.ts'
import { createLogger } from '../../src/log.ts'
import { until } from '../helpers/start-gateway.ts'
import { tokensOf } from '../helpers/token-encoders.ts'

const events = (...chunks: unknown[]): Uint8Array[] =>
  chunks.map(
    (chunk) => new Uint8Array(Buffer.from(`data: ${typeof chunk === 'string' ? chunk : JSON.stringify(chunk)}\n\n`)),
  )
const delta = (content: string) => ({ choices: [{ index: 0, delta: { content } }] })
const beginningOf = (pieces: Uint8Array[], bytes?: number): AnswerBeginning => ({
  form: 'events',
  pieces,
  bytes: bytes ?? pieces.reduce((sum, piece) => sum + piece.byteLength, 0),
})
const bytesOf = (json: unknown) => new Uint8Array(Buffer.from(JSON.stringify(json)))
const wishFor = (text: string, answer: AnswerBeginning | null = null): CountWish => ({
  path: '/completions',
  model: 'gpt-4o',
  request: bytesOf({ prompt: text }),
  answer,
})

interface Threaded {
  readonly limits?: Partial<TokenCounterLimits>
  /** In place of the real one. */
  readonly thread?: string
}

function start({ limits = {}, thread }: Threaded = {}) {
  let logged = ''
  const write = (lines: string) => {
    logged += lines
  }
  const log = createLogger({ level: 'debug', format: 'json', isColoured: false, write, now: Date.now })
  const workerUrl = thread === undefined ? {} : { workerUrl: new URL(URL.createObjectURL(new Blob([thread]))) }
  const counter = createTokenCounter({ log, limits, ...workerUrl })
  const answers: (TokenCount | null)[] = []
  return {
    counter,
    answers,
    logged() {
      log.flush()
      return logged
    },
    ask: (wish: CountWish) => counter.count(wish, (counted) => void answers.push(counted)),
    count: (wish: CountWish) => new Promise<TokenCount | null>((resolve) => counter.count(wish, resolve)),
    [Symbol.asyncDispose]: () => counter.close(),
  }
}

const silent = 'self.onmessage = () => {}'
/** Counts as its number of messages since it began. */
const numbering = `let batches = 0
self.onmessage = ({ data }) => {
  batches++
  self.postMessage(data.map(() => ({ inputTokens: batches, outputTokens: data.length, reasoningTokens: 0, isWhole: true })))
}`

test('the thread counts input and output, in the encoding of the model', async () => {
  await using started = start()
  const pieces = events(delta('Zażółć gęślą '), delta('jaźń, 世'), delta('界'), '[DONE]')
  for (const model of ['gpt-4o', 'gpt-4']) {
    const counted = await started.count({ ...wishFor('Once upon a time', beginningOf(pieces)), model })
    expect(counted).toEqual({
      inputTokens: tokensOf('Once upon a time', model),
      outputTokens: tokensOf('Zażółć gęślą jaźń, 世界', model),
      reasoningTokens: 0,
      isWhole: true,
    })
  }
})

test('a beginning is taken for the whole by its share of the bytes, and says so', async () => {
  await using started = start()
  const pieces = events(delta('one'), delta(' two'), delta(' three'))
  const { bytes } = beginningOf(pieces)
  const counted = await started.count(wishFor('x', beginningOf(pieces, bytes * 10)))
  expect(counted).toMatchObject({ outputTokens: 30, isWhole: false })
})

test('bytes that come in pieces, cut through characters, are joined before they are read', async () => {
  await using started = start()
  const whole = Buffer.concat(events(delta('世界'), delta('ją')))
  const pieces = Array.from(whole, (byte) => new Uint8Array([byte]))
  expect(await started.count(wishFor('x', beginningOf(pieces)))).toMatchObject({ outputTokens: tokensOf('世界ją') })
})

test('the bytes it was given stay where they are', async () => {
  await using started = start()
  const wish = wishFor('text', beginningOf(events(delta('a'))))
  await started.count(wish)
  expect(wish.request?.byteLength).toBeGreaterThan(0)
  expect(wish.answer?.pieces[0]?.byteLength).toBeGreaterThan(0)
})

test('a request that cannot be read costs the others nothing', async () => {
  await using started = start()
  const wishes = [wishFor('a'), { ...wishFor('b'), request: new Uint8Array(Buffer.from('{"prompt')) }, wishFor('c')]
  const counted = await Promise.all(wishes.map((wish) => started.count(wish)))
  expect(counted.map((one) => one?.inputTokens ?? null)).toEqual([1, null, 1])
})

test('text beyond all measure is counted in part, and the rest taken to be like it', async () => {
  await using started = start()
  const hostile = '的一是不了'.repeat(700_000)
  const counted = await started.count(wishFor(hostile))
  expect(counted?.isWhole).toBe(false)
  expect((counted?.inputTokens ?? 0) / hostile.length).toBeCloseTo(tokensOf('的一是不了'.repeat(1000)) / 5000, 1)
}, 20_000)

test('a thread that fails answers everything that waits with null, rests, and begins anew', async () => {
  const thread = `self.onmessage = ({ data }) => { setTimeout(() => { throw new Error('broken') }) }`
  await using started = start({ thread, limits: { restMs: 100 } })
  for (let wish = 0; wish < 100; wish++) started.ask(wishFor('x'))
  await until(() => started.answers.length === 100)
  expect(started.answers).toEqual(Array(100).fill(null))
  // While it rests nothing is even queued.
  started.ask(wishFor('x'))
  expect(started.answers).toHaveLength(101)
  expect(started.logged().match(/tokens cannot be counted/g)).toHaveLength(1)
  await Bun.sleep(110)
  started.ask(wishFor('x'))
  expect(started.answers).toHaveLength(101)
  await until(() => started.answers.length === 102)
})

test('a thread that ends, or cannot be started, is a thread that fails', async () => {
  for (const thread of ['self.onmessage = () => process.exit(3)', 'this is no program']) {
    await using started = start({ thread })
    expect(await started.count(wishFor('x'))).toBeNull()
  }
  const log = createLogger({ level: 'error', format: 'json', isColoured: false, write: () => {}, now: Date.now })
  for (const url of ['file:///nowhere/at/all.ts', 'unknown:thread']) {
    const counter = createTokenCounter({ log, workerUrl: new URL(url) })
    expect(await new Promise((resolve) => counter.count(wishFor('x'), resolve))).toBeNull()
    await counter.close()
  }
})

test('a thread that does not answer is given up after the deadline', async () => {
  await using started = start({ thread: silent, limits: { deadlineMs: 50 } })
  expect(await started.count(wishFor('x'))).toBeNull()
  expect(started.logged()).toContain('no answer within 50 ms')
})

test('what waits too long is not counted, even when the thread is well', async () => {
  const thread = `self.onmessage = ({ data }) => {
    Bun.sleepSync(60)
    self.postMessage(data.map(() => ({ inputTokens: 1, outputTokens: 1, reasoningTokens: 0, isWhole: true })))
  }`
  await using started = start({ thread, limits: { deadlineMs: 150, maxBatchWishes: 1 } })
  for (let wish = 0; wish < 10; wish++) started.ask(wishFor('x'))
  await until(() => started.answers.length === 10)
  const counted = started.answers.filter((one) => one !== null).length
  expect(counted).toBeWithin(1, 9)
  expect(started.logged()).toBe('')
})

test('the queue is bounded by number and by bytes: what does not fit is answered at once', async () => {
  await using byNumber = start({ thread: silent, limits: { maxQueuedWishes: 3, closeMs: 1 } })
  for (let wish = 0; wish < 5; wish++) byNumber.ask(wishFor('x'))
  expect(byNumber.answers).toEqual([null, null])
  await using byBytes = start({ thread: silent, limits: { maxQueuedBytes: 30_000, closeMs: 1 } })
  for (let wish = 0; wish < 5; wish++) byBytes.ask(wishFor('x'.repeat(10_000)))
  expect(byBytes.answers).toEqual([null, null, null])
  await using bySize = start({ thread: silent, limits: { maxWishBytes: 5000 } })
  bySize.ask(wishFor('x', beginningOf([new Uint8Array(5000)])))
  expect(bySize.answers).toEqual([null])
})

test('room in the queue comes back', async () => {
  await using started = start({ thread: numbering, limits: { maxQueuedWishes: 2, maxQueuedBytes: 30_000 } })
  for (let round = 1; round <= 20; round++) {
    started.ask(wishFor('x'.repeat(10_000)))
    started.ask(wishFor('x'.repeat(10_000)))
    await until(() => started.answers.length === 2 * round)
  }
  expect(started.answers.every((one) => one !== null)).toBe(true)
})

test('what ends together goes together, in batches of a bounded size', async () => {
  await using started = start({ thread: numbering, limits: { maxBatchWishes: 4 } })
  for (let wish = 0; wish < 10; wish++) started.ask(wishFor('x'))
  await until(() => started.answers.length === 10)
  expect(started.answers.map((one) => one?.outputTokens ?? 0)).toEqual([4, 4, 4, 4, 4, 4, 4, 4, 2, 2])
})

test('an idle thread ends, and another begins when it is needed', async () => {
  await using started = start({ thread: numbering, limits: { idleMs: 30 } })
  const batch = async () => (await started.count(wishFor('x')))?.inputTokens
  expect([await batch(), await batch()]).toEqual([1, 2])
  await Bun.sleep(80)
  expect(await batch()).toBe(1)
})

test('closing waits for what is queued', async () => {
  const started = start({ thread: numbering, limits: { maxBatchWishes: 1 } })
  for (let wish = 0; wish < 5; wish++) started.ask(wishFor('x'))
  await started.counter.close()
  expect(started.answers.map((one) => one?.inputTokens ?? 0)).toEqual([1, 2, 3, 4, 5])
})

test('closing does not wait long: what is not counted then, or wished for later, is answered with null', async () => {
  const started = start({ thread: silent, limits: { closeMs: 40, maxBatchWishes: 2 } })
  for (let wish = 0; wish < 5; wish++) started.ask(wishFor('x'))
  await started.counter.close()
  expect(started.answers).toEqual(Array(5).fill(null))
  started.ask(wishFor('x'))
  expect(started.answers).toEqual(Array(6).fill(null))
  await started.counter.close()
})
