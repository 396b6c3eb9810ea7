/** Which paths under `/v1` speak of objects that live on an upstream account, and which never pass. A table, not a judgement per call. */
import type { RequestView } from '../formats/openai.ts'

/** `closed`: never passes. `stateful`: pinned to one account per client key. `free`: any credential will do. */
export type PathNature = 'closed' | 'stateful' | 'free'

export interface PathQuestion {
  readonly method: string
  /** Below `/v1`, as it was sent. */
  readonly path: string
  readonly view: RequestView
}

/** Administration of the upstream account itself. */
const closedSections = new Set(['organization', 'organizations', 'projects', 'dashboard', 'billing', 'usage'])

/** First path segments whose objects stay at the upstream. */
const statefulSections = new Set([
  ...['files', 'uploads', 'batches', 'conversations', 'threads', 'assistants', 'vector_stores', 'fine_tuning'],
  ...['fine-tunes', 'fine_tunes', 'containers', 'evals', 'skills', 'videos', 'realtime', 'chatkit', 'agents'],
])

/** Members at the top of a body that name an object made by an earlier call. */
const references = ['previous_response_id', 'conversation', 'input_file_id', 'training_file', 'validation_file']

export function natureOfPath({ method, path, view }: PathQuestion): PathNature {
  // The path of nearly every call is not looked at twice.
  if (path === '/chat/completions' && method === 'POST') return hasReference(view.outline) ? 'stateful' : 'free'
  const segments = sectionsOf(path)
  if (segments === null) return 'closed'
  const [section = '', second = ''] = segments
  // A dot segment could name another place for a server that resolves it after us.
  if (segments.some((segment) => segment === '.' || segment === '..')) return 'closed'
  if (closedSections.has(section)) return 'closed'
  if (statefulSections.has(section)) return 'stateful'
  // Stored answers, and deleting a fine-tuned model.
  if (section === 'responses' && (second !== '' ? second !== 'input_tokens' : method !== 'POST')) return 'stateful'
  if (section === 'chat' && (segments.length > 2 || method !== 'POST')) return 'stateful'
  if (section === 'models' && method === 'DELETE') return 'stateful'
  return hasReference(view.outline) ? 'stateful' : 'free'
}

/** Calls that leave an object behind which the same client may ask for later: they are pinned where the client may do that. */
export function leavesObject({ path, view }: PathQuestion): boolean {
  if (path === '/chat/completions') return view.outline?.store === true
  const [section] = sectionsOf(path) ?? []
  if (section === 'responses') return view.outline?.store !== false
  return section === 'chat' && view.outline?.store === true
}

/** Decoded and in lower case, without parameters and blanks, as a careless server would read it; null when it cannot be. */
function sectionsOf(path: string): string[] | null {
  const plain = decodedWhole(path)
  if (plain === null) return null
  return plain
    .toLowerCase()
    .split(/[/\\]+/)
    .map((segment) => segment.replace(/[;?#].*$/s, '').replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, ''))
    .filter((segment) => segment !== '')
}

/** More than this is no spelling of anything. */
const maxDecodings = 4

function decodedWhole(path: string): string | null {
  let plain = path
  try {
    for (let times = 0; times < maxDecodings && plain.includes('%'); times++) plain = decodeURIComponent(plain)
  } catch {
    return null
  }
  return plain.includes('%') ? null : plain
}

type Fields = Readonly<Record<string, unknown>>

function hasReference(json: Fields | null): boolean {
  if (json === null) return false
  if (references.some((name) => json[name] !== undefined && json[name] !== null)) return true
  return hasFilePart(json.messages) || hasFilePart(json.input) || entriesOf(json.tools).some(namesStore)
}

/** A part of a message that is an uploaded file; a property of that name in a tool's schema is not one. */
function hasFilePart(messages: unknown): boolean {
  return entriesOf(messages).some((message) =>
    entriesOf(message.content).some((part) => isText(part.file_id) || isText((part.file as Fields | null)?.file_id)),
  )
}

function namesStore(tool: Fields): boolean {
  return Array.isArray(tool.vector_store_ids) || isText(tool.container)
}

function entriesOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'object' && entry !== null) : []
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}
