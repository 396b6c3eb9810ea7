/** One call of the soak: what is asked, how its client behaves, and what became of it as the client saw it. */
import type { Random } from '../random.ts'
import { clientKeys, numberHeader } from './settings.ts'

/** `error`: an answer with an error status. `cut`: a stream that said so. `untold`: a stream or an answer that ended as if whole and was not. */
export type Seen = 'whole' | 'error' | 'cut' | 'untold' | 'aborted' | 'broken'

export interface CallResult {
  readonly kind: CallKind
  readonly number: number
  /** The gateway's name for the call; null where no head came. */
  readonly id: string | null
  readonly status: number
  readonly seen: Seen
  readonly detail: string
}

export type CallKind = keyof typeof kinds

/** How a client leaves: before the head, after so many pieces of the body, or after not reading for a while. */
export type Departure =
  | { readonly when: 'never' }
  | { readonly when: 'before_head'; readonly afterMs: number }
  | { readonly when: 'in_body'; readonly afterPieces: number; readonly stallMs: number }

export function chooseKind(random: Random): CallKind {
  return random.pick(Object.entries(kinds).map(([name, kind]) => [kind.weight, name as CallKind] as const))
}

export function chooseDeparture(random: Random): Departure {
  return random.pick<Departure>([
    [92, { when: 'never' }],
    [3, { when: 'before_head', afterMs: random.between(1, 150) }],
    [4, { when: 'in_body', afterPieces: random.between(1, 8), stallMs: 0 }],
    [1, { when: 'in_body', afterPieces: 1, stallMs: random.between(200, 1500) }],
  ])
}

export async function makeCall(
  base: string,
  kind: CallKind,
  { number, random, departure }: { number: number; random: Random; departure: Departure },
): Promise<CallResult> {
  const { path, method = 'POST', key = clientKeys.main, body } = kinds[kind]
  const controller = new AbortController()
  const leave = () => controller.abort()
  const timer = departure.when === 'before_head' ? setTimeout(leave, departure.afterMs) : null
  const overdue = setTimeout(leave, callDeadlineMs)
  const known = { id: null as string | null, status: 0 }
  let hasLeft = false
  controller.signal.addEventListener('abort', () => {
    hasLeft = true
  })
  const begin = performance.now()
  const end = (seen: Seen, detail = ''): CallResult => ({ kind, number, ...known, seen, detail })
  try {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(kind.startsWith('repeated') ? {} : { [numberHeader]: String(number) }),
      },
      ...(body === undefined ? {} : { body: body(random) }),
      signal: controller.signal,
    })
    if (timer !== null) clearTimeout(timer)
    known.id = response.headers.get('x-request-id')
    known.status = response.status
    const text = await readBody(response, departure, leave)
    if (response.status >= 400) return end('error', text.slice(0, 300))
    if (response.headers.get('content-type')?.startsWith('text/event-stream') === true) return end(...judgeStream(text))
    return isJson(text) ? end('whole') : end('untold', text.slice(-300))
  } catch (error) {
    const isOverdue = performance.now() - begin >= callDeadlineMs
    if (hasLeft && !isOverdue) return end('aborted')
    return end(isOverdue ? 'untold' : 'broken', isOverdue ? 'no end in time' : String(error))
  } finally {
    if (timer !== null) clearTimeout(timer)
    clearTimeout(overdue)
  }
}

/** Longer than all of the gateway's own deadlines together. */
const callDeadlineMs = 60_000

