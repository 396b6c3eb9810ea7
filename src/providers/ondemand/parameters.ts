/**
 * From OpenAI's parameters to OnDemand's names and ranges (https://docs.on-demand.io/reference/submitquery). What it cannot honour
 * is never silent: it is named, for the caller to tell or to refuse.
 */
import { isRecord } from '../../formats/is-record.ts'

export interface Parameters {
  /** `modelConfigs` of the query. */
  readonly modelConfigs: Readonly<Record<string, unknown>>
  /** `reasoningEffort`, undocumented but checked live: `low`, `medium` or `max`. Null: not asked for. */
  readonly reasoningEffort: string | null
  /** Null: no limit was sent. */
  readonly maxTokens: number | null
  /** Names of what cannot be honoured. */
  readonly dropped: readonly string[]
  /** Names of what changes no answer: told, never refused. */
  readonly ignored: readonly string[]
}

export function readParameters(
  request: Readonly<Record<string, unknown>>,
  settings: { readonly isMaxTokensSent: boolean },
): Parameters {
  const modelConfigs: Record<string, unknown> = {}
  const dropped: string[] = []
  const ignored: string[] = []
  for (const { name, own, max } of ranges) {
    const value = request[name]
    if (typeof value !== 'number') continue
    const sent = Math.min(Math.max(value, 0), max)
    modelConfigs[own] = sent
    if (sent !== value) dropped.push(name)
  }
  const stop = readStop(request.stop)
  if (stop.length > 0) modelConfigs.stopSequences = stop.slice(0, maxStops)
  if (stop.length > maxStops) dropped.push('stop')
  const limit = request.max_completion_tokens ?? request.max_tokens
  const maxTokens = settings.isMaxTokensSent && typeof limit === 'number' ? limit : null
  if (maxTokens !== null) modelConfigs.maxTokens = maxTokens

  for (const [name, value] of Object.entries(request)) {
    if (understood.has(name) || !isAsking(name, value)) continue
    if (limits.has(name) && settings.isMaxTokensSent) continue
    if (harmless.has(name)) ignored.push(name)
    else dropped.push(name)
  }
  return { modelConfigs, reasoningEffort: effortOf(request.reasoning_effort), maxTokens, dropped, ignored }
}

const ranges = [
  { name: 'temperature', own: 'temperature', max: 2 },
  { name: 'top_p', own: 'topP', max: 1 },
  { name: 'presence_penalty', own: 'presencePenalty', max: 2 },
  { name: 'frequency_penalty', own: 'frequencyPenalty', max: 2 },
] as const

const maxStops = 4
const limits = new Set(['max_tokens', 'max_completion_tokens'])

/** Honoured here, or by those who read tools, messages and streams. */
const understood = new Set([
  ...['model', 'messages', 'stream', 'stream_options', 'response_format', 'reasoning_effort', 'stop'],
  ...['temperature', 'top_p', 'presence_penalty', 'frequency_penalty'],
  ...['tools', 'tool_choice', 'parallel_tool_calls', 'functions', 'function_call'],
])

/** They are notes for OpenAI's own books. */
const harmless = new Set([
  ...['user', 'metadata', 'store', 'service_tier'],
  ...['safety_identifier', 'prompt_cache_key', 'prompt_cache_retention'],
])

/** A value that asks for what is so anyway asks for nothing. */
function isAsking(name: string, value: unknown): boolean {
  if (value === null || value === undefined || value === false) return false
  if (name === 'n') return value !== 1
  if (name === 'top_logprobs') return value !== 0
  if (name === 'modalities') return !(Array.isArray(value) && value.every((each) => each === 'text'))
  if (name === 'logit_bias') return !(isRecord(value) && Object.keys(value).length === 0)
  return true
}

function readStop(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value]
  return list.filter((each): each is string => typeof each === 'string' && each !== '')
}

function effortOf(value: unknown): string | null {
  if (typeof value !== 'string') return null
  return efforts[value] ?? value
}

/** Other words go as they are, if the catalogue lists them for the model. */
const efforts: Readonly<Record<string, string>> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'max',
  xhigh: 'max',
}
