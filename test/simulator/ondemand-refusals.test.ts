/** The error answers of the simulated OnDemand, and when each applies, seen with plain fetch. */
import { afterAll, beforeEach, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/ondemand/behaviours.ts'
import { startOndemandSimulator } from '../../src/simulator/ondemand.ts'
import {
  askCatalogue,
  askDelete,
  askQuery,
  askSession,
  ENDPOINT_ID,
  keyProof,
  newSession,
  typesOf,
} from './ondemand-client.ts'

const KEY = 'od-refused-key-0123456789'
const PROOF = keyProof(KEY)
const simulator = startOndemandSimulator({ keys: { [KEY]: { kind: 'good' } } })
afterAll(simulator.stop)

let sessionId = ''
beforeEach(async () => {
  simulator.setBehaviour(KEY, { kind: 'good' })
  sessionId = await newSession(simulator, PROOF)
})

function query(body = {}): Promise<Response> {
  return askQuery(simulator, { proof: PROOF, sessionId, body })
}

async function statusesOf(behaviour: Behaviour, ask: () => Promise<Response>, count: number): Promise<number[]> {
  simulator.setBehaviour(KEY, behaviour)
  const statuses: number[] = []
  for (let index = 0; index < count; index += 1) {
    const response = await ask()
    await response.text()
    statuses.push(response.status)
  }
  return statuses
}

const REFUSED_QUERIES: readonly (readonly [string, object, string])[] = [
  ['no endpoint', { endpointId: undefined }, 'endpointId is required'],
  ['an inactive endpoint', { endpointId: 'predefined-openai-gpt4o' }, 'is not active'],
  ['an unknown endpoint', { endpointId: 'predefined-nothing' }, 'is not active'],
  ['no query', { query: undefined }, 'query is required'],
  ['an empty query', { query: '' }, 'query is required'],
  ['an unknown response mode', { responseMode: 'later' }, 'responseMode'],
  ['a negative penalty', { modelConfigs: { presencePenalty: -0.1 } }, 'presencePenalty'],
  ['a penalty above 2', { modelConfigs: { frequencyPenalty: 2.1 } }, 'frequencyPenalty'],
  ['a temperature above 2', { modelConfigs: { temperature: 2.5 } }, 'temperature'],
  ['a topP above 1', { modelConfigs: { topP: 1.5 } }, 'topP'],
  ['a temperature that is no number', { modelConfigs: { temperature: null } }, 'temperature'],
  ['five stop sequences', { modelConfigs: { stopSequences: ['1', '2', '3', '4', '5'] } }, 'at most 4'],
  ['a stop sequence alone', { modelConfigs: { stopSequences: 'x' } }, 'stopSequences'],
  ['an unknown effort', { reasoningEffort: 'high' }, 'reasoningEffort'],
  ['21 plugins', { pluginIds: Array(21).fill('plugin-1') }, 'at most 20'],
  ['plugins that are no list', { agentIds: 'agent-1' }, 'agentIds'],
  ['settings that are no object', { modelConfigs: [] }, 'modelConfigs'],
]

test.each(REFUSED_QUERIES)('a query with %s is refused with 400', async (_name, body, message) => {
  const response = await query(body)
  expect(response.status).toBe(400)
  expect(await response.json()).toEqual({ errorCode: 'invalid_request', message: expect.stringContaining(message) })
  expect(simulator.requests.at(-1)?.treatment).toBe('invalid request')
})

test('a query at every documented limit, and with fields nobody knows, is taken', async () => {
  const response = await query({
    modelConfigs: {
      temperature: 2,
      topP: 1,
      presencePenalty: 0,
      frequencyPenalty: 2,
      stopSequences: ['1', '2', '3', '4'],
      stopTokens: [],
      frequency_penalty: -2,
    },
    reasoningEffort: 'max',
    reasoningMode: 'anything',
    debugMode: 'on',
    pluginIds: Array(20).fill('plugin-1'),
  })
  expect(response.status).toBe(200)
})

test('an endpoint may be inactive, and plugins be refused, for one credential alone', async () => {
  simulator.setBehaviour(KEY, { kind: 'good', inactiveEndpoints: [ENDPOINT_ID], arePluginIdsRefused: true })
  expect(await (await query()).json()).toMatchObject({ message: `endpointId ${ENDPOINT_ID} is not active` })
  const refused = await query({ endpointId: 'predefined-glm-5.3', pluginIds: ['plugin-1'] })
  expect(await refused.json()).toMatchObject({ details: { invalidAgentIds: ['plugin-1'] } })
  expect((await query({ endpointId: 'predefined-glm-5.3', pluginIds: [], agentIds: ['agent-1'] })).status).toBe(200)
  const catalogue = (await (await askCatalogue(simulator, PROOF)).json()) as { endpointsData: Record<string, string>[] }
  const own = catalogue.endpointsData.find((entry) => entry.endpoint_id === ENDPOINT_ID)
  expect(own?.status).toBe('inactive')
})

test('a new session needs a user', async () => {
  expect((await askSession(simulator, PROOF, { externalUserId: undefined })).status).toBe(400)
})

test('an unknown session is a 404', async () => {
  for (const ask of [
    () => askQuery(simulator, { proof: PROOF, sessionId: 'nobody' }),
    () => askDelete(simulator, PROOF, 'nobody'),
  ]) {
    const response = await ask()
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ errorCode: 'not_found' })
  }
})

