/** Tool calls in OpenAI's wire format, whole and streamed, in today's and the legacy spelling. */
import { randomText } from './random-text.ts'
import type { ToolPlan } from './tool-plan.ts'

export interface ToolCall {
  readonly id: string
  readonly name: string
  /** JSON text, valid against the tool's schema. */
  readonly arguments: string
}

/** `call_` and 24 random alphanumerics. */
export function createCallId(): string {
  return `call_${randomText(24, alphanumerics)}`
}

/** The reason a choice ended: calls win over what upstream said, since clients act on the reason. */
export function finishReason(callCount: number, plan: ToolPlan, upstreamReason = 'stop'): string {
  if (callCount === 0) return upstreamReason
  return plan.isLegacy ? 'function_call' : 'tool_calls'
}

/** `message` of a choice that is not streamed. */
export function assistantMessage(content: string, calls: readonly ToolCall[], plan: ToolPlan) {
  const first = calls[0]
  if (first === undefined) return { role: 'assistant' as const, content }
  const shown = content === '' ? null : content
  if (plan.isLegacy) return { role: 'assistant' as const, content: shown, function_call: wireFunction(first) }
  return { role: 'assistant' as const, content: shown, tool_calls: calls.map(wireCall) }
}

/** `delta` of a stream's chunk that tells one call whole. `index` counts the calls of the answer from 0. */
export function callDelta(call: ToolCall, index: number, plan: ToolPlan) {
  if (plan.isLegacy) return { function_call: wireFunction(call) }
  return { tool_calls: [{ index, ...wireCall(call) }] }
}

function wireCall(call: ToolCall) {
  return { id: call.id, type: 'function' as const, function: wireFunction(call) }
}

function wireFunction(call: ToolCall) {
  return { name: call.name, arguments: call.arguments }
}

const alphanumerics = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
