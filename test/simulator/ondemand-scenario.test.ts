/** The keys and accounts of the simulated OnDemand of the demo do what their descriptions say. */
import { afterAll, expect, test } from 'bun:test'
import { startOndemandDemo } from '../../src/simulator/ondemand-scenario.ts'
import {
  answerOf,
  askQuery,
  askRefresh,
  askSession,
  askSignIn,
  eventsOf,
  keyProof,
  newSession,
  type Proof,
  signIn,
} from './ondemand-client.ts'

const demo = startOndemandDemo()
// Shorter than the usual text, whose pace is made for people.
const ANSWER = 'A simulated answer of some words: one two three four five six seven eight nine ten'
demo.simulator.setAnswer(ANSWER)
afterAll(demo.stop)

function proofOf(name: string): Proof {
  return keyProof(demo.keys.find((key) => key.name === name)?.secret ?? '')
}

async function streamOf(proof: Proof): Promise<string> {
  const sessionId = await newSession(demo.simulator, proof)
  return (await askQuery(demo.simulator, { proof, sessionId })).text()
}

test('secrets are distinct and long enough to be shown in part', () => {
  expect(new Set(demo.keys.map(({ secret }) => secret)).size).toBe(8)
  expect(demo.keys.every(({ secret }) => secret.length > 16)).toBe(true)
  expect(demo.accounts).toHaveLength(3)
  expect(demo.chatBaseUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/chat\/v1$/)
})

test('good and thinking', async () => {
  const [good, thinking] = await Promise.all([streamOf(proofOf('good one')), streamOf(proofOf('thinking'))])
  expect(good).not.toContain('fulfillment_thinking')
  expect(thinking).toContain('fulfillment_thinking')
  expect(answerOf(thinking)).toBe(ANSWER)
})

test.each([
  ['revoked', [401, 401, 401]],
  ['stray errors', [201, 401, 201, 404, 201]],
] as const)('new sessions of %s', async (name, statuses) => {
  const seen: number[] = []
  for (const _ of statuses) seen.push((await askSession(demo.simulator, proofOf(name))).status)
  expect(seen).toEqual([...statuses])
})

test('rate limited: three queries, then 429', async () => {
  const proof = proofOf('rate limited')
  const sessionId = await newSession(demo.simulator, proof)
  const ask = async () => (await askQuery(demo.simulator, { proof, sessionId, body: { responseMode: 'sync' } })).status
  expect(await Promise.all([ask(), ask(), ask()])).toEqual([200, 200, 200])
  expect(await ask()).toBe(429)
})

test('failing inside the stream: before any text, not at all, after some', async () => {
  const proof = proofOf('failing inside the stream')
  const texts = [await streamOf(proof), await streamOf(proof), await streamOf(proof)]
  expect(texts.map((text) => [text.includes('[ERROR]'), answerOf(text) !== ''])).toEqual([
    [true, false],
    [false, true],
    [true, true],
  ])
})

test('cut: every second answer', async () => {
  expect(await streamOf(proofOf('cut'))).toContain('[DONE]')
  expect(streamOf(proofOf('cut'))).rejects.toMatchObject({ code: 'ECONNRESET' })
})

test('slow: heartbeats before the first word', async () => {
  const proof = proofOf('slow')
  const sessionId = await newSession(demo.simulator, proof)
  const response = await askQuery(demo.simulator, { proof, sessionId, signal: AbortSignal.timeout(2_300) })
  const decoder = new TextDecoder()
  let text = ''
  const reading = (async () => {
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes, { stream: true })
  })()
  expect(reading).rejects.toMatchObject({ name: 'TimeoutError' })
  await reading.catch(() => {})
  expect(eventsOf(text).filter(({ name }) => name === 'heartbeat')).toHaveLength(2)
  expect(answerOf(text)).toBe('')
})

test('accounts: one signs in, one has tokens that end, one is locked', async () => {
  const [good, expiring, locked] = demo.accounts
  if (good === undefined || expiring === undefined || locked === undefined) throw new Error('Three accounts wanted')
  const { proof } = await signIn(demo.simulator, good.email, good.password)
  expect(answerOf(await streamOf(proof))).toBe(ANSWER)
  const ending = await signIn(demo.simulator, expiring.email, expiring.password)
  const statuses: number[] = []
  for (let index = 0; index < 11; index += 1) statuses.push((await askSession(demo.simulator, ending.proof)).status)
  expect(statuses).toEqual([...Array(10).fill(201), 401])
  expect((await askRefresh(demo.simulator, ending.token, ending.refreshToken)).status).toBe(200)
  expect((await askSignIn(demo.simulator, locked.email, locked.password)).status).toBe(403)
})
