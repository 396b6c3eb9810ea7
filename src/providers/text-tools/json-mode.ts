/** OpenAI's `response_format` for upstreams that have none: an instruction, and the code fence around the answer taken off. */

import { GatewayError } from '../../errors.ts'
import { isRecord } from '../../formats/is-record.ts'

export interface JsonMode {
  readonly kind: 'text' | 'json_object' | 'json_schema'
  /** JSON Schema of the answer; null without one. */
  readonly schema: unknown
}

/** Reads the JSON body of a chat request. Throws GatewayError 400 naming the param. */
export function readJsonMode(request: Readonly<Record<string, unknown>>): JsonMode {
  const format = request.response_format
  if (format === undefined || format === null) return { kind: 'text', schema: null }
  const kind = isRecord(format) ? format.type : undefined
  if (kind === 'text' || kind === 'json_object') return { kind, schema: null }
  if (isRecord(format) && kind === 'json_schema' && isRecord(format.json_schema)) {
    return { kind, schema: format.json_schema.schema ?? null }
  }
  const message = "invalid value for 'response_format': expected type 'text', 'json_object' or 'json_schema'"
  throw new GatewayError('invalid_request', message, { status: 400, param: 'response_format' })
}

/** A block for the system text. Empty for plain text. */
export function jsonInstructions(mode: JsonMode): string {
  if (mode.kind === 'text') return ''
  const rule =
    'Your answer must be one valid JSON document and nothing else: no code fence, no words before or after it.'
  if (mode.schema === null) return `# Answer format\n\n${rule}`
  return `# Answer format\n\n${rule} It must be valid against this JSON Schema:\n\n${JSON.stringify(mode.schema)}`
}

/** How the format is honoured, for a header; null for plain text. Nothing enforces it: the model is asked. */
export function jsonModeNote(mode: JsonMode): string | null {
  return mode.kind === 'text' ? null : `response_format=${mode.kind};by=instruction`
}

export interface TextFilter {
  push(text: string): string
  end(): string
}

/**
 * Takes the code fence off an answer that begins with one around an object or a list. What follows the closing fence is
 * dropped: the document is complete, and a client that asked for JSON parses the whole answer. Any other answer passes unchanged.
 */
export function createFenceFilter(mode: JsonMode): TextFilter {
  let place: 'opening' | 'plain' | 'inside' | 'closed' = mode.kind === 'text' ? 'plain' : 'opening'
  let held = ''
  let isInString = false
  let isEscaped = false
  return {
    push(text) {
      switch (place) {
        case 'opening':
          return readOpening(text)
        case 'plain':
          return text
        case 'inside':
          return readInside(text)
        case 'closed':
          return ''
      }
    },
    end() {
      // White space and half a fence at the end of a document; in a string of a document that was cut off they are its text.
      const rest = place === 'inside' && !isInString ? '' : held
      held = ''
      return rest
    },
  }

  function readOpening(text: string): string {
    const opening = held + text
    const fence = openingFence.exec(opening)?.[0]
    if (fence === undefined && openingBegun.test(opening)) {
      held = opening
      return ''
    }
    held = ''
    place = fence === undefined ? 'plain' : 'inside'
    return fence === undefined ? opening : readInside(opening.slice(fence.length))
  }

  function readInside(text: string): string {
    let shown = ''
    for (let index = 0; index < text.length && place === 'inside'; index++) shown += readCharacter(text.charAt(index))
    return shown
  }

  /** White space and fence characters are held back until it is known whether the closing fence comes. */
  function readCharacter(character: string): string {
    // A line break cannot stand in a JSON string: a fence after one is the closing one, whatever the quotes before it say.
    const mayClose = !isInString || held.includes('\n')
    if (character === '`' && mayClose) {
      held += character
      if (!held.endsWith('```')) return ''
      place = 'closed'
      held = ''
      return ''
    }
    if (/\s/.test(character) && held.length < maxHeldLength && !held.endsWith('`')) {
      held += character
      isEscaped = false
      return ''
    }
    const shown = held + character
    held = ''
    if (isEscaped) isEscaped = false
    else if (character === '"') isInString = !isInString
    else isEscaped = isInString && character === '\\'
    return shown
  }
}

const maxHeldLength = 64
const openingFence = /^\s{0,20}```(?:json[5c]?)?\s{0,20}(?=[{[])/i
const openingBegun = /^\s{0,20}(?:`{0,2}|```[a-z5]{0,5}\s{0,20})$/i
