/** A kept connection that the upstream closes when it is used again: nobody can tell whether it has seen the call. */
import { expect, test } from 'bun:test'
import { startRawUpstream } from '../helpers/raw-upstream.ts'
import { startGateway, testConfig, testProvider } from '../helpers/start-gateway.ts'

const json = JSON.stringify({ id: 'x', choices: [{ index: 0, message: { role: 'assistant', content: 'hi' } }] })
const answer = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${json.length}\r\n\r\n${json}`

test('a call whose kept connection was closed under it is answered, and both attempts are in its record', async () => {
  await using upstream = await startRawUpstream((socket, { total }) =>
    total === 2 ? socket.resetAndDestroy() : socket.write(answer),
  )
  const config = testConfig([testProvider(`${upstream.url}v1`, ['sk-first'])])
  const gateway = await startGateway({ config })
  try {
    for (let call = 0; call < 2; call++) expect((await gateway.chat({})).status).toBe(200)
    expect((await gateway.recorded(2)).map(({ attempts }) => attempts)).toEqual([1, 2])
    expect(upstream.requests.length).toBe(3)
    expect(gateway.gateway.status().counts).toMatchObject({ healthy: 1, blacklisted: 0 })
  } finally {
    await gateway.stop()
  }
})
