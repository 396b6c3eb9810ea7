/**
 * Spells an answer in OpenAI's wire format, as chunks of a stream or whole: pure state machines. Where the text comes from
 * is not their business.
 */
import type { Usage } from '../../domain.ts'
import type { AnswerEvent, AnswerParser } from './tool-call-parser.ts'
import { assistantMessage, callDelta, finishReason, type ToolCall } from './tool-call-wire.ts'
import type { ToolPlan } from './tool-plan.ts'

/** What an answer says of itself and of what it was asked. */
export interface AnswerFacts {
  readonly id: string
  /** Unix seconds. */
  readonly created: number
  readonly model: string
  readonly plan: ToolPlan
  /** Takes calls and code fences out of the text; it must be new. */
  readonly parser: AnswerParser
  readonly isThinkingShown: boolean
}

export interface AnswerWriter {
  /** Server-sent events; empty while there is nothing to tell. */
  text(text: string): string
  thinking(text: string): string
  /** A sign of life: the first is the chunk with the role, the others are comments. */
  alive(): string
  /** The rest of the text, the reason of the end, usage and `[DONE]`. */
  end(usage: Usage | null, reason: string): string
  /** All text so far, as the client has it. */
  content(): string
  /** Something that a client can show has been told: a failure can no longer be hidden. */
  hasContent(): boolean
}

export function createAnswerWriter(facts: AnswerFacts): AnswerWriter {
  const { id, created, model, parser, plan } = facts
  let isBegun = false
  let callCount = 0
  let content = ''
  let hasThought = false

  function chunk(delta: Readonly<Record<string, unknown>>, reason: string | null = null): string {
    const choices = [{ index: 0, delta, finish_reason: reason }]
    return event({ id, object: 'chat.completion.chunk', created, model, choices })
  }

  function begun(): string {
    if (isBegun) return ''
    isBegun = true
    return chunk({ role: 'assistant', content: '' })
  }

  function spell(events: readonly AnswerEvent[]): string {
    let spelt = ''
    for (const one of events) {
      if (one.type === 'tool_call') spelt += chunk(callDelta(one, callCount++, plan))
      else if (one.text !== '') {
        content += one.text
        spelt += chunk({ content: one.text })
      }
    }
    return spelt
  }

  return {
    text: (text) => begun() + spell(parser.push(text)),
    thinking(text) {
      if (!facts.isThinkingShown) return begun() || livingComment
      hasThought = true
      return begun() + chunk({ reasoning_content: text })
    },
    alive: () => begun() || livingComment,
    end(usage, reason) {
      const rest = begun() + spell(parser.end())
      const last = chunk({}, finishReason(callCount, plan, reason))
      const numbers =
        usage === null
          ? ''
          : event({ id, object: 'chat.completion.chunk', created, model, choices: [], usage: wireUsage(usage) })
      return `${rest}${last}${numbers}data: [DONE]\n\n`
    },
    content: () => content,
    hasContent: () => content !== '' || hasThought || callCount > 0,
  }
}

export interface AnswerAssembler {
  text(text: string): void
  thinking(text: string): void
  end(usage: Usage | null, reason: string): Record<string, unknown>
  /** All text so far, as the client will have it. */
  content(): string
}

export function createAnswerAssembler(facts: AnswerFacts): AnswerAssembler {
  const { parser } = facts
  const calls: ToolCall[] = []
  let content = ''
  let thought = ''

  function take(events: readonly AnswerEvent[]): void {
    for (const one of events) {
      if (one.type === 'tool_call') calls.push(one)
      else content += one.text
    }
  }

  return {
    text: (text) => take(parser.push(text)),
    thinking(text) {
      if (facts.isThinkingShown) thought += text
    },
    end(usage, reason) {
      take(parser.end())
      const message = assistantMessage(content, calls, facts.plan)
      return {
        id: facts.id,
        object: 'chat.completion',
        created: facts.created,
        model: facts.model,
        choices: [
          {
            index: 0,
            message: thought === '' ? message : { ...message, reasoning_content: thought },
            finish_reason: finishReason(calls.length, facts.plan, reason),
          },
        ],
        ...(usage === null ? {} : { usage: wireUsage(usage) }),
      }
    },
    content: () => content,
  }
}

/** It keeps the deadlines of silence from passing while upstream works on an answer. */
const livingComment = ': the upstream is at work\n\n'

/** Some clients end lines where Unicode does, and not only where events do. */
const otherLineEnds = /[\u0085\u2028\u2029]/g

function event(json: unknown): string {
  const text = JSON.stringify(json).replace(
    otherLineEnds,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return `data: ${text}\n\n`
}

function wireUsage({ inputTokens, outputTokens, cachedTokens, reasoningTokens }: Usage) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    ...(cachedTokens > 0 ? { prompt_tokens_details: { cached_tokens: cachedTokens } } : {}),
    ...(reasoningTokens > 0 ? { completion_tokens_details: { reasoning_tokens: reasoningTokens } } : {}),
  }
}
