/** Which parts of a request count as its input, and what is added for the form they come in. How a text is counted is the caller's business. */
import { fileTokens, pictureTokens, soundTokens } from './image-tokens.ts'
import { isRecord } from './is-record.ts'

export interface RuleParts {
  /** Upstream's name; a vendor's name in front of it does not matter. */
  readonly model: string
  readonly countText: (text: string) => number
}

export type EncodingName = 'o200k_base' | 'cl100k_base'

/**
 * As tiktoken's `model.py` has it: gpt-4o, gpt-4.1, gpt-4.5, gpt-5, chatgpt-4o, o1, o3, o4 are o200k; gpt-4, gpt-3.5 and the third embeddings are
 * cl100k. Models of other makers have encodings of their own: for them o200k is an approximation.
 */
export function encodingOf(model: string): EncodingName {
  return /^(?:gpt-4(?!o|\.\d)|gpt-3\.?5|text-embedding-)/.test(bareName(model)) ? 'cl100k_base' : 'o200k_base'
}

/** Tokens of the input; null for a request of a kind that is not known. */
export function countInput(path: string, json: Readonly<Record<string, unknown>>, parts: RuleParts): number | null {
  const rules: RuleParts = { ...parts, model: bareName(parts.model) }
  switch (path) {
    case '/chat/completions':
      return (
        countMessages(json.messages, rules) +
        countTools(json.tools ?? json.functions, rules) +
        countSchema(member(json.response_format, 'json_schema'), rules)
      )
    case '/responses':
      return (
        countItems(json, rules) +
        countTools(json.tools, rules) +
        countSchema(member(member(json.text, 'format'), 'schema'), rules)
      )
    case '/completions':
      return countPrompt(json.prompt, rules) + countString(json.suffix, rules)
    case '/embeddings':
      return countPrompt(json.input, rules)
    default:
      return null
  }
}

function bareName(model: string): string {
  return model.slice(model.lastIndexOf('/') + 1).replace(/^ft:/, '')
}

/**
 * OpenAI Cookbook, "How to count tokens with tiktoken": three for each message, the tokens of each of its values, one for a name, and three
 * with which the answer is primed.
 */
const perMessage = 3
const perName = 1
const primed = 3

function countMessages(messages: unknown, rules: RuleParts): number {
  if (!Array.isArray(messages)) return 0
  return messages.reduce((sum: number, message) => sum + countMessage(message, rules), primed)
}

function countMessage(message: unknown, rules: RuleParts): number {
  if (!isRecord(message)) return 0
  let count = perMessage
  for (const [name, value] of Object.entries(message)) {
    if (typeof value === 'string') count += rules.countText(value) + (name === 'name' ? perName : 0)
    else if (name === 'content') count += countContent(value, rules)
    else if (name === 'tool_calls' && Array.isArray(value))
      for (const call of value) count += countCall(member(call, 'function') ?? member(call, 'custom'), rules)
    else if (name === 'function_call') count += countCall(value, rules)
  }
  return count
}

function countCall(called: unknown, rules: RuleParts): number {
  return countString(member(called, 'name'), rules) + countString(member(called, 'arguments'), rules)
}

/** Text, or parts in the spelling of either API. */
function countContent(content: unknown, rules: RuleParts): number {
  if (typeof content === 'string') return rules.countText(content)
  if (!Array.isArray(content)) return 0
  return content.reduce((sum: number, part) => sum + countPart(part, rules), 0)
}

function countPart(part: unknown, rules: RuleParts): number {
  if (typeof part === 'string') return rules.countText(part)
  if (!isRecord(part)) return 0
  switch (part.type) {
    case 'image_url':
    case 'input_image': {
      const image = part.image_url
      const url = stringOf(isRecord(image) ? image.url : image)
      return pictureTokens({ url, detail: stringOf(part.detail ?? member(image, 'detail')) }, rules.model)
    }
    case 'input_audio':
      return soundTokens(stringOf(member(part.input_audio, 'data')))
    case 'file':
      return fileTokens(stringOf(member(part.file, 'file_data')), rules.model)
    case 'input_file':
      return fileTokens(stringOf(part.file_data), rules.model)
    default:
      return countString(part.text ?? part.refusal, rules)
  }
}

