/** Whatever stands under /v1 passes as it is, in both directions; what would give away or open an upstream account does not. */
import { describe, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { sendRaw } from '../helpers/raw-client.ts'
import { clientSecret, startGateway, testClient, testConfig, testProvider } from '../helpers/start-gateway.ts'
import { dataOf, readError, startPair, statusOf, until } from '../helpers/start-pair.ts'

const secret = 'sk-passthrough-credential'
const other = 'sk-passthrough-other-0001'
const good: Behaviour = { kind: 'good' }
const json = { 'content-type': 'application/json' }

function post(body: unknown): RequestInit {
  return { method: 'POST', headers: json, body: JSON.stringify(body) }
}

/** Answers every path with these words. */
function anything(text: string, headers: Readonly<Record<string, string>> = json): Behaviour {
  return { kind: 'script', headers, chunks: [text] }
}

describe('a request passes', () => {
  test('to embeddings, with its usage counted', async () => {
    await using pair = await startPair({ credentials: { [secret]: good } })
    const response = await pair.gateway.call(
      '/v1/embeddings',
      post({ model: 'text-embedding-3-small', input: ['a', 'b c'] }),
    )
    expect(((await response.json()) as { data: unknown[] }).data).toHaveLength(2)
    expect(await pair.onlyRecord()).toMatchObject({
      path: '/embeddings',
      usageSource: 'upstream',
      usage: { outputTokens: 0 },
    })
  })

  test('to images and moderations, whose model is optional', async () => {
    await using pair = await startPair({ credentials: { [secret]: good } })
    expect(await statusOf(pair.gateway.call('/v1/images/generations', post({ prompt: 'a cat' })))).toBe(200)
    expect(await statusOf(pair.gateway.call('/v1/images/generations', post({ prompt: 'a cat', model: null })))).toBe(
      200,
    )
    expect(await statusOf(pair.gateway.call('/v1/moderations', post({ input: 'x' })))).toBe(200)
  })

  test('with an upload of audio, byte by byte, and a redirect changes the model and nothing else', async () => {
    const models = [{ pattern: 'ears', targets: [{ provider: 'openai', model: 'whisper-1' }], price: null }]
    await using pair = await startPair({ credentials: { [secret]: good }, config: { models } })
    const audio = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256))
    const form = (model: string) =>
      Buffer.concat([
        Buffer.from(
          '--XbX\r\nContent-Disposition: form-data; name="file"; filename="ä.wav"\r\nContent-Type: audio/wav\r\n\r\n',
        ),
        audio,
        Buffer.from(`\r\n--XbX\r\nContent-Disposition: form-data; name="model"\r\n\r\n${model}\r\n--XbX--\r\n`),
      ])
    const headers = { 'content-type': 'multipart/form-data; boundary=XbX' }
    for (const model of ['whisper-1', 'ears']) {
      const response = await pair.gateway.call('/v1/audio/transcriptions', {
        method: 'POST',
        headers,
        body: form(model),
      })
      expect(response.status).toBe(200)
      const request = pair.upstream.requests.at(-1)
      expect(Buffer.from(request?.body ?? []).equals(form('whisper-1'))).toBe(true)
      expect(request?.header('content-type')).toBe('multipart/form-data; boundary=XbX')
    }
  })

  test('however long it is, byte by byte, and a redirect changes the model and nothing else', async () => {
    const models = [{ pattern: 'short', targets: [{ provider: 'openai', model: 'gpt-4o' }], price: null }]
    await using pair = await startPair({ credentials: { [secret]: good }, config: { models } })
    const text = '\\"model\\":\\"short\\" d\u00e9j\u00e0 \u4f60\\u597d \\\\ '.repeat(20_000)
    const messages = `"messages" : [ {"role":"user","content":"${text}"} ]`
    for (const bodyOf of [
      (model: string) => `{"model":"${model}",${messages},"n":1.0}`,
      (model: string) => `{ ${messages} , "seed":9007199254740993, "model" : "${model}" }`,
    ]) {
      for (const model of ['gpt-4o', 'short']) {
        const init = { method: 'POST', headers: json, body: bodyOf(model) }
        expect(await statusOf(pair.gateway.call('/v1/chat/completions', init))).toBe(200)
        expect(Buffer.from(pair.upstream.requests.at(-1)?.body ?? []).equals(Buffer.from(bodyOf('gpt-4o')))).toBe(true)
      }
    }
  })

  test("with a library's form", async () => {
    await using pair = await startPair({ credentials: { [secret]: good } })
    const form = new FormData()
    form.set('model', 'whisper-1')
    form.set('file', new File([new Uint8Array(5000)], 'a.wav'))
    expect(await statusOf(pair.gateway.call('/v1/audio/transcriptions', { method: 'POST', body: form }))).toBe(200)
    expect((await pair.onlyRecord()).model).toBe('whisper-1')
  })

  test('to speech, whose binary answer is the same', async () => {
    const audio = new Uint8Array(300_000).map((_, index) => (index * 31) % 256)
    const behaviour: Behaviour = {
      kind: 'script',
      headers: { 'content-type': 'audio/mpeg' },
      chunks: [audio.subarray(0, 7), audio.subarray(7, 200_000), audio.subarray(200_000)],
    }
    await using pair = await startPair({ credentials: { [secret]: behaviour } })
    const response = await pair.gateway.call('/v1/audio/speech', post({ model: 'tts-1', input: 'x', voice: 'alloy' }))
    expect(response.headers.get('content-type')).toBe('audio/mpeg')
    expect(Buffer.from(await response.arrayBuffer()).equals(Buffer.from(audio))).toBe(true)
    expect(await pair.onlyRecord()).toMatchObject({ outcome: 'succeeded', usageSource: 'none' })
  })

  test('to the Responses API, as JSON and as events, with the model named back', async () => {
    const models = [{ pattern: 'alias', targets: [{ provider: 'openai', model: 'gpt-4o' }], price: null }]
    await using pair = await startPair({ credentials: { [secret]: good }, config: { models } })
    const whole = await pair.gateway.call('/v1/responses', post({ model: 'alias', input: 'Hello' }))
    expect(await whole.json()).toMatchObject({ object: 'response', model: 'alias', status: 'completed' })
    const streamed = await pair.gateway.call('/v1/responses', post({ model: 'alias', input: 'Hello', stream: true }))
    expect(streamed.headers.get('content-type')).toStartWith('text/event-stream')
    const text = await streamed.text()
    expect(text).toContain('event: response.completed')
    for (const data of dataOf(text)) {
      const { response } = JSON.parse(data) as { response?: { model: string } }
      if (response !== undefined) expect(response.model).toBe('alias')
    }
    const records = await pair.gateway.recorded(2)
    for (const record of records) expect(record).toMatchObject({ outcome: 'succeeded', usageSource: 'upstream' })
    for (const request of pair.upstream.requests) expect(request.text()).not.toContain('stream_options')
  })

  const shapes: readonly (readonly [string, string, RequestInit])[] = [
    ['GET', '/v1/some/unknown/path?a=1&a=2&b=%2F%20x', {}],
    ['DELETE', '/v1/unknown/thing-1', { method: 'DELETE' }],
    ['PUT', '/v1/unknown/thing-1', { method: 'PUT', headers: { 'content-type': 'text/plain' }, body: 'plain text' }],
    ['PATCH', '/v1/unknown', { method: 'PATCH', headers: json, body: '[1.0, {"model": "not a model"}]' }],
    [
      'POST',
      '/v1/unknown',
      { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body: '{"a":1}\n{"b":2}\n' },
    ],
    ['POST', '/v1/un%20known/%E2%82%AC', { method: 'POST' }],
    [
      'POST',
      '/v1/unknown?model=x',
      {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: new Uint8Array([0, 255, 10, 13]),
      },
    ],
  ]
  for (const [method, path, init] of shapes) {
    test(`${method} ${path} with its method, query and body`, async () => {
      await using pair = await startPair({ credentials: { [secret]: anything('{"ok": 1.0}') } })
      const response = await pair.gateway.call(path, init)
      expect(response.status).toBe(200)
      expect(await response.text()).toBe('{"ok": 1.0}')
      const request = pair.upstream.requests[0]
      expect(request?.method).toBe(method)
      expect(`${request?.path}${request?.query}`).toBe(path)
      expect(
        Buffer.from(request?.body ?? []).equals(
          Buffer.from(await new Request('http://localhost', { ...init, method: 'POST' }).arrayBuffer()),
        ),
      ).toBe(true)
      if (init.headers !== undefined)
        expect(request?.header('content-type')).toBe((init.headers as Record<string, string>)['content-type'] ?? '')
    })
  }

  test('HEAD and 204, whose answers have no body, and nobody is blamed', async () => {
    const upstream = Bun.serve({
      port: 0,
      fetch: ({ method }) =>
        method === 'DELETE' ? new Response(null, { status: 204 }) : new Response('', { headers: { etag: '"1"' } }),
    })
    const gateway = await startGateway({ config: testConfig([testProvider(`${upstream.url.origin}/v1`, [secret])]) })
    for (const path of ['/v1/unknown', '/v1/chat/completions', '/v1/responses']) {
      const response = await gateway.call(path, { method: 'HEAD' })
      expect([response.status, response.headers.get('etag'), await response.text()]).toEqual([200, '"1"', ''])
    }
    expect(await statusOf(gateway.call('/v1/unknown', { method: 'DELETE' }))).toBe(204)
    expect(gateway.gateway.status().providers[0]?.credentials[0]).toMatchObject({ failures: 0, successes: 4 })
    await gateway.stop()
    await upstream.stop(true)
  })

  test('an error of an unknown path comes back as the upstream said it', async () => {
    await using pair = await startPair({ credentials: { [secret]: good } })
    const response = await pair.gateway.call('/v1/no/such/path')
    expect(response.status).toBe(404)
    expect((await readError(response)).message).toContain('Invalid URL')
  })
})

