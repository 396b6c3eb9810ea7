import { expect, test } from 'bun:test'
import { startPair } from '../helpers/start-pair.ts'

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
