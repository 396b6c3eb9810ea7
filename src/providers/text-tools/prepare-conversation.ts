/** What of a call does not depend on the upstream that knows only text: its conversation with tools and JSON mode told in it. */
import { isRecord } from '../../formats/is-record.ts'
import type { Call } from '../provider.ts'
import { createAnswerParser } from './answer-parser.ts'
import { type JsonMode, jsonInstructions, readJsonMode } from './json-mode.ts'
import { createNonce } from './markers.ts'
import { readTurns, systemText, type Turn } from './read-turns.ts'
import { refuseRequest } from './refuse-request.ts'
import { type Message, tellToolMessages } from './tell-tool-messages.ts'
import type { AnswerParser } from './tool-call-parser.ts'
import { toolInstructions } from './tool-instructions.ts'
import { readToolPlan, type ToolPlan } from './tool-plan.ts'

export interface Conversation {
  readonly turns: readonly Turn[]
  /** System text with the instructions for tools and JSON. */
  readonly system: string
  readonly plan: ToolPlan
  readonly jsonMode: JsonMode
  /** The one that tools are told with. */
  readonly nonce: string
  /** Tools, or earlier calls of them, are told of: calls may be in the answer. */
  readonly hasTools: boolean
}

/** Throws UpstreamError or GatewayError 400, naming the param. */
export function prepareConversation(call: Call): Conversation {
  const request = call.view.json ?? {}
  const messages = Array.isArray(request.messages) ? request.messages.filter(isRecord) : []
  const plan = readToolPlan(request)
  const jsonMode = readJsonMode(request)
  const nonce = createNonce(Buffer.from(call.body).toString('utf8'))
  const turns = readTurns(tellToolMessages(messages, nonce))
  if (turns.length === 0) {
    throw refuseRequest('the messages hold no text to answer', { code: 'invalid_request', param: 'messages' })
  }
  const hasTools = plan.tools.length > 0 || messages.some(isAboutTools)
  const system = systemText(turns, [toolInstructions(plan, nonce), jsonInstructions(jsonMode)])
  return { turns, system, plan, jsonMode, nonce, hasTools }
}

/** Where nothing has to be taken out of it the text passes as it is. */
export function createConversationParser(conversation: Conversation): AnswerParser {
  if (conversation.hasTools || conversation.jsonMode.kind !== 'text') return createAnswerParser(conversation)
  return { push: (text) => [{ type: 'text', text }], end: () => [] }
}

/** The client itself asked a stream for its usage. */
export function isUsageWanted(call: Call): boolean {
  const options = call.view.outline?.stream_options
  return isRecord(options) && options.include_usage === true
}

function isAboutTools(message: Message): boolean {
  return message.role === 'tool' || message.role === 'function' || 'tool_calls' in message || 'function_call' in message
}
