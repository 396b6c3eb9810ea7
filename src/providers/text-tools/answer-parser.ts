/** One reader for a text-only model's answer: tool calls taken out, and in JSON mode the code fence taken off. */
import { createFenceFilter, type JsonMode } from './json-mode.ts'
import { type AnswerEvent, type AnswerParser, createToolCallParser } from './tool-call-parser.ts'
import type { ToolCall } from './tool-call-wire.ts'
import type { ToolPlan } from './tool-plan.ts'

export interface AnswerParserOptions {
  readonly plan: ToolPlan
  readonly jsonMode: JsonMode
  /** The one the instructions were written with. */
  readonly nonce: string
  readonly createId?: () => string
}

export function createAnswerParser(options: AnswerParserOptions): AnswerParser {
  const calls = createToolCallParser(options)
  const fence = createFenceFilter(options.jsonMode)
  return {
    push: (text) => calls.push(text).flatMap(filter),
    end: () => [...calls.end().flatMap(filter), ...asText(fence.end())],
  }

  function filter(event: AnswerEvent): AnswerEvent[] {
    return event.type === 'text' ? asText(fence.push(event.text)) : [event]
  }
}

/** A whole answer at once. The parser must be new. */
export function parseAnswer(text: string, parser: AnswerParser): { content: string; calls: ToolCall[] } {
  const events = [...parser.push(text), ...parser.end()]
  const content = events.map((event) => (event.type === 'text' ? event.text : '')).join('')
  const calls = events.flatMap((event) => {
    if (event.type !== 'tool_call') return []
    const { type: _, ...call } = event
    return [call]
  })
  return { content, calls }
}

function asText(text: string): AnswerEvent[] {
  return text === '' ? [] : [{ type: 'text', text }]
}
