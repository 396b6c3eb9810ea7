/** How the tests of the simulated OnDemand look at it: with plain fetch, and with a bare TCP socket that sees bytes and endings. */
import type { OndemandSimulator } from '../../src/simulator/ondemand.ts'
import { type RawAnswer, sendRaw } from './simulator-client.ts'

export const ENDPOINT_ID = 'predefined-gpt-5.6-luna'

/** Headers of either door. */
export type Proof = Readonly<Record<string, string>>

export function keyProof(key: string): Proof {
  return { apikey: key }
}

export interface SignedIn {
  readonly token: string
  readonly refreshToken: string
  readonly proof: Proof
}

export function askSignIn(simulator: OndemandSimulator, email: string, password: string): Promise<Response> {
  return fetch(`${simulator.authBaseUrl}/auth/user/signin`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${email}:${password}`)}`, 'content-type': 'application/json' },
    body: '{"accountType":"default"}',
  })
}

interface SignInBody {
  readonly data: {
    readonly tokenData: { readonly token: string; readonly refreshToken: string }
    readonly user: { readonly userId: string; readonly default_company_id: string }
  }
}

export async function signIn(simulator: OndemandSimulator, email: string, password: string): Promise<SignedIn> {
  const { data } = (await (await askSignIn(simulator, email, password)).json()) as SignInBody
  const { token, refreshToken } = data.tokenData
  return { token, refreshToken, proof: accountProof(token, data.user) }
}

function accountProof(token: string, user: SignInBody['data']['user']): Proof {
  return { authorization: `Bearer ${token}`, 'x-company-id': user.default_company_id, 'x-user-id': user.userId }
}

export function askRefresh(simulator: OndemandSimulator, token: string, refreshToken: string): Promise<Response> {
  return fetch(`${simulator.authBaseUrl}/auth/user/refresh_token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ data: { token, refreshToken } }),
  })
}

function baseUrlOf(simulator: OndemandSimulator, proof: Proof): string {
  return proof.authorization === undefined ? simulator.chatBaseUrl : simulator.accountChatBaseUrl
}

export function askSession(simulator: OndemandSimulator, proof: Proof, body: object = {}): Promise<Response> {
  return fetch(`${baseUrlOf(simulator, proof)}/sessions`, {
    method: 'POST',
    headers: { ...proof, 'content-type': 'application/json' },
    body: JSON.stringify({ externalUserId: 'test-user', pluginIds: [], ...body }),
  })
}

export async function newSession(simulator: OndemandSimulator, proof: Proof): Promise<string> {
  const { data } = (await (await askSession(simulator, proof)).json()) as { readonly data: { readonly id: string } }
  return data.id
}

export interface QueryAsked {
  readonly proof: Proof
  readonly sessionId: string
  readonly body?: Readonly<Record<string, unknown>>
  readonly signal?: AbortSignal
}

export function askQuery(simulator: OndemandSimulator, asked: QueryAsked): Promise<Response> {
  return fetch(`${baseUrlOf(simulator, asked.proof)}/sessions/${asked.sessionId}/query`, {
    method: 'POST',
    headers: { ...asked.proof, 'content-type': 'application/json' },
    body: JSON.stringify({ query: 'Hello there', endpointId: ENDPOINT_ID, responseMode: 'stream', ...asked.body }),
    ...(asked.signal === undefined ? {} : { signal: asked.signal }),
  })
}

export function askDelete(simulator: OndemandSimulator, proof: Proof, sessionId: string): Promise<Response> {
  return fetch(`${baseUrlOf(simulator, proof)}/sessions/${sessionId}`, { method: 'DELETE', headers: proof })
}

export function askCatalogue(simulator: OndemandSimulator, proof: Proof, query = ''): Promise<Response> {
  return fetch(`${simulator.catalogueUrl}${query}`, { headers: proof })
}

/** A query over a bare socket that is not to be kept, read until the other side ends it or for `patienceMs`. */
export function askRawQuery(
  simulator: OndemandSimulator,
  asked: QueryAsked,
  patience: number | RegExp = 2_000,
): Promise<RawAnswer> {
  const body = JSON.stringify({
    query: 'Hello there',
    endpointId: ENDPOINT_ID,
    responseMode: 'stream',
    ...asked.body,
  })
  const path = new URL(baseUrlOf(simulator, asked.proof)).pathname
  const head = [
    `POST ${path}/sessions/${asked.sessionId}/query HTTP/1.1`,
    'Host: simulator',
    ...Object.entries(asked.proof).map(([name, value]) => `${name}: ${value}`),
    'Content-Type: application/json',
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  return sendRaw(simulator, `${head.join('\r\n')}\r\n\r\n${body}`, patience)
}

/** One event of a stream as a lenient reader sees it. */
export interface StreamEvent {
  readonly name: string
  /** Null when what follows `data:` is no JSON. */
  readonly value: Readonly<Record<string, unknown>> | null
  readonly text: string
}

export function eventsOf(streamText: string): StreamEvent[] {
  return streamText
    .split(/\r?\n\r?\n/)
    .filter((block) => block.includes('data:'))
    .map((block) => {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1]?.replace(/\r$/, '') ?? ''
      const text = field('data')
      return { name: field('event'), text, value: text.startsWith('{') ? (JSON.parse(text) as object) : null }
    }) as StreamEvent[]
}

/** Heartbeats have no type, and what is no JSON stands as it is; of status events the type of status follows. */
export function typesOf(streamText: string): string[] {
  return eventsOf(streamText).map(({ name, value, text }) => {
    if (value === null) return text
    const status = value.currentStatusLog as { readonly statusType: string } | undefined
    if (status !== undefined) return `statusLog ${status.statusType}`
    return typeof value.eventType === 'string' ? value.eventType : name
  })
}

export function answerOf(streamText: string): string {
  return eventsOf(streamText)
    .filter(({ value }) => value?.eventType === 'fulfillment')
    .map(({ value }) => value?.answer)
    .join('')
}

export function pieceCountOf(streamText: string): number {
  return streamText.match(/"eventType": "fulfillment"/g)?.length ?? 0
}
