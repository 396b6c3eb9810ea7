/** The simulated endpoints around chat, seen with plain fetch. */
import { afterAll, expect, test } from 'bun:test'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { askPath, payloadsOf } from './simulator-client.ts'

const ALICE = 'sk-alice-0123456789abcdef'
const BOB = 'sk-bob-0123456789abcdef'
const simulator = startOpenAiSimulator({
  credentials: { [ALICE]: { kind: 'good' }, [BOB]: { kind: 'good' } },
  models: ['gpt-4o', 'org/model'],
})
afterAll(simulator.stop)

function post(path: string, body: unknown, secret = ALICE): Promise<Response> {
  const headers = { 'content-type': 'application/json' }
  return askPath(simulator, path, { secret, method: 'POST', headers, body: JSON.stringify(body) })
}

test('models are listed and described, names with a slash too', async () => {
  const list = await askPath(simulator, '/models', { secret: ALICE })
  expect(await list.json()).toMatchObject({
    object: 'list',
    data: [{ id: 'gpt-4o', object: 'model' }, { id: 'org/model' }],
  })
  expect(await (await askPath(simulator, '/models/org/model', { secret: ALICE })).json()).toMatchObject({
    id: 'org/model',
  })
  expect((await askPath(simulator, '/models/other', { secret: ALICE })).status).toBe(404)
})

test('embeddings are the same as numbers and as base64', async () => {
  interface EmbeddingsView {
    readonly data: readonly { readonly embedding: number[] | string }[]
    readonly usage: unknown
  }
  const asked = { model: 'text-embedding-3-small', input: ['one two', 'three'], dimensions: 4 }
  const floats = (await (await post('/embeddings', asked)).json()) as EmbeddingsView
  const coded = (await (await post('/embeddings', { ...asked, encoding_format: 'base64' })).json()) as EmbeddingsView
  expect(floats.data).toHaveLength(2)
  expect(floats.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 })
  const bytes = Buffer.from(coded.data[0]?.embedding as string, 'base64')
  const decoded = [0, 4, 8, 12].map((offset) => bytes.readFloatLE(offset))
  expect(decoded).toEqual(floats.data[0]?.embedding as number[])
})

test('a transcription tells the name and size of the file it received', async () => {
  const form = new FormData()
  form.set('model', 'whisper-1')
  form.set('file', new File([new Uint8Array(70_000)], 'längs.wav'))
  const response = await askPath(simulator, '/audio/transcriptions', { secret: ALICE, method: 'POST', body: form })
  expect(await response.json()).toMatchObject({
    text: 'This is the simulated upstream: the file längs.wav has 70000 bytes, for model whisper-1.',
  })
})

test('speech is binary', async () => {
  const response = await post('/audio/speech', { model: 'tts-1', input: 'hello', voice: 'alloy' })
  expect(response.headers.get('content-type')).toBe('audio/mpeg')
  const bytes = await response.bytes()
  expect(bytes).toHaveLength(65_536)
  expect(bytes.every((byte, index) => byte === index % 256)).toBe(true)
})

test('images, moderations and legacy completions answer in their shapes', async () => {
  expect(
    await (await post('/images/generations', { prompt: 'a cat', n: 2, response_format: 'b64_json' })).json(),
  ).toMatchObject({
    data: [{ revised_prompt: 'a cat' }, { revised_prompt: 'a cat' }],
  })
  expect(await (await post('/moderations', { input: ['peace', 'violence'] })).json()).toMatchObject({
    results: [{ flagged: false }, { flagged: true }],
  })
  const legacy = { model: 'gpt-3.5-turbo-instruct', prompt: 'say hi' }
  expect(await (await post('/completions', legacy)).json()).toMatchObject({
    object: 'text_completion',
    choices: [{ text: ' This is the simulated upstream. The prompt said: say hi' }],
    usage: { prompt_tokens: 2 },
  })
  const streamed = await post('/completions', { ...legacy, stream: true, stream_options: { include_usage: true } })
  const payloads = payloadsOf(await streamed.text())
  expect(payloads.at(-1)).toBe('[DONE]')
  expect(payloads.at(-2)).toContain('"usage":{"prompt_tokens":2')
})

test('a stored response belongs to the credential that made it', async () => {
  const created = (await (await post('/responses', { model: 'gpt-4o', input: 'hello' })).json()) as { id: string }
  const path = `/responses/${created.id}`
  expect(await (await askPath(simulator, path, { secret: ALICE })).json()).toMatchObject({
    id: created.id,
    status: 'completed',
  })
  expect((await askPath(simulator, path, { secret: BOB })).status).toBe(404)
  const follow = { model: 'gpt-4o', input: 'and now', previous_response_id: created.id }
  expect((await post('/responses', follow)).status).toBe(200)
  expect((await post('/responses', follow, BOB)).status).toBe(400)
  expect((await askPath(simulator, path, { secret: BOB, method: 'DELETE' })).status).toBe(404)
  expect(await (await askPath(simulator, path, { secret: ALICE, method: 'DELETE' })).json()).toMatchObject({
    deleted: true,
  })
  expect((await askPath(simulator, path, { secret: ALICE })).status).toBe(404)
})

test('a streamed response has named events, numbered, from created to completed, and no [DONE]', async () => {
  const response = await post('/responses', { model: 'gpt-4o', input: 'hello', stream: true })
  const text = await response.text()
  const names = [...text.matchAll(/^event: (.+)$/gm)].map((match) => match[1])
  const events = payloadsOf(text).map((payload) => JSON.parse(payload) as { type: string; sequence_number: number })
  expect(names[0]).toBe('response.created')
  expect(names.at(-1)).toBe('response.completed')
  expect(names).toContain('response.output_text.delta')
  expect(events.map((event) => event.type)).toEqual(names as string[])
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index))
  expect(text).not.toContain('[DONE]')
})

test('files are kept for each credential apart', async () => {
  const form = new FormData()
  form.set('purpose', 'batch')
  form.set('file', new File([new Uint8Array([0, 255, 10, 13])], 'input.jsonl'))
  const uploaded = await askPath(simulator, '/files', { secret: ALICE, method: 'POST', body: form })
  const file = (await uploaded.json()) as { id: string }
  expect(file).toMatchObject({ bytes: 4, filename: 'input.jsonl', purpose: 'batch' })
  const content = await askPath(simulator, `/files/${file.id}/content`, { secret: ALICE })
  expect([...(await content.bytes())]).toEqual([0, 255, 10, 13])
  expect(await (await askPath(simulator, '/files', { secret: BOB })).json()).toMatchObject({ data: [] })
  expect((await askPath(simulator, `/files/${file.id}`, { secret: BOB })).status).toBe(404)
  expect((await askPath(simulator, `/files/${file.id}`, { secret: ALICE, method: 'DELETE' })).status).toBe(200)
  expect((await askPath(simulator, `/files/${file.id}`, { secret: ALICE })).status).toBe(404)
})

test('administrative paths answer, so that a call that gets here is seen', async () => {
  expect((await askPath(simulator, '/organization/api_keys', { secret: ALICE })).status).toBe(200)
  expect(simulator.requests.some((request) => request.path === '/v1/organization/api_keys')).toBe(true)
})
