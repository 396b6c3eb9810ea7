/**
 * Reads OnDemand's stream of events: a pure state machine from the data of one event to what it says. What becomes of it is
 * not decided here.
 *
 * Frames are `event:<name>` and `data:<one line of JSON>`, the kind is `eventType` in the JSON
 * (https://docs.on-demand.io/docs/query-and-responses-modes; recorded streams: https://github.com/mk42-ai/ondemand-hq).
 */
import type { Usage } from '../../domain.ts'
import type { AnswerEnd, Step } from '../text-tools/answer-source.ts'

export interface EventReader {
  /** `data` of one event, its lines joined. */
  read(data: string): Step
  /** The connection has ended, properly or not: what is left to say. */
  end(): StreamEnd
}

/** No reason is told. */
export type StreamEnd = Omit<AnswerEnd, 'reason'>

const alive: Step = { kind: 'alive' }
const errorMark = '[ERROR]'

export function createEventReader(): EventReader {
  let hasText = false
  let hasThinking = false
  let isDone = false
  let isFulfilled = false
  let repeated = ''
  let usage: Usage | null = null

  function readJson(event: Record<string, unknown>): Step {
    switch (event.eventType) {
      case 'fulfillment': {
        const text = textOf(event.answer)
        if (text === '') return alive
        hasText = true
        return { kind: 'text', text }
      }
      case 'fulfillment_thinking': {
        const text = textOf(objectOf(event.thinking).delta)
        if (text === '') return alive
        hasThinking = true
        return { kind: 'thinking', text }
      }
      case 'statusLog': {
        const log = objectOf(event.currentStatusLog)
        if (log.statusType === 'fulfillment_completed') {
          isFulfilled = true
          repeated = textOf(log.answer)
        }
        return alive
      }
      case 'metricsLog':
        usage = readMetrics(event.publicMetrics) ?? usage
        isFulfilled = true
        return alive
      // Never seen; but if one came, silence would be the worst reading of it.
      case 'error':
        return { kind: 'error', text: JSON.stringify(event) }
      // planning_thinking, step_thinking, planning_output, step_output: the planner's own notes about plugins, no part of the answer.
      // Heartbeats have no type, and of a type that nobody knows nothing can be shown.
      default:
        return typeof event.errorCode === 'string' && event.eventType === undefined
          ? { kind: 'error', text: JSON.stringify(event) }
          : alive
    }
  }

  return {
    read(data) {
      const trimmed = data.trim()
      if (trimmed === '[DONE]') {
        isDone = true
        return { kind: 'done' }
      }
      if (trimmed.startsWith(errorMark)) {
        return { kind: 'error', text: trimmed.slice(errorMark.length).replace(/^\s*:\s*/, '') }
      }
      let json: unknown
      try {
        json = JSON.parse(trimmed)
      } catch {
        return alive
      }
      return readJson(objectOf(json))
    },
    end() {
      // The repetition is read only where the pieces are missing: then it is all there is.
      const text = hasText ? '' : repeated
      const hasAnything = hasText || hasThinking || isFulfilled
      return { isComplete: isDone ? hasAnything : isFulfilled, text, usage }
    },
  }
}

/** `publicMetrics` of a stream's `metricsLog`, `data.metrics` of a whole answer. The input count holds OnDemand's own system text. */
export function readMetrics(metrics: unknown): Usage | null {
  const { inputTokens, outputTokens } = objectOf(metrics)
  if (typeof inputTokens !== 'number' && typeof outputTokens !== 'number') return null
  return { inputTokens: count(inputTokens), outputTokens: count(outputTokens), cachedTokens: 0, reasoningTokens: 0 }
}

/** An answer that came whole although a stream was asked for: `data.answer`, else `answer`, else `content`. Null: it is none. */
export function readWholeAnswer(json: unknown): StreamEnd | null {
  const outer = objectOf(json)
  const data = objectOf(outer.data)
  const answer = data.answer ?? outer.answer ?? outer.content
  const isFailed = data.status === 'failed' || typeof outer.errorCode === 'string'
  if (isFailed || (typeof answer !== 'string' && answer !== null && !('answer' in data))) return null
  return { isComplete: true, text: textOf(answer), usage: readMetrics(data.metrics ?? outer.metrics) }
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.round(value) : 0
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
