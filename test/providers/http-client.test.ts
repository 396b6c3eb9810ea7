import { expect, test } from 'bun:test'
import { UpstreamError } from '../../src/errors.ts'
import { createHttpClient, defaultLimits, type HttpClientLimits } from '../../src/providers/http-client.ts'
import type { HttpRequest } from '../../src/providers/http-request.ts'
import type { UpstreamResponse } from '../../src/providers/upstream-response.ts'
import { type RawUpstream, startRawUpstream, writeInPieces } from '../helpers/raw-upstream.ts'
import { certificateFile, startRelay } from '../helpers/relay.ts'
import { until } from '../helpers/start-gateway.ts'

const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'
const chunkedHead = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'

function startClient(limits: Partial<HttpClientLimits> = {}) {
  const client = createHttpClient({ ...defaultLimits, ...limits })
  return { ...client, [Symbol.dispose]: client.close }
}

function get(upstream: Pick<RawUpstream, 'url'>, changes: Partial<HttpRequest> = {}): HttpRequest {
  const { signal } = new AbortController()
  return { url: upstream.url, method: 'GET', headers: {}, body: null, signal, ...changes }
}

function post(upstream: RawUpstream, changes: Partial<HttpRequest> = {}): HttpRequest {
  return get(upstream, { method: 'POST', body: [Buffer.from('{}')], ...changes })
}

async function textOf(response: UpstreamResponse): Promise<string> {
  let text = ''
  const reader = response.body?.getReader()
  for (let read = await reader?.read(); read?.done === false; read = await reader?.read())
    text += Buffer.from(read.value).toString('latin1')
  return text
}

/** Its code, or what it was answered. */
async function outcome(promise: Promise<UpstreamResponse>): Promise<string> {
  try {
    return await textOf(await promise)
  } catch (cause) {
    return String((cause as { code?: unknown }).code)
  }
}

const left = new UpstreamError('client_gone', 'the client left')

test('a request is written as HTTP wants it, its body byte for byte', async () => {
  await using upstream = await startRawUpstream((socket) => socket.write(answer))
  using client = startClient()
  const body = [Buffer.from('a\xff', 'latin1'), Buffer.from(''), Buffer.from('bc')]
  const headers = { 'x-one': '1', host: 'other.test', 'content-length': '99', 'user-agent': 'me', accept: 'a/b' }
  await client.send(post(upstream, { url: `${upstream.url}a b/../c?d=ü#e`, headers, body }))
  await client.send(get(upstream))
  await client.send(post(upstream, { body: null }))
  expect(upstream.requests).toEqual([
    'POST /c?d=%C3%BC HTTP/1.1\r\nhost: other.test\r\nx-one: 1\r\nuser-agent: me\r\naccept: a/b\r\ncontent-length: 4\r\nconnection: keep-alive\r\n\r\na\xffbc',
    expect.stringMatching(
      /^GET \/ HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\naccept: \*\/\*\r\nuser-agent: any2api\/[\d.]+\r\nconnection: keep-alive\r\n\r\n$/,
    ),
    expect.stringContaining('content-length: 0\r\n'),
  ])
})

for (const [name, changes] of Object.entries<Partial<HttpRequest>>({
  'a line break in a value': { headers: { a: 'b\r\nc: d' } },
  'a line feed in a value': { headers: { a: 'b\nc: d' } },
  'a zero in a value': { headers: { a: '\0' } },
  'a letter that is more than a byte': { headers: { a: 'Ċ' } },
  'a blank in a name': { headers: { 'a b': 'c' } },
  'a line break in a name': { headers: { 'a\r\nb': 'c' } },
  'a line break in a method': { method: 'GET / HTTP/1.1\r\n\r\nGET' },
  'a tunnel': { method: 'CONNECT' },
  'another protocol': { url: 'ftp://127.0.0.1/' },
  'no URL': { url: 'here' },
})) {
  test(`a request with ${name} is not sent`, async () => {
    await using upstream = await startRawUpstream((socket) => socket.write(answer))
    using client = startClient()
    const failure = await client.send(get(upstream, changes)).catch((cause: unknown) => cause)
    expect(failure).toBeInstanceOf(UpstreamError)
    expect(upstream.connections.length).toBe(0)
  })
}