/** The Responses API publishes no rule: its items count like messages. What the upstream adds of its own memory is not known here. */
function countItems({ input, instructions }: Readonly<Record<string, unknown>>, rules: RuleParts): number {
  let count = primed
  if (typeof instructions === 'string') count += perMessage + rules.countText(instructions)
  if (typeof input === 'string') return count + perMessage + rules.countText(input)
  if (!Array.isArray(input)) return count
  for (const item of input) {
    if (!isRecord(item)) continue
    count += perMessage + countCall(item, rules) + countString(item.role, rules)
    count += countContent(item.content, rules) + countContent(item.output, rules) + countContent(item.summary, rules)
  }
  return count
}

/** Text, texts, tokens or lists of tokens. */
function countPrompt(prompt: unknown, rules: RuleParts): number {
  if (typeof prompt === 'string') return rules.countText(prompt)
  if (!Array.isArray(prompt)) return 0
  if (typeof prompt[0] === 'number') return prompt.length
  return prompt.reduce((sum: number, one) => sum + (Array.isArray(one) ? one.length : countString(one, rules)), 0)
}

/** OpenAI Cookbook, same notebook, "Counting tokens for chat completions API calls with tool calls" (revision of October 2024). */
const perFunction: Readonly<Record<EncodingName, number>> = { o200k_base: 7, cl100k_base: 10 }
const afterFunctions = 12
const beforeProperties = 3
const perProperty = 3
const beforeEnum = -3
const perEnumItem = 3
/** Deeper ones are not looked at. */
const maxSchemaDepth = 16

function countTools(tools: unknown, rules: RuleParts): number {
  if (!Array.isArray(tools) || tools.length === 0) return 0
  return tools.reduce((sum: number, tool) => sum + countTool(tool, rules), afterFunctions)
}

function countTool(tool: unknown, rules: RuleParts): number {
  if (!isRecord(tool)) return 0
  const declared = isRecord(tool.function) ? tool.function : tool
  if (typeof declared.name !== 'string') return countSchema(tool, rules)
  const start = perFunction[encodingOf(rules.model)]
  const line = rules.countText(`${declared.name}:${withoutDot(declared.description)}`)
  return start + line + countProperties(declared.parameters, rules, 0)
}

/** The notebook knows flat parameters only; nested ones count by the same rule. */
function countProperties(schema: unknown, rules: RuleParts, depth: number): number {
  const properties = member(schema, 'properties')
  if (depth > maxSchemaDepth || !isRecord(properties)) return 0
  const entries = Object.entries(properties)
  if (entries.length === 0) return 0
  let count = beforeProperties
  for (const [name, property] of entries) {
    count += perProperty
    if (!isRecord(property)) continue
    if (Array.isArray(property.enum)) {
      count += beforeEnum
      for (const item of property.enum) count += perEnumItem + rules.countText(String(item))
    }
    const type = Array.isArray(property.type) ? property.type.join() : stringOf(property.type)
    count += rules.countText(`${name}:${type}:${withoutDot(property.description)}`)
    count += countProperties(property, rules, depth + 1) + countProperties(property.items, rules, depth + 1)
  }
  return count
}

function withoutDot(description: unknown): string {
  return stringOf(description).replace(/\.$/, '')
}

/** A demanded form of the answer: the model reads it as text. */
function countSchema(schema: unknown, rules: RuleParts): number {
  return isRecord(schema) ? rules.countText(JSON.stringify(schema)) : 0
}

function countString(value: unknown, rules: RuleParts): number {
  return typeof value === 'string' ? rules.countText(value) : 0
}

function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function member(value: unknown, name: string): unknown {
  return isRecord(value) ? value[name] : undefined
}
