/** What a client is told that asks wrongly: OpenAI's shape, the right status, and nothing of what it sent. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type OpenAiSimulator, startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { clientSecret, startGateway, type TestGateway, testConfig, testProvider } from '../helpers/start-gateway.ts'

const secret = 'sk-upstream-secret-0001'
const maxBodyBytes = 10_000
const json = { 'content-type': 'application/json' }
let upstream: OpenAiSimulator
let gateway: TestGateway

beforeAll(async () => {
  upstream = startOpenAiSimulator({ credentials: { [secret]: { kind: 'good' } } })
  const config = testConfig([testProvider(upstream.baseUrl, [secret])])
  gateway = await startGateway({ config: { ...config, server: { ...config.server, maxBodyBytes } } })
})

afterAll(async () => {
  await gateway.stop()
  upstream.stop()
})

interface Told {
  readonly error: { message: string; type: string; param: string | null; code: string | null }
}

async function readError(response: Response): Promise<Told['error']> {
  expect(response.headers.get('content-type')).toStartWith('application/json')
  expect(response.headers.get('x-request-id')).toMatch(/^req_/)
  const told = (await response.json()) as Told
  expect(Object.keys(told)).toEqual(['error'])
  expect(Object.keys(told.error).sort()).toEqual(['code', 'message', 'param', 'type'])
  return told.error
}

const post = (path: string, body: string) => gateway.call(path, { method: 'POST', headers: json, body })

test('a path that does not exist is 404, with or without a key', async () => {
  for (const response of [await fetch(`${gateway.url}/nowhere`), await gateway.admin('/nowhere')]) {
    expect(response.status).toBe(404)
    expect(await readError(response)).toMatchObject({ code: 'not_found', type: 'invalid_request_error' })
  }
})

test.each([
  ['DELETE', '/stats', 'GET, HEAD'],
  ['POST', '/blacklist', 'GET, HEAD'],
  ['PUT', '/reset-keys', 'POST, GET, HEAD'],
  ['GET', '/save_stats', 'POST'],
  ['HEAD', '/admin/reload', 'POST'],
  ['POST', '/health', 'GET, HEAD'],
  ['PATCH', '/swagger', 'GET, HEAD'],
  ['OPTIONS', '/metrics', 'GET, HEAD'],
])('%s %s is 405 and names what the path takes', async (method, path, allow) => {
  const response = await gateway.admin(path, { method })
  expect(response.status).toBe(405)
  expect(response.headers.get('allow')).toBe(allow)
  if (method !== 'HEAD') expect(await readError(response)).toMatchObject({ code: 'method_not_allowed' })
})

test('HEAD works wherever GET does', async () => {
  for (const { method, path } of gateway.app.routes) {
    if (method !== 'GET' || /[*:]/.test(path) || path.endsWith('/swagger/')) continue
    const ask = path.startsWith('/v1/') ? gateway.call : gateway.admin
    const response = await ask(path, { method: 'HEAD' })
    expect([path, response.status]).toEqual([path, 200])
    expect(await response.text()).toBe('')
  }
})

const marker = 'do-not-repeat-this'

const badBodies = [
  { name: 'no JSON', body: `{"model": "${marker}", oops`, param: null, code: 'invalid_json' },
  { name: 'nothing', body: '', param: null, code: 'invalid_json' },
  { name: 'a list', body: `["${marker}"]`, param: null, code: 'invalid_json' },
  { name: 'no model', body: `{"messages":[{"role":"user","content":"${marker}"}]}`, param: 'model' },
  { name: 'no messages', body: `{"model":"${marker}"}`, param: 'messages' },
  { name: 'empty messages', body: `{"model":"${marker}","messages":[]}`, param: 'messages' },
  { name: 'messages as text', body: `{"model":"m","messages":"${marker}"}`, param: 'messages' },
  {
    name: 'a message without role',
    body: `{"model":"m","messages":[{"content":"${marker}"}]}`,
    param: 'messages.0.role',
  },
  {
    name: 'stream as text',
    body: `{"model":"m","messages":[{"role":"user","content":"${marker}"}],"stream":"${marker}"}`,
    param: 'stream',
  },
  {
    name: 'temperature as text',
    body: `{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":"${marker}"}`,
    param: 'temperature',
  },
  { name: 'model as number', body: `{"model":7,"messages":[{"role":"user","content":"${marker}"}]}`, param: 'model' },
  { name: 'empty model', body: `{"model":"","messages":[{"role":"user","content":"${marker}"}]}`, param: 'model' },
  {
    name: 'two models',
    body: `{"model":"a","messages":[{"role":"user","content":"${marker}"}],"model":"${marker}"}`,
    param: 'model',
    code: 'duplicate_model',
  },
  {
    name: 'two models, one spelt with escapes',
    body: `{"m\\u006fdel":"${marker}","messages":[{"role":"user","content":"x"}],"model":"a"}`,
    param: 'model',
    code: 'duplicate_model',
  },
]

test.each(badBodies)('a chat body with $name is 400, names the place and repeats nothing', async (bad) => {
  const before = upstream.totalCalls()
  const response = await post('/v1/chat/completions', bad.body)
  expect(response.status).toBe(400)
  const error = await readError(response)
  expect(error.type).toBe('invalid_request_error')
  expect(error.param).toBe(bad.param)
  if (bad.code !== undefined) expect(error.code).toBe(bad.code)
  expect(JSON.stringify(error)).not.toContain(marker)
  expect(upstream.totalCalls()).toBe(before)
})

test('two models are refused on other paths too', async () => {
  const response = await post('/v1/embeddings', `{"model":"a","input":"${marker}","\\u006dodel":"b"}`)
  expect(response.status).toBe(400)
  expect(await readError(response)).toMatchObject({ code: 'duplicate_model', param: 'model' })
})

test.each(['/v1/chat/completions', '/v1/embeddings'])(
  '%s: a body over the limit is 413, announced or not',
  async (path) => {
    const before = upstream.totalCalls()
    const body = JSON.stringify({ model: 'gpt-4o', input: marker.repeat(maxBodyBytes / 10) })
    const chunked = new ReadableStream({
      start(controller) {
        for (let at = 0; at < body.length; at += 1000)
          controller.enqueue(new TextEncoder().encode(body.slice(at, at + 1000)))
        controller.close()
      },
    })
    for (const sent of [body, chunked]) {
      const response = await gateway.call(path, { method: 'POST', headers: json, body: sent })
      expect(response.status).toBe(413)
      const error = await readError(response)
      expect(error.code).toBe('request_too_large')
      expect(error.message).not.toContain(marker)
    }
    expect(upstream.totalCalls()).toBe(before)
  },
)

test('a body at the limit passes', async () => {
  const start = '{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}],"user":"'
  const body = `${start}${'x'.repeat(maxBodyBytes - start.length - 2)}"}`
  expect(body.length).toBe(maxBodyBytes)
  const response = await post('/v1/chat/completions', body)
  expect(response.status).toBe(200)
  await response.text()
})

test('the key is checked before the body is looked at', async () => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers: json, body: '{oops' })
  expect(response.status).toBe(401)
  expect((await readError(response)).code).toBe('missing_api_key')
})

test('an error repeats neither path, query, header nor key', async () => {
  const headers = { authorization: `Bearer ${marker}`, 'x-odd': marker, cookie: marker }
  for (const path of [`/${marker}?${marker}`, `/v1/${marker}?${marker}`, `/stats?${marker}`]) {
    const response = await fetch(gateway.url + path, { headers })
    expect(response.status).toBeGreaterThanOrEqual(400)
    expect(await response.text()).not.toContain(marker)
  }
})

test('a preflight is answered before access is checked, and names the headers asked for', async () => {
  for (const path of ['/v1/chat/completions', '/stats']) {
    const response = await fetch(gateway.url + path, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://chat.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, x-stainless-lang',
      },
    })
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('access-control-allow-headers')).toBe('authorization, x-stainless-lang')
    expect(response.headers.get('access-control-allow-methods')).toContain('POST')
    expect(response.headers.get('access-control-allow-credentials')).toBeNull()
  }
})

test('answers and errors can be read by a page of an allowed origin', async () => {
  const headers = { origin: 'https://chat.example' }
  const answers = [
    await fetch(`${gateway.url}/v1/models`, { headers }),
    await fetch(`${gateway.url}/v1/models`, { headers: { ...headers, authorization: `Bearer ${clientSecret}` } }),
    await fetch(`${gateway.url}/health`, { headers }),
    await fetch(`${gateway.url}/stats`, { headers }),
    await fetch(`${gateway.url}/nowhere`, { headers }),
  ]
  expect(answers.map((answer) => answer.status)).toEqual([401, 200, 200, 401, 404])
  for (const answer of answers) {
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    expect(answer.headers.get('access-control-expose-headers')).toContain('x-request-id')
  }
})

test('a page of another origin is told nothing when origins are listed', async () => {
  const config = testConfig([])
  const one = await startGateway({
    config: { ...config, server: { ...config.server, corsOrigins: ['https://mine.example'] } },
  })
  const ask = (origin: string) => fetch(`${one.url}/health`, { headers: { origin } })
  expect((await ask('https://mine.example')).headers.get('access-control-allow-origin')).toBe('https://mine.example')
  expect((await ask('https://other.example')).headers.get('access-control-allow-origin')).toBeNull()
  await one.stop()
})