describe('administration of the upstream account never passes', () => {
  const spellings = [
    '/v1/organization',
    '/v1/organization/users?limit=1',
    '/v1/organizations/x',
    '/v1/%6frganization/users',
    '/v1/%6Frg%61nization',
    '/v1/%256frganization/users',
    '/v1/%25256frganization/users',
    '/v1//organization/users',
    '/v1/ORGANIZATION/users',
    '/v1/Organization%2Fusers',
    '/v1/files/../organization',
    '/v1/files/%2e%2e/organization',
    '/v1/files/%252e%252e/organization',
    '/v1/files%2f..%2forganization',
    '/v1/files/..%5corganization',
    '/v1/./organization',
    '/v1/%2e/organization',
    '/v1/\\organization',
    '/v1/organization;x=1/users',
    '/v1/organization%3Bx/users',
    '/v1/organization%20/users',
    '/v1/%09organization/users',
    '/v1/organization%00/users',
    '/v1/organization%3Fx',
    '/v1/organization%23x',
    '/v1/or%E2%80%8Bganization',
    '/v1/%zzorganization',
    '/v1/dashboard/billing/usage',
    '/v1/usage',
    '/v1/projects/x/api_keys',
    '/v1/../v1/organization',
    '/v1/chat/completions/../../organization',
    '/V1/organization',
    '//v1/organization',
  ]
  for (const path of spellings) {
    test(path, async () => {
      await using pair = await startPair({ credentials: { [secret]: anything('{}') } })
      for (const method of ['GET', 'POST']) {
        const client = await sendRaw(pair.gateway.url, {
          method,
          path,
          headers: [`authorization: Bearer ${clientSecret}`, 'connection: close'],
        })
        await until(() => client.isClosed())
        expect(client.received()).toMatch(/^HTTP\/1\.1 4(00|01|04)/)
      }
      expect(pair.upstream.requests).toEqual([])
    })
  }
})

