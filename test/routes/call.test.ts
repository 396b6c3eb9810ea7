/** What the routes under `/v1` do to the connection of a call. */
import { expect, test } from 'bun:test'
import type { Server } from 'bun'
import { systemClock } from '../../src/clock.ts'
import { chatCompletions } from '../../src/routes/chat-completions.ts'
import { startPair } from '../helpers/start-pair.ts'

const secret = 'sk-idle-limit-0000000001'

test.each([false, true])(
  'the idle limit is lifted while an answer is awaited, and set again (stream: %p)',
  async (stream) => {
    await using pair = await startPair({ credentials: { [secret]: { kind: 'good' } } })
    const { gateway } = pair.gateway
    const seconds: number[] = []
    const server = { timeout: (_: Request, idle: number) => void seconds.push(idle) } as unknown as Server<unknown>
    const [client = null] = gateway.clientKeys.list()
    const body = JSON.stringify({ model: 'gpt-4o', stream, messages: [{ role: 'user', content: 'hi' }] })
    const headers = { 'content-type': 'application/json' }
    const request = new Request('http://localhost/v1/chat/completions', { method: 'POST', body, headers })
    const visitor = { id: 'req_1', client, isAdmin: false }
    const response = await chatCompletions({ gateway, clock: systemClock })({ request, server, visitor })
    expect(await response.text()).toContain('simulated')
    expect(seconds).toEqual([0, 255])
  },
)
