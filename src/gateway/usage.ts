/**
 * The end of every call: exactly one record, one log line, one set of metrics. Where the upstream gave no numbers, they come when its tokens
 * have been counted, which is after the call.
 */
import type { Clock } from '../clock.ts'
import type { AttemptRecord, Outcome, Price, ReportedUsage, Usage, UsageRecord, UsageSource } from '../domain.ts'
import { countInput } from '../formats/token-rules.ts'
import { type Logger, quote } from '../log.ts'
import type { Call } from '../providers/provider.ts'
import type { Store } from '../stores/store.ts'
import type { ClientLimits } from './client-limits.ts'
import type { Metrics } from './metrics.ts'
import { costMicroUsd } from './pricing.ts'
import type { AnswerBeginning, TokenCounter } from './token-counter.ts'
import type { TokenCount } from './token-messages.ts'

/** What is known of a call so far; the attempt loop and the stream fill it in. */
export interface Progress {
  attempts: number
  /** The last attempt has not failed: whatever becomes of the call, the upstream is paid for it. */
  isAtUpstream: boolean
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
    isAtUpstream: false,
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
  readonly usage: ReportedUsage | null
  /** What there was of an answer, from which its tokens are counted when upstream gave no numbers. */
  readonly answer: AnswerBeginning | null
}

export type RecordCall = (call: Call, progress: Progress, ending: CallEnding) => void

export interface RecordParts {
  readonly clock: Clock
  readonly log: Logger
  readonly store: Pick<Store, 'recordUsage'>
  readonly metrics: Metrics
  readonly limits: Pick<ClientLimits, 'release' | 'settle'>
  readonly counter: Pick<TokenCounter, 'count'>
  /** By the model that answered, and the name it was asked for. */
  readonly priceOf: (targetModel: string, model: string) => Price
}

export const noUsage: Usage = { inputTokens: 0, outputTokens: 0, cachedTokens: 0, reasoningTokens: 0 }

export function createRecordCall(parts: RecordParts): RecordCall {
  return (call, progress, ending) => {
    const finished = finishedCall(parts.clock, { call, progress, ending })
    /** Runs once, when the record is known: at once, or after the call, when its tokens have been counted. */
    const write = ({ usage, source }: KnownUsage) => {
      finished.usage = usage
      finished.usageSource = source
      if (source !== 'none' && source !== 'cache')
        finished.costMicroUsd = costMicroUsd(usage, parts.priceOf(finished.targetModel, finished.model))
      const record: UsageRecord = finished
      parts.limits.settle(call, record)
      parts.store.recordUsage(record)
      parts.metrics.count(record)
      if (parts.log.isEnabled('info')) parts.log.info('call', logFields(record))
    }
    if (progress.isCached) return write(unpaid)
    const missing = missingNumbers(call, progress, ending)
    if (missing === null) return write(reportedUsage(ending.usage))
    const { path, body, view } = call
    const isReadable = view.outline !== null && missing.isInput
    const wish = {
      path,
      model: progress.targetModel || view.model,
      request: isReadable ? body : null,
      answer: missing.isOutput && hasBytes(ending.answer) ? ending.answer : null,
    }
    parts.limits.release(call)
    parts.counter.count(wish, (counted) => write(completeUsage({ call, model: wish.model, ending, missing, counted })))
  }
}

function finishedCall(
  clock: Clock,
  { call, progress, ending }: { call: Call; progress: Progress; ending: CallEnding },
): FinishedCall {
  return {
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
    durationMs: Math.round(clock.monotonic() - call.startedMs),
    usage: noUsage,
    usageSource: 'none',
    costMicroUsd: 0,
    trail: progress.trail,
  }
}

/** A record whose last members come when they are known. */
interface FinishedCall extends Omit<UsageRecord, 'usage' | 'usageSource' | 'costMicroUsd'> {
  usage: Usage
  usageSource: UsageSource
  costMicroUsd: number
}

const countedPaths = new Set(['/chat/completions', '/completions', '/responses', '/embeddings'])

/** Whether the tokens of such a call are counted where the upstream does not say them. */
export function isCounted({ method, path }: Call): boolean {
  return method === 'POST' && countedPaths.has(path)
}

interface KnownUsage {
  readonly usage: Usage
  readonly source: UsageSource
}

/** Of a kept answer: its tokens are in the record of the call that was paid for. */
const unpaid: KnownUsage = { usage: noUsage, source: 'cache' }