describe('paths whose objects live on an upstream account', () => {
  const clients = [testClient('alice', clientSecret), testClient('bob', 'sk-client-bob-0001')]
  const access = { ...testConfig([]).access, clientKeys: clients }
  const upload = () => {
    const form = new FormData()
    form.set('purpose', 'assistants')
    form.set('file', new File(['content of the file'], 'a.txt'))
    return { method: 'POST', body: form }
  }

  test('stay with one credential for each client key, also after a restart', async () => {
    await using pair = await startPair({ credentials: { [secret]: good, [other]: good } })
    await statusOf(pair.gateway.chat({}))
    const { id } = (await (await pair.gateway.call('/v1/files', upload())).json()) as { id: string }
    for (let call = 0; call < 3; call++) {
      await statusOf(pair.gateway.chat({}))
      expect(await (await pair.gateway.call(`/v1/files/${id}/content`)).text()).toBe('content of the file')
    }
    expect([...pair.gateway.memory.pins.values()]).toHaveLength(1)
    await using again = await startPair({ credentials: { [secret]: good, [other]: good }, memory: pair.gateway.memory })
    for (const _ of [1, 2]) await statusOf(again.gateway.call('/v1/files'))
    const pinned = pair.upstream.requests.find((one) => one.path === '/v1/files')?.credential
    expect(again.upstream.requests.map((one) => one.credential)).toEqual([pinned ?? '', pinned ?? ''])
  })

  const closed: readonly (readonly [string, string, RequestInit])[] = [
    ['files', '/v1/files', {}],
    ['files, spelt otherwise', '/v1/%66iles', {}],
    ['batches', '/v1/batches', post({ input_file_id: 'file-1' })],
    ['threads', '/v1/threads', post({})],
    ['assistants', '/v1/assistants', {}],
    ['vector stores', '/v1/vector_stores', {}],
    ['fine-tuning', '/v1/fine_tuning/jobs', {}],
    ['containers', '/v1/containers', {}],
    ['uploads', '/v1/uploads', post({})],
    ['conversations', '/v1/conversations', post({})],
    ['a stored response', '/v1/responses/resp_1', {}],
    ['a stored chat', '/v1/chat/completions/chatcmpl-1', {}],
    ['the list of stored chats', '/v1/chat/completions', {}],
    ['deleting a model', '/v1/models/ft:x', { method: 'DELETE' }],
    ['an earlier response', '/v1/responses', post({ model: 'gpt-4o', input: 'x', previous_response_id: 'resp_1' })],
    ['a conversation', '/v1/responses', post({ model: 'gpt-4o', input: 'x', conversation: 'conv_1' })],
    [
      'an uploaded file in a message',
      '/v1/chat/completions',
      post({ model: 'gpt-4o', messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] }] }),
    ],
    [
      'a vector store in a tool',
      '/v1/responses',
      post({ model: 'gpt-4o', input: 'x', tools: [{ type: 'file_search', vector_store_ids: ['vs_1'] }] }),
    ],
  ]
  for (const [what, path, init] of closed) {
    test(`are closed while there are several client keys: ${what}`, async () => {
      await using pair = await startPair({ credentials: { [secret]: anything('{}') }, config: { access } })
      const response = await pair.gateway.call(path, init)
      expect(response.status).toBe(403)
      expect((await readError(response)).code).toBe('stateful_path_not_allowed')
      expect(pair.upstream.totalCalls()).toBe(0)
    })
  }

  test('are closed to callers without a key, who would see what the one with a key has left, and to that one', async () => {
    const open = { ...access, isAnonymousAllowed: true, clientKeys: clients.slice(0, 1) }
    await using pair = await startPair({ credentials: { [secret]: good }, config: { access: open } })
    expect(await statusOf(fetch(`${pair.gateway.url}/v1/files`))).toBe(403)
    expect(await statusOf(pair.gateway.call('/v1/files'))).toBe(403)
    expect(pair.upstream.totalCalls()).toBe(0)
  })

  test('are open to a key that the operator allows it, and to each its own credential', async () => {
    const allowed = { ...access, clientKeys: clients.map((client) => ({ ...client, isStateful: true })) }
    await using pair = await startPair({ credentials: { [secret]: good, [other]: good }, config: { access: allowed } })
    for (const _ of [1, 2, 3]) {
      await statusOf(pair.gateway.call('/v1/files'))
      await statusOf(pair.gateway.call('/v1/files', { headers: { authorization: 'Bearer sk-client-bob-0001' } }))
    }
    const used = pair.upstream.requests.map((one) => one.credential)
    expect(used).toEqual([used[0] ?? '', used[1] ?? '', used[0] ?? '', used[1] ?? '', used[0] ?? '', used[1] ?? ''])
  })

  test('are closed to a single key that the operator denies it', async () => {
    const denied = { ...access, clientKeys: [testClient('alice', clientSecret, { isStateful: false })] }
    await using pair = await startPair({ credentials: { [secret]: good }, config: { access: denied } })
    expect(await statusOf(pair.gateway.call('/v1/files'))).toBe(403)
  })

  test('answers that are stored are pinned where the client may ask for them, and free where not', async () => {
    for (const isSingle of [true, false]) {
      await using pair = await startPair({
        credentials: { [secret]: good, [other]: good },
        config: isSingle ? {} : { access },
      })
      for (let call = 0; call < 4; call++)
        await statusOf(pair.gateway.call('/v1/responses', post({ model: 'gpt-4o', input: 'x' })))
      expect(new Set(pair.order()).size).toBe(isSingle ? 1 : 2)
    }
  })

  test('an answer to be stored is had from another account rather than not at all; the pin moves when its own is lost', async () => {
    const ask = (fields: object = {}) =>
      pair.gateway.call('/v1/responses', post({ model: 'gpt-4o', input: 'x', ...fields }))
    await using pair = await startPair({ credentials: { [secret]: good, [other]: good } })
    const used = () => pair.upstream.requests.at(-1)?.credential
    const first = (await (await ask()).json()) as { id: string }
    const pinned = used() ?? ''
    const spare = pinned === secret ? other : secret
    pair.upstream.setBehaviour(pinned, { kind: 'rate_limited', retryAfterMs: 30_000, times: 1 })
    expect([await statusOf(ask()), used()]).toEqual([200, spare])
    expect([await statusOf(ask({ previous_response_id: first.id })), used()]).toEqual([429, spare])
    pair.gateway.gateway.reset({ provider: null, credential: null })
    expect([await statusOf(ask()), used()]).toEqual([200, pinned])
    pair.upstream.setBehaviour(pinned, { kind: 'exhausted' })
    expect([await statusOf(ask()), used()]).toEqual([200, spare])
    const kept = (await (await ask()).json()) as { id: string }
    expect([await statusOf(ask({ previous_response_id: kept.id })), used()]).toEqual([200, spare])
  })

  test('a write to a pinned account is not done twice', async () => {
    await using pair = await startPair({
      credentials: { [secret]: { kind: 'no_answer' }, [other]: { kind: 'no_answer' } },
    })
    expect(await statusOf(pair.gateway.call('/v1/files', upload()))).toBe(502)
    expect(pair.upstream.totalCalls()).toBe(1)
  })
})

