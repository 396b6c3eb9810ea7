/** What LangChain's `ChatOpenAI` and `OpenAIEmbeddings` must get from any gateway in front of a good upstream. */
import { expect } from 'bun:test'
import { type AIMessageChunk, HumanMessage, ToolMessage, type UsageMetadata } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
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

export const langchainChecks: readonly ClientCheck[] = [
  {
    name: 'a model is invoked, and its message has usage and the name of its model',
    async run(endpoint) {
      const message = await modelOf(endpoint).invoke(question)
      expect(message.text).toContain(question)
      expect(message.response_metadata).toMatchObject({ model_name: chatModel, finish_reason: 'stop' })
      expect(usageOf(message)?.input_tokens).toBeGreaterThan(0)
    },
  },
  {
    name: 'a stream says what the whole answer says, and carries no usage that nobody asked for',
    async run(endpoint) {
      const model = modelOf(endpoint, { streamUsage: false })
      const whole = await model.invoke(question)
      const message = await joined(await model.stream(question))
      expect(message.text).toBe(whole.text)
      expect(message.usage_metadata).toBeUndefined()
      expect(message.response_metadata.finish_reason).toBe('stop')
    },
  },
  {
    name: 'a stream asked for usage has the usage of the whole answer',
    async run(endpoint) {
      const model = modelOf(endpoint, { streamUsage: true })
      const whole = await model.invoke(question)
      const message = await joined(await model.stream(question))
      const { input_tokens, output_tokens, total_tokens } = usageOf(whole) ?? {}
      expect(usageOf(message)).toMatchObject({ input_tokens, output_tokens, total_tokens })
    },
  },
  {
    name: 'a tool is called with arguments that parse, and its result goes back',
    async run(endpoint) {
      const model = modelOf(endpoint).bindTools([weather])
      const message = await model.invoke(toolQuestion)
      expect(message.tool_calls).toMatchObject([{ name: toolName, args: toolArguments }])
      const answer = await model.invoke([
        new HumanMessage(toolQuestion),
        message,
        resultOf(message.tool_calls?.[0]?.id),
      ])
      expect(answer.text).toContain(`the tool answered: “${toolResult}”`)
    },
  },
  {
    name: 'a streamed tool call is put together again, and its result goes back',
    async run(endpoint) {
      const model = modelOf(endpoint).bindTools([weather])
      const message = await joined(await model.stream(toolQuestion))
      expect(message.tool_calls).toMatchObject([{ name: toolName, args: toolArguments }])
      expect(message.invalid_tool_calls).toEqual([])
      const answer = await joined(
        await model.stream([new HumanMessage(toolQuestion), message, resultOf(message.tool_calls?.[0]?.id)]),
      )
      expect(answer.text).toContain(`the tool answered: “${toolResult}”`)
    },
  },
  {
    name: 'JSON mode gives an object',
    async run(endpoint) {
      const model = modelOf(endpoint).withConfig({ response_format: { type: 'json_object' } })
      expect(JSON.parse((await model.invoke(question)).text)).toMatchObject({ model: chatModel, last: question })
    },
  },
  {
    name: 'structured output is what the schema says, by JSON schema and by tool call',
    async run(endpoint) {
      for (const method of ['jsonSchema', 'functionCalling'] as const) {
        const model = modelOf(endpoint).withStructuredOutput<typeof person>(personSchema, { name: 'person', method })
        expect(await model.invoke(question)).toEqual(person)
      }
    },
  },
  {
    name: 'an image in a message is counted by the model',
    async run(endpoint) {
      const content = [
        { type: 'text', text: question },
        { type: 'image_url', image_url: { url: imageUrl } },
      ]
      const message = await modelOf(endpoint).invoke([new HumanMessage({ content })])
      expect(message.text).toContain('Images, which I cannot see: 1.')
    },
  },
  {
    name: 'the Responses API says the same whole and streamed',
    async run(endpoint) {
      const model = modelOf(endpoint, { useResponsesApi: true })
      const whole = await model.invoke(question)
      const streamed = await joined(await model.stream(question))
      expect(whole.text).toContain(question)
      expect(streamed.text).toBe(whole.text)
    },
  },
  {
    name: 'embeddings are as many as the texts, and the same each time',
    async run(endpoint) {
      const model = new OpenAIEmbeddings({ model: embeddingModel, ...settingsOf(endpoint) })
      const vectors = await model.embedDocuments(['one two', 'three'])
      expect(vectors).toHaveLength(2)
      expect(await model.embedQuery('three')).toEqual(vectors[1] ?? [])
    },
  },
  {
    name: 'a wrong key is an error 401',
    async run({ baseURL }) {
      const model = modelOf({ baseURL, apiKey: 'sk-nobody-knows-this-key' })
      for (const call of [() => model.invoke(question), () => model.stream(question)]) {
        expect(await rejectionOf(call())).toMatchObject({ status: 401, code: 'invalid_api_key' })
      }
    },
  },
  {
    name: 'many streams at once are all whole and none is mixed with another',
    async run(endpoint) {
      const model = modelOf(endpoint)
      const numbers = Array.from({ length: concurrentStreams }, (_, index) => index)
      const texts = await Promise.all(
        numbers.map(async (number) => (await joined(await model.stream(`number ${number}.`))).text),
      )
      const { text } = await model.invoke('number 0.')
      expect(texts).toEqual(numbers.map((number) => text.replaceAll('number 0.', `number ${number}.`)))
    },
  },
]

interface ModelWish {
  readonly streamUsage?: boolean
  readonly useResponsesApi?: boolean
}

function settingsOf({ baseURL, apiKey }: ClientEndpoint) {
  return { apiKey, configuration: { baseURL }, maxRetries: 0 }
}

function modelOf(endpoint: ClientEndpoint, wish: ModelWish = {}): ChatOpenAI {
  return new ChatOpenAI({ model: chatModel, ...settingsOf(endpoint), ...wish })
}

const weather = tool(() => toolResult, { name: toolName, description: toolDescription, schema: toolSchema })

function resultOf(callId: string | undefined): ToolMessage {
  return new ToolMessage({ content: toolResult, tool_call_id: callId ?? 'none' })
}

/** Its type in the library depends on the tools bound. */
function usageOf(message: AIMessageChunk): UsageMetadata | undefined {
  return message.usage_metadata
}

async function joined(chunks: AsyncIterable<AIMessageChunk>): Promise<AIMessageChunk> {
  let message: AIMessageChunk | undefined
  for await (const chunk of chunks) message = message === undefined ? chunk : message.concat(chunk)
  if (message === undefined) throw new Error('the stream was empty')
  return message
}
