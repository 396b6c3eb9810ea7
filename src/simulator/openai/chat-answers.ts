/** What the simulated model says to a chat request and how its tokens are counted; pure functions, no wire. */
import { isJsonObject } from '../json.ts'
import { wordCount } from '../text-pieces.ts'
import type { AnswerShape } from './behaviours.ts'

/**
 * Decides the answer by fixed rules:
 * - tools: called when `tool_choice` is `required` or names one, or when the last message is a user's that contains the word "tool" or a
 *   tool's name; the tools named there (all of them unless `parallel_tool_calls` is false), else the first. Arguments are sampled from
 *   the tool's JSON Schema.
 * - `response_format`: `json_object` gives an object about itself, `json_schema` a value sampled from the schema.
 * - `max_completion_tokens` or `max_tokens` below the number of words cuts the text: finish reason `length`.
 * - tokens are words (runs without white space): of all texts in the messages plus 4 for each message and 85 for each image; of the answer
 *   for each choice, tool names and arguments included. Names like o1, gpt-5 and deepseek-r add 16 reasoning tokens. From 1,024 prompt tokens on
 *   the whole multiples of 128 are cached.
 */
export function chatAnswer(request: ChatRequest, shape: AnswerShape): ChatAnswer {
  const messages = Array.isArray(request.messages) ? request.messages.map(readMessage) : []
  const last = messages.at(-1)
  const toolCalls = calledTools(request, last)
  const whole = toolCalls.length > 0 ? '' : (shape.text ?? answerText(request, messages))
  const limitWords = numberOrNull(request.max_completion_tokens) ?? numberOrNull(request.max_tokens)
  const text = limitWords === null ? whole : firstWords(whole, limitWords)
  const isForced = isJsonObject(request.tool_choice)
  return {
    text,
    toolCalls,
    finishReason: finishReason({ isCut: text.length < whole.length, isToolCalled: toolCalls.length > 0, isForced }),
    choiceCount: choiceCountOf(request),
    usage: chatUsage({ request, messages, text, toolCalls, shape }),
  }
}

/** OpenAI's own limit; without one a single request could fill the memory of the demo. */
const MAX_CHOICE_COUNT = 128

function choiceCountOf(request: ChatRequest): number {
  return Math.min(MAX_CHOICE_COUNT, Math.max(1, numberOrNull(request.n) ?? 1))
}

/** A body as it came: nothing in it is trusted. */
export type ChatRequest = Readonly<Record<string, unknown>>

export interface ChatAnswer {
  readonly text: string
  readonly toolCalls: readonly ToolCall[]
  readonly finishReason: 'stop' | 'length' | 'tool_calls'
  readonly choiceCount: number
  readonly usage: ChatUsage
}

export interface ToolCall {
  readonly id: string
  readonly name: string
  /** JSON. */
  readonly argumentsText: string
}

export interface ChatUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly prompt_tokens_details: { readonly cached_tokens: number; readonly audio_tokens: number }
  readonly completion_tokens_details: {
    readonly reasoning_tokens: number
    readonly audio_tokens: number
    readonly accepted_prediction_tokens: number
    readonly rejected_prediction_tokens: number
  }
}

/** OpenAI says `stop`, not `tool_calls`, when the request itself named the tool. */
function finishReason(facts: { isCut: boolean; isToolCalled: boolean; isForced: boolean }): ChatAnswer['finishReason'] {
  if (facts.isToolCalled) return facts.isForced ? 'stop' : 'tool_calls'
  return facts.isCut ? 'length' : 'stop'
}

interface ReadMessage {
  readonly role: string
  readonly text: string
  readonly imageCount: number
}

function readMessage(message: unknown): ReadMessage {
  if (!isJsonObject(message)) return { role: '', text: '', imageCount: 0 }
  const role = typeof message.role === 'string' ? message.role : ''
  if (!Array.isArray(message.content)) return { role, text: textOrEmpty(message.content), imageCount: 0 }
  const parts = message.content.filter(isJsonObject)
  const text = parts
    .map((part) => textOrEmpty(part.text))
    .filter((each) => each !== '')
    .join(' ')
  return {
    role,
    text,
    imageCount: parts.filter((part) => part.type === 'image_url' || part.type === 'input_image').length,
  }
}

const MAX_QUOTED_CHARACTERS = 200

/** Tells what was asked. Has characters of two, three and four bytes, for whoever cuts streams in the wrong place. */
function answerText(request: ChatRequest, messages: readonly ReadMessage[]): string {
  const model = textOrEmpty(request.model)
  const last = messages.at(-1)
  const quoted = [...(last?.text ?? '')].slice(0, MAX_QUOTED_CHARACTERS).join('')
  const jsonText = jsonAnswerText(request.response_format, { model, messageCount: messages.length, quoted })
  if (jsonText !== null) return jsonText
  const imageCount = messages.reduce((sum, message) => sum + message.imageCount, 0)
  const images = imageCount > 0 ? ` Images, which I cannot see: ${imageCount}.` : ''
  const count = messages.length === 1 ? '1 message' : `${messages.length} messages`
  const saying = last?.role === 'tool' ? 'the tool answered' : 'the last said'
  return `This is the simulated upstream: no real model was asked and nothing left this machine. You asked for model ${model}, I got ${count}; ${saying}: “${quoted}”.${images} A real model would now say something clever – déjà vu, 你好, 🙂. Everything else is as usual: this text comes in small pieces, and the token counts are numbers of words.`
}

