/** Reads the statistics file of OnDemand-API-Proxy into totals of ours. Opening the file and adding them up is not its business. */
import type { Price } from '../domain.ts'
import type { ImportedCounts, ImportedTotals } from '../stores/store.ts'
import { maskUser } from './credential.ts'
import { isTree, type SettingsTree } from './settings-tree.ts'

/**
 * Null when the text is no such file. What that program did not count is estimated as it did: it knew one number of tokens for a
 * model, a day and an hour, which is split here as its totals are; cost was the tokens' price, never kept.
 */
export function readStatistics(text: string, options: StatisticsOptions): ImportedTotals | null {
  const file = parse(text)
  if (file === null || !names.some((name) => Object.hasOwn(file, name))) return null
  const input = countOf(file.total_prompt_tokens)
  const output = countOf(file.total_completion_tokens)
  const inputShare = input + output === 0 ? 0 : input / (input + output)

  const modelRequests = countsOf(file.model_usage)
  const modelTokens = countsOf(file.model_tokens)
  const models = joined(modelRequests, modelTokens, (model, requests, tokens) => {
    const price = options.priceOf(model)
    const split = splitTokens(tokens, inputShare)
    // Tokens times USD per million is millionths of a dollar already.
    const costMicroUsd = Math.round(split.inputTokens * price.input + split.outputTokens * price.output)
    return { ...succeeded(requests), ...split, costMicroUsd }
  })
  const costMicroUsd = sumOf(Object.values(models).map((counts) => counts.costMicroUsd))
  const costPerToken = input + output === 0 ? 0 : costMicroUsd / (input + output)

  const hours = wholeHours(countsOf(file.hourly_usage), countsOf(file.daily_usage))
  const hourTokens = wholeHours(countsOf(file.hourly_tokens), countsOf(file.daily_tokens))
  return {
    source: 'OnDemand-API-Proxy',
    provider: options.provider,
    all: {
      requests: countOf(file.total_requests),
      succeeded: countOf(file.successful_requests),
      failed: countOf(file.failed_requests),
      inputTokens: input,
      outputTokens: output,
      costMicroUsd,
    },
    models,
    credentials: byLabel(countsOf(file.account_usage)),
    hours: joined(hours, hourTokens, (_, requests, tokens) => ({
      ...succeeded(requests),
      ...splitTokens(tokens, inputShare),
      costMicroUsd: Math.round(tokens * costPerToken),
    })),
  }
}

export interface StatisticsOptions {
  /** Name of the provider that those calls would be of now. */
  readonly provider: string
  readonly priceOf: (model: string) => Price
}

const names = ['total_requests', 'model_usage', 'account_usage', 'daily_usage', 'hourly_usage']

function parse(text: string): SettingsTree | null {
  try {
    const value: unknown = JSON.parse(text.replace(/^\ufeff/, ''))
    return isTree(value) ? value : null
  } catch {
    return null
  }
}

type Counts = ReadonlyMap<string, number>

function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0
}

function countsOf(value: unknown): Counts {
  if (!isTree(value)) return new Map()
  return new Map(Object.entries(value).map(([name, count]) => [name, countOf(count)]))
}

/** That program counted calls under a model, an account or an hour only when they had succeeded. */
function succeeded(requests: number): Pick<ImportedCounts, 'requests' | 'succeeded' | 'failed'> {
  return { requests, succeeded: requests, failed: 0 }
}

function splitTokens(tokens: number, inputShare: number): Pick<ImportedCounts, 'inputTokens' | 'outputTokens'> {
  const inputTokens = Math.round(tokens * inputShare)
  return { inputTokens, outputTokens: tokens - inputTokens }
}

function joined(
  requests: Counts,
  tokens: Counts,
  make: (name: string, requests: number, tokens: number) => ImportedCounts,
): Record<string, ImportedCounts> {
  const all = new Set([...requests.keys(), ...tokens.keys()])
  return Object.fromEntries([...all].map((name) => [name, make(name, requests.get(name) ?? 0, tokens.get(name) ?? 0)]))
}

/** Hours as we label them; what a day has beyond its hours is put into its first one. */
function wholeHours(hours: Counts, days: Counts): Counts {
  const labelled = new Map([...hours].map(([hour, count]) => [hour.replace(' ', 'T'), count]))
  const inHours = new Map<string, number>()
  for (const [hour, count] of labelled) {
    const day = hour.slice(0, 'YYYY-MM-DD'.length)
    inHours.set(day, (inHours.get(day) ?? 0) + count)
  }
  for (const [day, count] of days) {
    const beyond = count - (inHours.get(day) ?? 0)
    const first = `${day}T00:00`
    if (beyond > 0) labelled.set(first, (labelled.get(first) ?? 0) + beyond)
  }
  return labelled
}

/** Two accounts may look the same when they are masked. */
function byLabel(accounts: Counts): Record<string, ImportedCounts> {
  const sums = new Map<string, number>()
  for (const [user, count] of accounts) sums.set(maskUser(user), (sums.get(maskUser(user)) ?? 0) + count)
  return Object.fromEntries([...sums].map(([label, count]) => [label, { ...succeeded(count), ...noTokens }]))
}

const noTokens = { inputTokens: 0, outputTokens: 0, costMicroUsd: 0 }

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0)
}
