/** Which parameters of a request its upstream cannot honour: never silent, but named, for the caller to tell or to refuse. */
import { isRecord } from '../../formats/is-record.ts'

export interface Unsupported {
  /** Names of what cannot be honoured. */
  readonly dropped: readonly string[]
  /** Names of what changes no answer: told, never refused. */
  readonly ignored: readonly string[]
}

/** `honoured`: what the upstream itself understands, beside messages, tools, formats and streams. */
export function findUnsupported(
  request: Readonly<Record<string, unknown>>,
  honoured: ReadonlySet<string> = new Set(),
): Unsupported {
  const dropped: string[] = []
  const ignored: string[] = []
  for (const [name, value] of Object.entries(request)) {
    if (understood.has(name) || honoured.has(name) || !isAsking(name, value)) continue
    if (harmless.has(name)) ignored.push(name)
    else dropped.push(name)
  }
  return { dropped, ignored }
}

const mostDroppedNames = 20

/** Names are the client's own words: only what can stand in a header goes there. */
export function droppedHeader(names: readonly string[]): Record<string, string> {
  const shown = [...new Set(names.map((name) => (/^[\w.-]{1,60}$/.test(name) ? name : 'other')))]
  const most = shown.length > mostDroppedNames ? [...shown.slice(0, mostDroppedNames), 'other'] : shown
  return most.length === 0 ? {} : { 'x-any2api-dropped': most.join(', ') }
}

/** Honoured by those who read tools, messages and streams. */
const understood = new Set([
  ...['model', 'messages', 'stream', 'stream_options', 'response_format'],
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
