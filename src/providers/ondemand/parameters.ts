/**
 * From OpenAI's parameters to OnDemand's names and ranges (https://docs.on-demand.io/reference/submitquery). What it cannot honour
 * is never silent: it is named, for the caller to tell or to refuse.
 */
import { findUnsupported } from '../text-tools/find-unsupported.ts'

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

  const unsupported = findUnsupported(request, settings.isMaxTokensSent ? new Set([...honoured, ...limits]) : honoured)
  dropped.push(...unsupported.dropped)
  return {
    modelConfigs,
    reasoningEffort: effortOf(request.reasoning_effort),
    maxTokens,
    dropped,
    ignored: unsupported.ignored,
  }
}

const ranges = [
  { name: 'temperature', own: 'temperature', max: 2 },
  { name: 'top_p', own: 'topP', max: 1 },
  { name: 'presence_penalty', own: 'presencePenalty', max: 2 },
  { name: 'frequency_penalty', own: 'frequencyPenalty', max: 2 },
] as const

const maxStops = 4
const limits = ['max_tokens', 'max_completion_tokens']
const honoured = new Set(['reasoning_effort', 'stop', 'temperature', 'top_p', 'presence_penalty', 'frequency_penalty'])

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