async function readBody(response: Response, departure: Departure, leave: () => void): Promise<string> {
  if (departure.when !== 'in_body' || response.body === null) return response.text()
  const decoder = new TextDecoder()
  let text = ''
  let pieces = 0
  const reader = response.body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    text += decoder.decode(value, { stream: true })
    pieces++
    if (pieces < departure.afterPieces) continue
    await Bun.sleep(departure.stallMs)
    leave()
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function judgeStream(text: string): [Seen, string] {
  if (text.endsWith('data: [DONE]\n\n') || text.includes('event: response.completed\n')) return ['whole', '']
  if (/^data: \{"error":/m.test(text) || text.includes('event: error\n')) return ['cut', '']
  return ['untold', text.slice(-300)]
}

interface Kind {
  readonly weight: number
  readonly path: string
  readonly method?: 'GET'
  readonly key?: string
  readonly body?: (random: Random) => string
}

const kinds = {
  json: { weight: 20, path: '/v1/chat/completions', body: (random) => chat(random, {}) },
  stream: { weight: 26, path: '/v1/chat/completions', body: (random) => chat(random, { stream: true }) },
  streamWithUsage: {
    weight: 4,
    path: '/v1/chat/completions',
    body: (random) => chat(random, { stream: true, stream_options: { include_usage: true } }),
  },
  tools: { weight: 5, path: '/v1/chat/completions', body: (random) => chat(random, { tools }) },
  redirected: { weight: 4, path: '/v1/chat/completions', body: (random) => chat(random, { model: 'fast' }) },
  /** From a handful: the answer cache has hits, and equal calls under way. */
  repeated: { weight: 6, path: '/v1/chat/completions', body: (random) => repeated(random, {}) },
  repeatedStream: { weight: 3, path: '/v1/chat/completions', body: (random) => repeated(random, { stream: true }) },
  big: { weight: 1, path: '/v1/chat/completions', body: (random) => big(random, {}) },
  bigStream: { weight: 0.5, path: '/v1/chat/completions', body: (random) => big(random, { stream: true }) },
  mock: { weight: 10, path: '/v1/chat/completions', body: (random) => chat(random, { model: 'mock-gpt' }) },
  mockStream: {
    weight: 8,
    path: '/v1/chat/completions',
    body: (random) => chat(random, { model: 'mock-gpt', stream: true }),
  },
  responses: { weight: 2, path: '/v1/responses', body: (random) => respond(random, {}) },
  responseStream: { weight: 2, path: '/v1/responses', body: (random) => respond(random, { stream: true }) },
  completion: {
    weight: 1,
    path: '/v1/completions',
    body: (random) => JSON.stringify({ model: 'gpt-4o-mini', prompt: words(random, 20) }),
  },
  embedding: {
    weight: 5,
    path: '/v1/embeddings',
    body: (random) => JSON.stringify({ model: 'text-embedding-3-small', input: words(random, 30) }),
  },
  limited: {
    weight: 3,
    path: '/v1/chat/completions',
    key: clientKeys.limited,
    body: (random) => chat(random, {}),
  },
  narrow: {
    weight: 3,
    path: '/v1/chat/completions',
    key: clientKeys.narrow,
    body: (random) => chat(random, { stream: true }),
  },
  models: { weight: 3, path: '/v1/models', method: 'GET' },
  model: { weight: 1, path: '/v1/models/gpt-4o-mini', method: 'GET' },
  badJson: { weight: 0.5, path: '/v1/chat/completions', body: () => '{"model": "gpt-4o-mini", "messages": [' },
  wrongKey: {
    weight: 0.5,
    path: '/v1/chat/completions',
    key: 'sk-nobody-knows-it',
    body: (random) => chat(random, {}),
  },
} satisfies Record<string, Kind> as Record<KindName, Kind>

type KindName =
  | 'json'
  | 'stream'
  | 'streamWithUsage'
  | 'tools'
  | 'redirected'
  | 'repeated'
  | 'repeatedStream'
  | 'big'
  | 'bigStream'
  | 'mock'
  | 'mockStream'
  | 'responses'
  | 'responseStream'
  | 'completion'
  | 'embedding'
  | 'limited'
  | 'narrow'
  | 'models'
  | 'model'
  | 'badJson'
  | 'wrongKey'

/** Answered by the gateway from what it knows: they have no record. */
export const kindsWithoutRecord: ReadonlySet<CallKind> = new Set<CallKind>(['models', 'model'])

const tools = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'The weather of a place',
      parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
    },
  },
]

function chat(random: Random, fields: object): string {
  const question = `Use a tool if there is one. ${words(random, random.between(5, 60))}`
  const messages = [
    { role: 'system', content: 'You are a helpful assistant.' },
    { role: 'user', content: question },
  ]
  return JSON.stringify({ model: random.pick(models), messages, temperature: 0.7, ...fields })
}

const models = [
  [5, 'gpt-4o-mini'],
  [3, 'gpt-4o'],
  [1, 'gpt-4.1'],
] as const

function repeated(random: Random, fields: object): string {
  const messages = [{ role: 'user', content: `Question number ${random.between(1, 12)}` }]
  return JSON.stringify({ model: 'gpt-4o', messages, ...fields })
}

/** About a megabyte, each one different. */
function big(random: Random, fields: object): string {
  const messages = [
    { role: 'user', content: longText },
    { role: 'user', content: words(random, 20) },
  ]
  return JSON.stringify({ model: 'gpt-4o', messages, ...fields })
}

function respond(random: Random, fields: object): string {
  return JSON.stringify({ model: 'gpt-4o', input: words(random, 25), store: false, ...fields })
}

const vocabulary = 'gateway stream token credential upstream answer weather river stone letter morning proxy'.split(' ')
const longText = Array.from({ length: 12_000 }, (_, index) => `${index} ${vocabulary.join(' ').slice(0, 80)}.`).join(
  '\n',
)

function words(random: Random, count: number): string {
  return Array.from({ length: count }, () => vocabulary[random.between(0, vocabulary.length - 1)]).join(' ')
}
