/** How the tests of the simulated Scira look at it: with plain fetch, and with a bare TCP socket that sees bytes and endings. */
import type { GenerationName } from '../../src/simulator/scira/generations.ts'
import type { SciraSimulator } from '../../src/simulator/scira.ts'
import { type RawAnswer, sendRaw } from './simulator-client.ts'

/** What each generation of the route wants, and no more. */
export const BODIES: Readonly<Record<GenerationName, Readonly<Record<string, unknown>>>> = {
  '2025-05': {
    messages: [{ role: 'user', content: 'Hello there' }],
    model: 'scira-default',
    group: 'chat',
    user_id: 'user-ab12cd34ef',
    timezone: 'Asia/Shanghai',
  },
  '2025-06': {
    id: 'chat_1900000000_0011223344556677',
    messages: [{ role: 'user', content: 'Hello there' }],
    model: 'scira-default',
    group: 'chat',
    timezone: 'Europe/Vienna',
    selectedVisibilityType: 'private',
  },
  '2026-03': {
    id: '0b2f3c1e-8d1a-4c58-9f43-2a7e5d90c6b1',
    messages: [{ id: 'message-1', role: 'user', parts: [{ type: 'text', text: 'Hello there' }] }],
    model: 'scira-default',
    group: 'chat',
    timezone: 'UTC',
    selectedVisibilityType: 'private',
    isCustomInstructionsEnabled: false,
    isTemporaryChat: true,
  },
}

export interface SciraAsked {
  /** Default `2026-03`. */
  readonly generation?: GenerationName
  /** Over the usual ones; undefined takes one away. */
  readonly fields?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export function ask(simulator: SciraSimulator, asked: SciraAsked = {}): Promise<Response> {
  return fetch(simulator.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...asked.headers },
    body: JSON.stringify({ ...BODIES[asked.generation ?? '2026-03'], ...asked.fields }),
    redirect: 'manual',
    ...(asked.signal === undefined ? {} : { signal: asked.signal }),
  })
}

/** The call over a bare socket, read until the other side ends it or for `patienceMs`. */
export function askBare(
  simulator: SciraSimulator,
  generation: GenerationName,
  patience: number | RegExp = 150,
): Promise<RawAnswer> {
  const body = JSON.stringify(BODIES[generation])
  const head = ['POST /api/search HTTP/1.1', 'Host: simulator', `Content-Length: ${Buffer.byteLength(body)}`]
  return sendRaw(simulator, `${head.join('\r\n')}\r\n\r\n${body}`, patience)
}

/** Each line of a data stream as its code and its value. */
export function linesOf(text: string): [code: string, value: unknown][] {
  if (!text.endsWith('\n')) throw new Error('The last line has no end')
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf(':')), JSON.parse(line.slice(line.indexOf(':') + 1)) as unknown])
}

export type Part = Readonly<Record<string, unknown>>

/** The parts of a UI message stream; `[DONE]` is a text. */
export function partsOf(text: string): (Part | '[DONE]')[] {
  if (!text.endsWith('\n\n')) throw new Error('The last event has no end')
  return text
    .slice(0, -2)
    .split('\n\n')
    .map((event) => {
      if (!event.startsWith('data: ')) throw new Error(`No data: ${event}`)
      const data = event.slice(6)
      return data === '[DONE]' ? data : (JSON.parse(data) as Part)
    })
}
