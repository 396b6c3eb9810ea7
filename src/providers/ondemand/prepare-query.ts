/** Everything about a call that does not depend on who answers it: its conversation, tools and parameters, as OnDemand must be told. */
import type { OndemandProviderConfig } from '../../domain.ts'
import { isRecord } from '../../formats/is-record.ts'
import type { Call } from '../provider.ts'
import { type JsonMode, jsonInstructions, readJsonMode } from '../text-tools/json-mode.ts'
import { createNonce } from '../text-tools/markers.ts'
import { type Message, tellToolMessages } from '../text-tools/tell-tool-messages.ts'
import { toolInstructions } from '../text-tools/tool-instructions.ts'
import { readToolPlan, type ToolPlan } from '../text-tools/tool-plan.ts'
import { readTurns, systemText, type Turn, writeQuery } from './convert.ts'
import { refuseRequest } from './errors.ts'
import { type Parameters, readParameters } from './parameters.ts'

export interface Prepared {
  readonly turns: readonly Turn[]
  /** System text with the instructions for tools and JSON. */
  readonly system: string
  readonly plan: ToolPlan
  readonly jsonMode: JsonMode
  /** The one that tools are told with. */
  readonly nonce: string
  /** Tools, or earlier calls of them, are told of: calls may be in the answer. */
  readonly hasTools: boolean
  readonly parameters: Parameters
  /** Names for the response header. */
  readonly dropped: readonly string[]
  /** The body of the query that tells everything, without `endpointId` and `reasoningEffort`. */
  whole(): Record<string, unknown>
  /** The same for an upstream session that has heard all but these turns. */
  continued(fresh: readonly Turn[]): Record<string, unknown>
}

/** Throws UpstreamError or GatewayError 400, naming the param. */
export function prepareQuery(call: Call, config: OndemandProviderConfig): Prepared {
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
  const parameters = readParameters(request, config)
  const instructions = [toolInstructions(plan, nonce), jsonInstructions(jsonMode)]
  const system = systemText(turns, instructions)
  const dropped = [...plan.dropped, ...parameters.dropped]
  const isPrompt = config.systemPlacement === 'fulfillment_prompt' && system !== ''
  const [refused] = dropped
  if (refused !== undefined && config.unsupported === 'refuse') throw unsupported(refused)

  function body(query: string): Record<string, unknown> {
    refuseLong(query, config.maxQueryLength)
    const modelConfigs = { ...parameters.modelConfigs, ...(isPrompt ? { fulfillmentPrompt: system } : {}) }
    return {
      query,
      responseMode: 'stream',
      ...(config.pluginField === 'omit' ? {} : { [config.pluginField]: config.plugins }),
      ...(config.isFulfillmentOnly ? { fulfillmentOnly: true } : {}),
      ...(Object.keys(modelConfigs).length > 0 ? { modelConfigs } : {}),
    }
  }

  return {
    turns,
    system,
    plan,
    jsonMode,
    nonce,
    hasTools,
    parameters,
    dropped: [...dropped, ...parameters.ignored],
    whole: () => body(writeQuery(turns, isPrompt ? '' : system)),
    continued: (fresh) => body(writeQuery(fresh, '')),
  }
}

export function unsupported(param: string) {
  return refuseRequest(`'${param}' is not supported by this model's upstream`, { code: 'unsupported_parameter', param })
}

function isAboutTools(message: Message): boolean {
  return message.role === 'tool' || message.role === 'function' || 'tool_calls' in message || 'function_call' in message
}

function refuseLong(query: string, maxLength: number | null): void {
  if (maxLength === null || query.length <= maxLength) return
  throw refuseRequest(`the conversation has ${query.length} characters; ${maxLength} are the most`, {
    code: 'context_length_exceeded',
    param: 'messages',
  })
}
