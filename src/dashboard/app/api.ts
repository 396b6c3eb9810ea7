/** The gateway's own API as this page asks it. Whoever is not signed in is told so once, by `isSignedIn`. */
import { signal } from '@preact/signals'

/** Null: not known yet. */
export const isSignedIn = signal<boolean | null>(null)

/** What the gateway refused, in its words. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly retryAfterSeconds: number | null

  constructor(status: number, code: string, message: string, retryAfterSeconds: number | null = null) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.code = code
    this.retryAfterSeconds = retryAfterSeconds
  }
}

const deadlineMs = 30_000

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  /** Sent as JSON. */
  readonly body?: unknown
  readonly signal?: AbortSignal
  /** Of a stream, which takes as long as it takes. */
  readonly isEndless?: boolean
}

/** The answer, whatever its type. `path` is relative, so that the page works below any prefix. Throws ApiError. */
export async function ask(
  path: string,
  { method = 'GET', body, signal, isEndless = false }: Ask = {},
): Promise<Response> {
  const signals = [...(signal === undefined ? [] : [signal]), ...(isEndless ? [] : [AbortSignal.timeout(deadlineMs)])]
  let response: Response
  try {
    response = await fetch(path, {
      method,
      signal: AbortSignal.any(signals),
      credentials: 'same-origin',
      headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new ApiError(0, 'unreachable', 'the gateway does not answer')
  }
  if (response.ok) return response
  if (response.status === 401 && !path.endsWith('admin/session')) isSignedIn.value = false
  throw await refusalOf(response)
}

/** Throws ApiError. The caller says what shape it expects: it is our own API. */
export async function askJson<Answer>(path: string, wish: Ask = {}): Promise<Answer> {
  return (await (await ask(path, wish)).json()) as Answer
}

/** Server-sent events until the signal fires or the gateway ends them. Throws ApiError. */
export async function readEvents(path: string, wish: Ask, onEvent: (data: string) => void): Promise<void> {
  await readEventsOf(await ask(path, { ...wish, isEndless: true }), onEvent)
}

/** The events of an answer that is at hand, to its end. */
export async function readEventsOf(response: Response, onEvent: (data: string) => void): Promise<void> {
  if (response.body === null) return
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const events = (rest + value).split(/\r?\n\r?\n/)
    rest = events.pop() ?? ''
    for (const event of events) {
      const lines = event.split(/\r?\n/).filter((line) => line.startsWith('data:'))
      if (lines.length > 0) onEvent(lines.map((line) => line.slice(5).trimStart()).join('\n'))
    }
  }
}

export async function signIn(adminKey: string): Promise<void> {
  await ask('admin/session', { method: 'POST', body: { admin_key: adminKey } })
  isSignedIn.value = true
}

export async function signOut(): Promise<void> {
  await ask('admin/session', { method: 'DELETE' }).catch(() => {})
  isSignedIn.value = false
}

/** Asks once, when the page begins. */
export async function findOutWhoIsHere(): Promise<void> {
  isSignedIn.value = await askJson<{ signed_in: boolean }>('admin/session').then(
    (session) => session.signed_in,
    () => false,
  )
}

async function refusalOf(response: Response): Promise<ApiError> {
  const retryAfter = Number(response.headers.get('retry-after'))
  const seconds = retryAfter > 0 ? retryAfter : null
  try {
    const { error } = (await response.json()) as { error: { message: string; code: string | null } }
    return new ApiError(response.status, error.code ?? '', error.message, seconds)
  } catch {
    return new ApiError(response.status, '', `HTTP ${response.status}`, seconds)
  }
}
