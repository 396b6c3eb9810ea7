/**
 * The fields of a form with files (RFC 7578): where each stands in the bytes. Strict on purpose: what two readers could read
 * differently is refused, since whoever may use only some models must not show us one form and the upstream another.
 */
import type { Span } from './json-members.ts'

export interface FormField extends Span {
  /** Every spelling in which a reader could take its name; usually one. */
  readonly names: readonly string[]
  readonly isFile: boolean
}

/** The boundary that a content type names; null when there is none, or more than one. */
export function boundaryOf(contentType: string): string | null {
  const found = [...contentType.matchAll(/[;,]\s*boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;,"]{1,200}))/gi)]
  return found.length === 1 ? (found[0]?.[1] ?? found[0]?.[2] ?? null) : null
}

/** Null when it is not well formed. Files are stepped over without a look. */
export function formFields(buffer: Buffer, boundary: string): FormField[] | null {
  const delimiter = `\r\n--${boundary}`
  const fields: FormField[] = []
  const first = buffer.indexOf(delimiter.slice(2), 0, 'latin1')
  if (first < 0 || /[^\r\n]/.test(buffer.toString('latin1', 0, first))) return null
  let position = first + delimiter.length - 2
  while (fields.length <= maxFormParts) {
    if (buffer.toString('latin1', position, position + 2) === '--') return fields
    const headEnd = buffer.indexOf('\r\n\r\n', position, 'latin1')
    const next = headEnd < 0 ? -1 : buffer.indexOf(delimiter, headEnd + 4, 'latin1')
    if (next < 0 || headEnd - position > maxHeadBytes) return null
    const head = buffer.toString('utf8', position, headEnd)
    // After the boundary only a line's end; in the head no line that only some readers see.
    if (!/^(?:\r\n[^\r\n]+)*$/.test(head) || head.includes(delimiter)) return null
    fields.push({ ...nameOf(head), start: headEnd + 4, end: next })
    position = next + delimiter.length
  }
  return null
}

const maxFormParts = 1000
const maxHeadBytes = 16_384

function nameOf(head: string): Pick<FormField, 'names' | 'isFile'> {
  const names: string[] = []
  let isFile = false
  // A line that begins with white space continues the one before.
  for (const line of head.replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n')) {
    if (!/^content-disposition\s*:/i.test(line)) continue
    for (const [, name = '', value = ''] of line.matchAll(/;\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)/g)) {
      if (/^filename\*?$/i.test(name)) isFile = true
      if (/^name$/i.test(name)) names.push(...spellingsOf(value.trim()))
      if (/^name\*/i.test(name)) names.push(decoded(value.replace(/^[^']*'[^']*'/, '')))
    }
  }
  return { names, isFile }
}

/** A backslash escapes for some readers and is a character for others. */
function spellingsOf(value: string): string[] {
  const text = value.startsWith('"') ? value.slice(1, -1) : value
  return text.includes('\\') ? [text, text.replaceAll(/\\(.)/g, '$1')] : [text]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
