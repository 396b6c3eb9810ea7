/** How many tokens a call may come to, from its size and what it asks for: set aside before it, replaced by what it was after it. */
import type { Call } from '../providers/provider.ts'

export interface TokenEstimate {
  readonly input: number
  readonly output: number
}

const bytesPerToken = 4
/** No model reads more; what is larger is pictures, whose bytes say nothing of their tokens. */
const maxInput = 200_000
/** Of an answer whose length the request leaves open. */
const defaultOutput = 1000
/** Clients ask for as much as a model can write and get a fraction of it. */
const maxOutput = 16_384

const nothing: TokenEstimate = { input: 0, output: 0 }

/** Nothing for a body that is not JSON: a file has no tokens. */
export function estimateTokens({ body, path, view }: Pick<Call, 'body' | 'path' | 'view'>): TokenEstimate {
  const { outline } = view
  if (outline === null) return nothing
  const input = Math.min(Math.ceil(body.byteLength / bytesPerToken), maxInput)
  if (path === '/embeddings') return { input, output: 0 }
  const each =
    countIn(outline.max_completion_tokens) ??
    countIn(outline.max_tokens) ??
    countIn(outline.max_output_tokens) ??
    defaultOutput
  return { input, output: Math.min(each * (countIn(outline.n) ?? 1), maxOutput) }
}

function countIn(value: unknown): number | null {
  return typeof value === 'number' && value >= 1 ? Math.ceil(value) : null
}
