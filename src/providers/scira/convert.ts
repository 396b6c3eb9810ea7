/**
 * From OpenAI's messages to the body of Scira's search route, and from the AI SDK's parts to the steps of an answer: pure but for the ids.
 * Fields by zaidmukaddam/scira, app/api/search/route.ts @ 7215d53 (2026-03-20) and @ 3d96863 (2025-05-30); the older form as CrisRain/Scira2API
 * @ a5531a0 (2025-06-06) sends it.
 */
import type { SciraProviderConfig } from '../../domain.ts'
import { UpstreamError } from '../../errors.ts'
import { createAiSdkParser } from '../../formats/ai-sdk/parser.ts'
import type { AiSdkPart } from '../../formats/ai-sdk/part.ts'
import type { AnswerReader, Step } from '../text-tools/answer-source.ts'
import type { Conversation } from '../text-tools/prepare-conversation.ts'
import { randomText } from '../text-tools/random-text.ts'
import type { Turn } from '../text-tools/read-turns.ts'

/** `model`: Scira's name. `now`: Unix milliseconds. Ids are new each time. */
export function writeSearch(
  conversation: Pick<Conversation, 'turns' | 'system'>,
  config: SciraProviderConfig,
  asked: { readonly model: string; readonly now: number },
): Readonly<Record<string, unknown>> {
  const messages = writeMessages(conversation, config.systemPlacement)
  const shared = {
    model: asked.model,
    group: config.group,
    timezone: config.timezone,
    selectedVisibilityType: config.visibility,
  }
  if (config.generation === 'mid_2025') {
    return {
      id: `chat_${Math.floor(asked.now / 1000)}_${randomText(16, '0123456789abcdef')}`,
      messages: messages.map(({ role, text }) => ({ role, content: text, parts: partsOf(text) })),
      ...shared,
      // Read until 2025-05-30, ignored since.
      user_id: `user-${randomText(10, '0123456789abcdefghijklmnopqrstuvwxyz')}`,
    }
  }
  return {
    id: crypto.randomUUID(),
    messages: messages.map(({ role, text }) => ({ id: crypto.randomUUID(), role, parts: partsOf(text) })),
    ...shared,
    isTemporaryChat: config.isTemporary,
    isCustomInstructionsEnabled: false,
  }
}

/** An answer that finished without a word, for no reason that explains it, is a failure. */
export function createAnswerReader(config: Pick<SciraProviderConfig, 'streamFormat'>): AnswerReader {
  const parser = createAiSdkParser(config.streamFormat)
  let hasWords = false

  function stepOf(part: AiSdkPart): Step {
    switch (part.kind) {
      case 'text':
        hasWords ||= part.text !== ''
        return { kind: 'text', text: part.text }
      case 'reasoning':
        hasWords ||= part.text !== ''
        return { kind: 'thinking', text: part.text }
      case 'error':
        return { kind: 'error', text: part.text }
      case 'finish':
        return part.reason === 'error' ? { kind: 'error', text: '' } : { kind: 'alive' }
      case 'abort':
      case 'done':
        return { kind: 'done' }
      default:
        return { kind: 'alive' }
    }
  }

  return {
    push: (bytes) => parser.push(bytes).map(stepOf),
    finish: () => parser.end().map(stepOf),
    end() {
      const { isComplete, reason, usage } = parser.ending()
      // Tools ran at Scira: its client has none to call.
      const told = reason === null || reason === 'tool_calls' ? 'stop' : reason
      const isEmpty = isComplete && !hasWords && told === 'stop'
      return { isComplete, text: '', usage, reason: told, ...(isEmpty ? { failure: empty() } : {}) }
    },
  }
}

interface Told {
  readonly role: 'system' | 'user' | 'assistant'
  readonly text: string
}

/** The last one is the user's, as Scira wants it: whoever lets the model go on with its own words asks for that. */
function writeMessages({ turns, system }: Pick<Conversation, 'turns' | 'system'>, placement: string): Told[] {
  const told = turns.flatMap((turn) => tell(turn))
  if (told.at(-1)?.role === 'assistant') told.push({ role: 'user', text: goOn })
  if (system === '') return told
  if (placement === 'message' && told.length > 0) return [{ role: 'system', text: system }, ...told]
  const first = told.findIndex(({ role }) => role === 'user')
  if (first < 0) return [{ role: 'user', text: system }, ...told]
  return told.map((one, index) => (index === first ? { role: 'user', text: `${system}\n\n${one.text}` } : one))
}

const goOn = 'Go on.'

/** Results of tools come from the client's side. */
function tell({ role, name, text }: Turn): Told[] {
  if (role === 'system') return []
  if (role === 'assistant') return [{ role, text }]
  return [{ role: 'user', text: name === '' ? text : `${name}: ${text}` }]
}

function partsOf(text: string) {
  return [{ type: 'text', text }]
}

function empty(): UpstreamError {
  return new UpstreamError('server_error', 'the upstream finished its answer without a word', {
    status: 502,
    code: 'empty_answer',
  })
}
