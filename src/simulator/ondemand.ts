/** A simulated OnDemand upstream on loopback, for API keys and for accounts: does with each what it is told, and remembers what it received. */
import { listenHttp } from './http-listener.ts'
import { parseJsonObject } from './json.ts'
import { type AccountFacts, type AccountScript, createAccounts } from './ondemand/accounts.ts'
import { credentialOf } from './ondemand/admission.ts'
import {
  type AnswerScript,
  type AnswerText,
  type Behaviour,
  type BehaviourMemory,
  createBehaviourMemory,
} from './ondemand/behaviours.ts'
import { type CatalogueWrapper, type Endpoint, USUAL_ENDPOINTS } from './ondemand/catalogue.ts'
import { type Operation, readRoute } from './ondemand/routes.ts'
import { type Service, type ServiceState, serve } from './ondemand/service.ts'
import { createSessions, type SessionCounts, type SimulatedSession } from './ondemand/sessions.ts'
import { createRecording, type ReceivedRequest } from './recording.ts'

/** Starts at once. Throws when the port is taken. */
export function startOndemandSimulator(options: OndemandSimulatorOptions): OndemandSimulator {
  const recordLimit = options.recordLimit ?? DEFAULT_RECORD_LIMIT
  const recording = createRecording(recordLimit)
  const keys = new Map<string, BehaviourMemory>()
  const accounts = createAccounts()
  const sessions = createSessions(recordLimit)
  const state: ServiceState = {
    endpoints: options.endpoints ?? USUAL_ENDPOINTS,
    answer: options.answer,
    nextAnswers: [],
  }
  for (const [key, behaviour] of Object.entries(options.keys ?? {})) setKey(key, behaviour)
  for (const [email, script] of Object.entries(options.accounts ?? {})) accounts.set(email, script)

  function setKey(key: string, behaviour: Behaviour): void {
    keys.set(key, createBehaviourMemory(behaviour, null))
  }

  function memoryOfKey(key: string): BehaviourMemory | null {
    if (!keys.has(key) && options.defaultBehaviour !== undefined) setKey(key, options.defaultBehaviour)
    return keys.get(key) ?? null
  }

  const service: Service = {
    recording,
    accounts,
    sessions,
    state,
    memoryOfKey,
    catalogueWrapper: options.catalogueWrapper ?? 'endpointsData',
    isCatalogueOpenToTokens: options.isCatalogueOpenToTokens === true,
  }
  const listener = listenHttp({
    port: options.port ?? 0,
    onExchange(exchange) {
      const path = exchange.target.split('?')[0] ?? ''
      const route = readRoute(exchange.method, path)
      const json = parseJsonObject(new TextDecoder().decode(exchange.body))
      const credential = credentialOf({ exchange, route, json, accounts })
      const request = recording.begin(exchange, credential, Date.now())
      exchange.onLost = () => recording.end(request, 'aborted', Date.now())
      serve({ service, exchange, request, json, nowMs: request.receivedAtMs }, route)
    },
  })
  const origin = `http://127.0.0.1:${listener.port}`

  return {
    origin,
    port: listener.port,
    chatBaseUrl: `${origin}/chat/v1`,
    accountChatBaseUrl: `${origin}/chat/v1/client`,
    authBaseUrl: `${origin}/v1`,
    catalogueUrl: `${origin}/config/v1/public/endpoints`,
    requests: recording.requests,
    requestsOf: (operation) => recording.requests.filter((request) => operationOf(request) === operation),
    sessions: sessions.recorded,
    sessionsOf: sessions.countsOf,
    accountFacts: (email) => accounts.get(email)?.facts ?? NO_ACCOUNT_FACTS,
    setBehaviour(credential, behaviour) {
      const account = accounts.get(credential)
      if (account === null) setKey(credential, behaviour)
      else accounts.set(credential, { ...account.script, behaviour })
    },
    setAccount: accounts.set,
    removeCredential(credential) {
      keys.delete(credential)
      accounts.remove(credential)
    },
    expireTokens: accounts.expire,
    forgetSessions: sessions.forget,
    setEndpoints(endpoints) {
      state.endpoints = endpoints
    },
    setAnswer(answer) {
      state.answer = answer ?? undefined
    },
    answerNext: (...answers) => void state.nextAnswers.push(...answers),
    calls: recording.callCount,
    totalCalls: recording.totalCount,
    inFlight: recording.inFlightCount,
    connections: listener.connectionCount,
    openConnections: listener.openConnectionCount,
    closeIdleConnections: listener.closeIdleConnections,
    waitFor: recording.waitFor,
    reset() {
      recording.clear()
      sessions.clear()
      accounts.clearFacts()
      state.nextAnswers.length = 0
    },
    stop: listener.stop,
  }
}

