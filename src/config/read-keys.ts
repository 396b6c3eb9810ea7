/** Turns keys as they were pasted into a list or a file into clean, distinct secrets. */
import { checkSecret } from './check-secret.ts'

/** `seen` gathers the secrets of all lists of one provider; a repeated one is only counted. */
export function readKeys(lines: readonly string[], seen: Set<string>): ReadKeys {
  const secrets: string[] = []
  const faults: KeyFault[] = []
  const ignored = { empty: 0, comment: 0, duplicate: 0 }
  for (const [index, line] of lines.entries()) {
    const { secret, fault } = checkSecret(line)
    if (secret === '') ignored.empty++
    else if (secret.startsWith('#')) ignored.comment++
    else if (seen.has(secret)) ignored.duplicate++
    else if (fault !== null) faults.push({ index, fault })
    else {
      seen.add(secret)
      secrets.push(secret)
    }
  }
  return { secrets, faults, ignored }
}

export interface ReadKeys {
  readonly secrets: readonly string[]
  readonly faults: readonly KeyFault[]
  readonly ignored: Readonly<Record<'empty' | 'comment' | 'duplicate', number>>
}

export interface KeyFault {
  /** Position in the list, from 0. */
  readonly index: number
  readonly fault: string
}

export function splitLines(text: string): readonly string[] {
  const lines = text.split(/\r\n|\n|\r/)
  if (lines.at(-1) === '') lines.pop()
  return lines
}

/** "12 keys, 2 empty lines and 1 duplicate ignored" */
export function describeKeys({ secrets, ignored }: ReadKeys): string {
  const parts = [
    counted(ignored.empty, 'empty line'),
    counted(ignored.comment, 'comment'),
    counted(ignored.duplicate, 'duplicate'),
  ].filter((part) => part !== null)
  const keys = counted(secrets.length, 'key') ?? 'no keys'
  if (parts.length === 0) return keys
  const last = parts.length > 1 ? ` and ${parts.at(-1)}` : ''
  const first = parts.length > 1 ? parts.slice(0, -1).join(', ') : parts[0]
  return `${keys}, ${first}${last} ignored`
}

function counted(number: number, word: string): string | null {
  if (number === 0) return null
  return `${number} ${word}${number === 1 ? '' : 's'}`
}
