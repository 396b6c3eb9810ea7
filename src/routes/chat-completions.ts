/** `POST /v1/chat/completions`. */
import { readChatRequest } from '../formats/openai.ts'
import { type CallContext, type CallParts, readCall } from './call.ts'

export function chatCompletions(parts: CallParts) {
  return async (context: CallContext): Promise<Response> =>
    parts.gateway.chat(await readCall(parts, context, readChatRequest))
}

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

export const chatExamples = {
  request: {
    plain: { summary: 'One JSON answer', value: exampleRequest },
    stream: { summary: 'Server-sent events', value: { ...exampleRequest, stream: true } },
  },
  answer: exampleAnswer,
}
