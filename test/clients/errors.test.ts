/** What each client library makes of the gateway's errors. */
import { describe, expect, test } from 'bun:test'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { ChatOpenAI } from '@langchain/openai'
import { APICallError, streamText } from 'ai'
import OpenAI, {
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from 'openai'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { testClient, testConfig } from '../helpers/start-gateway.ts'
import { chatClients, receive } from './chat-clients.ts'
import { chatModel, question, rejectionOf } from './client-check.ts'
import { patience, type Script, secretOf, startScriptedGateway } from './scripted-gateway.ts'

interface ErrorCase {
  readonly name: string
  readonly script: Script
  readonly told: {
    readonly status: number
    readonly code: string | null
    readonly param?: string
    /** A matcher: the seconds left depend on when they are counted. */
    readonly retryAfter?: unknown
  }
  /** What the `openai` package makes of it. */
  readonly openaiClass: abstract new (
    ...given: never[]
  ) => Error
}

const limited: Behaviour = { kind: 'rate_limited', retryAfterMs: 30_000 }
const aboutHalfAMinute = expect.stringMatching(/^(?:2\d|30)$/)

const errorCases: readonly ErrorCase[] = [
  {
    name: 'a model that the upstream does not know is not found',
    script: { credentials: [{ kind: 'model_not_found' }, { kind: 'good' }] },
    told: { status: 404, code: 'model_not_found' },
    openaiClass: NotFoundError,
  },
  {
    name: 'a parameter that the upstream refuses is a bad request that names it',
    script: { credentials: [{ kind: 'bad_request' }, { kind: 'good' }] },
    told: { status: 400, code: 'invalid_value', param: 'messages[0].role' },
    openaiClass: BadRequestError,
  },
  {
    name: 'all credentials rate limited is a rate limit that says when to come back',
    script: { credentials: [limited, limited] },
    told: { status: 429, code: 'rate_limit_exceeded', retryAfter: aboutHalfAMinute },
    openaiClass: RateLimitError,
  },
  {
    name: 'all credentials without quota is a rate limit with a code of its own',
    script: { credentials: [{ kind: 'exhausted' }, { kind: 'exhausted' }] },
    told: { status: 429, code: 'insufficient_quota' },
    openaiClass: RateLimitError,
  },
  {
    name: 'all credentials revoked is no fault of the client key',
    script: { credentials: [{ kind: 'revoked' }, { kind: 'revoked' }] },
    told: { status: 502, code: 'upstream_credentials_refused' },
    openaiClass: InternalServerError,
  },
  {
    name: 'all credentials forbidden is told with the words of the upstream',
    script: { credentials: [{ kind: 'forbidden' }] },
    told: { status: 403, code: 'upstream_forbidden' },
    openaiClass: PermissionDeniedError,
  },
  {
    name: 'an upstream that fails is a server error with its own status',
    script: { credentials: [{ kind: 'server_error', status: 500 }], provider: { maxAttempts: 2 } },
    told: { status: 500, code: 'server_error' },
    openaiClass: InternalServerError,
  },
  {
    name: 'an upstream that answers with a page is a server error in the shape of an API',
    script: { credentials: [{ kind: 'server_error', status: 502 }], provider: { maxAttempts: 1 } },
    told: { status: 502, code: 'server_error' },
    openaiClass: InternalServerError,
  },
  {
    name: 'an error inside a 200 is a server error',
    script: { credentials: [{ kind: 'error_in_200' }], provider: { maxAttempts: 1 } },
    told: { status: 500, code: 'server_error' },
    openaiClass: InternalServerError,
  },
  {
    name: 'an upstream that resets every connection is a server error',
    script: { credentials: [{ kind: 'no_answer' }], provider: { maxAttempts: 2 } },
    told: { status: 502, code: 'upstream_unreachable' },
    openaiClass: InternalServerError,
  },
  {
    name: 'an upstream that never answers is a timeout of the gateway',
    script: {
      credentials: [{ kind: 'hanging' }],
      provider: { maxAttempts: 1, timeouts: { ...patience, firstByteMs: 200, answerMs: 200 } },
    },
    told: { status: 504, code: 'upstream_timeout' },
    openaiClass: InternalServerError,
  },
]

const asked = { model: chatModel, prompt: question }

describe.each(chatClients)('$library', (client) => {
  test.concurrent.each(errorCases)('$name', async ({ script, told }) => {
    // One for each call: the first may leave credentials at rest.
    await using forWhole = await startScriptedGateway(script)
    await using forStream = await startScriptedGateway(script)
    const refusals = [
      client.refusalOf(await rejectionOf(client.answer(forWhole.endpoint, asked))),
      client.refusalOf((await receive(client.stream(forStream.endpoint, asked))).cause),
    ]
    for (const refusal of refusals) expect(refusal).toMatchObject(told)
    for (const { gateway } of [forWhole, forStream]) expect(await gateway.recorded(1)).toHaveLength(1)
  })

  test.concurrent('a model without a route is not found', async () => {
    await using running = await startScriptedGateway({
      credentials: [{ kind: 'good' }],
      config: { defaultProvider: null },
    })
    const told = { status: 404, code: 'model_not_found', param: 'model' }
    expect(client.refusalOf(await rejectionOf(client.answer(running.endpoint, asked)))).toMatchObject(told)
    expect(client.refusalOf((await receive(client.stream(running.endpoint, asked))).cause)).toMatchObject(told)
    expect(running.upstream.totalCalls()).toBe(0)
  })

  test.concurrent('no secret of an upstream is in the error that the library shows', async () => {
    await using running = await startScriptedGateway({ credentials: [{ kind: 'revoked' }] })
    const refusal = client.refusalOf(await rejectionOf(client.answer(running.endpoint, asked)))
    expect(JSON.stringify(refusal)).not.toContain(secretOf(0).slice(0, 8))
  })

  test.concurrent('an upstream that is gone is a server error', async () => {
    // Nobody listens there, and no other test can be given that port.
    const provider = { baseUrl: 'http://127.0.0.1:1/v1', maxAttempts: 2 }
    await using running = await startScriptedGateway({ credentials: [{ kind: 'good' }], provider })
    const refusal = client.refusalOf(await rejectionOf(client.answer(running.endpoint, asked)))
    expect(refusal).toMatchObject({ status: 502, code: 'upstream_unreachable' })
  })

  test.concurrent('while all credentials are resting the upstream is not asked, and the client is told how long', async () => {
    await using running = await startScriptedGateway({ credentials: [limited, limited] })
    await rejectionOf(client.answer(running.endpoint, asked))
    const asks = running.upstream.totalCalls()
    const refusal = client.refusalOf(await rejectionOf(client.answer(running.endpoint, asked)))
    expect(refusal).toMatchObject({ status: 429, code: 'rate_limit_exceeded', retryAfter: aboutHalfAMinute })
    expect(running.upstream.totalCalls()).toBe(asks)
  })
})

describe('openai', () => {
  test.concurrent.each(errorCases)('$name, and has the class of its status', async ({ script, openaiClass }) => {
    await using running = await startScriptedGateway(script)
    const client = new OpenAI({ ...running.endpoint, maxRetries: 0 })
    const messages = [{ role: 'user' as const, content: question }]
    const cause = await rejectionOf(client.chat.completions.create({ model: chatModel, messages }))
    expect(cause).toBeInstanceOf(openaiClass)
  })
})

test.concurrent('files are closed to several clients of one account, and openai throws a PermissionDeniedError', async () => {
  const { access } = testConfig([])
  const clientKeys = [...access.clientKeys, testClient('bob', 'sk-client-of-the-tests-0002')]
  await using running = await startScriptedGateway({
    credentials: [{ kind: 'good' }],
    config: { access: { ...access, clientKeys } },
  })
  const client = new OpenAI({ ...running.endpoint, maxRetries: 0 })
  const cause = await rejectionOf(client.files.list())
  expect(cause).toBeInstanceOf(PermissionDeniedError)
  expect(cause).toMatchObject({ status: 403, code: 'stateful_path_not_allowed' })
  expect(running.upstream.totalCalls()).toBe(0)
})

describe('the retries of a library', () => {
  // Longer than the libraries would wait by themselves, shorter than a whole second rounded up twice.
  const limitedOnce: Behaviour = { kind: 'rate_limited', retryAfter: 'milliseconds', retryAfterMs: 300 }

  test.concurrent('openai comes back when the gateway says, and is answered', async () => {
    await using running = await startScriptedGateway({ credentials: [limitedOnce] })
    const client = new OpenAI({ ...running.endpoint, maxRetries: 1 })
    const messages = [{ role: 'user' as const, content: question }]
    const startedMs = performance.now()
    const answer = await client.chat.completions.create({ model: chatModel, messages })
    expect(answer.choices[0]?.message.content).toContain(question)
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(290)
    expect(running.upstream.totalCalls()).toBe(2)
  })

  test.concurrent('the AI SDK comes back when the gateway says, and is answered', async () => {
    await using running = await startScriptedGateway({ credentials: [limitedOnce] })
    const provider = createOpenAICompatible({ name: 'gateway', ...running.endpoint })
    const result = streamText({ model: provider.chatModel(chatModel), prompt: question, maxRetries: 1 })
    expect(await result.text).toContain(question)
    expect(running.upstream.totalCalls()).toBe(2)
  })

  test.concurrent('LangChain comes back and is answered', async () => {
    await using running = await startScriptedGateway({ credentials: [limitedOnce] })
    const { baseURL, apiKey } = running.endpoint
    const model = new ChatOpenAI({ model: chatModel, apiKey, configuration: { baseURL }, maxRetries: 1 })
    expect((await model.invoke(question)).text).toContain(question)
    expect(running.upstream.totalCalls()).toBe(2)
  })

  test.concurrent('the AI SDK tells refusals that may pass from those that will not', async () => {
    await using busy = await startScriptedGateway({ credentials: [limited] })
    await using wrong = await startScriptedGateway({ credentials: [{ kind: 'bad_request' }] })
    const retryable = async (running: typeof busy) => {
      const provider = createOpenAICompatible({ name: 'gateway', ...running.endpoint })
      const call = provider.chatModel(chatModel).doGenerate({
        prompt: [{ role: 'user', content: [{ type: 'text', text: question }] }],
      })
      const cause = await rejectionOf(call)
      return APICallError.isInstance(cause) && cause.isRetryable
    }
    expect(await retryable(busy)).toBe(true)
    expect(await retryable(wrong)).toBe(false)
  })
})
