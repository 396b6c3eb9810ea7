/** The client of paced streams notices whatever is wrong with one, however its bytes are cut. */
import { describe, expect, test } from 'bun:test'
import { createAnswerReader } from '../../bench/http-answer.ts'
import { pacedStream, stamp } from '../../bench/mock-answers.ts'
import { createStreamCheck } from '../../bench/stream-check.ts'

const sentUs = 22_545_754_149

describe('the check of a paced stream', () => {
  for (const isUsageAsked of [false, true]) {
    test.each([1, 7, 1_000, 1_000_000])(
      `a whole stream (usage: ${isUsageAsked}) is whole, and says when each delta was sent, in pieces of %d bytes`,
      (size) => {
        const { fault, times } = check(wholeStream(isUsageAsked), size)
        expect(fault).toBeNull()
        expect(times).toEqual(Array.from({ length: 64 }, (_, index) => sentUs + index))
      },
    )
  }

  test.each([
    {
      what: 'a missing delta',
      change: (text: string) => without(text, '#40'),
      fault: 'delta 41 came where 40 was due',
    },
    {
      what: 'the last delta missing',
      change: (text: string) => without(text, '#63'),
      fault: 'ended after 63 of 64 deltas',
    },
    {
      what: 'a delta that came twice',
      change: (text: string) => twice(text, '#07'),
      fault: 'delta 7 came where 8 was due',
    },
    { what: 'no [DONE]', change: (text: string) => without(text, '[DONE]'), fault: 'ended without [DONE]' },
    {
      what: 'an error event',
      change: (text: string) => replaced(text, '#63', '{"error":{"message":"cut"}}'),
      fault: 'an error event: data: {"error":{"message":"cut"}}',
    },
    {
      what: 'an event after [DONE]',
      change: (text: string) => twice(text, '[DONE]'),
      fault: 'something came after [DONE]',
    },
    { what: 'a cut event', change: (text: string) => text.slice(0, -5), fault: 'cut within an event' },
  ])('finds $what', ({ change, fault }) => {
    const streamCheck = createStreamCheck(() => {})
    streamCheck.push(change(body(wholeStream(false))))
    expect(streamCheck.fault()).toBe(fault)
  })

  test('comments and line ends of the other kind are no fault', () => {
    const streamCheck = createStreamCheck(() => {})
    streamCheck.push(`: waiting\n\n${body(wholeStream(false))}`.replaceAll('\n', '\r\n'))
    expect(streamCheck.fault()).toBeNull()
  })

  test.each([
    { what: 'chunks', answer: 'transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n' },
    { what: 'a length', answer: 'Content-Length: 3\r\n\r\nabc' },
  ])('an answer with $what ends by itself, also when the next one follows', ({ answer }) => {
    let text = ''
    const reader = createAnswerReader((bytes) => {
      text += bytes.toString()
    })
    for (const byte of Buffer.from(`HTTP/1.1 200 OK\r\n${answer}`.repeat(2))) reader.push(Buffer.of(byte))
    expect({ text, isEnded: reader.isEnded, status: reader.status }).toEqual({
      text: 'abcabc',
      isEnded: true,
      status: 200,
    })
  })

  test('a body without length ends when the connection closes, one in chunks does not', () => {
    const open = createAnswerReader(() => {})
    open.push(Buffer.from('HTTP/1.1 200 OK\r\n\r\nabc'))
    expect(open.isEnded).toBe(false)
    open.close()
    expect(open.isEnded).toBe(true)
    const cut = createAnswerReader(() => {})
    cut.push(Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n'))
    cut.close()
    expect(cut.isEnded).toBe(false)
  })
})

/** As the mock upstream sends it, each delta a microsecond after the one before. */
function wholeStream(isUsageAsked: boolean): Buffer {
  const { begin, deltas, end } = pacedStream(isUsageAsked)
  deltas.forEach((delta, index) => {
    stamp(delta, sentUs + index)
  })
  return Buffer.concat([begin, ...deltas.map(({ bytes }) => bytes), end])
}

function check(answer: Buffer, size: number): { fault: string | null; times: number[] } {
  const times: number[] = []
  const streamCheck = createStreamCheck((time) => {
    if (time !== null) times.push(time)
  })
  const reader = createAnswerReader((bytes) => streamCheck.push(bytes.toString()))
  for (let offset = 0; offset < answer.length; offset += size) reader.push(answer.subarray(offset, offset + size))
  expect(reader.isEnded).toBe(true)
  return { fault: streamCheck.fault(), times }
}

function body(answer: Buffer): string {
  let text = ''
  createAnswerReader((bytes) => {
    text += bytes.toString()
  }).push(answer)
  return text
}

function events(text: string): string[] {
  return text.split('\n\n').filter((event) => event !== '')
}

function without(text: string, mark: string): string {
  return joined(events(text).filter((event) => !event.includes(mark)))
}

function twice(text: string, mark: string): string {
  return joined(events(text).flatMap((event) => (event.includes(mark) ? [event, event] : [event])))
}

function replaced(text: string, mark: string, data: string): string {
  return joined(events(text).map((event) => (event.includes(mark) ? `data: ${data}` : event)))
}

function joined(all: readonly string[]): string {
  return all.map((event) => `${event}\n\n`).join('')
}