test('a large request reaches an upstream that takes it slowly, whole', async () => {
  await using upstream = await startRawUpstream((socket) => socket.write(answer), {
    onConnection(socket) {
      socket.pause()
      setTimeout(() => socket.resume(), 50)
    },
  })
  using client = startClient()
  const body = Array.from({ length: 5 }, (_, index) => Buffer.alloc(1_500_000, `${index}`))
  expect(await textOf(await client.send(post(upstream, { body })))).toBe('hi')
  expect(upstream.requests[0]?.endsWith(Buffer.concat(body).toString())).toBe(true)
  expect(await textOf(await client.send(post(upstream, { headers: { a: 'b'.repeat(70_000) } })))).toBe('hi')
  expect(upstream.connections.length).toBe(1)
})

test('an answer that comes in pieces is whole, wherever they are cut', async () => {
  const text = `HTTP/1.1 100 Continue\r\n\r\n${chunkedHead}2;a=b\r\nhi\r\n3\r\n yo\r\n0\r\nx: y\r\n\r\n`
  await using upstream = await startRawUpstream((socket, { total }) =>
    writeInPieces(socket, [text.slice(0, total), text.slice(total)]),
  )
  using client = startClient()
  for (let cut = 1; cut < text.length; cut++) expect(await outcome(client.send(get(upstream)))).toBe('hi yo')
  expect(upstream.connections.length).toBe(1)
})

test('what comes at once is read at once, in one piece', async () => {
  await using upstream = await startRawUpstream((socket) => socket.write(`${chunkedHead}1\r\na\r\n1\r\nb\r\n0\r\n\r\n`))
  using client = startClient()
  const reader = (await client.send(get(upstream))).body?.getReader()
  expect(await reader?.read()).toEqual({ done: false, value: Buffer.from('ab') })
  expect(await reader?.read()).toEqual({ done: true, value: undefined })
})

test('a whole body is given in one, also when it comes in many pieces', async () => {
  await using upstream = await startRawUpstream((socket, { total }) =>
    writeInPieces(socket, total === 1 ? [answer] : [answer.slice(0, -1), 'i']),
  )
  using client = startClient()
  for (let call = 0; call < 2; call++)
    expect(Buffer.from(await (await client.send(get(upstream))).bytes()).toString()).toBe('hi')
})

test('redirects, empty answers and answers to HEAD are answers', async () => {
  const answers = [
    'HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n',
    'HTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n',
  ]
  await using upstream = await startRawUpstream((socket, { total }) => socket.write(answers[total - 1] as string))
  using client = startClient()
  const seen = []
  for (const method of ['GET', 'GET', 'GET', 'HEAD']) {
    const { status, ok, body, headers, bytes } = await client.send(get(upstream, { method }))
    seen.push([status, ok, body === null, headers.get('location'), (await bytes()).byteLength])
  }
  expect(seen).toEqual([
    [302, false, false, '/x', 0],
    [204, true, true, null, 0],
    [304, false, true, null, 0],
    [200, true, true, null, 0],
  ])
  expect(upstream.connections.length).toBe(1)
})

test('connections are used again, the one used last first', async () => {
  await using upstream = await startRawUpstream((socket, { text }) =>
    setTimeout(() => socket.write(answer), Number(/\/(\d*) /.exec(text)?.[1])),
  )
  using client = startClient()
  const after = (ms: number) => client.send(get(upstream, { url: `${upstream.url}${ms}` })).then(textOf)
  await Promise.all([after(0), after(40), after(0)])
  for (let call = 0; call < 5; call++) await after(0)
  expect(upstream.connections.length).toBe(3)
  const [, slow] = upstream.connections
  expect(slow?.receivedBytes()).toBeGreaterThan(300)
})

