/** What a stream of the AI SDK (Vercel's `ai` package) says, in either of its formats, and the words that both formats share. */
import type { Usage } from '../../domain.ts'

/**
 * `alive`: nothing of the answer, but the other side is at work (tools, sources, data). `finish`: the message is complete unless more
 * of it follows. `abort`: the other side gave up. `done`: the last word, of the newer format only.
 */
export type AiSdkPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'reasoning'; readonly text: string }
  | { readonly kind: 'alive' }
  | { readonly kind: 'usage'; readonly usage: Usage }
  | { readonly kind: 'step_start' }
  | { readonly kind: 'step_finish'; readonly usage: Usage | null }
  | { readonly kind: 'finish'; readonly reason: AiSdkFinishReason | null; readonly usage: Usage | null }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'abort' }
  | { readonly kind: 'done' }

/** OpenAI's words, and `error`, for which OpenAI has none. */
export type AiSdkFinishReason = 'stop' | 'length' | 'content_filter' | 'tool_calls' | 'error'

/** Null when none is told. `other` and `unknown` say only that it has ended. */
export function readFinishReason(value: unknown): AiSdkFinishReason | null {
  return typeof value === 'string' ? (reasons.get(value) ?? 'stop') : null
}

const reasons: ReadonlyMap<string, AiSdkFinishReason> = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
  ['content-filter', 'content_filter'],
  ['tool-calls', 'tool_calls'],
  ['error', 'error'],
])

/**
 * Null when there are no numbers; single ones may be missing, null or (before they were JSON) NaN. `promptTokens` and `completionTokens` are
 * the names of version 4; `inputTokens`, `outputTokens`, `reasoningTokens` and `cachedInputTokens` those of 5, the details those of 6 and 7.
 */
export function readAiSdkUsage(value: unknown): Usage | null {
  const fields = recordOf(value)
  const input = countOf(fields.inputTokens ?? fields.promptTokens)
  const output = countOf(fields.outputTokens ?? fields.completionTokens)
  const total = countOf(fields.totalTokens)
  if (input === null && output === null && total === null) return null
  const outputTokens = output ?? Math.max((total ?? 0) - (input ?? 0), 0)
  const inputTokens = input ?? Math.max((total ?? 0) - outputTokens, 0)
  const cached = recordOf(fields.inputTokenDetails).cacheReadTokens ?? fields.cachedInputTokens
  const reasoning = recordOf(fields.outputTokenDetails).reasoningTokens ?? fields.reasoningTokens
  return {
    inputTokens,
    outputTokens,
    cachedTokens: Math.min(countOf(cached) ?? 0, inputTokens),
    reasoningTokens: Math.min(countOf(reasoning) ?? 0, outputTokens),
  }
}

export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.round(value) : null
}