test('a key that is absent, empty or wrong is told so in different ways', async () => {
  const errorOf = async (headers: Readonly<Record<string, string>>) => {
    const response = await askCatalogue(simulator, headers)
    return [response.status, ((await response.json()) as { message: string; errorCode: string }).message]
  }
  expect(await errorOf({})).toEqual([401, 'No API key header'])
  expect(await errorOf({ authorization: `Bearer ${KEY}` })).toEqual([401, 'No API key header'])
  expect(await errorOf({ apikey: 'od-wrong' })).toEqual([401, 'Invalid API Key'])
  expect((await errorOf({ apikey: '' }))[0]).toBe(500)
})

test('paths and methods that do not exist', async () => {
  const path = await fetch(`${simulator.origin}/chat/v2/sessions`, { method: 'POST', headers: PROOF })
  expect(path.status).toBe(404)
  expect(await path.json()).toEqual({ message: 'no Route matched with those values', request_id: expect.any(String) })
  const method = await fetch(`${simulator.chatBaseUrl}/sessions`, { method: 'PUT', headers: PROOF })
  expect(method.status).toBe(405)
  expect(await method.json()).toMatchObject({ errorCode: 'method_not_allowed' })
})

interface RefusalCase {
  readonly name: string
  readonly behaviour: Behaviour
  readonly status: number
  readonly body: object | string
}

const ROUTE_MISS = { error_msg: '404 Route Not Found' }

