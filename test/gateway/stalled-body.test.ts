/** An upstream that falls silent in the middle of a body whose length it has named. */
import { expect, test } from 'bun:test'
import { startGateway, testConfig, testProvider } from '../helpers/start-gateway.ts'

const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n'

test('is given up after the idle time, not after that of a whole answer', async () => {
  const upstream = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: { data: (socket) => void socket.write(`${head}{"id":"x",`) },
  })
  const timeouts = { firstByteMs: 60_000, answerMs: 60_000, idleMs: 100 }
  const provider = testProvider(`http://127.0.0.1:${upstream.port}/v1`, ['sk-stalled'], { timeouts, maxAttempts: 1 })
  const gateway = await startGateway({ config: testConfig([provider]) })
  try {
    expect((await gateway.chat({})).status).toBe(504)
    expect((await gateway.recorded(1))[0]).toMatchObject({ outcome: 'failed', status: 504, attempts: 1 })
  } finally {
    await gateway.stop()
    upstream.stop(true)
  }
})