function reportedUsage(reported: ReportedUsage | null): KnownUsage {
  if (reported === null) return { usage: noUsage, source: 'none' }
  const { inputTokens, outputTokens, cachedTokens, reasoningTokens } = reported
  const usage = { inputTokens: inputTokens ?? 0, outputTokens: outputTokens ?? 0, cachedTokens, reasoningTokens }
  return { usage, source: 'upstream' }
}

interface Missing {
  readonly isInput: boolean
  readonly isOutput: boolean
}

/** Null where the upstream said everything, or nothing is owed: a call that failed costs what the upstream says, else nothing. */
function missingNumbers(call: Call, progress: Progress, { usage, outcome, answer }: CallEnding): Missing | null {
  const isOwed = outcome === 'succeeded' ? hasBytes(answer) : outcome === 'aborted' || outcome === 'cut'
  if (!isOwed || !progress.isAtUpstream || !isCounted(call)) return null
  const isInput = usage === null || usage.inputTokens === null
  // Some streams begin with the input's numbers, and an output that is still zero.
  const isOutputSaid = usage !== null && (outcome === 'succeeded' ? usage.outputTokens !== null : !!usage.outputTokens)
  const isOutput = call.path !== '/embeddings' && !isOutputSaid
  return isInput || isOutput ? { isInput, isOutput } : null
}

function hasBytes(answer: AnswerBeginning | null): boolean {
  return answer !== null && answer.bytes > 0
}

interface Completion {
  readonly call: Call
  readonly model: string
  readonly ending: CallEnding
  readonly missing: Missing
  readonly counted: TokenCount | null
}

/** Upstream's numbers first, then those that were counted, then a guess from sizes. */
function completeUsage({ call, model, ending, missing, counted }: Completion): KnownUsage {
  const { usage, answer } = ending
  const input = counted?.inputTokens ?? null
  const output = hasBytes(answer) ? (counted?.outputTokens ?? null) : 0
  const isGuessed = (missing.isInput && input === null) || (missing.isOutput && output === null)
  const isCut = counted?.isWhole === false
  const known = missing.isOutput ? output : (usage?.outputTokens ?? 0)
  return {
    usage: {
      inputTokens: missing.isInput ? (input ?? guessInput(call, model)) : (usage?.inputTokens ?? 0),
      outputTokens: known ?? guessOutput(answer),
      cachedTokens: usage?.cachedTokens ?? 0,
      reasoningTokens: Math.max(usage?.reasoningTokens ?? 0, counted?.reasoningTokens ?? 0),
    },
    source: isGuessed || isCut ? 'estimate' : 'counted',
  }
}

const bytesPerToken = 4
/** One event of a chat stream carries about one token in about so many bytes. */
const bytesPerStreamedToken = 180

/** By the same rules as a count, so that a picture's bytes are not taken for text; only the texts are judged by their size. */
function guessInput({ path, view, body }: Call, model: string): number {
  const countText = (text: string) => Math.ceil(Buffer.byteLength(text) / bytesPerToken)
  const guessed = view.json === null ? null : countInput(path, view.json, { model, countText })
  return guessed ?? Math.ceil(body.byteLength / bytesPerToken)
}

function guessOutput(answer: AnswerBeginning | null): number {
  if (answer === null) return 0
  return Math.ceil(answer.bytes / (answer.form === 'events' ? bytesPerStreamedToken : bytesPerToken))
}

/** As JSON: put together by hand it costs half of what an object of them would. */
function logFields(record: UsageRecord): string {
  const { usage } = record
  const target = record.provider === '' ? '' : `${record.provider}/${record.targetModel}`
  const error = record.errorCode === '' ? '' : `"error_code":${quote(record.errorCode)},`
  return (
    `"id":"${record.id}","client":${quote(record.client)},"path":${quote(record.path)},` +
    `"model":${quote(record.model)},"target":${quote(target)},"credential":${JSON.stringify(record.credential)},` +
    `"status":${record.status},"outcome":"${record.outcome}",${error}"attempts":${record.attempts},` +
    `"first_byte_ms":${record.firstByteMs},"duration_ms":${record.durationMs},` +
    `"input_tokens":${usage.inputTokens},"output_tokens":${usage.outputTokens},` +
    `"cost_usd":${record.costMicroUsd / 1_000_000}`
  )
}
