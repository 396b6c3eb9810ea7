/**
 * The `data` of one event of the UI message stream (version 5 and later). Types by vercel/ai, packages/ai/src/ui-message-stream/ and
 * content/docs/04-ai-sdk-ui/50-stream-protocol.mdx (ed857f50f1, 2026-08-22).
 */
import type { Usage } from '../../domain.ts'
import { type AiSdkPart, readAiSdkUsage, readFinishReason, recordOf } from './part.ts'

/** Null: it is JSON, and broken. What is no JSON at all is somebody's sign of life. */
export function readUiMessageEvent(data: string): AiSdkPart | null {
  const trimmed = data.trim()
  if (trimmed === '[DONE]') return { kind: 'done' }
  if (!trimmed.startsWith('{')) return alive
  let event: Readonly<Record<string, unknown>>
  try {
    event = recordOf(JSON.parse(trimmed))
  } catch {
    return null
  }
  switch (event.type) {
    // The bare names are the spelling of pre-releases of version 5.
    case 'text-delta':
    case 'text':
      return { kind: 'text', text: textOf(event.delta ?? event.text) }
    case 'reasoning-delta':
    case 'reasoning':
      return { kind: 'reasoning', text: textOf(event.delta ?? event.text) }
    case 'start':
    case 'message-metadata': {
      const usage = readMetadata(event.messageMetadata)
      return usage === null ? alive : { kind: 'usage', usage }
    }
    case 'start-step':
      return { kind: 'step_start' }
    case 'finish': {
      // "provider stream ended without a completion signal; output may be incomplete" (version 7).
      if (event.finishReason === 'interrupted') return { kind: 'abort' }
      const usage = readMetadata(event.messageMetadata)
      return { kind: 'finish', reason: readFinishReason(event.finishReason), usage }
    }
    case 'error':
      return { kind: 'error', text: textOf(event.errorText) }
    case 'abort':
      return { kind: 'abort' }
    default:
      return alive
  }
}

const alive: AiSdkPart = { kind: 'alive' }

/** The metadata is the application's own; these are the places where applications put token counts. */
function readMetadata(value: unknown): Usage | null {
  const metadata = recordOf(value)
  return readAiSdkUsage(metadata) ?? readAiSdkUsage(metadata.totalUsage) ?? readAiSdkUsage(metadata.usage)
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