test('no more connections are kept than allowed', async () => {
  for (const [maxIdle, kept] of [
    [0, 0],
    [2, 2],
    [9, 5],
  ] as const) {
    await using upstream = await startRawUpstream((socket, { text }) => {
      expect(text).toContain(`connection: ${maxIdle === 0 ? 'close' : 'keep-alive'}\r\n`)
      setTimeout(() => socket.write(answer), 20)
    })
    using client = startClient({ maxIdle })
    await Promise.all(Array.from({ length: 5 }, async () => textOf(await client.send(get(upstream)))))
    const open = () => upstream.connections.filter(({ socket }) => !socket.destroyed).length
    await until(() => open() === kept)
  }
})

test('a connection that nobody uses is closed', async () => {
  await using upstream = await startRawUpstream((socket) => socket.write(answer))
  using client = startClient({ idleMs: 30 })
  await client.send(get(upstream))
  await upstream.connections[0]?.gone
})

test('a connection is not used for longer than its server keeps it', async () => {
  const kept = (seconds: number) =>
    `HTTP/1.1 200 OK\r\nkeep-alive: timeout=${seconds}, max=9\r\ncontent-length: 0\r\n\r\n`
  await using upstream = await startRawUpstream((socket, { total }) => socket.write(kept(total === 1 ? 60 : 1)))
  using client = startClient()
  for (let call = 0; call < 3; call++) await client.send(get(upstream))
  expect(upstream.connections.length).toBe(2)
})

test('a connection is closed before its server would do so', async () => {
  const kept = 'HTTP/1.1 200 OK\r\nkeep-alive: timeout=2\r\ncontent-length: 0\r\n\r\n'
  await using upstream = await startRawUpstream((socket) => socket.write(kept))
  using client = startClient()
  await client.send(get(upstream))
  await upstream.connections[0]?.gone
})

for (const [name, text] of Object.entries({
  'asks to be closed': `HTTP/1.1 200 OK\r\nConnection: x, Close\r\ncontent-length: 2\r\n\r\nhi`,
  'is of HTTP/1.0': `HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi`,
  'is followed by more': `${answer}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno`,
})) {
  test(`a connection is not used again when an answer ${name}`, async () => {
    await using upstream = await startRawUpstream((socket) => socket.write(text))
    using client = startClient()
    for (let call = 0; call < 3; call++) expect(await outcome(client.send(get(upstream)))).toBe('hi')
    expect(upstream.connections.length).toBe(3)
  })
}

test('a connection of HTTP/1.0 is used again where its server says so', async () => {
  const kept = 'HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nhi'
  await using upstream = await startRawUpstream((socket) => socket.write(kept))
  using client = startClient()
  for (let call = 0; call < 3; call++) expect(await outcome(client.send(get(upstream)))).toBe('hi')
  expect(upstream.connections.length).toBe(1)
})

test('what comes over an idle connection ends it', async () => {
  await using upstream = await startRawUpstream((socket) => socket.write(answer))
  using client = startClient()
  await client.send(get(upstream))
  upstream.connections[0]?.socket.write('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n')
  await upstream.connections[0]?.gone
  expect(await outcome(client.send(get(upstream)))).toBe('hi')
})

test('an answer before the end of the request is an answer, and its connection is not used again', async () => {
  const early = `HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno`
  await using upstream = await startRawUpstream((socket) => socket.write(answer), {
    onConnection(socket) {
      if (upstream.connections.length > 1) return
      socket.pause()
      socket.write(early)
    },
  })
  using client = startClient()
  const body = [Buffer.alloc(20_000_000)]
  expect(await outcome(client.send(post(upstream, { body })))).toBe('no')
  expect(await outcome(client.send(get(upstream)))).toBe('hi')
  expect(upstream.connections.length).toBe(2)
})

interface Stale {
  readonly request: Partial<HttpRequest>
  readonly ending: (socket: RawUpstream['connections'][number]['socket']) => unknown
  readonly result: string
  readonly requests: number
}

const once = { method: 'POST', body: [Buffer.from('{}')] }
const close: Stale['ending'] = (socket) => socket.end()
const reset: Stale['ending'] = (socket) => socket.resetAndDestroy()

