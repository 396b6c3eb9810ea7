/** `POST /v1/chat/completions`. */
import { chatRequestSchema, readChatRequest } from '../formats/openai.ts'
import { type CallContext, type CallParts, type CallRoute, serveCall } from './call.ts'
import { documentRoute } from './documentation.ts'

export function chatCompletions(parts: CallParts) {
  return (context: CallContext): Promise<Response> => serveCall(parts, context, route)
}

const route: CallRoute = { readView: readChatRequest, answer: (gateway, call) => gateway.chat(call) }

const exampleRequest = {
  model: 'gpt-4o',
  messages: [{ role: 'user', content: 'Say hello in five words.' }],
}

const exampleAnswer = {
  id: 'chatcmpl-123',
  object: 'chat.completion',
  created: 1_900_000_000,
  model: 'gpt-4o',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there, nice to meet!' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 13, completion_tokens: 7, total_tokens: 20 },
}

const exampleStream = [
  'data: {"id":"chatcmpl-123","object":"chat.completion.chunk","created":1900000000,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}',
  'data: [DONE]',
  '',
].join('\n\n')

export const chatDocumentation = documentRoute({
  tag: 'OpenAI API',
  key: 'client',
  summary: 'Chat completion',
  description:
    'One JSON answer, or server-sent events with `stream`. Fields that are not listed here pass to the upstream unchanged.',
  request: {
    'application/json': {
      schema: chatRequestSchema,
      examples: {
        plain: { summary: 'One JSON answer', value: exampleRequest },
        stream: { summary: 'Server-sent events', value: { ...exampleRequest, stream: true } },
      },
    },
  },
  answer: {
    description: 'The answer',
    content: { 'application/json': { example: exampleAnswer }, 'text/event-stream': { example: exampleStream } },
  },
  errors: [400, 403, 404, 413, 429, 500, 502, 503],
})
