/** Carries out requests as the credentials' behaviours want it: who is admitted, which fault strikes, what is recorded of it. */
import type { HttpExchange } from '../http-listener.ts'
import type { HeaderLine } from '../http-request-parser.ts'
import { type JsonObject, textOrNull } from '../json.ts'
import type { ReceivedRequest, Recording } from '../recording.ts'
import type { Accounts } from './accounts.ts'
import { admit, basicOf, offeredTokens } from './admission.ts'
import type { AnswerScript, AnswerText, Behaviour, BehaviourMemory } from './behaviours.ts'
import type { CatalogueWrapper, Endpoint } from './catalogue.ts'
import { answerChatCall, type ChatFacts } from './chat-operations.ts'
import { type DeliveredAnswer, deliver } from './delivery.ts'
import { CONTEXT_LENGTH_CODE, jsonAnswer, REQUEST_ERRORS, refusalAnswer, type WholeAnswer } from './refusals.ts'
import type { Operation, Route, readRoute } from './routes.ts'
import { noteQuery, type Sessions } from './sessions.ts'

/** Answers one request, or fails to as it was told. */
export function serve(call: ServedCall, route: ReturnType<typeof readRoute>): void {
  const { request } = call
  if (route === 'unknown') refuse(call, 'unknown path', REQUEST_ERRORS.noRoute(request.number))
  else if (route === 'wrong_method') refuse(call, 'wrong method', REQUEST_ERRORS.wrongMethod(request.method))
  else if (route.operation === 'sign_in') serveSignIn(call)
  else if (route.operation === 'refresh') serveRefresh(call)
  else serveAdmitted(call, route, route.operation)
}

export interface ServiceState {
  endpoints: readonly Endpoint[]
  answer: AnswerScript | undefined
  readonly nextAnswers: AnswerText[]
}

export interface Service {
  readonly recording: Recording
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly state: ServiceState
  readonly memoryOfKey: (key: string) => BehaviourMemory | null
  readonly catalogueWrapper: CatalogueWrapper
  readonly isCatalogueOpenToTokens: boolean
}

export interface ServedCall {
  readonly service: Service
  readonly exchange: HttpExchange
  readonly request: ReceivedRequest
  /** Null when the body is no JSON object. */
  readonly json: JsonObject | null
  readonly nowMs: number
}

function serveSignIn(call: ServedCall): void {
  const { json, nowMs } = call
  const { accounts } = call.service
  const basic = basicOf(call.request.headers)
  if (basic === null) {
    refuse(call, 'no credential', REQUEST_ERRORS.noAuthorization())
    return
  }
  const account = accounts.get(basic.email)
  if (account === null) {
    refuse(call, 'unknown credential', REQUEST_ERRORS.unauthenticated('', 'sign_in'))
    return
  }
  account.facts.signIns += 1
  const behaviour = account.signIn.decide({ ...NO_QUERY, operation: 'sign_in', nowMs })
  if (behaviour.kind === 'locked' || behaviour.kind === 'revoked') account.facts.rejectedSignIns += 1
  treat(call, { operation: 'sign_in', credentialKind: 'account', behaviour }, () => {
    if (basic.password !== account.script.password) {
      account.facts.rejectedSignIns += 1
      call.request.treatment = 'wrong password'
      return REQUEST_ERRORS.unauthenticated('', 'sign_in')
    }
    if (json?.accountType !== 'default') return REQUEST_ERRORS.invalid('accountType is required')
    return jsonAnswer(200, accounts.signIn(account, nowMs))
  })
}

function serveRefresh(call: ServedCall): void {
  const { json, nowMs } = call
  const { accounts } = call.service
  const offered = offeredTokens(json)
  const email = accounts.ownerOfRefresh(offered.token, offered.refreshToken)
  const account = email === null ? null : accounts.get(email)
  if (account === null) {
    refuse(call, 'unknown credential', REQUEST_ERRORS.unauthenticated('', 'refresh'))
    return
  }
  account.facts.refreshes += 1
  const behaviour = account.refresh.decide({ ...NO_QUERY, operation: 'refresh', nowMs })
  if (behaviour.kind === 'revoked') account.facts.rejectedRefreshes += 1
  treat(call, { operation: 'refresh', credentialKind: 'account', behaviour }, () => {
    const renewed = accounts.renew(account, offered, nowMs)
    if (renewed !== null) return jsonAnswer(200, renewed)
    account.facts.rejectedRefreshes += 1
    return REQUEST_ERRORS.unauthenticated('', 'refresh')
  })
}

