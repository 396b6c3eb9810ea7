/**
 * From OpenAI's `messages` to the one `query` string that OnDemand takes (https://docs.on-demand.io/reference/submitquery): pure functions.
 * A lone user message goes as it is; anything else is told in blocks by role, system first, with a cue for the answer.
 */
import type { Role, Turn } from '../text-tools/read-turns.ts'

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
