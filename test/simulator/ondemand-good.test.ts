/** Good answers of the simulated OnDemand: both doors, sessions and their memory, streams and whole answers, the catalogue. */
import { afterAll, beforeEach, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/ondemand/behaviours.ts'
import { UNKNOWN_EVENT_TEXT } from '../../src/simulator/ondemand/frames.ts'
import { startOndemandSimulator } from '../../src/simulator/ondemand.ts'
import {
  answerOf,
  askCatalogue,
  askDelete,
  askQuery,
  askRawQuery,
  askSession,
  ENDPOINT_ID,
  eventsOf,
  keyProof,
  newSession,
  type Proof,
  pieceCountOf,
  signIn,
  typesOf,
} from './ondemand-client.ts'

const KEY = 'od-good-key-0123456789'
const EMAIL = 'good@ondemand.invalid'
const simulator = startOndemandSimulator({
  keys: { [KEY]: { kind: 'good' } },
  accounts: { [EMAIL]: { password: 'p' } },
})
afterAll(simulator.stop)
beforeEach(() => {
  simulator.setBehaviour(KEY, { kind: 'good' })
  simulator.setBehaviour(EMAIL, { kind: 'good' })
  simulator.reset()
})

const PROOF = keyProof(KEY)

async function streamed(behaviour: Behaviour, body = {}): Promise<string> {
  simulator.setBehaviour(KEY, behaviour)
  const sessionId = await newSession(simulator, PROOF)
  return (await askQuery(simulator, { proof: PROOF, sessionId, body })).text()
}

interface SyncBody {
  readonly message: string
  readonly data: {
    readonly sessionId: string
    readonly messageId: string
    readonly answer: string | null
    readonly status: string
    readonly metrics?: { readonly inputTokens: number; readonly outputTokens: number; readonly totalTokens: number }
  }
}

async function synced(behaviour: Behaviour, body = {}): Promise<SyncBody> {
  simulator.setBehaviour(KEY, behaviour)
  const sessionId = await newSession(simulator, PROOF)
  const asked = { proof: PROOF, sessionId, body: { responseMode: 'sync', ...body } }
  return (await (await askQuery(simulator, asked)).json()) as SyncBody
}

test('a session is created with 201, or 200, and its id is in data.id', async () => {
  const created = await askSession(simulator, PROOF, { contextMetadata: [{ key: 'a', value: 'b' }] })
  expect(created.status).toBe(201)
  expect(await created.json()).toMatchObject({
    data: { id: expect.any(String), externalUserId: 'test-user', contextMetadata: [{ key: 'a', value: 'b' }] },
  })
  simulator.setBehaviour(KEY, { kind: 'good', sessionStatus: 200 })
  expect((await askSession(simulator, PROOF)).status).toBe(200)
})

test('a stream has heartbeat, progress, pieces, the whole answer once more, token counts and [DONE]', async () => {
  const text = await streamed({ kind: 'good', text: 'Hello there friend' })
  expect(typesOf(text)).toEqual([
    'heartbeat',
    'statusLog fulfilling',
    'fulfillment',
    'fulfillment',
    'fulfillment',
    'statusLog fulfillment_completed',
    'metricsLog',
    '[DONE]',
  ])
  expect(answerOf(text)).toBe('Hello there friend')
  const completed = eventsOf(text).find(({ text }) => text.includes('fulfillment_completed'))
  expect(completed?.value).toMatchObject({ currentStatusLog: { answer: 'Hello there friend' } })
  const metrics = eventsOf(text).find(({ value }) => value?.eventType === 'metricsLog')
  expect(metrics?.value).toMatchObject({ publicMetrics: { inputTokens: 1_102, outputTokens: 3, totalTokens: 1_105 } })
})

test('a stream is an event stream whose fields come with and without a space after the colon', async () => {
  const sessionId = await newSession(simulator, PROOF)
  const response = await askQuery(simulator, { proof: PROOF, sessionId })
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  const text = await response.text()
  expect(text).toContain('\ndata:{"sessionId"')
  expect(text).toContain('\ndata: {"sessionId"')
  expect(await streamed({ kind: 'good', dataSpace: 'never' })).not.toContain('data: ')
  expect(await streamed({ kind: 'good', dataSpace: 'always' })).not.toContain('data:{')
})

test('thoughts, a planner and unknown events are in the stream and not in the answer', async () => {
  const text = await streamed({
    kind: 'good',
    text: 'one two',
    thinkingText: 'first think',
    isPlanned: true,
    hasUnknownEvents: true,
  })
  expect(typesOf(text)).toEqual(
    expect.arrayContaining([
      'statusLog analyzing',
      'planning_thinking',
      'planning_output',
      'statusLog plan_created',
      'statusLog agents_retrieved',
      'statusLog executing',
      'step_thinking',
      'step_output',
      'statusLog execution_completed',
      'fulfillment_thinking',
    ]),
  )
  const thoughts = eventsOf(text).filter(({ value }) => value?.eventType === 'fulfillment_thinking')
  expect(thoughts.map(({ name, value }) => [name, value?.thinking])).toEqual([
    ['thinking', { delta: 'first' }],
    ['thinking', { delta: ' think' }],
  ])
  expect(text).toContain(UNKNOWN_EVENT_TEXT)
  expect(answerOf(text)).toBe('one two')
})

test('plugins of the query or the session bring the planner, fulfillmentOnly keeps it away', async () => {
  expect(await streamed({ kind: 'good' }, { pluginIds: [] })).not.toContain('planning_thinking')
  expect(await streamed({ kind: 'good' }, { agentIds: ['agent-1'] })).toContain('planning_thinking')
  expect(await streamed({ kind: 'good' }, { pluginIds: ['plugin-1'], fulfillmentOnly: true })).not.toContain('planning')
})

test('parts of a stream may be absent', async () => {
  const text = await streamed({
    kind: 'good',
    text: 'a',
    areStatusLogsSent: false,
    areMetricsSent: false,
    isDoneSent: false,
  })
  expect(typesOf(text)).toEqual(['heartbeat', 'fulfillment'])
})

test('events are numbered for each name by itself', async () => {
  const events = eventsOf(await streamed({ kind: 'good', text: 'a b', thinkingText: 'c d' }))
  const indexesOf = (name: string) =>
    events.filter((event) => event.name === name && event.value !== null).map(({ value }) => value?.eventIndex)
  expect(indexesOf('thinking')).toEqual([1, 2])
  expect(indexesOf('message')).toEqual([1, 2, 3, 4, 5])
})

test('a whole answer has the text in data.answer and its counts in data.metrics', async () => {
  const body = await synced({ kind: 'good', text: 'Hello there' }, { query: 'three words here' })
  expect(body.data).toMatchObject({
    answer: 'Hello there',
    status: 'completed',
    metrics: { inputTokens: 1_103, outputTokens: 2, totalTokens: 1_105 },
  })
  expect((await synced({ kind: 'good', areMetricsSent: false })).data.metrics).toBeUndefined()
  expect((await synced({ kind: 'good', isAnswerNull: true })).data.answer).toBeNull()
  expect((await synced({ kind: 'good', tokens: { input: 7, output: 8 } })).data.metrics?.totalTokens).toBe(15)
  expect((await synced({ kind: 'good' }, { responseMode: 'webhook' })).data).toMatchObject({
    answer: null,
    status: 'processing',
  })
})

test('without a response mode the answer is whole', async () => {
  const sessionId = await newSession(simulator, PROOF)
  const response = await askQuery(simulator, { proof: PROOF, sessionId, body: { responseMode: undefined } })
  expect(response.headers.get('content-type')).toStartWith('application/json')
})

test('the text tells endpoint, query and prompt, and what the session heard before', async () => {
  const sessionId = await newSession(simulator, PROOF)
  const ask = async (query: string) =>
    answerOf(await (await askQuery(simulator, { proof: PROOF, sessionId, body: { query } })).text())
  const first = await ask('the code word is heron')
  expect(first).toContain(`endpoint ${ENDPOINT_ID}`)
  expect(first).toContain('the query said: “the code word is heron”')
  expect(first).toEndWith('Session memory: nothing')
  expect(await ask('which code word?')).toEndWith('Session memory: “the code word is heron”')
  const other = await streamed({ kind: 'good' }, { modelConfigs: { fulfillmentPrompt: 'Be brief' } })
  expect(answerOf(other)).toContain('The fulfillment prompt: “Be brief”')
  expect(answerOf(other)).toEndWith('Session memory: nothing')
})

test('what a session has heard counts as input tokens', async () => {
  const sessionId = await newSession(simulator, PROOF)
  const inputOf = async () => {
    const asked = { proof: PROOF, sessionId, body: { query: 'two words', responseMode: 'sync' } }
    return ((await (await askQuery(simulator, asked)).json()) as SyncBody).data.metrics?.inputTokens
  }
  expect([await inputOf(), await inputOf(), await inputOf()]).toEqual([1_102, 1_104, 1_106])
})

test('sessions are recorded with owner, queries and fate', async () => {
  const [kept, deleted] = [await newSession(simulator, PROOF), await newSession(simulator, PROOF)]
  await (await askQuery(simulator, { proof: PROOF, sessionId: kept, body: { query: 'only to the first' } })).text()
  const answer = await askDelete(simulator, PROOF, deleted)
  expect(answer.status).toBe(200)
  expect(simulator.sessions.map(({ id, credential, queries }) => [id, credential, queries.map((q) => q.text)])).toEqual(
    [
      [kept, KEY, ['only to the first']],
      [deleted, KEY, []],
    ],
  )
  expect(simulator.sessionsOf(KEY)).toEqual({ created: 2, deleted: 1, alive: 1 })
  expect(simulator.sessionsOf('other')).toEqual({ created: 0, deleted: 0, alive: 0 })
  expect((await askDelete(simulator, PROOF, deleted)).status).toBe(404)
  await askDelete(simulator, PROOF, kept)
  expect(simulator.sessionsOf(null)).toEqual({ created: 2, deleted: 2, alive: 0 })
})

test('a refused query is noted with its session and not heard by it', async () => {
  simulator.setBehaviour(KEY, { kind: 'content_policy', times: 1 })
  const sessionId = await newSession(simulator, PROOF)
  for (const query of ['refused', 'answered']) {
    await (await askQuery(simulator, { proof: PROOF, sessionId, body: { query } })).text()
  }
  expect(simulator.sessions[0]?.queries.map(({ text, isHeard }) => [text, isHeard])).toEqual([
    ['refused', false],
    ['answered', true],
  ])
})

test('a session that is another’s, forgotten, or used up is unknown', async () => {
  simulator.setBehaviour('od-other-key', { kind: 'good' })
  const sessionId = await newSession(simulator, PROOF)
  const statusOf = async (proof: Proof) => (await askQuery(simulator, { proof, sessionId })).status
  expect(await statusOf(keyProof('od-other-key'))).toBe(404)
  expect(await statusOf(PROOF)).toBe(200)
  simulator.setBehaviour(KEY, { kind: 'good', sessionQueryLimit: 2 })
  expect([await statusOf(PROOF), await statusOf(PROOF)]).toEqual([200, 404])
  const next = await newSession(simulator, PROOF)
  simulator.forgetSessions(KEY)
  const forgotten = await askQuery(simulator, { proof: PROOF, sessionId: next })
  expect(forgotten.status).toBe(404)
  expect(await forgotten.json()).toMatchObject({ errorCode: 'not_found' })
  expect(simulator.sessionsOf(KEY)).toEqual({ created: 2, deleted: 0, alive: 0 })
})

test('answers may be scripted: as values, as exact pieces, by the query, and in turn', async () => {
  expect(answerOf(await streamed({ kind: 'good', text: 'as told' }))).toBe('as told')
  const exact = await streamed({ kind: 'good', text: ['{"na', 'me":', '"x"}'] })
  expect([pieceCountOf(exact), answerOf(exact)]).toEqual([3, '{"name":"x"}'])
  const byQuery = await streamed({ kind: 'good', text: ({ query, endpointId }) => `${endpointId} heard ${query}` })
  expect(answerOf(byQuery)).toBe(`${ENDPOINT_ID} heard Hello there`)
  simulator.setAnswer(({ body }) => `mode ${body.responseMode}`)
  expect((await synced({ kind: 'good' })).data.answer).toBe('mode sync')
  simulator.answerNext('first', ['sec', 'ond'])
  const texts = [await streamed({ kind: 'good' }), await streamed({ kind: 'good', text: 'own' })]
  expect([...texts, await streamed({ kind: 'good' })].map(answerOf)).toEqual(['first', 'second', 'mode stream'])
  simulator.setAnswer(null)
  expect(answerOf(await streamed({ kind: 'good' }))).toContain('the simulated OnDemand')
})

test('pieces have the sizes they are told', async () => {
  const piecesOf = async (behaviour: Behaviour) =>
    eventsOf(await streamed(behaviour))
      .filter(({ value }) => value?.eventType === 'fulfillment')
      .map(({ value }) => value?.answer)
  expect(await piecesOf({ kind: 'good', text: 'abcdefgh🙂', pieceSizes: [1, 3] })).toEqual([
    'a',
    'bcd',
    'e',
    'fgh',
    '🙂',
  ])
  expect(await piecesOf({ kind: 'good', text: 'abcdef', pieceCount: 2 })).toEqual(['abc', 'def'])
  expect(await piecesOf({ kind: 'good', text: '' })).toEqual([])
})

test('an answer may be megabytes, repeated in one line, and a piece may be huge', async () => {
  const text = await streamed({ kind: 'good', textBytes: 2_000_000 })
  const answer = answerOf(text)
  expect(Buffer.byteLength(answer)).toBe(2_000_000)
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeGreaterThan(1_900_000)
  const huge = await streamed({ kind: 'good', text: 'a b', hugePieceBytes: 300_000 })
  expect(answerOf(huge)).toHaveLength(300_003)
  expect(pieceCountOf(huge)).toBe(2)
})

test('a model stops before a stop sequence', async () => {
  const text = await streamed(
    { kind: 'good', text: 'one two STOP three' },
    { modelConfigs: { stopSequences: ['STOP'] } },
  )
  expect(answerOf(text)).toBe('one two ')
})

test('maxTokens empties the answer, unless it is told to have no effect', async () => {
  const modelConfigs = { maxTokens: 150 }
  expect((await synced({ kind: 'good' }, { modelConfigs })).data).toMatchObject({ answer: '', status: 'completed' })
  expect((await synced({ kind: 'good' }, { maxTokens: 5 })).data.answer).toBe('')
  expect(pieceCountOf(await streamed({ kind: 'good' }, { modelConfigs }))).toBe(0)
  expect((await synced({ kind: 'good' }, { modelConfigs: { maxTokens: 0 } })).data.answer).not.toBe('')
  expect((await synced({ kind: 'good', maxTokensEffect: 'none' }, { modelConfigs })).data.answer).not.toBe('')
})

test('lines end with CRLF, bytes come one at a time, and frames come together', async () => {
  const text = 'déjà vu 你好 🙂'
  const crlf = await streamed({ kind: 'good', text, lineEnd: '\r\n' })
  expect(crlf.replaceAll('\r\n', '')).not.toContain('\n')
  expect(answerOf(crlf)).toBe(text)
  expect(answerOf(await streamed({ kind: 'good', text, cutEveryBytes: 1 }))).toBe(text)
  simulator.setBehaviour(KEY, { kind: 'good', text: 'a b c d e f', framesPerWrite: 5 })
  const sessionId = await newSession(simulator, PROOF)
  const raw = await askRawQuery(simulator, { proof: PROOF, sessionId })
  expect(raw.text.match(/\r\n[0-9a-f]+\r\nevent:/g)).toHaveLength(3)
  expect((await synced({ kind: 'good', text, cutEveryBytes: 1 })).data.answer).toBe(text)
})

test('a slow first word comes after heartbeats, and a paced stream piece by piece', async () => {
  const text = await streamed({ kind: 'good', text: 'late', firstTokenDelayMs: 130, heartbeatMs: 40 })
  const types = typesOf(text)
  expect(types.filter((type) => type === 'heartbeat').length).toBeGreaterThanOrEqual(2)
  expect(types.lastIndexOf('heartbeat')).toBeLessThan(types.indexOf('fulfillment'))
  const startedAtMs = performance.now()
  await streamed({ kind: 'good', text: 'a b c d e', delayMs: 10 })
  expect(performance.now() - startedAtMs).toBeGreaterThan(70)
  await synced({ kind: 'good', firstTokenDelayMs: 60, headDelayMs: 20 })
  expect(performance.now() - startedAtMs).toBeGreaterThan(170)
})

test('the catalogue lists endpoints with their state, by type, in each wrapper', async () => {
  const body = (await (await askCatalogue(simulator, PROOF)).json()) as { endpointsData: Record<string, unknown>[] }
  const statusOf = (id: string) => body.endpointsData.find((entry) => entry.endpoint_id === id)?.status
  expect([statusOf(ENDPOINT_ID), statusOf('predefined-openai-gpt4o')]).toEqual(['active', 'inactive'])
  expect(await (await askCatalogue(simulator, PROOF, '?type=none')).json()).toMatchObject({ endpointsData: [] })
  for (const [wrapper, key] of [
    ['data', 'data'],
    ['array', '0'],
  ] as const) {
    const other = startOndemandSimulator({ defaultBehaviour: { kind: 'good' }, catalogueWrapper: wrapper })
    expect(await (await askCatalogue(other, PROOF)).json()).toHaveProperty(key)
    other.stop()
  }
})

test('the catalogue may be replaced at run time', async () => {
  const own = startOndemandSimulator({ defaultBehaviour: { kind: 'good' } })
  own.setEndpoints([{ id: 'byoi-1', name: 'mine', isActive: true, reasoningEfforts: ['low'] }])
  const body = await (await askCatalogue(own, PROOF)).json()
  expect(body).toMatchObject({
    endpointsData: [{ endpoint_id: 'byoi-1', endpoint_name: 'mine', reasoning_efforts: ['low'] }],
  })
  const sessionId = await newSession(own, PROOF)
  expect((await askQuery(own, { proof: PROOF, sessionId })).status).toBe(400)
  expect((await askQuery(own, { proof: PROOF, sessionId, body: { endpointId: 'byoi-1' } })).status).toBe(200)
  own.stop()
})

test('the account door answers as the key door does, under its own base', async () => {
  const { proof } = await signIn(simulator, EMAIL, 'p')
  const sessionId = await newSession(simulator, proof)
  simulator.setBehaviour(EMAIL, { kind: 'good', text: 'by account' })
  const text = await (await askQuery(simulator, { proof, sessionId })).text()
  expect(answerOf(text)).toBe('by account')
  expect((await askDelete(simulator, proof, sessionId)).status).toBe(200)
  expect(simulator.sessionsOf(EMAIL)).toEqual({ created: 1, deleted: 1, alive: 0 })
  expect(simulator.requestsOf('query').map(({ path }) => path)).toEqual([`/chat/v1/client/sessions/${sessionId}/query`])
  expect(simulator.calls(EMAIL)).toBe(4)
})

test.each([
  ['data', (body: string) => JSON.parse(body).data.answer],
  ['answer', (body: string) => JSON.parse(body).answer],
  ['content', (body: string) => JSON.parse(body).content],
  ['events', answerOf],
] as const)('a whole answer of the account door spelt as %s', async (accountSyncStyle, read) => {
  simulator.setBehaviour(EMAIL, { kind: 'good', text: 'whole', accountSyncStyle })
  const { proof } = await signIn(simulator, EMAIL, 'p')
  const sessionId = await newSession(simulator, proof)
  const response = await askQuery(simulator, { proof, sessionId, body: { responseMode: 'sync' } })
  expect(read(await response.text())).toBe('whole')
})
