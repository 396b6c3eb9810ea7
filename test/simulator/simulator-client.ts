/** How the simulator's own tests look at it: with plain fetch, and with a bare TCP socket that sees bytes and endings. */
import type { OpenAiSimulator } from '../../src/simulator/openai.ts'

/** A chat call with plain fetch. */
export function askChat(simulator: OpenAiSimulator, secret: string, asked: ChatAsked = {}): Promise<Response> {
  return fetch(`${simulator.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello there' }], ...asked.body }),
    redirect: 'manual',
    ...(asked.signal === undefined ? {} : { signal: asked.signal }),
  })
}

export interface ChatAsked {
  readonly body?: Readonly<Record<string, unknown>>
  readonly signal?: AbortSignal
}

/** Any other call with plain fetch. */
export function askPath(
  simulator: OpenAiSimulator,
  path: string,
  init: RequestInit & { secret: string },
): Promise<Response> {
  const headers = new Headers(init.headers)
  headers.set('authorization', `Bearer ${init.secret}`)
  return fetch(`${simulator.baseUrl}${path}`, { ...init, headers })
}

/** The `data:` payloads of a stream, in order. */
export function payloadsOf(streamText: string): string[] {
  return streamText
    .split(/\r?\n\r?\n/)
    .filter((event) => event.includes('data: '))
    .map((event) => event.slice(event.indexOf('data: ') + 6))
}

export interface ChunkView {
  readonly choices: readonly {
    readonly index: number
    readonly delta: {
      readonly role?: string
      readonly content?: string | null
      readonly reasoning_content?: string
      readonly tool_calls?: readonly {
        readonly index: number
        readonly id?: string
        readonly function: { readonly name?: string; readonly arguments: string }
      }[]
    }
    readonly finish_reason: string | null
  }[]
  readonly model: string
  readonly usage?: {
    readonly prompt_tokens: number
    readonly completion_tokens: number
    readonly total_tokens: number
  } | null
}

/** The chunks of a stream without `[DONE]`. */
export function chunksOf(streamText: string): ChunkView[] {
  return payloadsOf(streamText)
    .filter((payload) => payload !== '[DONE]')
    .map((payload) => JSON.parse(payload) as ChunkView)
}

export function contentOf(streamText: string): string {
  return chunksOf(streamText)
    .map((chunk) => chunk.choices[0]?.delta.content ?? '')
    .join('')
}

export interface RawAnswer {
  readonly bytes: Uint8Array
  readonly text: string
  /** How the other side ended the connection; `open` when it had not at the deadline. */
  readonly ending: 'fin' | 'reset' | 'open'
  /** What came in each read. */
  readonly reads: readonly Uint8Array[]
}

/** A chat call over a bare socket, read until the other side ends it or for `patienceMs`. */
export function askRaw(simulator: OpenAiSimulator, asked: RawAsked): Promise<RawAnswer> {
  const body = JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello there' }], ...asked.body })
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    'Host: simulator',
    `Authorization: Bearer ${asked.secret}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(asked.headerLines ?? []),
  ]
  return sendRaw(simulator, `${head.join('\r\n')}\r\n\r\n${body}`, asked.patienceMs ?? 150)
}

export interface RawAsked {
  readonly secret: string
  readonly body?: Readonly<Record<string, unknown>>
  readonly headerLines?: readonly string[]
  readonly patienceMs?: number
}

/** Only a deadline for what never comes. */
const MOST_PATIENCE_MS = 10_000

/** Sends bytes as they are. `patience`: how long it listens to one that does not end, or what it waits to have read. */
export function sendRaw(
  simulator: { readonly port: number },
  request: string | readonly string[],
  patience: number | RegExp,
): Promise<RawAnswer> {
  const pieces = typeof request === 'string' ? [request] : request
  return new Promise((resolve) => {
    const reads: Uint8Array[] = []
    const settle = (ending: RawAnswer['ending']) => {
      clearTimeout(timer)
      const bytes = Buffer.concat(reads)
      resolve({ bytes, text: bytes.toString(), ending, reads })
    }
    let leave = () => {}
    const stopListening = () => {
      settle('open')
      leave()
    }
    const timer = setTimeout(stopListening, typeof patience === 'number' ? patience : MOST_PATIENCE_MS)
    void Bun.connect({
      hostname: '127.0.0.1',
      port: simulator.port,
      socket: {
        async open(socket) {
          leave = () => socket.end()
          for (const piece of pieces) {
            socket.write(piece)
            await Bun.sleep(5)
          }
        },
        data(_socket, bytes) {
          reads.push(new Uint8Array(bytes))
          if (typeof patience !== 'number' && patience.test(Buffer.concat(reads).toString())) stopListening()
        },
        end: () => settle('fin'),
        close: (_socket, error) => settle(error === undefined ? 'fin' : 'reset'),
        error: () => settle('reset'),
      },
    })
  })
}