for (const [name, { request, ending, result, requests }] of Object.entries<Stale>({
  'a GET is sent again': { request: {}, ending: close, result: 'hi', requests: 3 },
  'a GET is sent again after a reset': { request: {}, ending: reset, result: 'hi', requests: 3 },
  'a DELETE is not sent again': { request: { method: 'DELETE' }, ending: close, result: 'ECONNRESET', requests: 2 },
  'a POST is not sent again': { request: once, ending: close, result: 'ECONNRESET', requests: 2 },
  'a POST is not sent again after a reset': { request: once, ending: reset, result: 'ECONNRESET', requests: 2 },
  'nothing is sent again once an answer has begun': {
    request: {},
    ending: (socket) => socket.end('HTTP/1.1 '),
    result: 'ECONNRESET',
    requests: 2,
  },
})) {
  test(`a used connection that ends without an answer: ${name}`, async () => {
    await using upstream = await startRawUpstream((socket, { total }) =>
      total === 2 ? ending(socket) : socket.write(answer),
    )
    using client = startClient()
    await client.send(get(upstream))
    expect(await outcome(client.send(get(upstream, request)))).toBe(result)
    expect(upstream.requests.length).toBe(requests)
  })
}

test('what is sent again goes over a new connection, not over another that may be closed, too', async () => {
  await using upstream = await startRawUpstream((socket, { number }) => {
    if (number === 1) setTimeout(() => socket.write(answer), 10)
    else socket.end()
  })
  using client = startClient()
  await Promise.all(Array.from({ length: 3 }, () => client.send(get(upstream))))
  expect(await outcome(client.send(get(upstream)))).toBe('hi')
  expect(upstream.requests.length).toBe(5)
})

test('when one kept connection turns out to be dead, those that were idle beside it are not used either', async () => {
  await using upstream = await startRawUpstream((socket, { number }) => {
    if (number === 1) setTimeout(() => socket.write(answer), 10)
    else socket.resetAndDestroy()
  })
  using client = startClient()
  await Promise.all(Array.from({ length: 3 }, () => client.send(post(upstream))))
  expect(await outcome(client.send(post(upstream)))).toBe('ECONNRESET')
  expect(await outcome(client.send(post(upstream)))).toBe('hi')
  expect(upstream.requests.length).toBe(5)
})

for (const [how, ending] of [
  ['closed', close],
  ['reset', reset],
] as const) {
  test(`when a connection is ${how} in mid-answer, those that were idle beside it are not used either`, async () => {
    let breakOff = () => {}
    await using upstream = await startRawUpstream((socket, { text, number }) => {
      if (text.includes('/cut')) {
        breakOff = () => ending(socket)
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhal')
      } else if (number === 1) setTimeout(() => socket.write(answer), 10)
      else socket.resetAndDestroy()
    })
    using client = startClient()
    await Promise.all(Array.from({ length: 3 }, () => client.send(get(upstream))))
    const cut = await client.send(get(upstream, { url: `${upstream.url}cut` }))
    breakOff()
    expect(await outcome(Promise.resolve(cut))).toBe('ECONNRESET')
    expect(await outcome(client.send(post(upstream)))).toBe('hi')
  })
}

test('a connection in use while many other addresses are asked for is used again, and closed when it was idle for long', async () => {
  await using upstream = await startRawUpstream((socket, { text }) => {
    if (!text.includes('/slow')) socket.write(answer)
  })
  await using other = await startRawUpstream((socket) => socket.write(answer))
  using client = startClient({ idleMs: 1000 })
  const slow = client.send(get(upstream, { url: `${upstream.url}slow` }))
  for (let index = 0; index < 600; index++)
    expect(await outcome(client.send(get(other, { url: other.url + index })))).toBe('hi')
  upstream.connections[0]?.socket.write(answer)
  expect(await outcome(slow)).toBe('hi')
  expect(await outcome(client.send(get(upstream)))).toBe('hi')
  expect(upstream.connections.length).toBe(1)
  await upstream.connections[0]?.gone
})

