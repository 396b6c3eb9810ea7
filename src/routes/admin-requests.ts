/** `GET /admin/requests`: single calls, newest first, filtered, by page or as a file. */
import { outcomes, type UsageRecord } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { csvLine } from '../formats/csv.ts'
import type { RequestFilter, RequestPage } from '../stores/store.ts'
import { documentRoute, pathParameter, queryParameter } from './documentation.ts'
import { datedName, download } from './download.ts'
import type { OperatorContext, OperatorParts } from './operator.ts'
import {
  invalid,
  type RangeContext,
  readChoice,
  readCount,
  readFormat,
  readNames,
  readTime,
  refuseBackwards,
  refuseUnknown,
} from './read-range.ts'

type Parts = Pick<OperatorParts, 'gateway' | 'store' | 'clock'>

export function adminRequests(parts: Parts) {
  return async ({ request }: OperatorContext): Promise<Response> => {
    const query = new URL(request.url).searchParams
    const context = { now: parts.clock.now(), timezone: parts.gateway.config().store.timezone }
    const filter = readFilter(query, context)
    const format = readFormat(query, request)
    if (format !== null) return exportRequests(parts, filter, format)
    const { records, nextCursor } = await fullPage(parts, filter)
    return Response.json({ object: 'list', data: records.map(describeRecord), next_cursor: nextCursor })
  }
}

export function adminRequest({ store }: Parts) {
  return async ({ request }: OperatorContext): Promise<Response> => {
    const path = new URL(request.url).pathname
    const id = decodeURIComponent(path.slice(path.lastIndexOf('/') + 1))
    const { records } = await store.requests({ limit: 1, id })
    const [record] = records
    if (record === undefined) {
      throw new GatewayError('not_found', 'no call of this id is kept (any more)', { status: 404 })
    }
    return Response.json({ ...describeRecord(record), trail: (record.trail ?? []).map(describeAttempt) })
  }
}

const defaultLimit = 100
const maxLimit = 1000
const exportedAtOnce = 1000
const names = ['model', 'provider', 'client', 'credential'] as const
const known = ['from', 'to', ...names, 'outcome', 'status', 'min_duration', 'id', 'limit', 'cursor', 'format']
/** Where rows that match are rare, one question after the other is asked, but not for ever. */
const fullPageMs = 1000

/** Throws GatewayError 400 naming the parameter. A misspelt one would silently show the wrong calls. */
function readFilter(query: URLSearchParams, context: RangeContext): RequestFilter {
  refuseUnknown(query, known)
  const limit = readCount(query, 'limit', { most: maxLimit, byDefault: defaultLimit })
  const filter: RequestFilter = { limit, ...readNames(query, [...names, 'id']) }
  const from = readTime(query, 'from', context)
  const to = readTime(query, 'to', context)
  refuseBackwards(from, to)
  if (from !== null) filter.from = from
  if (to !== null) filter.to = to
  const outcome = readChoice(query, 'outcome', outcomes)
  if (outcome !== null) filter.outcome = outcome
  const status = query.get('status')
  if (status !== null) filter.status = readStatus(status)
  const duration = query.get('min_duration')
  if (duration !== null) filter.minDurationMs = readDuration(duration)
  const cursor = query.get('cursor')
  if (cursor !== null) filter.cursor = readCursor(cursor)
  return filter
}

function readStatus(text: string): { least: number; most: number } {
  if (/^[1-5]xx$/.test(text)) return { least: Number(text[0]) * 100, most: Number(text[0]) * 100 + 99 }
  if (!/^[1-5]\d\d$/.test(text)) throw invalid('expected a status such as 429, or a class such as 5xx', 'status')
  return { least: Number(text), most: Number(text) }
}

function readDuration(text: string): number {
  const parts = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m)?$/.exec(text)
  if (parts === null) throw invalid('expected milliseconds, or a duration such as 2s', 'min_duration')
  return Number(parts[1]) * ({ s: 1000, m: 60_000 }[parts[2] ?? ''] ?? 1)
}

function readCursor(text: string): string {
  if (!/^[0-9a-z]{1,11}$/.test(text)) throw invalid('expected the next_cursor of the page before', 'cursor')
  return text
}

