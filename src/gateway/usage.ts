/** The end of every call: exactly one record, one log line, one set of metrics. */
import type { Clock } from '../clock.ts'
import type { AttemptRecord, Outcome, Price, Usage, UsageRecord } from '../domain.ts'
import type { Logger } from '../log.ts'
import type { Call } from '../providers/provider.ts'
import type { Store } from '../stores/store.ts'
import type { Metrics } from './metrics.ts'
import { costMicroUsd } from './pricing.ts'

/** What is known of a call so far; the attempt loop and the stream fill it in. */
export interface Progress {
  attempts: number
  provider: string
  targetModel: string
  credentialLabel: string
  /** Since the call's start; null until something was sent. */
  firstByteMs: number | null
  /** The answer was a kept one: its tokens were paid for once, by another call. */
  isCached: boolean
  /** Every attempt so far that is over, from the first failure on; null before. */
  trail: AttemptRecord[] | null
}

/** Of a call that has not come to its first attempt. */
export function noProgress(): Progress {
  return {
    attempts: 0,
    provider: '',
    targetModel: '',
    credentialLabel: '',
    firstByteMs: null,
    isCached: false,
    trail: null,
  }
}

export interface CallEnding {
  readonly status: number
  readonly outcome: Outcome
  readonly errorCode: string
  readonly usage: Usage | null
  /** Bytes of the answer, from which its tokens are guessed when upstream gave no numbers. */
  readonly answerBytes: number
}

export type RecordCall = (call: Call, progress: Progress, ending: CallEnding) => void

export interface RecordParts {
  readonly clock: Clock
  readonly log: Logger
  readonly store: Pick<Store, 'recordUsage'>
  readonly metrics: Metrics
  /** Gives back what was set aside for the call, and counts what it used. */
  readonly settle: (call: Call, record: UsageRecord) => void
  /** By the model that answered, and the name it was asked for. */
  readonly priceOf: (targetModel: string, model: string) => Price
}

export const noUsage: Usage = { inputTokens: 0, outputTokens: 0, cachedTokens: 0, reasoningTokens: 0 }

export function createRecordCall(parts: RecordParts): RecordCall {
  return (call, progress, ending) => {
    const { usage, source } = usageOf(call, progress, ending)
    const record: UsageRecord = {
      id: call.id,
      time: call.time,
      client: call.client.name,
      path: call.path,
      model: call.view.model,
      provider: progress.provider,
      targetModel: progress.targetModel,
      credential: progress.credentialLabel,
      status: ending.status,
      outcome: ending.outcome,
      isStream: call.view.isStream,
      errorCode: ending.errorCode,
      attempts: progress.attempts,
      firstByteMs: progress.firstByteMs === null ? null : Math.round(progress.firstByteMs),
      durationMs: Math.round(parts.clock.monotonic() - call.startedMs),
      usage,
      usageSource: source,
      costMicroUsd: source === 'none' ? 0 : costMicroUsd(usage, parts.priceOf(progress.targetModel, call.view.model)),
      trail: progress.trail,
    }
    parts.settle(call, record)
    parts.store.recordUsage(record)
    parts.metrics.count(record)
    if (parts.log.isEnabled('info')) parts.log.info('call', logFields(record))
  }
}

const countedPaths = new Set(['/chat/completions', '/completions', '/responses', '/embeddings'])
const bytesPerToken = 4
/** One event of a chat stream carries about one token in about so many bytes. */
const bytesPerStreamedToken = 180

/** Upstream's numbers; else, where an answer was begun, a guess from the sizes that is marked as one. */
function usageOf(
  call: Call,
  progress: Progress,
  ending: CallEnding,
): { usage: Usage; source: UsageRecord['usageSource'] } {
  if (progress.isCached) return { usage: noUsage, source: 'cache' }
  if (ending.usage !== null) return { usage: ending.usage, source: 'upstream' }
  if (ending.answerBytes === 0 || progress.attempts === 0 || !countedPaths.has(call.path))
    return { usage: noUsage, source: 'none' }
  const perToken = call.view.isStream ? bytesPerStreamedToken : bytesPerToken
  return {
    usage: {
      ...noUsage,
      inputTokens: Math.ceil(call.body.byteLength / bytesPerToken),
      outputTokens: call.path === '/embeddings' ? 0 : Math.ceil(ending.answerBytes / perToken),
    },
    source: 'estimate',
  }
}

function logFields(record: UsageRecord) {
  return {
    id: record.id,
    client: record.client,
    path: record.path,
    model: record.model,
    target: record.provider === '' ? '' : `${record.provider}/${record.targetModel}`,
    credential: record.credential,
    status: record.status,
    outcome: record.outcome,
    // Left out of the line when undefined.
    error_code: record.errorCode === '' ? undefined : record.errorCode,
    attempts: record.attempts,
    first_byte_ms: record.firstByteMs,
    duration_ms: record.durationMs,
    input_tokens: record.usage.inputTokens,
    output_tokens: record.usage.outputTokens,
    cost_usd: record.costMicroUsd / 1_000_000,
  }
}
