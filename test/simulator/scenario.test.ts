/** The upstreams of the demo do what their descriptions say. */
import { afterAll, expect, test } from 'bun:test'
import { startDemoUpstreams } from '../../src/simulator/scenario.ts'
import { askChat } from './simulator-client.ts'

const demo = startDemoUpstreams()
afterAll(demo.stop)

function secretOf(name: string): string {
  return demo.credentials.find((credential) => credential.name === name)?.secret ?? ''
}

test('secrets are distinct, long enough to be shown in part, and in the order of the descriptions', () => {
  expect(new Set(demo.secrets).size).toBe(8)
  expect(demo.secrets.every((secret) => secret.length > 16)).toBe(true)
  expect(demo.credentials.map((credential) => credential.secret)).toEqual([...demo.secrets])
  expect(demo.baseUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/)
})

test.each([
  ['good one', [200, 200, 200, 200]],
  ['good two', [200, 200, 200, 200]],
  ['revoked', [401, 401, 401, 401]],
  ['rate limited', [200, 200, 200, 429]],
  ['flaky', [200, 200, 500, 200]],
  ['exhausted', [429, 429, 429, 429]],
] as const)('%s', async (name, statuses) => {
  const seen: number[] = []
  for (const _ of statuses) {
    const response = await askChat(demo.simulator, secretOf(name))
    await response.text()
    seen.push(response.status)
  }
  expect(seen).toEqual([...statuses])
})

test('dying: every second answer is cut', async () => {
  const secret = secretOf('dying')
  expect(await (await askChat(demo.simulator, secret, { body: { stream: true } })).text()).toContain('[DONE]')
  const cut = await askChat(demo.simulator, secret, { body: { stream: true } })
  expect(cut.text()).rejects.toMatchObject({ code: 'ECONNRESET' })
})
