/** Everything about a call that does not depend on who answers it: its conversation, tools and parameters, as OnDemand must be told. */
import type { OndemandProviderConfig } from '../../domain.ts'
import type { Call } from '../provider.ts'
import { type Conversation, prepareConversation } from '../text-tools/prepare-conversation.ts'
import type { Turn } from '../text-tools/read-turns.ts'
import { refuseRequest, refuseUnsupported } from '../text-tools/refuse-request.ts'
import { writeQuery } from './convert.ts'
import { type Parameters, readParameters } from './parameters.ts'

export interface Prepared extends Conversation {
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
  const conversation = prepareConversation(call)
  const { plan, system, turns } = conversation
  const parameters = readParameters(call.view.json ?? {}, config)
  const dropped = [...plan.dropped, ...parameters.dropped]
  const isPrompt = config.systemPlacement === 'fulfillment_prompt' && system !== ''
  const [refused] = dropped
  if (refused !== undefined && config.unsupported === 'refuse') throw refuseUnsupported(refused)

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
    ...conversation,
    parameters,
    dropped: [...dropped, ...parameters.ignored],
    whole: () => body(writeQuery(turns, isPrompt ? '' : system)),
    continued: (fresh) => body(writeQuery(fresh, '')),
  }
}

function refuseLong(query: string, maxLength: number | null): void {
  if (maxLength === null || query.length <= maxLength) return
  throw refuseRequest(`the conversation has ${query.length} characters; ${maxLength} are the most`, {
    code: 'context_length_exceeded',
    param: 'messages',
  })
}