async function fullPage({ store, clock }: Parts, filter: RequestFilter): Promise<RequestPage> {
  const end = clock.monotonic() + fullPageMs
  let page = await store.requests(filter)
  while (page.records.length < filter.limit && page.nextCursor !== null && clock.monotonic() < end) {
    const left = filter.limit - page.records.length
    const more: RequestPage = await store.requests({ ...filter, limit: left, cursor: page.nextCursor })
    page = { records: [...page.records, ...more.records], nextCursor: more.nextCursor }
  }
  return page
}

/** All calls of the filter, however many: a page at a time, asked for when the one before has been taken. */
function exportRequests({ store, clock }: Parts, filter: RequestFilter, format: 'csv' | 'json'): Response {
  let cursor = filter.cursor ?? null
  let state: 'new' | 'running' | 'over' = 'new'
  let isFirst = true

  const write = (record: UsageRecord): string => {
    const described = describeRecord(record)
    if (format === 'csv') return csvLine(Object.values(described))
    const separator = isFirst ? '\n' : ',\n'
    isFirst = false
    return separator + JSON.stringify(described)
  }

  return download({
    filename: `${datedName('requests', clock.now())}.${format}`,
    format,
    async next() {
      if (state === 'over') return null
      const head = format === 'csv' ? csvLine(columns) : '['
      let text = state === 'new' ? head : ''
      state = 'running'
      // An empty piece would not be asked after.
      do {
        const page = await store.requests({ ...filter, limit: exportedAtOnce, ...(cursor === null ? {} : { cursor }) })
        text += page.records.map(write).join('')
        cursor = page.nextCursor
        if (cursor === null) state = 'over'
      } while (text === '' && state === 'running')
      return state === 'over' && format === 'json' ? `${text}\n]\n` : text
    },
  })
}

export function describeRecord(record: UsageRecord) {
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

function describeAttempt(attempt: NonNullable<UsageRecord['trail']>[number]) {
  const { startMs, durationMs, ...rest } = attempt
  return { ...rest, start_ms: startMs, duration_ms: durationMs }
}

const exampleRecord: ReturnType<typeof describeRecord> = {
  id: 'req_3f0b5a52-8c1d-7c59-9a39-0c9c1c7f7d10',
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
}

/** The header of a file: the units are in the names. */
const columns = Object.keys(exampleRecord)

export const adminRequestsDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'Single calls',
  description:
    'Newest first. For the next page pass `next_cursor` as `cursor`; a page may be short although there is one. With `format` every call of the filter comes as a file, whatever `limit` says.',
  parameters: [
    queryParameter('from', 'Calls that began then or later: `24h` (ago), date, time or Unix seconds', {
      type: 'string',
    }),
    queryParameter('to', 'Calls that began before', { type: 'string' }),
    queryParameter('model', 'Name the client asked for', { type: 'string' }),
    queryParameter('provider', 'Provider that answered', { type: 'string' }),
    queryParameter('client', 'Name of the client key', { type: 'string' }),
    queryParameter('credential', 'Label of the credential', { type: 'string' }),
    queryParameter('outcome', 'How the call ended', { type: 'string', enum: [...outcomes] }),
    queryParameter('status', 'Status told to the client, or a class such as `5xx`', { type: 'string' }),
    queryParameter('min_duration', 'Calls that took so long: milliseconds, or `2s`', { type: 'string' }),
    queryParameter('id', 'The `x-request-id` that the client was told', { type: 'string' }),
    queryParameter('limit', 'How many', { type: 'integer', minimum: 1, maximum: maxLimit, default: defaultLimit }),
    queryParameter('cursor', '`next_cursor` of the page before', { type: 'string' }),
    queryParameter('format', 'All of them as a file', { type: 'string', enum: ['csv', 'json'] }),
  ],
  answer: {
    description: 'The calls',
    content: {
      'application/json': { example: { object: 'list', data: [exampleRecord], next_cursor: null } },
      'text/csv': { example: csvLine(columns) + csvLine(Object.values(exampleRecord)) },
    },
  },
  errors: [400],
})

export const adminRequestDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'One call',
  description: '`trail` has every attempt where there were several or one failed.',
  parameters: [pathParameter('id', 'The `x-request-id` that the client was told')],
  answer: {
    description: 'The call',
    example: {
      ...exampleRecord,
      attempts: 2,
      trail: [
        {
          provider: 'openai',
          model: 'gpt-4o',
          credential: '9b1d77e0…wxyz',
          failure: 'rate_limited',
          status: 429,
          code: 'rate_limit_exceeded',
          start_ms: 1,
          duration_ms: 160,
        },
      ],
    },
  },
  errors: [404],
})