const CASES: readonly RefusalCase[] = [
  { name: 'revoked', behaviour: { kind: 'revoked' }, status: 401, body: { errorCode: 'unauthenticated' } },
  { name: 'forbidden', behaviour: { kind: 'forbidden' }, status: 403, body: { errorCode: 'unauthorized' } },
  {
    name: 'rate limited',
    behaviour: { kind: 'rate_limited' },
    status: 429,
    body: { errorCode: 'rate_limit_exceeded' },
  },
  {
    name: 'stray 401',
    behaviour: { kind: 'stray', status: 401 },
    status: 401,
    body: { errorCode: 'unauthenticated', message: 'Invalid API Key' },
  },
  { name: 'stray 403', behaviour: { kind: 'stray', status: 403 }, status: 403, body: { errorCode: 'unauthorized' } },
  {
    name: 'stray 403 of the edge',
    behaviour: { kind: 'stray', status: 403, body: 'no_route' },
    status: 403,
    body: { message: 'no Route matched with those values' },
  },
  {
    name: 'route miss on a query',
    behaviour: { kind: 'stray', status: 404, covers: ['query'] },
    status: 404,
    body: ROUTE_MISS,
  },
  {
    name: 'content policy',
    behaviour: { kind: 'content_policy' },
    status: 403,
    body: { errorCode: 'content_policy_violation' },
  },
  {
    name: 'context length',
    behaviour: { kind: 'context_length' },
    status: 400,
    body: { errorCode: 'context_length_exceeded' },
  },
  { name: 'bad request', behaviour: { kind: 'bad_request' }, status: 400, body: { errorCode: 'invalid_request' } },
  { name: '500', behaviour: { kind: 'server_error' }, status: 500, body: { errorCode: 'server_error' } },
  {
    name: '500 of the model',
    behaviour: { kind: 'server_error', errorCode: 'model_error' },
    status: 500,
    body: { errorCode: 'model_error' },
  },
  { name: '502', behaviour: { kind: 'server_error', status: 502 }, status: 502, body: { errorCode: 'bad_gateway' } },
  {
    name: '503',
    behaviour: { kind: 'server_error', status: 503 },
    status: 503,
    body: { errorCode: 'resource_unavailable' },
  },
  {
    name: '504',
    behaviour: { kind: 'server_error', status: 504 },
    status: 504,
    body: { errorCode: 'plugin_execution_timeout' },
  },
  {
    name: '502 as a page',
    behaviour: { kind: 'server_error', status: 502, body: 'html' },
    status: 502,
    body: '<h1>502 Bad Gateway</h1>',
  },
  { name: '520', behaviour: { kind: 'server_error', status: 520 }, status: 520, body: '<html>' },
  { name: '503 empty', behaviour: { kind: 'server_error', status: 503, body: 'empty' }, status: 503, body: '' },
]

test.each(CASES.map((each) => [each.name, each] as const))('%s', async (_name, { behaviour, status, body }) => {
  simulator.setBehaviour(KEY, behaviour)
  for (const responseMode of ['sync', 'stream']) {
    const response = await query({ responseMode })
    const text = await response.text()
    expect(response.status).toBe(status)
    expect(response.headers.get('retry-after')).toBeNull()
    if (typeof body === 'string') expect(text).toContain(body)
    else expect(JSON.parse(text)).toMatchObject(body)
    expect(simulator.requests.at(-1)?.treatment).toBe(behaviour.kind)
  }
})

test('a context that is too long may be told in the stream, before any text', async () => {
  simulator.setBehaviour(KEY, { kind: 'context_length', where: 'stream' })
  const response = await query()
  expect(response.status).toBe(200)
  const types = typesOf(await response.text())
  expect(types.at(-1)).toStartWith('[ERROR]:{"message":')
  expect(types.at(-1)).toContain('"errorCode":"context_length_exceeded"')
  expect(types).not.toContain('fulfillment')
  expect((await query({ responseMode: 'sync' })).status).toBe(400)
})

const newAsk = () => askSession(simulator, PROOF)
const queryAsk = () => query()
const catalogueAsk = () => askCatalogue(simulator, PROOF)
const deleteAsk = () => askDelete(simulator, PROOF, sessionId)

test('what each fault covers when it does not say so', async () => {
  const covered = async (behaviour: Behaviour) => {
    simulator.setBehaviour(KEY, { kind: 'good' })
    sessionId = await newSession(simulator, PROOF)
    const statuses: number[] = []
    for (const ask of [catalogueAsk, newAsk, queryAsk, deleteAsk]) {
      statuses.push(...(await statusesOf(behaviour, ask, 1)))
    }
    return statuses
  }
  expect(await covered({ kind: 'revoked' })).toEqual([401, 401, 401, 401])
  expect(await covered({ kind: 'rate_limited', covers: ['delete'] })).toEqual([200, 201, 200, 429])
  expect(await covered({ kind: 'stray', status: 404, times: 1 })).toEqual([200, 404, 200, 200])
  expect(await covered({ kind: 'content_policy' })).toEqual([200, 201, 403, 200])
})

test('a stray error passes after the given number of times, on the calls it is told to strike', async () => {
  expect(await statusesOf({ kind: 'stray', status: 404, times: 2 }, newAsk, 3)).toEqual([404, 404, 201])
  expect(await statusesOf({ kind: 'stray', status: 401, times: 1, covers: ['query'] }, queryAsk, 2)).toEqual([401, 200])
  expect(await statusesOf({ kind: 'stray', status: 403, times: 1, covers: ['catalogue'] }, catalogueAsk, 2)).toEqual([
    403, 200,
  ])
})

