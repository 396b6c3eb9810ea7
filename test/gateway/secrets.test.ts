/** No secret of ours is ever in an answer, a log line, a record or the memory, whatever an upstream says. */
import { describe, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { adminSecret, clientSecret, testConfig } from '../helpers/start-gateway.ts'
import { createTestClock, dataOf, type Pair, startPair, until } from '../helpers/start-pair.ts'

// A slash and a plus, as base64 has them, and which some writers of JSON escape.
const secret = 'sk-proj/AbCd+0123456789/secret'
const other = 'sk-other/EfGh+0123456789/secret'
const message = `Incorrect key: ${secret} was given`
const escaped = [...secret].map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')

function said(status: number, body: string, contentType = 'application/json'): Behaviour {
  return { kind: 'script', covers: 'calls', status, headers: { 'content-type': contentType }, chunks: [body] }
}

const content = 'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
const errorOf = (text: string) => `{"error":{"message":"${text}","type":"server_error","param":null,"code":"${text}"}}`

const rows: Readonly<Record<string, Behaviour>> = {
  'a refusal': { kind: 'revoked' },
  ...Object.fromEntries(
    [400, 401, 402, 403, 404, 422, 429, 500, 503].map((status) => [`a ${status}`, said(status, errorOf(message))]),
  ),
  'a 400 in other spelling': said(400, errorOf(`x ${escaped}`)),
  'a 400 with escaped slashes': said(400, errorOf(message.replaceAll('/', '\\/'))),
  'a 500 in other spelling': said(500, errorOf(`x ${escaped}`)),
  'a 403 in text': said(403, message, 'text/plain'),
  'a 400 in text': said(400, message, 'text/plain'),
  'a 500 in HTML': said(500, `<b>${secret}</b>`, 'text/html'),
  'a compressed 400': {
    kind: 'script',
    covers: 'calls',
    status: 400,
    headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    chunks: [Bun.gzipSync(errorOf(message))],
  },
  'an error in a 200': said(200, errorOf(message)),
  'an error event at once': { kind: 'script', covers: 'calls', chunks: [`data: ${errorOf(message)}\n\n`] },
  'an error event after content': {
    kind: 'script',
    covers: 'calls',
    chunks: [content, `data: ${errorOf(message)}\n\n`],
  },
  'an error event after content, in pieces': {
    kind: 'script',
    covers: 'calls',
    chunks: [content, `data: ${errorOf(message).slice(0, 40)}`, `${errorOf(message).slice(40)}\r\n`, '\r\n'],
  },
  'an error event after content, in other spelling': {
    kind: 'script',
    covers: 'calls',
    chunks: [content, `event: error\ndata: ${errorOf(escaped)}\n\n`],
  },
}

async function expectNoSecret(pair: Pair, told: string): Promise<void> {
  await until(() => pair.gateway.records.length > 0 && pair.upstream.inFlight() === 0)
  const decoded = told
    .replaceAll(/\\u([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replaceAll('\\/', '/')
  const places = {
    told,
    decoded,
    log: pair.gateway.logged(),
    records: JSON.stringify(pair.gateway.records),
    memory: JSON.stringify([...pair.gateway.memory.blacklist.values(), ...pair.gateway.memory.pins.values()]),
    status: JSON.stringify(pair.gateway.gateway.status()),
    config: JSON.stringify(pair.gateway.gateway.config()),
  }
  for (const [place, text] of Object.entries(places)) {
    for (const hidden of [secret, other, clientSecret, adminSecret, secret.slice(3, 20)]) {
      if (text.includes(hidden)) throw new Error(`${hidden} in ${place}: ${text.slice(0, 500)}`)
    }
  }
}

describe('an upstream that repeats the key it was given, in', () => {
  for (const isStream of [false, true]) {
    for (const [where, behaviour] of Object.entries(rows)) {
      if (!isStream && where.includes('event')) continue
      test(`${where}${isStream ? ', streamed' : ''}`, async () => {
        await using pair = await startPair({
          credentials: { [secret]: behaviour },
          provider: { maxAttempts: 2 },
          clock: createTestClock(),
        })
        const response = await pair.gateway.chat({ stream: isStream })
        const headers = JSON.stringify([...response.headers])
        const text = await response.text()
        await expectNoSecret(pair, headers + text)
        for (const data of isStream ? dataOf(text) : []) expect(() => JSON.parse(data)).not.toThrow()
        if (!isStream && response.headers.get('content-type')?.includes('json'))
          expect(() => JSON.parse(text)).not.toThrow()
      })
    }
  }

  test('after comments, told in the stream', async () => {
    const server = { ...testConfig([]).server, keepAliveMs: 20 }
    const behaviour = { ...said(400, errorOf(message)), firstTokenDelayMs: 60 } as Behaviour
    await using pair = await startPair({ credentials: { [secret]: behaviour }, config: { server } })
    // The head of the refusal is held back, so that comments come first.
    await expectNoSecret(pair, await (await pair.gateway.chat({ stream: true })).text())
  })

  test('the model list', async () => {
    await using pair = await startPair({
      credentials: { [secret]: { ...said(500, errorOf(message)), covers: 'everything' } as Behaviour },
    })
    const text = await (await pair.gateway.call('/v1/models')).text()
    await pair.gateway.chat({})
    await expectNoSecret(pair, text)
  })
})

test('a refused client key is not repeated', async () => {
  await using pair = await startPair({ credentials: { [secret]: { kind: 'good' } } })
  for (const headers of [
    { authorization: 'Bearer sk-wrong-key-of-a-client' },
    { authorization: '', 'x-api-key': 'sk-wrong-key-of-a-client' },
  ] as Record<string, string>[]) {
    const response = await pair.gateway.call('/v1/models', { headers })
    expect(response.status).toBe(401)
    expect(await response.text()).not.toContain('sk-wrong')
  }
  expect(pair.gateway.logged()).not.toContain('sk-wrong')
})

test('an address with a password in it is not shown when it cannot be reached', async () => {
  await using pair = await startPair({
    credentials: { [secret]: { kind: 'good' } },
    provider: { proxy: { url: 'http://user:proxy-password@127.0.0.1:1', bypass: [] }, maxAttempts: 1 },
  })
  const text = await (await pair.gateway.chat({})).text()
  for (const place of [text, pair.gateway.logged(), JSON.stringify(pair.gateway.records)])
    expect(place).not.toContain('proxy-password')
})

test('what the client said is not in the log', async () => {
  await using pair = await startPair({ credentials: { [secret]: { kind: 'bad_request' } } })
  await (
    await pair.gateway.chat({ messages: [{ role: 'user', content: 'my private words' }], user: 'my private name' })
  ).text()
  await (await pair.gateway.call('/v1/unknown?token=my-private-token')).text()
  await pair.gateway.recorded(2)
  for (const place of [pair.gateway.logged(), JSON.stringify(pair.gateway.records)]) expect(place).not.toContain('my')
})
