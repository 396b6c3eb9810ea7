/** A simulated Scira on loopback: the search route of its web app as published, for signed-out callers and for cookies, and what it received. */

import { listenHttp } from './http-listener.ts'
import { parseJsonObject } from './json.ts'
import { createRecording, headerValue, type ReceivedRequest } from './recording.ts'
import { type Behaviour, createBehaviourMemory } from './scira/behaviours.ts'
import { type AnswerFormat, GENERATIONS, type Generation, type GenerationName } from './scira/generations.ts'
import type { ModelTable } from './scira/models.ts'
import { type Account, type SearchService, serveSearch } from './scira/search.ts'

/** Starts at once. Throws when the port is taken. */
export function startSciraSimulator(options: SciraSimulatorOptions = {}): SciraSimulator {
  const recordLimit = options.recordLimit ?? DEFAULT_RECORD_LIMIT
  const recording = createRecording(recordLimit)
  const accounts = new Map<string, Account>()
  const storedChats = new Map<string, string>()
  let signedOut = createBehaviourMemory(options.signedOut ?? { kind: 'good' })
  for (const [cookie, account] of Object.entries(options.accounts ?? {})) setAccount(cookie, account)

  function setAccount(cookie: string, { plan, ...behaviour }: SciraAccount): void {
    accounts.set(cookie, { plan: plan ?? 'free', memory: createBehaviourMemory(behaviour) })
  }

  const listener = listenHttp({
    port: options.port ?? 0,
    onExchange(exchange) {
      const cookie = headerValue(exchange.headers, 'cookie')
      const request = recording.begin(exchange, cookie, Date.now())
      exchange.onLost = () => recording.end(request, 'aborted', Date.now())
      const account = cookie === null ? null : (accounts.get(cookie) ?? null)
      const json = parseJsonObject(request.text())
      serveSearch({ service, exchange, request, json, account, signedOut, nowMs: request.receivedAtMs })
    },
  })
  const origin = `http://127.0.0.1:${listener.port}`
  const generation: Generation = { ...GENERATIONS[options.generation ?? '2026-03'], ...options.overrides }
  const service: SearchService = {
    recording,
    generation: { ...generation, format: options.format ?? generation.format },
    path: options.path ?? '/api/search',
    models: options.models ?? generation.models,
    allowedOrigins: options.allowedOrigins ?? [origin, 'https://scira.ai'],
    unknownModel: options.unknownModel ?? 'stream_error',
    storeChat(id, cookie) {
      const owner = storedChats.get(id)
      if (owner !== undefined) return owner === cookie
      if (storedChats.size >= recordLimit) storedChats.clear()
      storedChats.set(id, cookie)
      return true
    },
  }

  return {
    origin,
    port: listener.port,
    url: `${origin}${service.path}`,
    requests: recording.requests,
    storedChats,
    setSignedOut(behaviour) {
      signedOut = createBehaviourMemory(behaviour)
    },
    setAccount,
    removeAccount: (cookie) => void accounts.delete(cookie),
    calls: recording.callCount,
    totalCalls: recording.totalCount,
    inFlight: recording.inFlightCount,
    connections: listener.connectionCount,
    openConnections: listener.openConnectionCount,
    closeIdleConnections: listener.closeIdleConnections,
    waitFor: recording.waitFor,
    reset() {
      recording.clear()
      storedChats.clear()
    },
    stop: listener.stop,
  }
}

export interface SciraSimulatorOptions {
  /** Default 0: the system chooses. */
  readonly port?: number
  /** Default `/api/search`. */
  readonly path?: string
  /** Which published state of the route: what it asks of a request, whom it lets in, how it answers. Default `2026-03`. */
  readonly generation?: GenerationName
  /** In what it differs from that. */
  readonly overrides?: Partial<Generation>
  /** Default as the generation had it. */
  readonly format?: AnswerFormat
  /** What callers without a cookie get, and those whose cookie belongs to nobody; default good answers. All of them share one address. */
  readonly signedOut?: Behaviour
  /** By the whole `Cookie` header, as it comes. */
  readonly accounts?: Readonly<Record<string, SciraAccount>>
  /** Default those of the generation. */
  readonly models?: ModelTable
  /** Where callers may come from, in generations that look; default this simulator and `https://scira.ai`. */
  readonly allowedOrigins?: readonly string[]
  /** What becomes of a model that is not in the table; nobody has seen it. Default `stream_error`. */
  readonly unknownModel?: 'stream_error' | 'status_500'
  /** How many requests, and stored chats, are remembered; default 10,000. */
  readonly recordLimit?: number
}

export type SciraAccount = Behaviour & {
  /** Default `free`. */
  readonly plan?: 'free' | 'pro'
}

export interface SciraSimulator {
  /** The base address, without a slash at its end. */
  readonly origin: string
  readonly port: number
  /** Of the one route. */
  readonly url: string
  /** Oldest first; the objects change while their answers are under way. `credential` is the `Cookie` header. */
  readonly requests: readonly ReceivedRequest[]
  /** Which chats the service keeps, by id, and of which cookie: those of signed-in callers that were not temporary. */
  readonly storedChats: ReadonlyMap<string, string>
  /** From the next request on, with all counts of the behaviour from zero. */
  readonly setSignedOut: (behaviour: Behaviour) => void
  readonly setAccount: (cookie: string, account: SciraAccount) => void
  readonly removeAccount: (cookie: string) => void
  /** Requests with this cookie, or with none (null), since the start or the last reset. */
  readonly calls: (cookie: string | null) => number
  readonly totalCalls: () => number
  /** Requests whose answer is under way; a hanging one too. */
  readonly inFlight: () => number
  /** Connections that have sent anything since the start. */
  readonly connections: () => number
  readonly openConnections: () => number
  readonly closeIdleConnections: () => void
  /** The first request of which the predicate is true, now or later. Rejects at the deadline. */
  readonly waitFor: (predicate: (request: ReceivedRequest) => boolean, deadlineMs: number) => Promise<ReceivedRequest>
  /** Forgets requests, counts and stored chats; behaviours stay. */
  readonly reset: () => void
  /** Closes all connections at once. */
  readonly stop: () => void
}

const DEFAULT_RECORD_LIMIT = 10_000
