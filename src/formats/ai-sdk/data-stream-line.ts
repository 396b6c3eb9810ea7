/**
 * One line of version 4's data stream: `<code>:<JSON>`, without its line break. Codes by vercel/ai, packages/ai/core/util/data-stream-parts.ts
 * and content/docs/04-ai-sdk-ui/50-stream-protocol.mdx (136819b8f2, 2025-04-30).
 */
import { type AiSdkPart, readAiSdkUsage, readFinishReason, recordOf } from './part.ts'

/** Null: the JSON of a line that counts is broken. */
export function readDataStreamLine(line: string): AiSdkPart | null {
  switch (line.slice(0, 2)) {
    case '0:':
      return textPart('text', line)
    case 'g:':
      return textPart('reasoning', line)
    case '3:':
      return textPart('error', line)
    case 'f:':
      return { kind: 'step_start' }
    case 'e:': {
      const json = readNumbers(line.slice(2))
      return json === null ? null : { kind: 'step_finish', usage: readAiSdkUsage(json.usage) }
    }
    case 'd:': {
      const json = readNumbers(line.slice(2))
      if (json === null) return null
      return { kind: 'finish', reason: readFinishReason(json.finishReason), usage: readAiSdkUsage(json.usage) }
    }
    // i, j, l of reasoning; h source; k file; 2, 8 data; b, c, 9, a tools; and what nobody knows yet.
    default:
      return alive
  }
}

const alive: AiSdkPart = { kind: 'alive' }

function textPart(kind: 'text' | 'reasoning' | 'error', line: string): AiSdkPart | null {
  const text = parsed(line.slice(2))
  return typeof text === 'string' ? { kind, text } : null
}

function readNumbers(text: string): Readonly<Record<string, unknown>> | null {
  // Whoever writes the lines by hand writes what is no number as it is.
  const json = parsed(text) ?? parsed(text.slice(0, maxFinishCharacters).replace(/:\s*-?(?:NaN|Infinity)\b/g, ':null'))
  return typeof json === 'object' && json !== null ? recordOf(json) : null
}

const maxFinishCharacters = 65_536

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
