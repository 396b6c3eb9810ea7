import { expect, test } from 'bun:test'
import { createAnswerParser, expectAnswer, finishAnswer, pushAnswer } from '../../src/providers/http-answer-parser.ts'
import { HttpProtocolError } from '../../src/providers/http-protocol-error.ts'
import { createSeededRandom } from './text-tools/seeded-random.ts'

interface Seen {
  status: number
  type: string | null
  hasBody: boolean
  body: string
  /** `clean`: the connection may go on; `unclean`: it may not; `close`: ended by the connection; `open`: it has not ended. */
  end: 'clean' | 'unclean' | 'close' | 'open'
}

/** What a parser makes of these pieces and the end of the connection; the code where it refuses them. */
function parse(pieces: readonly string[], isHead = false): Seen | string {
  const seen: Seen = { status: 0, type: null, hasBody: false, body: '', end: 'open' }
  let isClosing = false
  const parser = createAnswerParser({
    head(_, head, hasBody) {
      seen.status = head.status
      seen.type = head.headers.get('content-type')
      seen.hasBody = hasBody
    },
    data: (_, bytes) => {
      expect(bytes.length).toBeGreaterThan(0)
      seen.body += bytes.toString('latin1')
    },
    end(_, isClean) {
      seen.end = isClosing ? 'close' : 'unclean'
      if (isClean) seen.end = 'clean'
    },
  })
  expectAnswer(parser, isHead)
  try {
    for (const piece of pieces) {
      pushAnswer(parser, null, Buffer.from(piece, 'latin1'))
      if (seen.end !== 'open') return seen
    }
    isClosing = true
    finishAnswer(parser, null)
    return seen
  } catch (cause) {
    if (cause instanceof HttpProtocolError) return cause.code
    throw cause
  }
}

