/** What the simulated upstream remembers, and how it is waited for: what other tests build on. */
import { afterEach, expect, test } from 'bun:test'
import { type OpenAiSimulator, type OpenAiSimulatorOptions, startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { askChat, askRaw, sendRaw } from './simulator-client.ts'

const SECRET = 'sk-recorded-secret-0123456789'
let simulator: OpenAiSimulator | null = null
afterEach(() => simulator?.stop())

function start(options: OpenAiSimulatorOptions): OpenAiSimulator {
  simulator = startOpenAiSimulator(options)
  return simulator
}

test('a request is kept with its bytes, and its headers as they were spelt and ordered', async () => {
  const upstream = start({ credentials: { [SECRET]: { kind: 'good' } } })
  const body = '{ "model":"m",\t"messages":[],"seed":9007199254740993,"temperature":1.0}'
  const head = `POST /v1/chat/completions?api-version=1&x=%2F HTTP/1.1\r\nX-Twice: 1\r\nhost: h\r\nAUTHORIZATION: Bearer ${SECRET}\r\nx-twice: 2\r\nContent-Type: application/json\r\n`
  await sendRaw(upstream, `${head}Content-Length: ${body.length}\r\n\r\n${body}`, 50)
  const request = upstream.requests[0]
  expect(request).toMatchObject({
    method: 'POST',
    path: '/v1/chat/completions',
    query: '?api-version=1&x=%2F',
    credential: SECRET,
  })
  expect(request?.text()).toBe(body)
  expect(request?.headers.slice(0, 3).map(([name]) => name)).toEqual(['X-Twice', 'host', 'AUTHORIZATION'])
  expect(request?.header('x-TWICE')).toBe('1, 2')
})

test('bodies are read whole: in pieces, chunked, after leave to continue, and large', async () => {
  const upstream = start({ credentials: { [SECRET]: { kind: 'good' } } })
  const head = `POST /v1/moderations HTTP/1.1\r\nAuthorization: Bearer ${SECRET}\r\nContent-Type: application/json\r\n`
  await sendRaw(upstream, [`${head}Content-Le`, 'ngth: 13\r\n\r', '\n{"input"', ':"a"}'], 500)
  await sendRaw(
    upstream,
    [`${head}Transfer-Encoding: chunked\r\n\r\n4\r\n{"in\r\n9;x=y\r`, '\nput":"a"}\r\n0\r', '\n\r\n'],
    500,
  )
  const leave = await sendRaw(
    upstream,
    [`${head}Expect: 100-continue\r\nContent-Length: 13\r\n\r\n`, '{"input":"a"}'],
    500,
  )
  expect(leave.text).toStartWith('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK')
  expect(upstream.requests.map((request) => request.text())).toEqual(Array(3).fill('{"input":"a"}'))
  const large = 'x'.repeat(20_000_000)
  await askChat(upstream, SECRET, { body: { messages: [{ role: 'user', content: large }] } })
  expect(upstream.requests.at(-1)?.body.length).toBeGreaterThan(large.length)
})

test('requests sent at once over one connection are answered in order', async () => {
  const upstream = start({ credentials: { [SECRET]: { kind: 'good' } }, models: ['a', 'b'] })
  const get = (path: string) => `GET /v1${path} HTTP/1.1\r\nAuthorization: Bearer ${SECRET}\r\n\r\n`
  const answer = await sendRaw(upstream, get('/models/a') + get('/models/b'), 50)
  expect(answer.text.match(/"id": "[ab]"/g)).toEqual(['"id": "a"', '"id": "b"'])
  expect(upstream.requests.map((request) => request.isConnectionReused)).toEqual([false, true])
  expect(upstream.connections()).toBe(1)
})

test('a connection is kept for the next request, and closed when the client asks', async () => {
  const upstream = start({ credentials: { [SECRET]: { kind: 'good' } } })
  for (let index = 0; index < 5; index += 1) await (await askChat(upstream, SECRET, { body: { stream: true } })).text()
  expect(upstream.connections()).toBe(1)
  const closing = await askRaw(upstream, { secret: SECRET, headerLines: ['Connection: close'] })
  expect(closing.ending).toBe('fin')
})

test('a client that leaves mid-stream is noticed, with the number of chunks it was sent', async () => {
  const upstream = start({ credentials: { [SECRET]: { kind: 'good', deltaCount: 1_000, delayMs: 5 } } })
  const controller = new AbortController()
  const response = await askChat(upstream, SECRET, { body: { stream: true }, signal: controller.signal })
  expect(response.status).toBe(200)
  const running = await upstream.waitFor((request) => request.chunksSent >= 3, 4_000)
  expect(upstream.inFlight()).toBe(1)
  controller.abort()
  const left = await upstream.waitFor((request) => request.isAborted, 4_000)
  expect(left).toBe(running)
  expect(left.chunksSent).toBeLessThan(100)
  expect(left.isFinished).toBe(false)
  expect(upstream.inFlight()).toBe(0)
  const { chunksSent } = left
  await Bun.sleep(30)
  expect(left.chunksSent).toBe(chunksSent)
  await expect(response.text()).rejects.toThrow()
})

test('a whole answer is recorded as finished before the client can know its end', async () => {
  const upstream = start({ credentials: { [SECRET]: { kind: 'good' } } })
  for (const stream of [true, false]) {
    await (await askChat(upstream, SECRET, { body: { stream } })).text()
    expect(upstream.requests.at(-1)).toMatchObject({
      isFinished: true,
      isAborted: false,
      status: 200,
      treatment: 'good',
    })
    expect(upstream.inFlight()).toBe(0)
  }
})

test('calls are counted for each credential, the oldest requests are dropped, and all of it can be forgotten', async () => {
  const upstream = start({ credentials: { [SECRET]: { kind: 'good' }, other: { kind: 'good' } }, recordLimit: 10 })
  for (let index = 0; index < 25; index += 1) await (await askChat(upstream, index % 5 === 0 ? 'other' : SECRET)).text()
  expect([upstream.calls(SECRET), upstream.calls('other'), upstream.calls(null), upstream.totalCalls()]).toEqual([
    20, 5, 0, 25,
  ])
  expect(upstream.requests.length).toBeLessThanOrEqual(10)
  expect(upstream.requests.at(-1)?.number).toBe(25)
  upstream.reset()
  expect([upstream.calls(SECRET), upstream.totalCalls(), upstream.requests.length]).toEqual([0, 0, 0])
})

test('waiting in vain says what had come instead', async () => {
  const upstream = start({ credentials: { [SECRET]: { kind: 'exhausted' } } })
  await askChat(upstream, SECRET)
  expect(upstream.waitFor((request) => request.isAborted, 20)).rejects.toThrow(
    'POST /v1/chat/completions exhausted 429',
  )
})

test('a port that is taken is an error, and a stopped simulator takes no more calls', async () => {
  const upstream = start({ defaultBehaviour: { kind: 'good' } })
  expect(() => startOpenAiSimulator({ port: upstream.port })).toThrow('Failed to listen')
  upstream.stop()
  expect(askChat(upstream, SECRET)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('a thousand paced streams at once take hardly longer than one', async () => {
  const upstream = start({ credentials: { [SECRET]: { kind: 'good', text: 'a b c d e', delayMs: 20 } } })
  const startedAtMs = performance.now()
  const answers = Array.from({ length: 1_000 }, () =>
    askRaw(upstream, { secret: SECRET, body: { stream: true }, headerLines: ['Connection: close'], patienceMs: 5_000 }),
  )
  const texts = (await Promise.all(answers)).map((answer) => answer.text)
  expect(texts.every((text) => text.includes('[DONE]'))).toBe(true)
  expect(performance.now() - startedAtMs).toBeLessThan(3_000)
})
