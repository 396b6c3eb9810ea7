/** Upstreams that speak nothing but HTTP/2: the running program, which trusts the certificate of the tests. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import {
  chatRequest,
  createFolder,
  type Folder,
  type Gateway,
  settingsFor,
  startProgram,
  waitFor,
} from '../helpers/program.ts'
import { certificateFile } from '../helpers/relay.ts'
import { saidIn } from '../helpers/start-pair.ts'
import { streamOverSocket } from './stream-client.ts'

const secret = 'sk-behind-http2-01'
const words = ['one ', 'two ', 'three ', 'four ', 'five']
const said = words.join('')

interface Asked {
  readonly model: string
  readonly stream?: boolean
}

const held = new Set<Http2ServerResponse>()
const left: string[] = []
let folder: Folder
let gateway: Gateway

const server = createSecureServer(
  {
    key: await Bun.file(join(import.meta.dir, '../fixtures/tls/key.pem')).text(),
    cert: await Bun.file(certificateFile).text(),
    settings: { maxConcurrentStreams: 1000 },
  },
  serve,
)

function serve(request: Http2ServerRequest, response: Http2ServerResponse): void {
  const pieces: Buffer[] = []
  request.on('data', (piece: Buffer) => pieces.push(piece))
  request.on('end', () => void answer(JSON.parse(Buffer.concat(pieces).toString()), request, response))
}

async function answer(asked: Asked, request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
  if (request.headers.authorization !== `Bearer ${secret}`) return refuse(response, 401, 'invalid_api_key')
  switch (asked.model) {
    case 'limited':
      return refuse(response, 429, 'rate_limit_exceeded')
    case 'held':
      held.add(response)
      return
    case 'cut':
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(chunk(words[0]))
      await Bun.sleep(30)
      response.stream.close(2)
      return
    case 'endless':
      response.on('close', () => left.push(asked.model))
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      while (!response.destroyed && !response.stream.destroyed) {
        response.write(chunk(words[0]))
        await Bun.sleep(10)
      }
      return
  }
  if (asked.stream !== true) {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(completion())
    return
  }
  await stream(response)
}

async function stream(response: Http2ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const word of words) {
    response.write(chunk(word))
    await Bun.sleep(2)
  }
  response.end(`${chunk(undefined, 'stop')}data: [DONE]\n\n`)
}

function refuse(response: Http2ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ error: { message: code, type: code, code } }))
}

function chunk(content: string | undefined, finish: string | null = null): string {
  const choice = { index: 0, delta: content === undefined ? {} : { content }, finish_reason: finish }
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'm', choices: [choice] })}\n\n`
}

function completion(): string {
  const choice = { index: 0, message: { role: 'assistant', content: said }, finish_reason: 'stop' }
  return JSON.stringify({ id: 'c', object: 'chat.completion', model: 'm', choices: [choice] })
}

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const { port } = server.address() as AddressInfo
  const provider = { http2: true, max_attempts: 1 }
  folder = await createFolder({ 'any2api.json': settingsFor(`https://localhost:${port}/v1`, [secret], { provider }) })
  gateway = await startProgram({ folder, from: 'source', environment: { NODE_EXTRA_CA_CERTS: certificateFile } })
}, 30_000)

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
  server.close()
})

test('an answer arrives whole, streamed or not', async () => {
  const whole = await gateway.chat()
  expect([whole.status, JSON.parse(whole.text).choices[0].message.content]).toEqual([200, said])
  const streamed = await gateway.chat({ stream: true })
  expect(streamed.text).toContain('data: [DONE]')
  expect(saidIn(streamed.text)).toBe(said)
})

test('more calls than the runtime allows of itself are under way at once', async () => {
  const calls = Array.from({ length: 400 }, () => streamOverSocket(gateway.port, { model: 'held' }))
  await waitFor(
    async () => held.size === calls.length,
    'all calls upstream at once',
    () => String(held.size),
    10_000,
  )
  for (const response of held) void stream(response)
  const ended = await Promise.all(calls)
  expect(ended.filter(({ status, isWhole, body }) => status !== 200 || !isWhole || saidIn(body) !== said)).toEqual([])
}, 20_000)

test('a stream that breaks off does not look finished', async () => {
  const { text } = await gateway.chat({ model: 'cut', stream: true })
  expect(text).toContain('"code":"upstream_stream_cut"')
  expect(text).not.toContain('[DONE]')
})

test('a client that leaves in mid-stream stops the upstream', async () => {
  const client = new AbortController()
  const answered = await gateway.call('/v1/chat/completions', {
    ...chatRequest({ model: 'endless', stream: true }),
    signal: client.signal,
  })
  await answered.body?.getReader().read()
  client.abort()
  await waitFor(async () => left.length === 1, 'the end of the upstream stream')
})

// The last one: its credential rests after it.
test("the upstream's refusal is told", async () => {
  const { status, text } = await gateway.chat({ model: 'limited' })
  expect([status, JSON.parse(text).error.code]).toEqual([429, 'rate_limit_exceeded'])
})