const ok = 'HTTP/1.1 200 OK\r\n'
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`
const whole = { status: 200, type: null, hasBody: true, body: 'hi', end: 'clean' } as const

const answers: Record<string, [text: string, seen: Partial<Seen> | string]> = {
  'a length': [`${ok}Content-Type: a/b; c=d \r\ncontent-length: 2\r\n\r\nhi`, { type: 'a/b; c=d' }],
  'no body': [`${ok}content-length: 0\r\n\r\n`, { body: '' }],
  'no reason': ['HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nhi', {}],
  'bare line feeds': ['HTTP/1.1 200 OK\ncontent-length: 2\n\nhi', {}],
  'the same length twice': [`${ok}content-length: 2\r\nContent-Length: 2\r\n\r\nhi`, {}],
  'headers in vain': [`${ok}a:\r\nb: \tc\t\r\ncontent-length:2\r\ncontent-lengths: 9\r\n\r\nhi`, {}],
  'two of one name': [`${ok}content-type: a\r\nContent-Type: b\r\ncontent-length: 2\r\n\r\nhi`, { type: 'a, b' }],
  'a value nobody could pass on': [`${ok}content-type: a\rb\r\ncontent-length: 2\r\n\r\nhi`, {}],
  'the end of the connection': [`${ok}\r\nhi`, { end: 'close' }],
  'HTTP/1.0': ['HTTP/1.0 200 OK\r\n\r\nhi', { end: 'close' }],
  'chunks in HTTP/1.0': ['HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n', {}],
  chunks: [`${chunked}1\r\nh\r\n0001\r\ni\r\n0\r\n\r\n`, {}],
  'large chunks': [`${chunked}1A\r\n${'x'.repeat(26)}\r\n0\r\n\r\n`, { body: 'x'.repeat(26) }],
  'extensions and trailers': [`${chunked}2;a="b;c"\r\nhi\r\n0;z\r\nx: y\r\nz: 1\r\n\r\n`, {}],
  'no chunk': [`${chunked}0\r\n\r\n`, { body: '' }],
  'coming after others': [
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nlink: x\r\n\r\n${ok}content-length: 2\r\n\r\nhi`,
    {},
  ],
  '204': ['HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n', { status: 204, body: '', hasBody: false }],
  '304': ['HTTP/1.1 304 No\r\ntransfer-encoding: chunked\r\n\r\n', { status: 304, body: '', hasBody: false }],
  'cut in its length': [`${ok}content-length: 9\r\n\r\nhi`, { end: 'open' }],
  'cut in its chunks': [`${chunked}2\r\nhi\r\n`, { end: 'open' }],
  'cut before the last line': [`${chunked}2\r\nhi\r\n0\r\n`, { end: 'open' }],
  'cut in its trailers': [`${chunked}2\r\nhi\r\n0\r\nx: y\r\n`, { end: 'open' }],
  'cut in its head': [`${ok}content-length: 2\r\n`, { status: 0, body: '', hasBody: false, end: 'open' }],
  'two lengths': [`${ok}content-length: 2\r\ncontent-length: 3\r\n\r\nhi`, 'InvalidContentLength'],
  'a list of lengths': [`${ok}content-length: 2, 2\r\n\r\nhi`, 'InvalidContentLength'],
  'a signed length': [`${ok}content-length: +2\r\n\r\nhi`, 'InvalidContentLength'],
  'no length': [`${ok}content-length: \r\n\r\nhi`, 'InvalidContentLength'],
  'an endless length': [`${ok}content-length: ${'9'.repeat(20)}\r\n\r\nhi`, 'InvalidContentLength'],
  'a length and chunks': [
    `${ok}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
    'InvalidTransferEncoding',
  ],
  'chunks and a length': [
    `${ok}transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
    'InvalidTransferEncoding',
  ],
  'chunked twice': [`${ok}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n`, 'InvalidTransferEncoding'],
  'another transfer encoding': [`${ok}transfer-encoding: gzip, chunked\r\n\r\n`, 'InvalidTransferEncoding'],
  'a transfer encoding in disguise': [`${ok}transfer-encoding: \x0bchunked\r\n\r\n`, 'InvalidTransferEncoding'],
  'an upgrade': ['HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n', 'UnrequestedUpgrade'],
  'a folded line': [`${ok}a: b\r\n c\r\n\r\n`, 'Malformed_HTTP_Response'],
  'a blank before the colon': [`${ok}content-length : 2\r\n\r\nhi`, 'Malformed_HTTP_Response'],
  'no colon': [`${ok}content-length\r\n\r\nhi`, 'Malformed_HTTP_Response'],
  'no name': [`${ok}: a\r\n\r\nhi`, 'Malformed_HTTP_Response'],
  'a colon of the next line': [`${ok}a\r\nb: c\r\n\r\nhi`, 'Malformed_HTTP_Response'],
  'HTTP/2': ['HTTP/2 200 OK\r\n\r\n', 'Malformed_HTTP_Response'],
  'another protocol': ['SSH-2.0-OpenSSH\r\n\r\n', 'Malformed_HTTP_Response'],
  'four digits': ['HTTP/1.1 2000 OK\r\n\r\n', 'Malformed_HTTP_Response'],
  'a status below 100': ['HTTP/1.1 099 OK\r\n\r\n', 'Malformed_HTTP_Response'],
  'an empty line first': [`\r\n${ok}content-length: 2\r\n\r\nhi`, 'Malformed_HTTP_Response'],
  'a chunk without a size': [`${chunked}\r\nhi\r\n0\r\n\r\n`, 'InvalidHTTPResponse'],
  'an extension without a size': [`${chunked};a\r\nhi\r\n0\r\n\r\n`, 'InvalidHTTPResponse'],
  'a size that is none': [`${chunked}g\r\n`, 'InvalidHTTPResponse'],
  'a negative size': [`${chunked}-1\r\n`, 'InvalidHTTPResponse'],
  'a size beyond all bounds': [`${chunked}${'f'.repeat(14)}\r\n`, 'InvalidHTTPResponse'],
  'blanks behind a size': [`${chunked}2 \r\nhi\r\n0\r\n\r\n`, 'InvalidHTTPResponse'],
  'a chunk that is too long': [`${chunked}1\r\nhi\r\n0\r\n\r\n`, 'InvalidHTTPResponse'],
  'a bare line feed behind a size': [`${chunked}2\nhi\r\n0\r\n\r\n`, 'InvalidHTTPResponse'],
  'a bare line feed behind a chunk': [`${chunked}2\r\nhi\n0\r\n\r\n`, 'InvalidHTTPResponse'],
  'a bare line feed in a trailer': [`${chunked}2\r\nhi\r\n0\r\na: b\n\r\n`, 'InvalidHTTPResponse'],
}

for (const [name, [text, expected]] of Object.entries(answers)) {
  const wanted = typeof expected === 'string' ? expected : { ...whole, ...expected }
  test(`an answer with ${name} is the same wherever it is cut`, () => {
    expect(parse([text])).toEqual(wanted)
    expect(parse([...text])).toEqual(wanted)
    for (let cut = 1; cut < text.length; cut++) expect(parse([text.slice(0, cut), text.slice(cut)])).toEqual(wanted)
  })
}