test('a connection to the address with which the others are forgotten is closed when it was idle for long', async () => {
  await using upstream = await startRawUpstream((socket) => socket.write(answer))
  await using other = await startRawUpstream((socket) => socket.write(answer))
  using client = startClient({ idleMs: 200 })
  for (let index = 0; index < 512; index++)
    expect(await outcome(client.send(get(other, { url: other.url + index })))).toBe('hi')
  expect(await outcome(client.send(get(upstream)))).toBe('hi')
  await upstream.connections[0]?.gone
})

test('a second failure is not tried again, nor that of a new connection', async () => {
  await using upstream = await startRawUpstream((socket, { total }) =>
    total === 1 ? socket.write(answer) : socket.end(),
  )
  using client = startClient()
  await client.send(get(upstream))
  expect(await outcome(client.send(get(upstream)))).toBe('ECONNRESET')
  expect(upstream.requests.length).toBe(3)
  expect(await outcome(client.send(get(upstream)))).toBe('ECONNRESET')
  expect(upstream.requests.length).toBe(4)
})

test('a connection that its server has closed meanwhile is not used', async () => {
  await using upstream = await startRawUpstream((socket) => socket.write(answer))
  using client = startClient()
  for (let call = 0; call < 3; call++) {
    expect(await outcome(client.send(post(upstream)))).toBe('hi')
    const last = upstream.connections.at(-1)
    last?.socket.end()
    await last?.gone
  }
  expect(upstream.requests.length).toBe(3)
})

for (const [name, text] of Object.entries({
  'its length': 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi',
  'a chunk': `${chunkedHead}5\r\nhi`,
  'the last chunk': `${chunkedHead}2\r\nhi\r\n`,
  'the last line': `${chunkedHead}2\r\nhi\r\n0\r\n`,
  'its head': 'HTTP/1.1 200 OK\r\ncontent-le',
  'its first byte': '',
})) {
  test(`an answer that is cut before the end of ${name} is an error`, async () => {
    await using upstream = await startRawUpstream((socket) => socket.end(text))
    using client = startClient()
    expect(await outcome(client.send(get(upstream)))).toBe('ECONNRESET')
    expect(await outcome(client.send(get(upstream)).then(async (all) => new Response(await all.bytes())))).toBe(
      'ECONNRESET',
    )
  })
}

test('an answer that ends with its connection is whole, and cut where that is reset', async () => {
  await using upstream = await startRawUpstream((socket, { total }) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\nhi')
    setTimeout(() => (total === 1 ? socket.end() : socket.resetAndDestroy()), 20)
  })
  using client = startClient()
  expect(await outcome(client.send(get(upstream)))).toBe('hi')
  expect(await outcome(client.send(get(upstream)))).toBe('ECONNRESET')
})

test('what came before a cut is still read', async () => {
  await using upstream = await startRawUpstream((socket) => socket.end(`${chunkedHead}2\r\nhi\r\n`))
  using client = startClient()
  const reader = (await client.send(get(upstream))).body?.getReader()
  await upstream.connections[0]?.gone
  expect(await reader?.read()).toEqual({ done: false, value: Buffer.from('hi') })
  expect(reader?.read()).rejects.toMatchObject({ code: 'ECONNRESET' })
})

const silent = () => {}

for (const [name, serve] of Object.entries<(socket: RawUpstream['connections'][number]['socket']) => unknown>({
  'while it waits for an answer': silent,
  'in the middle of a head': (socket) => socket.write('HTTP/1.1 200'),
})) {
  test(`an abort ${name} closes the connection at once, with the reason of the signal`, async () => {
    await using upstream = await startRawUpstream(serve)
    using client = startClient()
    const controller = new AbortController()
    const sent = client.send(get(upstream, { signal: controller.signal }))
    await until(() => upstream.requests.length === 1)
    await Bun.sleep(5)
    controller.abort(left)
    expect(sent).rejects.toBe(left)
    await upstream.connections[0]?.gone
  })
}

