/** OpenAI's `messages` as text, for upstreams that take nothing else: pure functions. */
import { isRecord } from '../../formats/is-record.ts'
import { refuseRequest } from './refuse-request.ts'
import type { Message } from './tell-tool-messages.ts'

/** A message as text. */
export interface Turn {
  readonly role: Role
  /** Of a participant, where the client gives one; empty otherwise. */
  readonly name: string
  readonly text: string
}

export type Role = 'system' | 'user' | 'assistant' | 'tool'

/** Messages without tool calls or results of their own. Throws UpstreamError 400 for what is no text. */
export function readTurns(messages: readonly Message[]): Turn[] {
  return messages
    .map((message, index) => ({
      role: roleOf(message, index),
      name: typeof message.name === 'string' ? message.name : '',
      text: textOf(message.content, `messages.${index}.content`),
    }))
    .filter((turn) => turn.text !== '')
}

/** All system texts, in order: wherever they stand they are told first. */
export function systemText(turns: readonly Turn[], instructions: readonly string[]): string {
  const texts = turns.filter((turn) => turn.role === 'system').map((turn) => turn.text)
  return [...texts, ...instructions].filter((text) => text !== '').join('\n\n')
}

function roleOf(message: Message, index: number): Role {
  switch (message.role) {
    case 'system':
    case 'developer':
      return 'system'
    case 'user':
    case 'assistant':
    case 'tool':
      return message.role
    default:
      throw refuseRequest(`invalid value for 'messages.${index}.role'`, {
        code: 'invalid_request',
        param: `messages.${index}.role`,
      })
  }
}

function textOf(content: unknown, param: string): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content
    .map((part: unknown, index) => textOfPart(part, `${param}.${index}`))
    .filter((text) => text !== '')
    .join('\n')
}

function textOfPart(part: unknown, param: string): string {
  if (!isRecord(part)) return typeof part === 'string' ? part : ''
  const text = part.text ?? part.refusal
  if (typeof text === 'string') return text
  const isImage = part.type === 'image_url' || part.type === 'input_image' || part.type === 'image'
  const what = isImage ? 'images are' : `content of type '${String(part.type).slice(0, 40)}' is`
  throw refuseRequest(`${what} not supported by this model's upstream, which takes text only`, {
    code: 'unsupported_content',
    param,
  })
}
