import { describe, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { testConfig } from '../helpers/start-gateway.ts'
import { createTestClock, type Pair, startPair, until } from '../helpers/start-pair.ts'

const dead = 'sk-list-dead-0000000001'
const good = 'sk-list-good-0000000002'

async function listed(response: Response): Promise<string[]> {
  const body = (await response.json()) as { data: { id: string }[] }
  return body.data.map(({ id }) => id)
}

test('one dead key does not empty the model list', async () => {
  await using pair = await startPair({ credentials: { [dead]: { kind: 'revoked' }, [good]: { kind: 'good' } } })
  expect(await listed(await pair.gateway.call('/v1/models'))).toContain('gpt-4o')
})

test('the list is fetched once, however many ask', async () => {
  await using pair = await startPair({ credentials: { [good]: { kind: 'good' } } })
  await Promise.all(Array.from({ length: 20 }, () => pair.gateway.call('/v1/models')))
  await pair.gateway.call('/v1/models/gpt-4o')
  expect(pair.upstream.requests.filter(({ path }) => path === '/v1/models')).toHaveLength(1)
})

test('a model that only a pattern names can be looked up', async () => {
  const models = [{ pattern: 'o9*', targets: [{ provider: 'openai', model: '*' }], price: null }]
  await using pair = await startPair({ credentials: { [good]: { kind: 'good' } }, config: { models } })
  expect((await pair.gateway.call('/v1/models/o9-mini')).status).toBe(200)
  expect((await pair.gateway.call('/v1/models/no-such-model')).status).toBe(404)
})

describe('an old list', () => {
  const cache = { ...testConfig([]).cache, modelListMs: 60_000 }
  const lists = (pair: Pair) => pair.upstream.requests.filter(({ path }) => path === '/v1/models').length

  test('is served at once while one fetch gets a new one', async () => {
    const clock = createTestClock()
    await using pair = await startPair({ credentials: { [good]: { kind: 'good' } }, config: { cache }, clock })
    await listed(await pair.gateway.call('/v1/models'))
    clock.advance(59_000)
    await listed(await pair.gateway.call('/v1/models'))
    expect(lists(pair)).toBe(1)
    clock.advance(2000)
    pair.upstream.setBehaviour(good, { kind: 'hanging', covers: 'everything' })
    for (let times = 0; times < 3; times++)
      expect(await listed(await pair.gateway.call('/v1/models'))).toContain('gpt-4o')
    await until(() => lists(pair) === 2)
  })

  test('gives way to the new one', async () => {
    const clock = createTestClock()
    const old: Behaviour = {
      kind: 'script',
      covers: 'model_list',
      times: 1,
      headers: { 'content-type': 'application/json' },
      chunks: ['{"data":[{"id":"old-model"}]}'],
    }
    await using pair = await startPair({ credentials: { [good]: old }, config: { cache }, clock })
    expect(await listed(await pair.gateway.call('/v1/models'))).toEqual(['old-model'])
    clock.advance(61_000)
    expect(await listed(await pair.gateway.call('/v1/models'))).toEqual(['old-model'])
    await until(() => lists(pair) === 2)
    await pair.upstream.waitFor(({ isFinished }) => isFinished, 2000)
    const names = async () => listed(await pair.gateway.call('/v1/models'))
    let now = await names()
    for (let times = 0; times < 100 && now[0] === 'old-model'; times++) now = await names()
    expect(now).toContain('gpt-4o')
    expect(now).not.toContain('old-model')
  })

  test('stays while the upstream is down, which is asked again now and then only', async () => {
    const clock = createTestClock()
    await using pair = await startPair({ credentials: { [good]: { kind: 'good' } }, config: { cache }, clock })
    await listed(await pair.gateway.call('/v1/models'))
    pair.upstream.setBehaviour(good, { kind: 'overloaded', covers: 'everything' })
    clock.advance(24 * 3_600_000)
    expect(await listed(await pair.gateway.call('/v1/models'))).toContain('gpt-4o')
    await until(() => pair.gateway.logged().includes('model list not fetched'))
    for (let times = 0; times < 5; times++)
      expect(await listed(await pair.gateway.call('/v1/models'))).toContain('gpt-4o')
    expect(lists(pair)).toBe(2)
    clock.advance(31_000)
    expect(await listed(await pair.gateway.call('/v1/models'))).toContain('gpt-4o')
    await until(() => lists(pair) === 3)
  })
})
