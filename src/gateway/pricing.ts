/** What tokens cost: the price table and the sum, in integer millionths of a US dollar. */
import type { Price, Usage } from '../domain.ts'

/**
 * USD per million tokens, input and output: the table that OnDemand-API-Proxy shipped (debfd1f, 2025-06-01), whose users
 * expect its figures. The settings win over it.
 */
const builtInPrices: Readonly<Record<string, readonly [input: number, output: number]>> = {
  'gpt-3.5-turbo': [0.25, 0.75],
  'o3-mini': [0.55, 2.2],
  'o4-mini': [0.55, 2.2],
  o3: [5, 20],
  'gpt-4o': [1.25, 5],
  'gpt-4o-mini': [0.075, 0.3],
  'gpt-4-turbo': [5, 15],
  'gpt-4.1': [1, 4],
  'gpt-4.1-mini': [0.2, 0.8],
  'gpt-4.1-nano': [0.05, 0.2],
  'deepseek-v3': [0.15, 0.44],
  'deepseek-r1': [0.25, 1.09],
  'deepseek-r1-distill-llama-70b': [0.05, 0.2],
  'claude-3.5-sonnet': [1.5, 7.5],
  'claude-3.7-sonnet': [1.5, 7.5],
  'claude-4-sonnet': [1.5, 7.5],
  'claude-3-opus': [7.5, 37.5],
  'claude-4-opus': [7.5, 37.5],
  'claude-3-haiku': [0.125, 0.625],
  'gemini-1.5-pro': [0.625, 2.5],
  'gemini-2.0-flash': [0.05, 0.2],
  'gemini-2.5-pro': [0.625, 5],
  'gemini-2.5-flash': [0.075, 0.3],
}

/** Finds the price of a model: the settings' exact name, their longest pattern, the built-in table, the default. */
export function createPriceTable(settings: Readonly<Record<string, Price>>, fallback: Price): (model: string) => Price {
  const patterns = Object.keys(settings)
    .filter((name) => name.endsWith('*'))
    .sort((a, b) => b.length - a.length)
  return (model) => {
    const exact = Object.hasOwn(settings, model) ? settings[model] : undefined
    if (exact !== undefined) return exact
    const pattern = patterns.find((name) => model.startsWith(name.slice(0, -1)))
    const matched = pattern === undefined ? undefined : settings[pattern]
    if (matched !== undefined) return matched
    const builtIn = Object.hasOwn(builtInPrices, model) ? builtInPrices[model] : undefined
    return builtIn === undefined ? fallback : { input: builtIn[0], output: builtIn[1], cachedInput: null }
  }
}

/**
 * Tokens times USD per million is millionths of a dollar already. Prices count to six decimals and are multiplied as integers, so that no
 * binary fraction creeps in; each call's sum is rounded once, halves up, and totals add up integers. Cached input without a price of its
 * own costs like input; reasoning is part of the output.
 */
export function costMicroUsd(usage: Usage, price: Price): number {
  const cachedTokens = Math.min(usage.cachedTokens, usage.inputTokens)
  const sum =
    (usage.inputTokens - cachedTokens) * parts(price.input) +
    cachedTokens * parts(price.cachedInput ?? price.input) +
    usage.outputTokens * parts(price.output)
  return Math.round(sum / partsPerMicroUsd)
}

const partsPerMicroUsd = 1_000_000

function parts(price: number): number {
  return Math.round(price * partsPerMicroUsd)
}