describe('a key restricted to some models', () => {
  const restricted = {
    ...testConfig([]).access,
    clientKeys: [testClient('alice', clientSecret, { models: ['gpt-4o*', 'text-*-small'] })],
  }
  const form = (...models: string[]) => ({
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
    body: `${models.map((model) => `--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n${model}\r\n`).join('')}--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n--b--\r\n`,
  })
  const message = { messages: [{ role: 'user', content: 'x' }] }
  const rows: readonly (readonly [string, string, RequestInit, number])[] = [
    ['an allowed model', '/v1/chat/completions', post({ model: 'gpt-4o-mini', ...message }), 200],
    ['an allowed model elsewhere', '/v1/embeddings', post({ model: 'text-embedding-3-small', input: 'x' }), 200],
    ['another model', '/v1/chat/completions', post({ model: 'gpt-4.1', ...message }), 403],
    ['another model elsewhere', '/v1/embeddings', post({ model: 'text-embedding-3-large', input: 'x' }), 403],
    ['no model', '/v1/images/generations', post({ prompt: 'x' }), 403],
    ['no body', '/v1/batches', {}, 403],
    [
      'a body of another type',
      '/v1/chat',
      { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{"model":"gpt-4o"}' },
      403,
    ],
    ['a list', '/v1/x', { method: 'POST', headers: json, body: '[{"model":"gpt-4o"}]' }, 403],
    ['an allowed model in a form', '/v1/audio/transcriptions', form('gpt-4o-transcribe'), 400],
    ['another model in a form', '/v1/audio/transcriptions', form('whisper-1'), 403],
    ['no model in a form', '/v1/audio/transcriptions', form(), 403],
    ['two models in a form', '/v1/audio/transcriptions', form('gpt-4o', 'whisper-1'), 400],
    [
      'two models',
      '/v1/embeddings',
      { method: 'POST', headers: json, body: '{"model":"gpt-4o","mod\\u0065l":"gpt-4.1","input":"x"}' },
      400,
    ],
    [
      'two models, in other case',
      '/v1/embeddings',
      { method: 'POST', headers: json, body: '{"model":"gpt-4o","MODEL":"gpt-4.1","input":"x"}' },
      400,
    ],
  ]
  for (const [what, path, init, status] of rows) {
    test(`with ${what} is answered ${status}`, async () => {
      await using pair = await startPair({ credentials: { [secret]: good }, config: { access: restricted } })
      const response = await pair.gateway.call(path, init)
      expect(response.status).toBe(status)
      if (status === 403) {
        expect((await readError(response)).code).toBe('model_not_allowed')
        expect(pair.upstream.totalCalls()).toBe(0)
      }
    })
  }
})

describe('headers', () => {
  test('that are ours or name somebody do not reach the upstream; the rest does', async () => {
    await using pair = await startPair({
      credentials: { [secret]: good },
      provider: { headers: { 'X-Team': 'red', 'User-Agent': 'ours/1' } },
    })
    const dropped = {
      'x-api-key': 'secret-a',
      'api-key': 'secret-b',
      cookie: 'secret-c=1',
      'openai-organization': 'org-x',
      'openai-project': 'proj-x',
      'x-forwarded-for': '10.0.0.1',
      'x-forwarded-host': 'internal',
      forwarded: 'for=10.0.0.1',
      'x-real-ip': '10.0.0.1',
      'true-client-ip': '10.0.0.1',
      'cf-connecting-ip': '10.0.0.1',
      via: '1.1 proxy',
      origin: 'http://localhost',
      referer: 'http://localhost/secret',
      'proxy-authorization': 'Basic x',
      'sec-fetch-mode': 'cors',
      'x-request-id': 'mine',
      te: 'trailers',
      'x-hop': 'dropped',
      connection: 'keep-alive, x-hop',
    }
    const kept = {
      'openai-beta': 'assistants=v2',
      'x-stainless-lang': 'js',
      'idempotency-key': 'k-1',
      accept: 'application/json',
      'x-custom': 'ü'.normalize('NFC'),
    }
    const body = JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'x' }] })
    const lines = Object.entries({
      ...dropped,
      ...kept,
      'x-custom': 'plain',
      'content-type': 'application/json',
      'x-team': 'blue',
      'user-agent': 'theirs/1',
    })
    const client = await sendRaw(pair.gateway.url, {
      path: '/v1/chat/completions',
      headers: [`authorization: Bearer ${clientSecret}`, ...lines.map(([name, value]) => `${name}: ${value}`)],
      body,
    })
    await until(() => client.received().includes('"usage"'))
    const request = pair.upstream.requests[0]
    for (const name of Object.keys(dropped))
      if (name !== 'connection') expect([name, request?.header(name)]).toEqual([name, null])
    expect(request?.header('connection')).not.toContain('x-hop')
    expect(request?.header('authorization')).toBe(`Bearer ${secret}`)
    expect(request?.header('host')).toBe(`127.0.0.1:${pair.upstream.port}`)
    for (const [name, value] of Object.entries({ ...kept, 'x-custom': 'plain', 'content-type': 'application/json' }))
      expect([name, request?.header(name)]).toEqual([name, value])
    expect([request?.header('x-team'), request?.header('user-agent')]).toEqual(['red', 'ours/1'])
    expect(request?.header('content-length')).toBe(String(body.length))
    expect(JSON.stringify(request?.headers)).not.toContain(clientSecret)
  })

  test('that speak of the upstream account do not reach the client; those about the body do', async () => {
    const headers = {
      'content-type': 'application/json; charset=utf-8',
      'content-disposition': 'attachment; filename="a.json"',
      etag: '"1"',
      'keep-alive': 'timeout=5',
      'x-should-retry': 'true',
    }
    for (const behaviour of [
      good,
      {
        kind: 'script',
        headers: {
          ...headers,
          'set-cookie': 'a=b',
          'openai-organization': 'org-x',
          'x-ratelimit-remaining-requests': '5',
        },
        chunks: ['{"choices":[]}'],
      } as Behaviour,
    ]) {
      for (const isStream of [false, true]) {
        await using pair = await startPair({ credentials: { [secret]: behaviour } })
        const response = await pair.gateway.chat({ stream: isStream })
        await response.text()
        const names = [...response.headers.keys()]
        for (const name of names)
          expect(name).not.toMatch(
            /^(set-cookie|openai-organization|openai-project|x-ratelimit-.*|cf-.*|alt-svc|strict-transport-security|server|keep-alive|x-should-retry)$/,
          )
        expect(response.headers.get('x-request-id')).toStartWith('req_')
        if (behaviour.kind === 'script')
          expect(response.headers.get('content-disposition')).toBe(headers['content-disposition'])
      }
    }
  })
})
