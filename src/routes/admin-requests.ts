/** `GET /admin/requests`: the last calls, newest first, filtered. */
import type { Outcome, UsageRecord } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { RequestFilter, Store } from '../stores/store.ts'
import { documentRoute, queryParameter } from './documentation.ts'
import type { OperatorContext } from './operator.ts'

export function adminRequests({ store }: { store: Store }) {
  return async ({ request }: OperatorContext): Promise<Response> => {
    const filter = readFilter(new URL(request.url).searchParams)
    const records = await store.requests(filter)
    const last = records.at(-1)
    const nextBefore = last !== undefined && records.length === filter.limit ? last.time : null
    return Response.json({ object: 'list', data: records.map(describeRecord), next_before: nextBefore })
  }
}

const defaultLimit = 100
const maxLimit = 1000
const maxNameLength = 200
const outcomes: readonly Outcome[] = ['succeeded', 'refused', 'failed', 'cut', 'aborted']
const known = ['limit', 'model', 'provider', 'client', 'outcome', 'before']

/** Throws GatewayError 400 naming the parameter. A misspelt one would silently show the wrong calls. */
function readFilter(query: URLSearchParams): RequestFilter {
  for (const name of query.keys()) {
    if (known.includes(name)) continue
    throw invalid(`unknown parameter; there are ${known.join(', ')}`, name.slice(0, maxNameLength))
  }
  const filter: RequestFilter = { limit: readLimit(query.get('limit')) }
  for (const name of ['model', 'provider', 'client'] as const) {
    const value = query.get(name)
    if (value === null) continue
    if (value === '' || value.length > maxNameLength) {
      throw invalid(`expected a name of 1 to ${maxNameLength} characters`, name)
    }
    filter[name] = value
  }
  const outcome = query.get('outcome')
  if (outcome !== null) filter.outcome = readOutcome(outcome)
  const before = query.get('before')
  if (before !== null) filter.before = readTime(before)
  return filter
}

function readLimit(text: string | null): number {
  if (text === null) return defaultLimit
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > maxLimit) throw invalid(`expected a whole number from 1 to ${maxLimit}`, 'limit')
  return limit
}

function readOutcome(text: string): Outcome {
  const outcome = outcomes.find((one) => one === text)
  if (outcome === undefined) throw invalid(`expected one of ${outcomes.join(', ')}`, 'outcome')
  return outcome
}

function readTime(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time)) throw invalid('expected Unix milliseconds, or a time such as 2030-01-01T08:00:00Z', 'before')
  return time
}

function invalid(message: string, param: string): GatewayError {
  return new GatewayError('invalid_parameter', message, { status: 400, param })
}

function describeRecord(record: UsageRecord) {
  return {
    id: record.id,
    time: new Date(record.time).toISOString(),
    client: record.client,
    path: record.path,
    model: record.model,
    provider: record.provider,
    target_model: record.targetModel,
    credential: record.credential,
    status: record.status,
    outcome: record.outcome,
    stream: record.isStream,
    error_code: record.errorCode === '' ? null : record.errorCode,
    attempts: record.attempts,
    first_byte_ms: record.firstByteMs,
    duration_ms: record.durationMs,
    input_tokens: record.usage.inputTokens,
    output_tokens: record.usage.outputTokens,
    cached_tokens: record.usage.cachedTokens,
    reasoning_tokens: record.usage.reasoningTokens,
    usage_source: record.usageSource,
    cost_usd: record.costMicroUsd / 1_000_000,
  }
}

export const adminRequestsDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'The last calls',
  description: 'Newest first. For the next page pass `next_before` as `before`.',
  parameters: [
    queryParameter('limit', 'How many', { type: 'integer', minimum: 1, maximum: maxLimit, default: defaultLimit }),
    queryParameter('model', 'Name the client asked for', { type: 'string' }),
    queryParameter('provider', 'Provider that answered', { type: 'string' }),
    queryParameter('client', 'Name of the client key', { type: 'string' }),
    queryParameter('outcome', 'How the call ended', { type: 'string', enum: [...outcomes] }),
    queryParameter('before', 'Only calls that began before: Unix milliseconds or ISO 8601', { type: 'string' }),
  ],
  answer: {
    description: 'The calls',
    example: {
      object: 'list',
      data: [
        {
          id: 'req_3f0b5a52-8c1d-4c59-9a39-0c9c1c7f7d10',
          time: '2030-01-01T10:05:01.000Z',
          client: 'alice',
          path: '/chat/completions',
          model: 'gpt-4o',
          provider: 'openai',
          target_model: 'gpt-4o',
          credential: '1f0c9a3e…9abc',
          status: 200,
          outcome: 'succeeded',
          stream: true,
          error_code: null,
          attempts: 1,
          first_byte_ms: 412,
          duration_ms: 2210,
          input_tokens: 13,
          output_tokens: 7,
          cached_tokens: 0,
          reasoning_tokens: 0,
          usage_source: 'upstream',
          cost_usd: 0.000_086,
        },
      ],
      next_before: null,
    },
  },
  errors: [400],
})
