/** Reads a search request as one generation of the route wanted it, or says what is wrong with it; pure functions. */
import type { HeaderLine } from '../http-request-parser.ts'
import { isJsonObject, type JsonObject, textOrNull } from '../json.ts'
import { headerValue } from '../recording.ts'
import type { FieldType, Generation } from './generations.ts'

/**
 * What was asked. Stricter than the route was: of a missing or wrong field it took what came and failed later or did something else, here it is
 * an error that names the field, so that a caller's misreading shows.
 */
export function readAsked(json: JsonObject | null, generation: Generation): Asked | WrongRequest {
  if (json === null) return { wrong: 'The body is no JSON object' }
  if (!Array.isArray(json.messages) || json.messages.length === 0) return { wrong: 'messages is empty' }
  const messages: AskedMessage[] = []
  for (const [index, each] of json.messages.entries()) {
    const read = isJsonObject(each) ? readMessage(each, generation) : 'is no object'
    if (typeof read === 'string') return { wrong: `messages[${index}] ${read}` }
    messages.push(read)
  }
  const lastOfUser = messages.findLast((message) => message.role === 'user')
  if (lastOfUser === undefined) return { wrong: 'There is no user message' }
  const wrong = wrongField(json, generation)
  if (wrong !== null) return { wrong }
  return {
    model: textOrNull(json.model) ?? '',
    group: textOrNull(json.group) ?? '',
    chatId: textOrNull(json.id),
    isTemporary: json.isTemporaryChat === true,
    messages,
    userText: lastOfUser.text,
  }
}

export interface Asked {
  readonly model: string
  readonly group: string
  readonly chatId: string | null
  readonly isTemporary: boolean
  readonly messages: readonly AskedMessage[]
  /** Of the last message of a user. */
  readonly userText: string
}

export interface AskedMessage {
  readonly role: string
  readonly text: string
}

export interface WrongRequest {
  readonly wrong: string
}

function readMessage(message: JsonObject, generation: Generation): AskedMessage | string {
  const role = textOrNull(message.role)
  const isSystem = role === 'system'
  if (role !== 'user' && role !== 'assistant' && !(isSystem && generation.areSystemMessagesAccepted)) {
    return isSystem ? 'has the role system' : 'has no role that is known'
  }
  if (generation.messageForm === 'content') {
    const text = textOrNull(message.content)
    if (text === null) return 'has no content that is text'
    const parts = message.parts === undefined ? text : readParts(message.parts)
    return parts === null ? 'has parts that are no list of parts' : { role, text }
  }
  const id = textOrNull(message.id)
  if (id === null || id === '') return 'has no id'
  const text = readParts(message.parts)
  return text === null ? 'has no list of parts' : { role, text }
}

/** The texts of the parts, or null when they are no parts. */
function readParts(parts: unknown): string | null {
  if (!Array.isArray(parts) || parts.length === 0) return null
  const texts: string[] = []
  for (const part of parts) {
    if (!isJsonObject(part) || typeof part.type !== 'string') return null
    if (part.type !== 'text') continue
    if (typeof part.text !== 'string') return null
    texts.push(part.text)
  }
  return texts.join('\n')
}

function wrongField(json: JsonObject, generation: Generation): string | null {
  for (const [name, type] of Object.entries(generation.requiredFields)) {
    if (!IS_OF_TYPE[type](json[name]) || json[name] === '') return `${name} is missing or no ${type}`
  }
  for (const [name, type] of Object.entries(generation.optionalFields)) {
    if (json[name] !== undefined && !IS_OF_TYPE[type](json[name])) return `${name} is no ${type}`
  }
  if (!generation.groups.includes(textOrNull(json.group) ?? '')) return 'group is not one of the groups'
  if (!isTimezone(textOrNull(json.timezone) ?? '')) return 'timezone is no time zone'
  return null
}

const IS_OF_TYPE: Readonly<Record<FieldType, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  visibility: (value) => value === 'public' || value === 'private',
  list: (value) => Array.isArray(value),
  any: () => true,
}

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).format() !== ''
  } catch {
    return false
  }
}

/**
 * Whether the check of June 2025 lets a caller in (zaidmukaddam/scira @ 4132c87): an `Origin` of the list, exactly, or a `Referer` that begins with
 * one of it, and no user agent of a program.
 */
export function isFromBrowser(headers: readonly HeaderLine[], allowedOrigins: readonly string[]): boolean {
  const origin = headerValue(headers, 'origin') ?? ''
  const referer = headerValue(headers, 'referer') ?? ''
  if (!allowedOrigins.some((each) => origin === each || referer.startsWith(each))) return false
  const userAgent = (headerValue(headers, 'user-agent') ?? '').toLowerCase()
  return !REFUSED_USER_AGENTS.some((each) => userAgent.includes(each.toLowerCase()))
}

const REFUSED_USER_AGENTS = [
  ...['curl', 'wget', 'python-requests', 'axios', 'node-fetch', 'PostmanRuntime', 'insomnia', 'httpie', 'RestSharp'],
  'okhttp',
]
