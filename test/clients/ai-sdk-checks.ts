/** What the Vercel AI SDK must get from any gateway in front of a good upstream. */
import { expect } from 'bun:test'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import {
  APICallError,
  embedMany,
  generateImage,
  generateText,
  jsonSchema,
  Output,
  stepCountIs,
  streamText,
  tool,
} from 'ai'
import {
  type ClientCheck,
  type ClientEndpoint,
  chatModel,
  concurrentStreams,
  embeddingModel,
  imageBase64,
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

export const aiSdkChecks: readonly ClientCheck[] = [
  {
    name: 'text is generated whole, with its usage and the name of its model',
    async run(endpoint) {
      const result = await generateText({ ...ask(endpoint), prompt: question })
      expect(result.text).toContain(question)
      expect(result.finishReason).toBe('stop')
      expect(result.response.modelId).toBe(chatModel)
      expect(result.usage.inputTokens).toBeGreaterThan(0)
      expect(result.usage.totalTokens).toBe((result.usage.inputTokens ?? 0) + (result.usage.outputTokens ?? 0))
    },
  },
  {
    name: 'a stream says what the whole answer says, and carries no usage that nobody asked for',
    async run(endpoint) {
      const whole = await generateText({ ...ask(endpoint), prompt: question })
      const result = streamText({ ...ask(endpoint), prompt: question })
      let text = ''
      for await (const piece of result.textStream) text += piece
      expect(text).toBe(whole.text)
      expect(await result.finishReason).toBe('stop')
      expect((await result.usage).totalTokens).toBeUndefined()
    },
  },
  {
    name: 'a stream asked for usage has the usage of the whole answer',
    async run(endpoint) {
      const whole = await generateText({ ...ask(endpoint), prompt: question })
      const result = streamText({ ...ask(endpoint, { includeUsage: true }), prompt: question })
      await result.consumeStream()
      expect(await result.usage).toEqual(whole.usage)
    },
  },
  {
    name: 'a tool is called with arguments that parse, and its result goes back',
    async run(endpoint) {
      const asked: unknown[] = []
      const result = await generateText({ ...ask(endpoint), ...withTool(asked) })
      expect(result.steps.map((step) => step.finishReason)).toEqual(['tool-calls', 'stop'])
      expect(asked).toEqual([toolArguments])
      expect(result.text).toContain(`the tool answered: “${toolResult}”`)
    },
  },
  {
    name: 'a streamed tool call is put together again, and its result goes back',
    async run(endpoint) {
      const asked: unknown[] = []
      const result = streamText({ ...ask(endpoint), ...withTool(asked) })
      await result.consumeStream()
      expect((await result.steps).map((step) => step.finishReason)).toEqual(['tool-calls', 'stop'])
      expect(asked).toEqual([toolArguments])
      expect(await result.text).toContain(`the tool answered: “${toolResult}”`)
    },
  },
  {
    name: 'JSON mode gives an object',
    async run(endpoint) {
      const result = await generateText({ ...ask(endpoint), prompt: question, output: Output.json() })
      expect(result.output).toMatchObject({ model: chatModel })
    },
  },
  {
    name: 'a JSON schema gives what the schema says, whole and streamed',
    async run(endpoint) {
      const request = {
        ...ask(endpoint, { supportsStructuredOutputs: true }),
        prompt: question,
        output: Output.object({ schema: jsonSchema<typeof person>(personSchema) }),
      }
      expect((await generateText(request)).output).toEqual(person)
      expect(await streamText(request).output).toEqual(person)
    },
  },
  {
    name: 'an image in a message is counted by the model',
    async run(endpoint) {
      const { text } = await generateText({
        ...ask(endpoint),
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: question },
              { type: 'file', mediaType: 'image/png', data: imageBase64 },
            ],
          },
        ],
      })
      expect(text).toContain('Images, which I cannot see: 1.')
    },
  },
  {
    name: 'embeddings are as many as the texts',
    async run(endpoint) {
      const model = providerOf(endpoint).embeddingModel(embeddingModel)
      const result = await embedMany({ model, values: ['one two', 'three'], maxRetries: 0 })
      expect(result.embeddings).toHaveLength(2)
      expect(result.embeddings[0]).not.toEqual(result.embeddings[1] ?? [])
      expect(result.usage.tokens).toBe(3)
    },
  },
  {
    name: 'an image is generated',
    async run(endpoint) {
      const model = providerOf(endpoint).imageModel('gpt-image-1')
      const { image } = await generateImage({ model, prompt: question, maxRetries: 0 })
      expect(image.mediaType).toBe('image/png')
    },
  },
  {
    name: 'a wrong key is an APICallError 401 that need not be tried again',
    async run({ baseURL }) {
      const wrong = ask({ baseURL, apiKey: 'sk-nobody-knows-this-key' })
      const cause = await rejectionOf(generateText({ ...wrong, prompt: question }))
      expect(APICallError.isInstance(cause)).toBe(true)
      expect(cause).toMatchObject({ statusCode: 401, isRetryable: false })
      expect(cause).toMatchObject({ data: { error: { code: 'invalid_api_key' } } })
    },
  },
  {
    name: 'many streams at once are all whole and none is mixed with another',
    async run(endpoint) {
      const numbers = Array.from({ length: concurrentStreams }, (_, index) => index)
      const texts = await Promise.all(
        numbers.map((number) => streamText({ ...ask(endpoint), prompt: `number ${number}.` }).text),
      )
      const { text } = await generateText({ ...ask(endpoint), prompt: 'number 0.' })
      expect(texts).toEqual(numbers.map((number) => text.replaceAll('number 0.', `number ${number}.`)))
    },
  },
]

interface ProviderWish {
  readonly includeUsage?: boolean
  readonly supportsStructuredOutputs?: boolean
}

function providerOf(endpoint: ClientEndpoint, wish: ProviderWish = {}) {
  return createOpenAICompatible({ name: 'gateway', ...endpoint, ...wish })
}

function ask(endpoint: ClientEndpoint, wish: ProviderWish = {}) {
  return { model: providerOf(endpoint, wish).chatModel(chatModel), maxRetries: 0 }
}

function withTool(asked: unknown[]) {
  const weather = tool({
    description: toolDescription,
    inputSchema: jsonSchema<typeof toolArguments>(toolSchema),
    async execute(given) {
      asked.push(given)
      return toolResult
    },
  })
  return { prompt: toolQuestion, tools: { [toolName]: weather }, stopWhen: stepCountIs(3) }
}
