/** The encoders of the program, for tests that need no thread. */
import cl100k from 'js-tiktoken/ranks/cl100k_base'
import o200k from 'js-tiktoken/ranks/o200k_base'
import { createTokenEncoder, type TokenEncoder } from '../../src/formats/token-encoder.ts'
import { type EncodingName, encodingOf } from '../../src/formats/token-rules.ts'

export const rankFiles = { o200k_base: o200k, cl100k_base: cl100k }

export const encoders: Readonly<Record<EncodingName, TokenEncoder>> = {
  o200k_base: createTokenEncoder(o200k),
  cl100k_base: createTokenEncoder(cl100k),
}

export function tokensOf(text: string, model = 'gpt-4o'): number {
  return encoders[encodingOf(model)].count(text).tokens
}
