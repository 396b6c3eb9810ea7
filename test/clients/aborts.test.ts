/** A client that leaves stops the upstream at once, and the record says so: with each client library's own way of leaving. */
import { describe, expect, test } from 'bun:test'
import OpenAI, { APIUserAbortError } from 'openai'
import { chatClients, receive } from './chat-clients.ts'
import { chatModel, question, rejectionOf } from './client-check.ts'
import { type ScriptedGateway, startScriptedGateway } from './scripted-gateway.ts'

/** Long enough to be left in the middle. */
const slow = { kind: 'good', delayMs: 20, text: 'word '.repeat(500) } as const
const waitMs = 10_000

describe.each(chatClients)('$library', (client) => {
  test.concurrent('leaving in the middle of a stream stops the upstream', async () => {
    await using running = await startScriptedGateway({ credentials: [slow, { kind: 'good' }] })
    const controller = new AbortController()
    let pieces = 0
    const asked = { model: chatModel, prompt: question, signal: controller.signal }
    const reading = (async function* () {
      for await (const piece of client.stream(running.endpoint, asked)) {
        yield piece
        pieces += 1
        if (pieces === 3) controller.abort()
      }
    })()
    expect((await receive(reading)).cause).not.toBeNull()
    await expectLeft(running)
  })

  test.concurrent.each(['answer', 'stream'] as const)(
    'leaving before anything came stops the upstream: %s',
    async (way) => {
      await using running = await startScriptedGateway({ credentials: [{ kind: 'hanging' }, { kind: 'good' }] })
      const controller = new AbortController()
      const asked = { model: chatModel, prompt: question, signal: controller.signal }
      const call =
        way === 'answer'
          ? rejectionOf(client.answer(running.endpoint, asked))
          : receive(client.stream(running.endpoint, asked)).then(({ cause }) => cause)
      await running.upstream.waitFor(() => true, waitMs)
      controller.abort()
      expect(await call).not.toBeNull()
      await expectLeft(running)
    },
  )
})

// The AI SDK reads on after a break, with or without a gateway: there only an abort leaves.
const leavers = chatClients.filter(({ library }) => library !== '@ai-sdk/openai-compatible')

test.concurrent.each(leavers)(
  'breaking out of the loop over a stream of $library stops the upstream',
  async (client) => {
    await using running = await startScriptedGateway({ credentials: [slow] })
    for await (const piece of client.stream(running.endpoint, { model: chatModel, prompt: question })) {
      if (piece.text !== '') break
    }
    await expectLeft(running)
  },
)

test.concurrent('openai tells an abort before the answer by a class of its own', async () => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'hanging' }] })
  const controller = new AbortController()
  const client = new OpenAI({ ...running.endpoint, maxRetries: 0 })
  const call = rejectionOf(
    client.responses.create({ model: chatModel, input: question }, { signal: controller.signal }),
  )
  await running.upstream.waitFor(() => true, waitMs)
  controller.abort()
  expect(await call).toBeInstanceOf(APIUserAbortError)
  await expectLeft(running)
})

test.concurrent("openai's own time limit stops the upstream", async () => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'hanging' }] })
  const client = new OpenAI({ ...running.endpoint, maxRetries: 0, timeout: 1000 })
  const messages = [{ role: 'user' as const, content: question }]
  await rejectionOf(client.chat.completions.create({ model: chatModel, messages }))
  await expectLeft(running)
})

test.concurrent('a streamed response that is left stops the upstream', async () => {
  await using running = await startScriptedGateway({ credentials: [slow] })
  const client = new OpenAI({ ...running.endpoint, maxRetries: 0 })
  const events = await client.responses.create({ model: chatModel, input: question, stream: true })
  for await (const event of events) if (event.type === 'response.output_text.delta') events.controller.abort()
  await expectLeft(running)
})

test.concurrent('a client that left costs no credential and no later call', async () => {
  await using running = await startScriptedGateway({ credentials: [{ kind: 'hanging', times: 5 }] })
  const client = new OpenAI({ ...running.endpoint, maxRetries: 0 })
  const messages = [{ role: 'user' as const, content: question }]
  for (let number = 1; number <= 5; number += 1) {
    const controller = new AbortController()
    const call = client.chat.completions.create({ model: chatModel, messages }, { signal: controller.signal })
    const left = rejectionOf(call)
    await running.upstream.waitFor((request) => request.number === number, waitMs)
    controller.abort()
    await left
    await running.upstream.waitFor((request) => request.number === number && request.isAborted, waitMs)
  }
  const answer = await client.chat.completions.create({ model: chatModel, messages })
  expect(answer.choices[0]?.finish_reason).toBe('stop')
  expect(running.gateway.gateway.status().counts).toMatchObject({ total: 1, healthy: 1, blacklisted: 0 })
})

/** The upstream saw its one connection closed before its answer was out, and nobody else was asked. */
async function expectLeft({ upstream, gateway }: ScriptedGateway): Promise<void> {
  const request = await upstream.waitFor((each) => each.isAborted, waitMs)
  expect(request.isFinished).toBe(false)
  const records = await gateway.recorded(1)
  expect(records).toHaveLength(1)
  expect(records[0]).toMatchObject({ outcome: 'aborted', status: 499, attempts: 1 })
  expect(upstream.totalCalls()).toBe(1)
}
