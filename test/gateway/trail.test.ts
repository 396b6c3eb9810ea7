/** What is remembered of a call's attempts: all of them once one failed, and nothing where the first one served. */
import { expect, test } from 'bun:test'
import { startPair } from '../helpers/start-pair.ts'

const good = 'sk-upstream-good-secret-0001'
const spent = 'sk-upstream-spent-secret-0002'

test('a call that is served at once has no trail', async () => {
  await using pair = await startPair({ credentials: { [good]: { kind: 'good' } } })
  await (await pair.gateway.chat({})).text()
  expect((await pair.onlyRecord()).trail).toBeNull()
})

test('after a failure every attempt is there, the one that served included, and no secret', async () => {
  await using pair = await startPair({ credentials: { [spent]: { kind: 'exhausted' }, [good]: { kind: 'good' } } })
  await (await pair.gateway.chat({ stream: true })).text()
  const { trail, attempts } = await pair.onlyRecord()
  expect(attempts).toBe(2)
  expect(trail).toMatchObject([
    { provider: 'openai', model: 'gpt-4o', failure: 'quota_exhausted', status: 429, code: 'insufficient_quota' },
    { provider: 'openai', model: 'gpt-4o', failure: null, status: null, code: null },
  ])
  const [first, second] = trail ?? []
  expect(first?.credential).not.toBe(second?.credential)
  expect(second?.startMs).toBeGreaterThanOrEqual((first?.startMs ?? 0) + (first?.durationMs ?? 0) - 1)
  for (const secret of [good, spent]) expect(JSON.stringify(trail)).not.toContain(secret)
})

test('a stream that is cut has its one attempt in the trail', async () => {
  await using pair = await startPair({ credentials: { [good]: { kind: 'dying', afterChunks: 4 } } })
  await (await pair.gateway.chat({ stream: true })).text()
  const { outcome, trail } = await pair.onlyRecord()
  expect(outcome).not.toBe('succeeded')
  expect(trail?.length).toBeGreaterThanOrEqual(1)
  expect(trail?.at(-1)?.failure).not.toBeNull()
})