test('a behaviour for each operation: deletion fails, new sessions are refused once, queries are slow', async () => {
  const behaviour: Behaviour = {
    kind: 'by_operation',
    operations: {
      delete: { kind: 'server_error' },
      session: { kind: 'revoked', times: 1 },
      query: { kind: 'good', text: 'of the query' },
    },
    sessionStatus: 200,
  }
  expect(await statusesOf(behaviour, newAsk, 2)).toEqual([401, 200])
  expect(await (await query({ responseMode: 'sync' })).text()).toContain('of the query')
  expect((await deleteAsk()).status).toBe(500)
  expect(simulator.sessions.find((session) => session.id === sessionId)?.deletedAtMs).toBeNull()
})

test('a limit for some time, or for so many calls in a window', async () => {
  expect(await statusesOf({ kind: 'rate_limited', forMs: 400 }, queryAsk, 2)).toEqual([429, 429])
  await Bun.sleep(410)
  expect((await query()).status).toBe(200)
  const allowance = { callCount: 2, windowMs: 400 }
  expect(await statusesOf({ kind: 'rate_limited', allowance, covers: ['query'] }, queryAsk, 3)).toEqual([200, 200, 429])
  await Bun.sleep(410)
  expect((await query()).status).toBe(200)
})

test('every n-th call, by a chance that the seed repeats, in sequence', async () => {
  expect(await statusesOf({ kind: 'server_error', everyNth: 2 }, queryAsk, 4)).toEqual([200, 500, 200, 500])
  const byChance: Behaviour = { kind: 'server_error', probability: 0.5, seed: 3 }
  const first = await statusesOf(byChance, queryAsk, 12)
  expect(await statusesOf(byChance, queryAsk, 12)).toEqual(first)
  expect(new Set(first)).toEqual(new Set([200, 500]))
  const steps: Behaviour[] = [{ kind: 'server_error' }, { kind: 'content_policy' }, { kind: 'good' }]
  expect(await statusesOf({ kind: 'sequence', steps }, queryAsk, 4)).toEqual([500, 403, 200, 200])
  expect(await statusesOf({ kind: 'sequence', steps, isRepeated: true }, queryAsk, 4)).toEqual([500, 403, 200, 500])
})

test('a fault may be limited to endpoints, to queries with certain words, and to streams', async () => {
  const statusOf = async (behaviour: Behaviour, body = {}) => {
    simulator.setBehaviour(KEY, behaviour)
    return (await query(body)).status
  }
  expect(await statusOf({ kind: 'forbidden', covers: ['query'], endpoints: ['other'] })).toBe(200)
  expect(await statusOf({ kind: 'forbidden', covers: ['query'], endpoints: [ENDPOINT_ID] })).toBe(403)
  expect(await statusOf({ kind: 'content_policy', queryPart: 'bad word' })).toBe(200)
  expect(await statusOf({ kind: 'content_policy', queryPart: 'bad word' }, { query: 'a bad word here' })).toBe(403)
  expect(await statusOf({ kind: 'server_error', responseMode: 'sync' })).toBe(200)
  expect(await statusOf({ kind: 'server_error', responseMode: 'sync' }, { responseMode: 'sync' })).toBe(500)
})

test('keys that are not listed have the default behaviour, each with a memory of its own', async () => {
  const open = startOndemandSimulator({ defaultBehaviour: { kind: 'stray', status: 404, times: 1 } })
  const statuses: number[] = []
  for (const key of ['a', 'a', 'b', 'b']) statuses.push((await askSession(open, keyProof(key))).status)
  open.stop()
  expect(statuses).toEqual([404, 201, 404, 201])
})

test('a removed key is unknown', async () => {
  simulator.setBehaviour('od-leaving', { kind: 'good' })
  expect((await askSession(simulator, keyProof('od-leaving'))).status).toBe(201)
  simulator.removeCredential('od-leaving')
  expect((await askSession(simulator, keyProof('od-leaving'))).status).toBe(401)
})
