/** What a reader gets of an answer, whenever its pieces and its end come. */
import { expect, test } from 'bun:test'
import {
  answerResponse,
  createAnswerFeed,
  endAnswer,
  failAnswer,
  feedAnswer,
  isBehind,
} from '../../src/providers/http-answer.ts'
import type { AnswerReader } from '../../src/providers/upstream-response.ts'

const cut = new Error('the connection was closed')

function startAnswer() {
  const asked: string[] = []
  const feed = createAnswerFeed({ resume: () => asked.push('resume'), stop: () => asked.push('stop') })
  const head = { status: 200, headers: new Headers(), isKeptAlive: true, keepAliveSeconds: null }
  const response = answerResponse(feed, head as unknown as Parameters<typeof answerResponse>[1], true)
  const reader = response.body?.getReader() as AnswerReader & Required<Pick<AnswerReader, 'readAll' | 'readNow'>>
  return {
    asked,
    response,
    reader,
    feed: (...texts: string[]) => {
      for (const text of texts) feedAnswer(feed, Buffer.from(text))
    },
    end: () => endAnswer(feed),
    fail: () => failAnswer(feed, cut),
    isBehind: () => isBehind(feed),
  }
}

/** Takes everything; `hold` makes it wait for room until `makeRoom`. */
function startTaking(reader: ReturnType<typeof startAnswer>['reader']) {
  const taken: string[] = []
  let room: PromiseWithResolvers<void> | null = null
  const ending = reader
    .readAll((piece) => {
      taken.push(Buffer.from(piece).toString())
      return room?.promise ?? null
    })
    .then(
      () => 'ended',
      (cause: unknown) => cause,
    )
  return {
    taken,
    ending,
    hold() {
      room = Promise.withResolvers()
    },
    async makeRoom() {
      room?.resolve()
      room = null
      await Promise.resolve()
      await Promise.resolve()
    },
    async refuse(cause: unknown) {
      room?.reject(cause)
    },
  }
}

test('all of it: what has come before, what comes later, the end', async () => {
  const answer = startAnswer()
  answer.feed('a', 'b')
  const taking = startTaking(answer.reader)
  expect(taking.taken).toEqual(['a', 'b'])
  answer.feed('c')
  expect(taking.taken).toEqual(['a', 'b', 'c'])
  answer.end()
  expect(await taking.ending).toBe('ended')
  expect(answer.asked).not.toContain('stop')
})

test('all of it where everything, and the end, has come before', async () => {
  const answer = startAnswer()
  answer.feed('a', 'b')
  answer.end()
  const taking = startTaking(answer.reader)
  expect([taking.taken, await taking.ending]).toEqual([['a', 'b'], 'ended'])
})

test('after some were read one by one the others are given all the same', async () => {
  const answer = startAnswer()
  answer.feed('a', 'b', 'c')
  expect(Buffer.from(answer.reader.readNow()?.value ?? '').toString()).toBe('a')
  const taking = startTaking(answer.reader)
  answer.end()
  expect([taking.taken, await taking.ending]).toEqual([['b', 'c'], 'ended'])
})

for (const isCutBefore of [true, false]) {
  test(`what came before a cut is given, then the cut is told: cut ${isCutBefore ? 'before' : 'while'} it is taken`, async () => {
    const answer = startAnswer()
    answer.feed('a')
    if (isCutBefore) answer.fail()
    const taking = startTaking(answer.reader)
    if (!isCutBefore) answer.fail()
    expect([taking.taken, await taking.ending]).toEqual([['a'], cut])
  })
}

test('without room nothing is given, and all of it in its order when there is', async () => {
  const answer = startAnswer()
  const taking = startTaking(answer.reader)
  taking.hold()
  answer.feed('a', 'b', 'c')
  expect(taking.taken).toEqual(['a'])
  await taking.makeRoom()
  expect(taking.taken).toEqual(['a', 'b', 'c'])
  taking.hold()
  answer.feed('d', 'e')
  answer.end()
  await taking.makeRoom()
  expect([taking.taken, await taking.ending]).toEqual([['a', 'b', 'c', 'd', 'e'], 'ended'])
})

test('a cut without room is told after what waits', async () => {
  const answer = startAnswer()
  const taking = startTaking(answer.reader)
  taking.hold()
  answer.feed('a', 'b')
  answer.fail()
  expect(taking.taken).toEqual(['a'])
  await taking.makeRoom()
  expect([taking.taken, await taking.ending]).toEqual([['a', 'b'], cut])
})

test('whoever has no room for long makes the connection pause, and go on when there is room', async () => {
  const answer = startAnswer()
  const taking = startTaking(answer.reader)
  taking.hold()
  answer.feed('a')
  expect(answer.isBehind()).toBe(false)
  answer.feed('b'.repeat(300_000))
  expect(answer.isBehind()).toBe(true)
  answer.asked.length = 0
  await taking.makeRoom()
  expect([answer.isBehind(), answer.asked]).toEqual([false, ['resume']])
})

test('what throws while it takes, or has no room ever, gives the answer up', async () => {
  const gone = new Error('the client left')
  const answer = startAnswer()
  answer.feed('a', 'b')
  const throwing = answer.reader.readAll(() => {
    throw gone
  })
  expect(await throwing.catch((cause: unknown) => cause)).toBe(gone)
  expect(answer.asked).toEqual(['stop'])

  const other = startAnswer()
  const taking = startTaking(other.reader)
  taking.hold()
  other.feed('a', 'b')
  await taking.refuse(gone)
  expect(await taking.ending).toBe(gone)
  other.feed('c')
  expect([taking.taken, other.asked.at(-1)]).toEqual([['a'], 'stop'])
})

test('what is cancelled ends', async () => {
  const answer = startAnswer()
  const taking = startTaking(answer.reader)
  answer.feed('a')
  await answer.reader.cancel()
  answer.feed('b')
  expect([taking.taken, await taking.ending, answer.asked.at(-1)]).toEqual([['a'], 'ended', 'stop'])
})

test('the whole body at once: now where all has come, else when it has; a cut is told', async () => {
  const now = startAnswer()
  now.feed('a', 'b')
  expect(now.response.bytesNow?.()).toBe(null)
  const later = now.response.bytes()
  now.feed('c')
  now.end()
  expect(Buffer.from(await later).toString()).toBe('abc')

  const come = startAnswer()
  come.feed('a', 'b')
  come.end()
  expect(Buffer.from(come.response.bytesNow?.() ?? '').toString()).toBe('ab')

  const broken = startAnswer()
  const promised = broken.response.bytes()
  broken.feed('a')
  broken.fail()
  expect(await promised.catch((cause: unknown) => cause)).toBe(cut)
})
