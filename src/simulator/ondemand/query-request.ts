/** The service's own checks of the bodies it is sent, by the limits its documentation gives (docs.on-demand.io/reference/submitquery). */

import { isJsonObject, isTextList, type JsonObject, textOrNull } from '../json.ts'
import type { AnswerShape, Asked } from './behaviours.ts'
import type { Endpoint } from './catalogue.ts'
import { REQUEST_ERRORS, type WholeAnswer } from './refusals.ts'

/** The answer with which a query is refused, or null when it is good. */
export function queryRefusal(body: JsonObject | null, facts: QueryFacts): WholeAnswer | null {
  const { shape } = facts
  if (body === null) return REQUEST_ERRORS.invalid('The body must be a JSON object')
  const { query, endpointId, responseMode, reasoningEffort } = body
  if (typeof query !== 'string' || query === '') return REQUEST_ERRORS.invalid('query is required')
  if (typeof endpointId !== 'string' || endpointId === '') return REQUEST_ERRORS.invalid('endpointId is required')
  const isActive = facts.endpoints.some((endpoint) => endpoint.id === endpointId && endpoint.isActive)
  if (!isActive || shape.inactiveEndpoints?.includes(endpointId) === true) return REQUEST_ERRORS.inactive(endpointId)
  if (responseMode !== undefined && !isOneOf(responseMode, RESPONSE_MODES)) {
    return REQUEST_ERRORS.invalid('responseMode must be one of sync, stream, webhook')
  }
  const isEffortSent = reasoningEffort !== undefined
  if (isEffortSent && !isOneOf(reasoningEffort, REASONING_EFFORTS)) {
    return REQUEST_ERRORS.invalid('reasoningEffort must be one of low, medium, max')
  }
  if (body.fulfillmentOnly !== undefined && typeof body.fulfillmentOnly !== 'boolean') {
    return REQUEST_ERRORS.invalid('fulfillmentOnly must be a boolean')
  }
  return pluginRefusal(body, shape) ?? modelConfigsRefusal(body.modelConfigs)
}

export interface QueryFacts {
  readonly endpoints: readonly Endpoint[]
  readonly shape: AnswerShape
}

/** The answer with which a new session is refused, or null when it is good. */
export function sessionRefusal(body: JsonObject | null): WholeAnswer | null {
  if (body === null) return REQUEST_ERRORS.invalid('The body must be a JSON object')
  if (typeof body.externalUserId !== 'string' || body.externalUserId === '') {
    return REQUEST_ERRORS.invalid('externalUserId is required')
  }
  return pluginRefusal(body, {})
}

/** Of a query that was not refused. */
export function readAsked(body: JsonObject, facts: Pick<Asked, 'credential' | 'sessionId' | 'earlierQueries'>): Asked {
  const modelConfigs = isJsonObject(body.modelConfigs) ? body.modelConfigs : {}
  return {
    ...facts,
    query: textOrNull(body.query) ?? '',
    endpointId: textOrNull(body.endpointId) ?? '',
    responseMode: isOneOf(body.responseMode, RESPONSE_MODES) ? body.responseMode : 'sync',
    fulfillmentPrompt: textOrNull(modelConfigs.fulfillmentPrompt),
    body,
  }
}

const RESPONSE_MODES = ['sync', 'stream', 'webhook'] as const
const REASONING_EFFORTS = ['low', 'medium', 'max'] as const
const MAX_PLUGINS = 20
const MAX_STOP_SEQUENCES = 4

function isOneOf<Value extends string>(value: unknown, values: readonly Value[]): value is Value {
  return values.some((each) => each === value)
}

/** `agentIds` is a newer name for the same list. */
function pluginRefusal(body: JsonObject, shape: AnswerShape): WholeAnswer | null {
  for (const name of ['pluginIds', 'agentIds'] as const) {
    const ids = body[name]
    if (ids === undefined) continue
    if (!isTextList(ids)) return REQUEST_ERRORS.invalid(`${name} must be an array of strings`)
    if (ids.length > MAX_PLUGINS) return REQUEST_ERRORS.invalid(`${name} must have at most ${MAX_PLUGINS} entries`)
    const isRefused = name === 'pluginIds' && shape.arePluginIdsRefused === true && ids.length > 0
    if (isRefused) return REQUEST_ERRORS.invalidAgents(ids)
  }
  return null
}

/** Names that are not in it are ignored, as the service ignores the snake-case ones that some clients send. */
const CONFIG_LIMITS: readonly { readonly name: string; readonly max: number }[] = [
  { name: 'temperature', max: 2 },
  { name: 'topP', max: 1 },
  { name: 'presencePenalty', max: 2 },
  { name: 'frequencyPenalty', max: 2 },
]

function modelConfigsRefusal(modelConfigs: unknown): WholeAnswer | null {
  if (modelConfigs === undefined) return null
  if (!isJsonObject(modelConfigs)) return REQUEST_ERRORS.invalid('modelConfigs must be an object')
  for (const { name, max } of CONFIG_LIMITS) {
    const value = modelConfigs[name]
    if (value === undefined) continue
    const isGood = typeof value === 'number' && value >= 0 && value <= max
    if (!isGood) return REQUEST_ERRORS.invalid(`modelConfigs.${name} must be between 0 and ${max}`)
  }
  const { stopSequences, fulfillmentPrompt, maxTokens } = modelConfigs
  if (stopSequences !== undefined && !isTextList(stopSequences)) {
    return REQUEST_ERRORS.invalid('modelConfigs.stopSequences must be an array of strings')
  }
  if (stopSequences !== undefined && stopSequences.length > MAX_STOP_SEQUENCES) {
    return REQUEST_ERRORS.invalid(`modelConfigs.stopSequences must have at most ${MAX_STOP_SEQUENCES} entries`)
  }
  if (fulfillmentPrompt !== undefined && typeof fulfillmentPrompt !== 'string') {
    return REQUEST_ERRORS.invalid('modelConfigs.fulfillmentPrompt must be a string')
  }
  if (maxTokens !== undefined && typeof maxTokens !== 'number') {
    return REQUEST_ERRORS.invalid('modelConfigs.maxTokens must be a number')
  }
  return null
}