test('an abort while a request is written closes the connection', async () => {
  await using upstream = await startRawUpstream(silent, { onConnection: (socket) => socket.pause() })
  using client = startClient()
  const controller = new AbortController()
  const sent = client.send(post(upstream, { body: [Buffer.alloc(30_000_000)], signal: controller.signal }))
  await until(() => upstream.connections.length === 1)
  controller.abort(left)
  expect(sent).rejects.toBe(left)
  upstream.connections[0]?.socket.resume()
  await upstream.connections[0]?.gone
  expect(upstream.requests).toEqual([])
})

test('an abort while an answer is read closes the connection, and the read is rejected', async () => {
  await using upstream = await startRawUpstream((socket) => socket.write(`${chunkedHead}2\r\nhi\r\n`))
  using client = startClient()
  const controller = new AbortController()
  const reader = (await client.send(get(upstream, { signal: controller.signal }))).body?.getReader()
  await reader?.read()
  const next = reader?.read()
  controller.abort(left)
  expect(next).rejects.toBe(left)
  await upstream.connections[0]?.gone
})

test('an abort while a connection is made leaves none behind', async () => {
  await using upstream = await startRawUpstream((socket) => socket.write(answer))
  using client = startClient()
  const controller = new AbortController()
  const sent = client.send(get(upstream, { signal: controller.signal }))
  controller.abort(left)
  expect(sent).rejects.toBe(left)
  expect(client.send(get(upstream, { signal: controller.signal }))).rejects.toBe(left)
  await until(() => upstream.connections.length === 1)
  await upstream.connections[0]?.gone
  expect(upstream.requests).toEqual([])
})

test('an abort after the end of an answer changes nothing', async () => {
  await using upstream = await startRawUpstream((socket) => socket.write(answer))
  using client = startClient()
  const controller = new AbortController()
  const response = await client.send(get(upstream, { signal: controller.signal }))
  controller.abort(left)
  expect(await textOf(response)).toBe('hi')
  expect(await outcome(client.send(get(upstream)))).toBe('hi')
  expect(upstream.connections.length).toBe(1)
})

test('a body that is cancelled stops its upstream, and a waiting read ends', async () => {
  await using upstream = await startRawUpstream((socket) => socket.write(`${chunkedHead}2\r\nhi\r\n`))
  using client = startClient()
  const reader = (await client.send(get(upstream))).body?.getReader()
  await reader?.read()
  const next = reader?.read()
  await reader?.cancel()
  expect(await next).toEqual({ done: true, value: undefined })
  await upstream.connections[0]?.gone
})

test('a body that is cancelled when all of it has come leaves its connection for the next call', async () => {
  await using upstream = await startRawUpstream((socket) => socket.write(answer))
  using client = startClient()
  for (let call = 0; call < 3; call++) {
    const { body } = await client.send(get(upstream))
    await body?.cancel()
    expect(await body?.getReader().read()).toMatchObject({ done: true })
  }
  expect(upstream.connections.length).toBe(1)
})

test('an answer that nobody takes is not read on, and whole when it is taken', async () => {
  const piece = `10000\r\n${'x'.repeat(65_536)}\r\n`
  let sent = 0
  await using upstream = await startRawUpstream((socket) => {
    socket.write(chunkedHead)
    const more = () => {
      while (sent < 800 && socket.write(piece)) sent++
      if (sent < 800) sent++
      else socket.end('0\r\n\r\n')
    }
    socket.on('drain', more)
    more()
  })
  using client = startClient()
  const response = await client.send(get(upstream))
  let before = -1
  while (sent !== before) {
    before = sent
    await Bun.sleep(100)
  }
  expect(sent).toBeLessThan(400)
  expect((await textOf(response)).length).toBe(800 * 65_536)
})

test('no connection: why is told as it is by the runtime', async () => {
  using client = startClient()
  const listener = await startRawUpstream(silent)
  const { url } = listener
  await listener[Symbol.asyncDispose]()
  expect(await outcome(client.send(get({ url })))).toBe('ECONNREFUSED')
  expect(await outcome(client.send(get({ url: 'http://nobody.invalid/' })))).toBe('ENOTFOUND')
})