test('an answer to HEAD has no body, whatever its head says', () => {
  expect(parse([`${ok}content-length: 2\r\n\r\n`], true)).toEqual({ ...whole, body: '', hasBody: false })
  expect(parse([chunked], true)).toEqual({ ...whole, body: '', hasBody: false })
})

test('what comes behind an answer spoils the connection', () => {
  expect(parse([`${ok}content-length: 2\r\n\r\nhi!`])).toEqual({ ...whole, end: 'unclean' })
  expect(parse([`${chunked}2\r\nhi\r\n0\r\n\r\n\r\n`])).toEqual({ ...whole, end: 'unclean' })
  expect(parse([`HTTP/1.1 204 No\r\n\r\nx`])).toMatchObject({ status: 204, end: 'unclean' })
})

test('a head, its lines, extensions and trailers are bounded', () => {
  const long = 'y'.repeat(70_000)
  expect(parse([`${ok}x: ${long}\r\n\r\n`])).toBe('Malformed_HTTP_Response')
  expect(parse([`${ok}x: ${long}`])).toBe('Malformed_HTTP_Response')
  expect(parse([ok, ...Array.from({ length: 300 }, () => 'a: b\r\n')])).toBe('Malformed_HTTP_Response')
  expect(parse(Array.from({ length: 40 }, () => 'HTTP/1.1 103 E\r\n\r\n'))).toBe('Malformed_HTTP_Response')
  expect(parse([`${chunked}2;${long}`])).toBe('InvalidHTTPResponse')
  expect(parse([`${chunked}0\r\nx: ${long}`])).toBe('InvalidHTTPResponse')
  expect(parse([`${chunked}0\r\n`, ...Array.from({ length: 9000 }, () => 'a:\r\n')])).toBe('InvalidHTTPResponse')
})

test('a head that is longer than what is looked at first is read whole', () => {
  const text = `${ok}x: ${'y'.repeat(9000)}\r\ncontent-type: a/b\r\ncontent-length: 20000\r\n\r\n${'z'.repeat(20_000)}`
  expect(parse([text])).toEqual({ ...whole, type: 'a/b', body: 'z'.repeat(20_000) })
})

test('one answer after another over the same connection', () => {
  let body = ''
  let ends = 0
  const parser = createAnswerParser({
    head: () => {},
    data: (_, bytes) => {
      body += bytes.toString()
    },
    end: () => ends++,
  })
  for (const text of [
    `${chunked}2\r\nhi\r\n0\r\nx: y\r\n\r\n`,
    `${ok}content-length: 2\r\n\r\nho`,
    `${chunked}1\r\n!\r\n0\r\n\r\n`,
  ]) {
    expectAnswer(parser, false)
    for (const piece of text.match(/[\s\S]{1,7}/g) ?? []) pushAnswer(parser, null, Buffer.from(piece))
  }
  expect({ body, ends }).toEqual({ body: 'hiho!', ends: 3 })
})

test('random chunks cut at random come out as they went in', () => {
  const random = createSeededRandom(6)
  const upTo = random.below
  for (let round = 0; round < 300; round++) {
    const pieces = Array.from({ length: upTo(20) }, () => 'abcdefghij'.repeat(1 + upTo(40)).slice(upTo(9)))
    const text = `${chunked}${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')}0\r\n\r\n`
    const cuts: string[] = []
    for (let start = 0; start < text.length; ) {
      const length = 1 + upTo(300)
      cuts.push(text.slice(start, start + length))
      start += length
    }
    expect(parse(cuts)).toEqual({ ...whole, body: pieces.join('') })
  }
})

test('garbage is refused or waited for, and breaks nothing', () => {
  const random = createSeededRandom(7)
  const alphabet: [string, ...string[]] = [
    '\r\n',
    '\r',
    '\n',
    ':',
    ' ',
    '0',
    '1',
    'a',
    'f',
    ';',
    'HTTP/1.1 200 OK\r\n',
    '\r\n\r\n',
    'content-length: 3\r\n',
    'transfer-encoding: chunked\r\n',
    '\0',
    '\xff',
  ]
  for (let round = 0; round < 20_000; round++) {
    const length = random.below(12)
    const pieces = Array.from({ length }, () => random.pick(alphabet))
    const start = random.below(10) < 7 ? [ok] : []
    const cut = parse([...start, ...pieces])
    const uncut = parse([[...start, ...pieces].join('')])
    // What follows an answer is only seen where it comes with it.
    if (typeof uncut === 'object' && uncut.end === 'unclean') continue
    expect(cut).toEqual(uncut)
  }
})
