/** The thread that counts tokens: the encodings, their memory and the work are here, away from every call. */
import { textOfEvents, textOfJson } from '../formats/answer-text.ts'
import { createTokenEncoder, type TokenEncoder } from '../formats/token-encoder.ts'
import { countInput, type EncodingName, encodingOf } from '../formats/token-rules.ts'
import type { BatchFromWorker, BatchToWorker, CountMessage, TokenCount } from './token-messages.ts'

declare const self: Worker

const encoders = new Map<EncodingName, TokenEncoder>()

self.onmessage = async (event: MessageEvent<BatchToWorker>) => {
  const results: BatchFromWorker = await Promise.all(event.data.map(tryCount))
  self.postMessage(results)
}

async function tryCount(message: CountMessage): Promise<TokenCount | null> {
  try {
    return countCall(message, await encoderOf(message.model))
  } catch {
    // One that cannot be counted must not cost the others their numbers; the other side guesses.
    return null
  }
}

/** Loaded when it is first needed: a tenth of a second, and 10 to 20 MB. */
async function encoderOf(model: string): Promise<TokenEncoder> {
  const name = encodingOf(model)
  const known = encoders.get(name)
  if (known !== undefined) return known
  const file =
    name === 'cl100k_base'
      ? await import('js-tiktoken/ranks/cl100k_base')
      : await import('js-tiktoken/ranks/o200k_base')
  const encoder = encoders.get(name) ?? createTokenEncoder(file.default)
  encoders.set(name, encoder)
  return encoder
}

function countCall(message: CountMessage, encoder: TokenEncoder): TokenCount {
  const meter = createMeter(encoder)
  const { path, model } = message
  const request: unknown = message.request === null ? null : JSON.parse(textOf(message.request))
  const inputTokens =
    typeof request === 'object' && request !== null
      ? countInput(path, request as Record<string, unknown>, { model, countText: meter.count })
      : null
  const output = countOutput(message, meter)
  return {
    inputTokens,
    outputTokens: output?.all ?? null,
    reasoningTokens: output?.thought ?? 0,
    isWhole: meter.isWhole(),
  }
}

function countOutput(message: CountMessage, meter: Meter): { all: number; thought: number } | null {
  const { answer, form, answerBytes } = message
  if (answer === null || answer.byteLength === 0) return null
  const text = form === 'json' ? textOfJson(textOf(answer)) : textOfEvents(textOf(answer))
  if (text === null) return null
  const sum = (texts: readonly string[]) => texts.reduce((tokens, one) => tokens + meter.count(one), 0)
  // The frame around a token is of the same length from the first event to the last.
  const share = answerBytes / answer.byteLength
  if (share > 1) meter.miss()
  const thought = Math.round(sum(text.thought) * share)
  return { all: thought + Math.round(sum(text.said) * share), thought }
}

interface Meter {
  count(text: string): number
  /** Something was not counted. */
  miss(): void
  isWhole(): boolean
}

/** No call's text takes longer than about a second, whatever it holds; what is left out is taken to be like the rest. */
const maxLength = 4 * 1024 * 1024
const maxSteps = 4_000_000
const assumedTokenLength = 4

function createMeter(encoder: TokenEncoder): Meter {
  const firstStep = encoder.steps()
  let countedLength = 0
  let countedTokens = 0
  let isWhole = true
  return {
    count(text) {
      const beginning = text.length > maxLength - countedLength ? text.slice(0, maxLength - countedLength) : text
      const { tokens, length } = encoder.count(beginning, Math.max(0, maxSteps - (encoder.steps() - firstStep)))
      countedLength += length
      countedTokens += tokens
      if (length === text.length) return tokens
      isWhole = false
      const perUnit = countedLength === 0 ? 1 / assumedTokenLength : countedTokens / countedLength
      return tokens + Math.ceil((text.length - length) * perUnit)
    },
    miss() {
      isWhole = false
    },
    isWhole: () => isWhole,
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