test('a name is tried at all its addresses', async () => {
  using client = startClient()
  for (const host of ['127.0.0.1', '::1']) {
    await using upstream = await startRawUpstream((socket) => socket.write(answer), { host })
    expect(await outcome(client.send(get({ url: `http://localhost:${upstream.port}/` })))).toBe('hi')
    expect(await outcome(client.send(get({ url: upstream.url })))).toBe('hi')
  }
})

test('a connection that does not come to stand is given up', async () => {
  await using upstream = await startRawUpstream(silent)
  using client = startClient({ connectMs: 30 })
  expect(await outcome(client.send(get({ url: upstream.url.replace('http', 'https') })))).toBe('ETIMEDOUT')
  await upstream.connections[0]?.gone
})

test('an abort in the middle of a TLS handshake closes the connection', async () => {
  await using upstream = await startRawUpstream(silent)
  using client = startClient()
  const controller = new AbortController()
  const sent = client.send(get({ url: upstream.url.replace('http', 'https') }, { signal: controller.signal }))
  await until(() => (upstream.connections[0]?.receivedBytes() ?? 0) > 0)
  controller.abort(left)
  expect(sent).rejects.toBe(left)
  await upstream.connections[0]?.gone
})

test('a certificate that is not trusted, and an upstream without TLS, are sent nothing', async () => {
  using client = startClient()
  await using tls = await startRelay((socket) => socket.on('data', () => socket.end(answer)), { isTls: true })
  expect(await outcome(client.send(get({ url: `https://127.0.0.1:${tls.port}/` })))).toBe('DEPTH_ZERO_SELF_SIGNED_CERT')
  await using plain = await startRawUpstream(silent, {
    onConnection: (socket) => socket.write('HTTP/1.1 400 No\r\n\r\n'),
  })
  expect(await outcome(client.send(get({ url: plain.url.replace('http', 'https') })))).toBe('EPROTO')
  expect(plain.requests).toEqual([])
})

test('a certificate of NODE_EXTRA_CA_CERTS is trusted for its names, and connections with it are used again', async () => {
  let received = ''
  await using tls = await startRelay(
    (socket) =>
      socket.on('data', (bytes) => {
        received += bytes.toString()
        // The second answer ends with the connection, and TLS without a word of its own.
        if (received.split('GET ').length === 2) socket.write(answer)
        else socket.end('HTTP/1.1 200 OK\r\n\r\nho')
      }),
    { isTls: true },
  )
  const program = `
    const { createHttpClient } = await import(${JSON.stringify(require.resolve('../../src/providers/http-client.ts'))})
    const client = createHttpClient()
    const said = []
    for (const host of ['localhost', 'localhost', '127.0.0.1', '[::ffff:127.0.0.1]'])
      said.push(await client.send({ url: 'https://' + host + ':${tls.port}/', method: 'GET', headers: {}, body: null, signal: new AbortController().signal })
        .then(async (answer) => Buffer.from(await answer.bytes()).toString(), (cause) => cause.code))
    console.log(said.join(' '))
    process.exit()`
  const child = Bun.spawn([process.execPath, '-e', program], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: certificateFile },
    stdout: 'pipe',
  })
  expect((await new Response(child.stdout).text()).trim()).toBe('hi ho ho ERR_TLS_CERT_ALTNAME_INVALID')
  expect(tls.connections()).toBe(2)
})

test('an idle TLS connection is closed, whatever its server does', async () => {
  await using tls = await startRelay(
    (socket) => {
      socket.allowHalfOpen = true
      socket.on('data', () => socket.write(answer))
    },
    { isTls: true },
  )
  const program = `
    const { createHttpClient, defaultLimits } = await import(${JSON.stringify(require.resolve('../../src/providers/http-client.ts'))})
    const client = createHttpClient({ ...defaultLimits, idleMs: 30 })
    await client.send({ url: 'https://localhost:${tls.port}/', method: 'GET', headers: {}, body: null, signal: new AbortController().signal })
    process.stdin.resume()`
  const child = Bun.spawn([process.execPath, '-e', program], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: certificateFile },
    stdin: 'pipe',
  })
  await until(() => tls.connections() === 1 && tls.open() === 0)
  child.kill()
})

