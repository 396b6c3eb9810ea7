/** What the `openai` package must get from any gateway in front of a good upstream. */
import { expect } from 'bun:test'
import OpenAI, { AuthenticationError, BadRequestError, NotFoundError } from 'openai'
import {
  type ClientCheck,
  type ClientEndpoint,
  chatModel,
  concurrentStreams,
  embeddingModel,
  imageUrl,
  person,
  personSchema,
  question,
  rejectionOf,
  toolArguments,
  toolDescription,
  toolName,
  toolQuestion,
  toolResult,
  toolSchema,
} from './client-check.ts'

export const openaiChecks: readonly ClientCheck[] = [
  {
    name: 'a chat answer is whole, names its model and adds its usage up',
    async run(endpoint) {
      const { data, response, request_id } = await clientOf(endpoint)
        .chat.completions.create(ask(question))
        .withResponse()
      expect(data).toMatchObject({ object: 'chat.completion', model: chatModel })
      expect(data.choices).toHaveLength(1)
      expect(data.choices[0]).toMatchObject({ index: 0, finish_reason: 'stop', message: { role: 'assistant' } })
      expect(data.choices[0]?.message.content).toContain(question)
      expect(data.usage?.prompt_tokens).toBeGreaterThan(0)
      expect(data.usage?.total_tokens).toBe((data.usage?.prompt_tokens ?? 0) + (data.usage?.completion_tokens ?? 0))
      expect(request_id).toBe(response.headers.get('x-request-id'))
      expect(request_id).toStartWith('req_')
    },
  },
  {
    name: 'a stream says what the whole answer says, and carries no usage that nobody asked for',
    async run(endpoint) {
      const client = clientOf(endpoint)
      const whole = await client.chat.completions.create(ask(question))
      const chunks = await collect(await client.chat.completions.create({ ...ask(question), stream: true }))
      expect(textOf(chunks)).toBe(whole.choices[0]?.message.content ?? 'none')
      expect(chunks.map((chunk) => chunk.model)).toEqual(chunks.map(() => chatModel))
      expect(chunks.every((chunk) => chunk.choices.length === 1)).toBe(true)
      expect(chunks.filter((chunk) => chunk.usage !== undefined && chunk.usage !== null)).toEqual([])
      expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop')
    },
  },
  {
    name: 'a stream asked for usage ends with the usage that the whole answer has',
    async run(endpoint) {
      const client = clientOf(endpoint)
      const whole = await client.chat.completions.create(ask(question))
      const chunks = await collect(
        await client.chat.completions.create({
          ...ask(question),
          stream: true,
          stream_options: { include_usage: true },
        }),
      )
      const withUsage = chunks.filter((chunk) => chunk.usage !== undefined && chunk.usage !== null)
      expect(withUsage).toHaveLength(1)
      expect(chunks.at(-1)?.choices).toEqual([])
      expect(chunks.at(-1)?.usage).toEqual(whole.usage as NonNullable<typeof whole.usage>)
    },
  },
  {
    name: 'each of several choices of a stream comes to its end',
    async run(endpoint) {
      const runner = clientOf(endpoint).chat.completions.stream({ ...ask(question), n: 3 })
      const { choices } = await runner.finalChatCompletion()
      expect(choices.map((choice) => choice.finish_reason)).toEqual(['stop', 'stop', 'stop'])
      expect(choices.map((choice) => choice.message.content?.includes(question))).toEqual([true, true, true])
    },
  },
  {
    name: 'tool calls arrive with arguments that parse, and their result can be sent back',
    async run(endpoint) {
      const client = clientOf(endpoint)
      const first = await client.chat.completions.create({ ...ask(toolQuestion), tools })
      expect(first.choices[0]?.finish_reason).toBe('tool_calls')
      const message = first.choices[0]?.message
      const call = message?.tool_calls?.[0]
      if (message === undefined || call?.type !== 'function') throw new Error('no tool was called')
      expect(call.function.name).toBe(toolName)
      expect(JSON.parse(call.function.arguments)).toEqual(toolArguments)
      const second = await client.chat.completions.create({
        model: chatModel,
        tools,
        messages: [
          { role: 'user', content: toolQuestion },
          message,
          { role: 'tool', tool_call_id: call.id, content: toolResult },
        ],
      })
      expect(second.choices[0]?.finish_reason).toBe('stop')
      expect(second.choices[0]?.message.content).toContain(`the tool answered: “${toolResult}”`)
    },
  },
  {
    name: 'streamed tool calls are put together again, and the package runs the tool by itself',
    async run(endpoint) {
      const asked: unknown[] = []
      const runner = clientOf(endpoint).chat.completions.runTools({
        ...ask(toolQuestion),
        stream: true,
        tools: [
          {
            type: 'function',
            function: {
              name: toolName,
              description: toolDescription,
              parameters: toolSchema,
              parse: JSON.parse,
              function(given: unknown) {
                asked.push(given)
                return toolResult
              },
            },
          },
        ],
      })
      expect(await runner.finalContent()).toContain(`the tool answered: “${toolResult}”`)
      expect(asked).toEqual([toolArguments])
    },
  },
  {
    name: 'JSON mode gives an object',
    async run(endpoint) {
      const answer = await clientOf(endpoint).chat.completions.create({
        ...ask(question),
        response_format: { type: 'json_object' },
      })
      expect(JSON.parse(answer.choices[0]?.message.content ?? '')).toMatchObject({ model: chatModel, last: question })
    },
  },
  {
    name: 'a JSON schema gives what the schema says, whole and streamed',
    async run(endpoint) {
      const client = clientOf(endpoint)
      const request = {
        ...ask(question),
        response_format: {
          type: 'json_schema' as const,
          json_schema: { name: 'person', strict: true, schema: personSchema },
        },
      }
      const whole = await client.chat.completions.create(request)
      expect(JSON.parse(whole.choices[0]?.message.content ?? '')).toEqual(person)
      const streamed = await client.chat.completions.stream(request).finalContent()
      expect(JSON.parse(streamed ?? '')).toEqual(person)
    },
  },
  {
    name: 'an image in a message is counted by the model',
    async run(endpoint) {
      const answer = await clientOf(endpoint).chat.completions.create({
        model: chatModel,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: question },
              { type: 'image_url', image_url: { url: imageUrl, detail: 'low' } },
            ],
          },
        ],
      })
      expect(answer.choices[0]?.message.content).toContain('Images, which I cannot see: 1.')
    },
  },
  {
    name: 'legacy completions are answered, whole and streamed',
    async run(endpoint) {
      const client = clientOf(endpoint)
      const request = { model: chatModel, prompt: question }
      const whole = await client.completions.create(request)
      const chunks = await collect(await client.completions.create({ ...request, stream: true }))
      expect(whole.choices[0]?.text).toContain(question)
      expect(chunks.map((chunk) => chunk.choices[0]?.text).join('')).toBe(whole.choices[0]?.text ?? 'none')
      expect(chunks.every((chunk) => chunk.choices.length === 1)).toBe(true)
    },
  },
  {
    name: 'embeddings are the same as numbers and as the base64 that the package asks for',
    async run(endpoint) {
      const client = clientOf(endpoint)
      const request = { model: embeddingModel, input: ['one two', 'three'], dimensions: 16 }
      const coded = await client.embeddings.create(request)
      const floats = await client.embeddings.create({ ...request, encoding_format: 'float' })
      expect(coded.data.map((entry) => entry.embedding.length)).toEqual([16, 16])
      expect(coded.data).toEqual(floats.data)
      expect(coded.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 })
    },
  },
  {
    name: 'models are listed and retrieved, and an unknown one is a NotFoundError',
    async run(endpoint) {
      const client = clientOf(endpoint)
      const ids = (await collect(client.models.list())).map((model) => model.id)
      expect(ids).toContain(chatModel)
      expect(await client.models.retrieve(chatModel)).toMatchObject({ id: chatModel, object: 'model' })
      const cause = await rejectionOf(client.models.retrieve('no-such-model'))
      expect(cause).toBeInstanceOf(NotFoundError)
      expect(cause).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' })
    },
  },
  {
    name: 'an audio file arrives whole for transcription',
    async run(endpoint) {
      const file = new File([new Uint8Array(70_000).fill(0xff)], 'längs.wav', { type: 'audio/wav' })
      const client = clientOf(endpoint)
      const json = await client.audio.transcriptions.create({ model: 'whisper-1', file })
      expect(json.text).toContain('längs.wav has 70000 bytes, for model whisper-1')
      const text = await client.audio.transcriptions.create({ model: 'whisper-1', file, response_format: 'text' })
      expect(text.trim()).toBe(json.text)
    },
  },
  {
    name: 'speech comes back byte for byte',
    async run(endpoint) {
      const response = await clientOf(endpoint).audio.speech.create({
        model: 'tts-1',
        voice: 'alloy',
        input: question,
      })
      expect(response.headers.get('content-type')).toBe('audio/mpeg')
      const bytes = new Uint8Array(await response.arrayBuffer())
      expect(bytes).toHaveLength(65_536)
      expect(bytes.every((byte, index) => byte === index % 256)).toBe(true)
    },
  },
  {
    name: 'an image is generated',
    async run(endpoint) {
      const request = { model: 'gpt-image-1', prompt: question, response_format: 'b64_json' as const }
      const answer = await clientOf(endpoint).images.generate(request)
      expect(answer.data?.[0]?.revised_prompt).toBe(question)
      expect(Buffer.from(answer.data?.[0]?.b64_json ?? '', 'base64').toString('latin1')).toStartWith('\x89PNG')
    },
  },
  {
    name: 'an uploaded file is listed, described, read back and deleted',
    async run(endpoint) {
      const { files } = clientOf(endpoint)
      const content = '{"prompt":"déjà vu"}\n'.repeat(5000)
      const uploaded = await files.create({ file: new File([content], 'lines.jsonl'), purpose: 'batch' })
      expect(uploaded).toMatchObject({ filename: 'lines.jsonl', purpose: 'batch', bytes: Buffer.byteLength(content) })
      expect((await collect(files.list())).map((file) => file.id)).toContain(uploaded.id)
      expect(await files.retrieve(uploaded.id)).toMatchObject({ id: uploaded.id, bytes: uploaded.bytes })
      expect(await (await files.content(uploaded.id)).text()).toBe(content)
      expect(await files.delete(uploaded.id)).toMatchObject({ id: uploaded.id, deleted: true })
      expect(await rejectionOf(files.retrieve(uploaded.id))).toBeInstanceOf(NotFoundError)
    },
  },
  {
    name: 'a response is created, continued, retrieved and deleted',
    async run(endpoint) {
      const { responses } = clientOf(endpoint)
      const first = await responses.create({ model: chatModel, input: question })
      expect(first).toMatchObject({ object: 'response', status: 'completed', model: chatModel })
      expect(first.output_text).toContain(question)
      expect(await responses.retrieve(first.id)).toMatchObject({ id: first.id, output_text: first.output_text })
      const next = await responses.create({ model: chatModel, input: 'And now?', previous_response_id: first.id })
      expect(next.previous_response_id).toBe(first.id)
      await responses.delete(first.id)
      expect(await rejectionOf(responses.retrieve(first.id))).toBeInstanceOf(NotFoundError)
    },
  },
  {
    name: 'a streamed response says what the whole one says',
    async run(endpoint) {
      const { responses } = clientOf(endpoint)
      const whole = await responses.create({ model: chatModel, input: question })
      const stream = responses.stream({ model: chatModel, input: question })
      let text = ''
      for await (const event of stream) if (event.type === 'response.output_text.delta') text += event.delta
      const final = await stream.finalResponse()
      expect(text).toBe(whole.output_text)
      expect(final.output_text).toBe(text)
      expect(final.usage).toEqual(whole.usage as NonNullable<typeof whole.usage>)
    },
  },
  {
    name: 'a tool is called in the Responses API, whole and streamed',
    async run(endpoint) {
      const { responses } = clientOf(endpoint)
      const request = {
        model: chatModel,
        input: toolQuestion,
        tools: [{ type: 'function' as const, name: toolName, parameters: toolSchema, strict: true }],
      }
      for (const answer of [await responses.create(request), await responses.stream(request).finalResponse()]) {
        const [call] = answer.output
        if (call?.type !== 'function_call') throw new Error('no tool was called')
        expect(call.name).toBe(toolName)
        expect(JSON.parse(call.arguments)).toEqual(toolArguments)
      }
    },
  },
  {
    name: 'moderations flag what they should',
    async run(endpoint) {
      const input = ['a quiet day', 'violence']
      const { results } = await clientOf(endpoint).moderations.create({ input })
      expect(results.map((result) => result.flagged)).toEqual([false, true])
    },
  },
  {
    name: 'a wrong key is an AuthenticationError',
    async run({ baseURL }) {
      const client = clientOf({ baseURL, apiKey: 'sk-nobody-knows-this-key' })
      const calls = [() => client.chat.completions.create(ask(question)), () => client.models.list()]
      for (const call of calls) {
        const cause = await rejectionOf(call())
        expect(cause).toBeInstanceOf(AuthenticationError)
        expect(cause).toMatchObject({ status: 401, code: 'invalid_api_key' })
        expect((cause as AuthenticationError).requestID).toStartWith('req_')
      }
    },
  },
  {
    name: 'a wrong parameter is a BadRequestError that names it, whoever found it',
    async run(endpoint) {
      const client = clientOf(endpoint)
      const unnamed = await rejectionOf(client.chat.completions.create({ ...ask(question), model: '' }))
      expect(unnamed).toBeInstanceOf(BadRequestError)
      expect(unnamed).toMatchObject({ status: 400, param: 'model', code: 'invalid_request' })
      const withoutInput = { model: chatModel } as unknown as OpenAI.EmbeddingCreateParams
      const upstreams = await rejectionOf(client.embeddings.create(withoutInput))
      expect(upstreams).toBeInstanceOf(BadRequestError)
      expect(upstreams).toMatchObject({ status: 400, param: 'input', code: 'missing_required_parameter' })
    },
  },
  {
    name: 'a path that must not pass is a NotFoundError',
    async run(endpoint) {
      const cause = await rejectionOf(clientOf(endpoint).get('/organization/usage/completions'))
      expect(cause).toBeInstanceOf(NotFoundError)
    },
  },
  {
    name: 'many streams at once are all whole and none is mixed with another',
    async run(endpoint) {
      const client = clientOf(endpoint)
      const numbers = Array.from({ length: concurrentStreams }, (_, index) => index)
      const texts = await Promise.all(
        numbers.map(async (number) =>
          textOf(await collect(await client.chat.completions.create({ ...ask(`number ${number}.`), stream: true }))),
        ),
      )
      const { choices } = await client.chat.completions.create(ask('number 0.'))
      const expected = choices[0]?.message.content ?? ''
      expect(texts).toEqual(numbers.map((number) => expected.replaceAll('number 0.', `number ${number}.`)))
    },
  },
]

const tools = [
  {
    type: 'function' as const,
    function: { name: toolName, description: toolDescription, parameters: toolSchema, strict: true },
  },
]

function clientOf(endpoint: ClientEndpoint): OpenAI {
  return new OpenAI({ ...endpoint, maxRetries: 0 })
}

function ask(content: string) {
  return { model: chatModel, messages: [{ role: 'user' as const, content }] }
}

function textOf(chunks: readonly OpenAI.ChatCompletionChunk[]): string {
  return chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = []
  for await (const item of items) collected.push(item)
  return collected
}
