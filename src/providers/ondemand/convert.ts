/**
 * From OpenAI's `messages` to the one `query` string that OnDemand takes (https://docs.on-demand.io/reference/submitquery): pure functions.
 * A lone user message goes as it is; anything else is told in blocks by role, system first, with a cue for the answer.
 */
import { isRecord } from '../../formats/is-record.ts'
import type { Message } from '../text-tools/tell-tool-messages.ts'
import { refuseRequest } from './errors.ts'

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

/** `system` is empty where it is told elsewhere, or not at all. */
export function writeQuery(turns: readonly Turn[], system: string): string {
  const told = turns.filter((turn) => turn.role !== 'system')
  const [only] = told
  if (only !== undefined && told.length === 1 && only.role === 'user' && only.name === '' && system === '') {
    return only.text
  }
  const blocks = told.map((turn) => `${labelOf(turn)}\n${turn.text}`)
  const first = system === '' ? [] : [`[System]\n${system}`]
  return [...first, ...blocks, '[Assistant]'].join('\n\n')
}

/** All system texts, in order: wherever they stand they are told first. */
export function systemText(turns: readonly Turn[], instructions: readonly string[]): string {
  const texts = turns.filter((turn) => turn.role === 'system').map((turn) => turn.text)
  return [...texts, ...instructions].filter((text) => text !== '').join('\n\n')
}

/** Where a conversation stands after its last answer: what a session that is used again has heard, and what is new. */
export function splitConversation(turns: readonly Turn[]): { heard: readonly Turn[]; fresh: readonly Turn[] } {
  const last = turns.findLastIndex((turn) => turn.role === 'assistant')
  return { heard: turns.slice(0, last + 1), fresh: turns.slice(last + 1) }
}

/** The same conversation has the same name, whatever white space its client adds. */
export function nameConversation(owner: readonly string[], turns: readonly Turn[]): string {
  const words = turns.map(({ role, name, text }) => [role, name, text.trim()])
  return new Bun.CryptoHasher('sha256').update(JSON.stringify([owner, words])).digest('hex')
}

const labels: Readonly<Record<Role, string>> = {
  system: 'System',
  user: 'User',
  assistant: 'Assistant',
  tool: 'Tool results',
}

function labelOf({ role, name }: Turn): string {
  return name === '' ? `[${labels[role]}]` : `[${labels[role]}: ${name.replaceAll(/[\r\n[\]]/g, ' ')}]`
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