test('a closed client keeps no connection, and what is under way goes on', async () => {
  await using upstream = await startRawUpstream((socket, { total }) =>
    total === 1 ? socket.write(answer) : writeInPieces(socket, [answer.slice(0, -1), 'i']),
  )
  using client = startClient()
  await client.send(get(upstream))
  const running = client.send(get(upstream))
  const other = client.send(get(upstream))
  await until(() => upstream.requests.length === 3)
  client.close()
  expect(await outcome(running)).toBe('hi')
  expect(await outcome(other)).toBe('hi')
  expect(await outcome(client.send(get(upstream)))).toBe('hi')
  for (const { gone } of upstream.connections) await gone
})

test('thousands of exchanges at once, each with a connection of its own', async () => {
  const waiting: (() => void)[] = []
  await using upstream = await startRawUpstream((socket) => {
    socket.write(`${chunkedHead}2\r\nhi\r\n`)
    waiting.push(() => socket.write('2\r\nho\r\n0\r\n\r\n'))
  })
  using client = startClient({ maxIdle: 10 })
  const all = Array.from({ length: 2000 }, () => client.send(get(upstream)).then(textOf))
  await until(() => waiting.length === 2000)
  for (const go of waiting) go()
  expect(new Set(await Promise.all(all))).toEqual(new Set(['hiho']))
  await until(() => upstream.connections.filter(({ socket }) => !socket.destroyed).length === 10)
})

test('odd answers are what they are to fetch', async () => {
  const body = '\r\n\r\nhi'
  const odd: Record<string, string> = {
    'no reason': `HTTP/1.1 200\r\ncontent-length: 2${body}`,
    'bare line feeds': 'HTTP/1.1 200 OK\ncontent-length: 2\n\nhi',
    'too much': `HTTP/1.1 200 OK\r\ncontent-length: 1${body}`,
    'too little': `HTTP/1.1 200 OK\r\ncontent-length: 3${body}`,
    'HTTP/1.0': `HTTP/1.0 200 OK${body}`,
    '404': `HTTP/1.1 404 No\r\ncontent-length: 2${body}`,
    '999': `HTTP/1.1 999 No\r\ncontent-length: 2${body}`,
    'early hints': `HTTP/1.1 103 E\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2${body}`,
    'an upgrade': 'HTTP/1.1 101 S\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    'a folded line': `HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 2${body}`,
    'two lengths': `HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3${body}`,
    'no colon': `HTTP/1.1 200 OK\r\nfoo\r\ncontent-length: 2${body}`,
    'a blank before the colon': `HTTP/1.1 200 OK\r\ncontent-length : 2${body}`,
    'HTTP/2': `HTTP/2 200 OK\r\ncontent-length: 2${body}`,
    garbage: 'garbage garbage\r\n\r\n',
    'a broken size': `${chunkedHead}zz\r\nhi\r\n0\r\n\r\n`,
    'a chunk too long': `${chunkedHead}1\r\nhi\r\n0\r\n\r\n`,
    trailers: `${chunkedHead}2;a=b\r\nhi\r\n0\r\nx: y\r\n\r\n`,
    'half a head': 'HTTP/1.1 200 OK\r\ncontent-len',
    'no chunk at the end': `${chunkedHead}2\r\nhi\r\n`,
    nothing: '',
  }
  const texts = Object.values(odd)
  // Apart, so that whoever looks at the end first does so here, too.
  await using upstream = await startRawUpstream((socket, { text }) => {
    socket.write(texts[Number(/\/(\d+)/.exec(text)?.[1])] ?? '', 'latin1')
    setTimeout(() => socket.end(), 10)
  })
  using client = startClient()
  for (const [index, name] of Object.keys(odd).entries()) {
    const url = `${upstream.url}${index}`
    const wanted = await outcome(fetch(url, { redirect: 'manual', keepalive: false }))
    expect([name, await outcome(client.send(get({ url })))]).toEqual([name, wanted])
  }
})