function jsonAnswerText(
  format: unknown,
  facts: { model: string; messageCount: number; quoted: string },
): string | null {
  if (!isJsonObject(format)) return null
  if (format.type === 'json_object') {
    return JSON.stringify({
      about: 'This is the simulated upstream.',
      model: facts.model,
      messages: facts.messageCount,
      last: facts.quoted,
    })
  }
  if (format.type !== 'json_schema') return null
  const schema = isJsonObject(format.json_schema) ? format.json_schema.schema : format.schema
  return JSON.stringify(sampleOf(schema, 'value', 0))
}

function calledTools(request: ChatRequest, last: ReadMessage | undefined): readonly ToolCall[] {
  const tools = Array.isArray(request.tools) ? request.tools.filter(isJsonObject).map(readTool) : []
  const [first] = tools
  if (first === undefined || request.tool_choice === 'none') return []
  if (isJsonObject(request.tool_choice)) {
    const named = readTool(request.tool_choice).name
    return tools.filter((tool) => tool.name === named).map(callOf)
  }
  const prompt = last?.role === 'user' ? last.text : ''
  const named = tools.filter((tool) => prompt.includes(tool.name))
  if (named.length > 0) return (request.parallel_tool_calls === false ? named.slice(0, 1) : named).map(callOf)
  return request.tool_choice === 'required' || /\btool\b/i.test(prompt) ? [callOf(first, 0)] : []
}

interface ReadTool {
  readonly name: string
  readonly parameters: unknown
}

/** `{"function":{"name"}}` in chat, `{"name"}` in responses. */
function readTool(tool: Readonly<Record<string, unknown>>): ReadTool {
  const described = isJsonObject(tool.function) ? tool.function : tool
  return { name: textOrEmpty(described.name), parameters: described.parameters }
}

function callOf(tool: ReadTool, index: number): ToolCall {
  return {
    id: `call_simulated${String(index).padStart(15, '0')}`,
    name: tool.name,
    argumentsText: JSON.stringify(sampleOf(tool.parameters ?? { type: 'object' }, tool.name, 0)),
  }
}

const MAX_SCHEMA_DEPTH = 8

/** A value that fits the common parts of a JSON Schema. */
function sampleOf(schema: unknown, name: string, depth: number): unknown {
  if (!isJsonObject(schema) || depth > MAX_SCHEMA_DEPTH) return null
  if (schema.const !== undefined) return schema.const
  if (Array.isArray(schema.enum)) return schema.enum[0]
  const variants = schema.anyOf ?? schema.oneOf
  if (Array.isArray(variants)) return sampleOf(variants[0], name, depth + 1)
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type
  switch (type) {
    case 'string':
      return `simulated ${name}`
    case 'integer':
    case 'number':
      return typeof schema.minimum === 'number' ? schema.minimum : 1
    case 'boolean':
      return true
    case 'array':
      return [sampleOf(schema.items, name, depth + 1)]
    case 'null':
      return null
    default: {
      const properties = isJsonObject(schema.properties) ? schema.properties : {}
      return Object.fromEntries(
        Object.entries(properties).map(([key, value]) => [key, sampleOf(value, key, depth + 1)]),
      )
    }
  }
}

interface UsageFacts {
  readonly request: ChatRequest
  readonly messages: readonly ReadMessage[]
  readonly text: string
  readonly toolCalls: readonly ToolCall[]
  readonly shape: AnswerShape
}

const REASONING_MODEL = /^(o\d|gpt-5|deepseek-r)/
const REASONING_TOKENS = 16
const CACHE_BLOCK_TOKENS = 128
const LEAST_CACHED_PROMPT_TOKENS = 1_024

function chatUsage({ request, messages, text, toolCalls, shape }: UsageFacts): ChatUsage {
  const { tokens } = shape
  if (tokens !== undefined) return usageOf(tokens.prompt, tokens.completion, tokens)
  let prompt = 0
  for (const message of messages) prompt += wordCount(message.text) + 4 + 85 * message.imageCount
  const choiceCount = choiceCountOf(request)
  let answered = wordCount(text)
  for (const call of toolCalls) answered += wordCount(call.name) + wordCount(call.argumentsText)
  const thoughtAloud = shape.reasoningText === undefined ? 0 : wordCount(shape.reasoningText)
  const reasoning = REASONING_MODEL.test(textOrEmpty(request.model)) ? REASONING_TOKENS : thoughtAloud
  const cached = prompt >= LEAST_CACHED_PROMPT_TOKENS ? prompt - (prompt % CACHE_BLOCK_TOKENS) : 0
  return usageOf(prompt, choiceCount * (answered + reasoning), { cached, reasoning: choiceCount * reasoning })
}

function usageOf(prompt: number, completion: number, details: { cached?: number; reasoning?: number }): ChatUsage {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: details.cached ?? 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: details.reasoning ?? 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}

function firstWords(text: string, limitCount: number): string {
  return (text.match(/\s*\S+/g) ?? []).slice(0, limitCount).join('')
}

export function textOrEmpty(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}
