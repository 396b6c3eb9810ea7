/** Answers the search route as its generation does it: who is let in, what is wrong with a request, which fault strikes. */
import { answerWhole, type Delivery, pause } from '../delivery.ts'
import type { HttpExchange } from '../http-listener.ts'
import type { JsonObject } from '../json.ts'
import type { ReceivedRequest, Recording } from '../recording.ts'
import { makeAnswer } from './answers.ts'
import type { Behaviour, BehaviourMemory } from './behaviours.ts'
import { deliverAnswer } from './delivery.ts'
import type { Generation } from './generations.ts'
import type { ModelTable } from './models.ts'
import { REFUSALS, refusalAnswer, type WholeAnswer } from './refusals.ts'
import { type Asked, isFromBrowser, readAsked } from './requests.ts'

/** Answers one request, or fails to as it was told. What the route itself refuses costs nothing of a limit. */
export function serveSearch(call: SearchCall): void {
  const { service, nowMs } = call
  const asked = admit(call)
  if ('answer' in asked) {
    refuse(call, asked.treatment, asked.answer)
    return
  }
  const { model, group } = asked
  if (service.models[model] === undefined) {
    // What the SDK throws comes out as an error of the stream.
    call.request.treatment = 'unknown model'
    treat(call, asked, { kind: 'error_in_stream' })
    return
  }
  const memory = call.account?.memory ?? call.signedOut
  const behaviour = memory.decide({ model, group, nowMs })
  call.request.treatment = behaviour.kind
  treat(call, asked, behaviour)
}

export interface SearchService {
  readonly recording: Recording
  readonly generation: Generation
  readonly path: string
  readonly models: ModelTable
  readonly allowedOrigins: readonly string[]
  readonly unknownModel: 'stream_error' | 'status_500'
  /** False when the chat belongs to another cookie. */
  readonly storeChat: (id: string, cookie: string) => boolean
}

/** Who is signed in. */
export interface Account {
  readonly plan: 'free' | 'pro'
  readonly memory: BehaviourMemory
}

export interface SearchCall {
  readonly service: SearchService
  readonly exchange: HttpExchange
  readonly request: ReceivedRequest
  /** Null when the body is no JSON object. */
  readonly json: JsonObject | null
  /** Null for the signed-out, and for whoever has a cookie of nobody. */
  readonly account: Account | null
  readonly signedOut: BehaviourMemory
  readonly nowMs: number
}

interface Rejection {
  /** What is recorded of it. */
  readonly treatment: string
  readonly answer: WholeAnswer
}

/** What was asked, or with what it is refused. */
function admit(call: SearchCall): Asked | Rejection {
  const { service, request } = call
  if (request.path !== service.path) return { treatment: 'unknown path', answer: REFUSALS.noRoute() }
  if (request.method !== 'POST') return { treatment: 'wrong method', answer: REFUSALS.wrongMethod() }
  const { generation, allowedOrigins } = service
  if (generation.isOriginChecked && !isFromBrowser(request.headers, allowedOrigins)) {
    return { treatment: 'foreign origin', answer: REFUSALS.forbidden('api') }
  }
  const asked = readAsked(call.json, generation)
  if ('wrong' in asked) return { treatment: 'invalid request', answer: REFUSALS.badRequest(asked.wrong) }
  return rejectionOf(call, asked) ?? asked
}

function rejectionOf(call: SearchCall, asked: Asked): Rejection | null {
  const { account, service } = call
  if (account === null && service.generation.signedInGroups.includes(asked.group)) {
    return { treatment: 'group for the signed-in', answer: REFUSALS.unauthorized('auth') }
  }
  const access = service.models[asked.model]
  if (access === undefined && service.unknownModel === 'status_500') {
    return { treatment: 'unknown model', answer: REFUSALS.hidden() }
  }
  const isOpen = access === undefined || access === 'signed_out'
  if (account === null && !isOpen) {
    return { treatment: 'model for the signed-in', answer: REFUSALS.unauthorized('model') }
  }
  if (access === 'pro' && account?.plan !== 'pro') {
    return { treatment: 'model for the paying', answer: REFUSALS.upgradeRequired() }
  }
  const { credential } = call.request
  const isStored = account !== null && asked.chatId !== null && !asked.isTemporary && credential !== null
  if (isStored && !service.storeChat(asked.chatId, credential)) {
    return { treatment: "another's chat", answer: REFUSALS.forbidden('chat') }
  }
  return null
}

function treat(call: SearchCall, asked: Asked, behaviour: Behaviour): void {
  const { exchange, request, service } = call
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
    case 'aborted':
    case 'error_in_stream':
    case 'empty':
    case 'script':
      start(call, behaviour, () => answerWell(call, asked, behaviour))
      return
    case 'sequence':
      throw new Error('Which behaviour applies is decided before it is carried out')
    default:
      refuse(call, behaviour.kind, refusalAnswer(behaviour, call.nowMs), behaviour)
  }
}

async function answerWell(call: SearchCall, asked: Asked, behaviour: Behaviour): Promise<void> {
  const { exchange, request, service, nowMs } = call
  await deliverAnswer(
    { exchange, behaviour, request, recording: service.recording },
    {
      format: service.generation.format,
      answer: makeAnswer(asked, behaviour),
      about: { messageId: `msg-${request.number}`, model: asked.model, shape: behaviour, nowMs },
    },
  )
}

function refuse(call: SearchCall, treatment: string, answer: WholeAnswer, behaviour: Behaviour = GOOD): void {
  const { exchange, request, service } = call
  request.treatment = treatment
  const head = {
    ...answer.head,
    headers: [...answer.head.headers, ['date', new Date(request.receivedAtMs).toUTCString()] as const],
  }
  const delivery: Delivery = { exchange, behaviour: GOOD, request, recording: service.recording }
  start(call, behaviour, async () => answerWhole(delivery, head, answer.body))
}

const GOOD: Behaviour = { kind: 'good' }

function start(call: SearchCall, behaviour: Behaviour, answer: () => Promise<void>): void {
  const { exchange, request, service } = call
  const delivery: Delivery = { exchange, behaviour, request, recording: service.recording }
  const run = async () => {
    if (await pause(delivery, behaviour.headDelayMs ?? 0)) await answer()
  }
  run().catch((error) => {
    // A fault of the simulator itself must neither end the process nor look like one that was asked for.
    request.treatment = `simulator failed: ${error}`
    service.recording.end(request, 'broken', Date.now())
    exchange.reset()
  })
}
