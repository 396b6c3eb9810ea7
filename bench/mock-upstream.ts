/** A fast OpenAI-compatible upstream that answers with prepared bytes, in a process of its own: `bun bench/mock-upstream.ts --port N`. */
import { parseArgs } from 'node:util'

const contentChunks = 48
const pacedDeltas = 64
const pacedDelayMs = 20

const { values: flags } = parseArgs({ options: { port: { type: 'string', default: '0' } } })
const encoder = new TextEncoder()
const stream = { plain: chunks(contentChunks, false), withUsage: chunks(contentChunks, true) }
const paced = { plain: chunks(pacedDeltas, false), withUsage: chunks(pacedDeltas, true) }
const models = {
  object: 'list',
  data: [{ id: 'gpt-4o-mini', object: 'model', created: 1721172741, owned_by: 'system' }],
}
const completion = encoder.encode(completionJson())
const jsonHeaders = { 'content-type': 'application/json', 'x-request-id': 'req_0123456789abcdef0123456789abcdef' }
// X-Accel-Buffering makes nginx pass a stream on as it comes, and buffer everything else as it does by default.
const streamHeaders = { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' }

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: Number(flags.port),
  // Idle connections must outlive the pauses between two rounds.
  idleTimeout: 255,
  async fetch(request) {
    if (request.method === 'GET') return Response.json(models)
    const body = await request.text()
    if (!/"stream"\s*:\s*true/.test(body)) return new Response(completion, { headers: jsonHeaders })
    const isUsageAsked = /"include_usage"\s*:\s*true/.test(body)
    // A model whose name begins with `paced` answers like a model that is thinking: one event at a time.
    const isPaced = /"model"\s*:\s*"paced/.test(body)
    const kind = isPaced ? paced : stream
    const events = isUsageAsked ? kind.withUsage : kind.plain
    return new Response(isPaced ? inPace(events) : atOnce(events), { headers: streamHeaders })
  },
})
console.log(JSON.stringify({ port: server.port }))

function atOnce(events: Uint8Array<ArrayBuffer>[]): ReadableStream {
  return new ReadableStream({
    type: 'direct',
    pull(controller) {
      for (const event of events) controller.write(event)
      controller.close()
    },
  })
}

function inPace(events: Uint8Array<ArrayBuffer>[]): ReadableStream {
  return new ReadableStream({
    type: 'direct',
    async pull(controller) {
      for (const event of events) {
        controller.write(event)
        await controller.flush()
        await Bun.sleep(pacedDelayMs)
      }
      controller.close()
    },
  })
}

/** The events of one stream: role, `count` pieces of text, finish, the usage when asked for, and the end mark. */
function chunks(count: number, isUsageAsked: boolean): Uint8Array<ArrayBuffer>[] {
  const head = {
    id: 'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT',
    object: 'chat.completion.chunk',
    created: 1741569952,
    model: 'gpt-4o-mini-2024-07-18',
    service_tier: 'default',
    system_fingerprint: 'fp_44added55e',
  }
  const chunk = (delta: object, finishReason: string | null) => ({
    ...head,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
    ...(isUsageAsked ? { usage: null } : {}),
  })
  const values = [
    chunk({ role: 'assistant', content: '', refusal: null }, null),
    ...Array.from({ length: count }, (_, index) => chunk({ content: ` word${index}` }, null)),
    chunk({}, 'stop'),
    ...(isUsageAsked ? [{ ...head, choices: [], usage: usage(count) }] : []),
  ]
  return [...values.map((value) => JSON.stringify(value)), '[DONE]'].map((text) => encoder.encode(`data: ${text}\n\n`))
}

function completionJson(): string {
  const content =
    'Nothing here was thought up: this answer was prepared before the question came, and it is as long as it is.'
  const choice = { index: 0, message: { role: 'assistant', content, refusal: null, annotations: [] }, logprobs: null }
  const value = {
    id: 'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT',
    object: 'chat.completion',
    created: 1741569952,
    model: 'gpt-4o-mini-2024-07-18',
    choices: [{ ...choice, finish_reason: 'stop' }],
    usage: usage(24),
    service_tier: 'default',
    system_fingerprint: 'fp_44added55e',
  }
  return JSON.stringify(value)
}

function usage(completionTokens: number): object {
  return {
    prompt_tokens: 29,
    completion_tokens: completionTokens,
    total_tokens: 29 + completionTokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}