const NO_QUERY = { endpointId: null, query: null, isStream: false } as const

function serveAdmitted(call: ServedCall, route: Route, operation: ChatFacts['operation']): void {
  const { json, request, service, nowMs } = call
  const admission = admit(call, route)
  if ('refusal' in admission) {
    refuse(call, admission.treatment, admission.refusal)
    return
  }
  const { credential, credentialKind, memory } = admission
  const session = route.sessionId === '' ? null : service.sessions.find(route.sessionId, credential)
  const endpointId = textOrNull(json?.endpointId)
  const query = textOrNull(json?.query)
  const isQuery = operation === 'query'
  // Noted before anything can go wrong: what reached a session is a fact, whatever became of it.
  const noted =
    isQuery && session !== null && query !== null
      ? noteQuery(session, { text: query, endpointId: endpointId ?? '', requestNumber: request.number })
      : null
  const isStream = json?.responseMode === 'stream'
  const decided = memory.decide({ operation, endpointId, query, isStream, nowMs })
  const behaviour = asStreamError(decided, isStream)
  const facts = { operation, behaviour, credential, credentialKind, session, noted }
  treat(call, facts, () => answerChatCall(call, facts))
}

/** A prompt that is too long may be told inside the stream, where there is one. */
function asStreamError(behaviour: Behaviour, isStream: boolean): Behaviour {
  if (behaviour.kind !== 'context_length' || behaviour.where !== 'stream' || !isStream) return behaviour
  return { ...behaviour, kind: 'error_in_stream', errorCode: CONTEXT_LENGTH_CODE }
}

interface Treatment {
  readonly operation: Operation
  readonly credentialKind: 'key' | 'account'
  readonly behaviour: Behaviour
}

function treat(call: ServedCall, treatment: Treatment, answer: () => DeliveredAnswer): void {
  const { exchange, request, service } = call
  const { behaviour } = treatment
  request.treatment = behaviour.kind
  switch (behaviour.kind) {
    case 'hanging':
      return
    case 'no_answer':
      service.recording.end(request, 'broken', Date.now())
      exchange[behaviour.how ?? 'reset']()
      return
    case 'good':
    case 'silent':
    case 'cut':
    case 'error_in_stream':
      send(call, behaviour, answer())
      return
    case 'script':
      // Only a query is looked at: a session that nobody is told of must not be made.
      send(call, behaviour, treatment.operation === 'query' ? answer() : jsonAnswer(200, {}))
      return
    case 'sequence':
    case 'by_operation':
      throw new Error('Which behaviour applies is decided before it is carried out')
    default:
      send(call, behaviour, refusalAnswer(behaviour, { ...treatment, requestNumber: request.number }))
  }
}

function refuse(call: ServedCall, treatment: string, answer: WholeAnswer): void {
  call.request.treatment = treatment
  send(call, { kind: 'good' }, answer)
}

function send(call: ServedCall, behaviour: Behaviour, answer: DeliveredAnswer): void {
  const { exchange, request, service } = call
  const isRefused = answer.head.status >= 400
  // A request that the service itself refuses is refused in the ordinary way, whatever fault was due.
  const { headDelayMs } = behaviour
  const plain: Behaviour = { kind: 'good', ...(headDelayMs === undefined ? {} : { headDelayMs }) }
  if (isRefused && request.treatment === 'good') request.treatment = 'invalid request'
  const headers = [...answer.head.headers, ...usualHeaders(request)]
  const complete = { ...answer, head: { status: answer.head.status, headers } }
  deliver(
    { exchange, behaviour: isRefused ? plain : behaviour, request, recording: service.recording },
    complete,
  ).catch((error) => {
    // A fault of the simulator itself must neither end the process nor look like one that was asked for.
    request.treatment = `simulator failed: ${error}`
    service.recording.end(request, 'broken', Date.now())
    exchange.reset()
  })
}

/** No limits and no waits among them: none were seen. */
function usualHeaders(request: ReceivedRequest): readonly HeaderLine[] {
  return [
    ['date', new Date(request.receivedAtMs).toUTCString()],
    ['connection', 'keep-alive'],
    ['access-control-allow-origin', '*'],
  ]
}
