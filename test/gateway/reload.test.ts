/** A new configuration while calls are under way: they end as they began, and nothing is forgotten. */
import { expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { testConfig, testProvider } from '../helpers/start-gateway.ts'
import { saidIn, startPair, statusOf, until } from '../helpers/start-pair.ts'

const secret = 'sk-reloaded-credential-01'
const other = 'sk-reloaded-credential-02'
const slow: Behaviour = { kind: 'good', text: 'one two three four five six', delayMs: 30 }

for (const maxIdleSockets of [null, 2, 0, 1e9]) {
  test(`a stream under way ends as it began, also when its provider is gone${maxIdleSockets === null ? '' : `, with at most ${maxIdleSockets} idle connections of its own`}`, async () => {
    await using pair = await startPair({ credentials: { [secret]: slow }, provider: { maxIdleSockets } })
    const answer = pair.gateway.chat({ stream: true })
    const waiting = pair.gateway.chat({})
    await pair.upstream.waitFor((one) => one.chunksSent > 1, 2000)
    pair.gateway.gateway.reload(testConfig([testProvider('http://127.0.0.1:1/v1', [other], { name: 'another' })]))
    expect(saidIn(await (await answer).text())).toBe('one two three four five six')
    expect(await statusOf(waiting)).toBe(200)
    for (const record of await pair.gateway.recorded(2))
      expect(record).toMatchObject({ outcome: 'succeeded', provider: 'openai' })
  })
}

test('a hundred reloads under load cost no call', async () => {
  await using pair = await startPair({
    credentials: { [secret]: { kind: 'good' }, [other]: { kind: 'good' } },
    provider: { maxIdleSockets: 4 },
  })
  let isDone = false
  const worker = async () => {
    for (let call = 0; call < 25; call++)
      expect(await statusOf(pair.gateway.chat({ stream: call % 2 === 0 }))).toBe(200)
  }
  const reloads = (async () => {
    for (let count = 0; count < 100 && !isDone; count++) {
      const secrets = count % 2 === 0 ? [secret] : [other, secret]
      pair.gateway.gateway.reload(testConfig([testProvider(pair.upstream.baseUrl, secrets, { maxIdleSockets: 4 })]))
      await Bun.sleep(1)
    }
  })()
  await Promise.all(Array.from({ length: 8 }, worker))
  isDone = true
  await reloads
  await pair.gateway.recorded(200)
  expect(pair.gateway.records.filter((record) => record.outcome !== 'succeeded')).toEqual([])
  await until(() => pair.gateway.gateway.status().providers[0]?.credentials.every((one) => one.inFlight === 0) === true)
})