export interface OndemandSimulatorOptions {
  /** Default 0: the system chooses. */
  readonly port?: number
  /** By API key. */
  readonly keys?: Readonly<Record<string, Behaviour>>
  /** By e-mail address. */
  readonly accounts?: Readonly<Record<string, AccountScript>>
  /** Of keys that are not listed, each with a memory of its own; without it they are refused. */
  readonly defaultBehaviour?: Behaviour
  /** The catalogue; default some of those the service had in 2026. */
  readonly endpoints?: readonly Endpoint[]
  readonly catalogueWrapper?: CatalogueWrapper
  /** Whether the catalogue takes an account's token too; only the key is recorded to work. */
  readonly isCatalogueOpenToTokens?: boolean
  /** What the model says, where neither `answerNext` nor the credential's own `text` decides. */
  readonly answer?: AnswerScript
  /** How many requests, and sessions, are remembered; default 10,000. */
  readonly recordLimit?: number
}

export interface OndemandSimulator {
  readonly origin: string
  readonly port: number
  /** What stands before `/sessions` for calls by key. */
  readonly chatBaseUrl: string
  /** What stands before `/sessions` for calls by account. */
  readonly accountChatBaseUrl: string
  /** What stands before `/auth/user/signin`. */
  readonly authBaseUrl: string
  readonly catalogueUrl: string
  /** Oldest first; the objects change while their answers are under way. `credential` is a key or an account's e-mail address. */
  readonly requests: readonly ReceivedRequest[]
  readonly requestsOf: (operation: Operation) => readonly ReceivedRequest[]
  /** All since the start or the last reset, deleted ones too, oldest first, with what each was asked. */
  readonly sessions: readonly SimulatedSession[]
  /** Of one key or account, or of all (null). */
  readonly sessionsOf: (credential: string | null) => SessionCounts
  /** Counts since the start or the last reset; change while the simulator runs. */
  readonly accountFacts: (email: string) => Readonly<AccountFacts>
  /** Of a key, or of the calls with an account's token: from the next request on, with all counts of the behaviour from zero. */
  readonly setBehaviour: (credential: string, behaviour: Behaviour) => void
  /** Adds an account or replaces how it behaves; the tokens it was issued stay good. */
  readonly setAccount: (email: string, script: AccountScript) => void
  readonly removeCredential: (credential: string) => void
  /** Ends all tokens of the account at once; they can still be refreshed. */
  readonly expireTokens: (email: string) => void
  /** Makes the sessions of one credential, or of all (null), unknown without anybody having deleted them. */
  readonly forgetSessions: (credential: string | null) => void
  readonly setEndpoints: (endpoints: readonly Endpoint[]) => void
  /** As the option `answer`; null takes it back. */
  readonly setAnswer: (answer: AnswerScript | null) => void
  /** What the next queries are answered with, whoever sends them, one for each; goes before any other script. */
  readonly answerNext: (...answers: readonly AnswerText[]) => void
  /** Requests with this credential, or with none (null), since the start or the last reset. */
  readonly calls: (credential: string | null) => number
  readonly totalCalls: () => number
  /** Requests whose answer is under way; a hanging one too. */
  readonly inFlight: () => number
  /** Connections that have sent anything since the start. */
  readonly connections: () => number
  readonly openConnections: () => number
  readonly closeIdleConnections: () => void
  /**
   * The first request of which the predicate is true, now or later. Rejects at the deadline. It is asked again with every change, so that it
   * may as well look at sessions or counts.
   */
  readonly waitFor: (predicate: (request: ReceivedRequest) => boolean, deadlineMs: number) => Promise<ReceivedRequest>
  /** Forgets requests, sessions that were recorded, counts, and answers still waiting; behaviours, tokens and living sessions stay. */
  readonly reset: () => void
  /** Closes all connections at once. */
  readonly stop: () => void
}

/** What a received request means; null when the simulator has no such path. */
export function operationOf(request: ReceivedRequest): Operation | null {
  const route = readRoute(request.method, request.path)
  return route === 'unknown' || route === 'wrong_method' ? null : route.operation
}

const DEFAULT_RECORD_LIMIT = 10_000

const NO_ACCOUNT_FACTS: AccountFacts = { signIns: 0, rejectedSignIns: 0, refreshes: 0, rejectedRefreshes: 0 }
