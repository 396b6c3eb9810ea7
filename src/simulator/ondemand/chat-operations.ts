/** Answers the calls of those who were admitted: the catalogue, new sessions, queries, deletion; not the faults that strike them. */

import { isTextList, type JsonObject, textOrNull } from '../json.ts'
import { makeAnswer } from './answers.ts'
import type { AnswerShape, Behaviour } from './behaviours.ts'
import { catalogueBody } from './catalogue.ts'
import type { DeliveredAnswer } from './delivery.ts'
import { streamFrames, syncBody } from './frames.ts'
import { queryRefusal, readAsked, sessionRefusal } from './query-request.ts'
import { jsonAnswer, REQUEST_ERRORS } from './refusals.ts'
import type { Operation } from './routes.ts'
import type { ServedCall } from './service.ts'
import type { SessionQuery, SimulatedSession } from './sessions.ts'

/** The answer as the service would give it, which may be a refusal too. */
export function answerChatCall(call: ServedCall, facts: ChatFacts): DeliveredAnswer {
  switch (facts.operation) {
    case 'catalogue':
      return answerCatalogue(call, facts.behaviour)
    case 'session':
      return answerSession(call, facts)
    case 'delete':
      return answerDelete(call, facts.session)
    case 'query':
      return answerQuery(call, facts)
  }
}

export interface ChatFacts {
  readonly operation: Exclude<Operation, 'sign_in' | 'refresh'>
  readonly behaviour: Behaviour
  readonly credential: string
  readonly credentialKind: 'key' | 'account'
  /** Null when the path names none that the credential has. */
  readonly session: SimulatedSession | null
  /** The query as its session has noted it. */
  readonly noted: SessionQuery | null
}

function answerCatalogue(call: ServedCall, shape: AnswerShape): DeliveredAnswer {
  const { state, catalogueWrapper } = call.service
  const type = new URLSearchParams(call.request.query).get('type')
  const body = catalogueBody({
    endpoints: state.endpoints,
    inactive: shape.inactiveEndpoints ?? [],
    type,
    wrapper: catalogueWrapper,
  })
  return jsonAnswer(200, body)
}

/** With the fields that live answers have beyond the documented ones (seen 2026-09). */
function answerSession(call: ServedCall, { behaviour, credential }: ChatFacts): DeliveredAnswer {
  const { json, nowMs, service } = call
  const refusal = sessionRefusal(json)
  if (refusal !== null) return refusal
  const pluginIds = isTextList(json?.pluginIds) ? json.pluginIds : []
  const agentIds = isTextList(json?.agentIds) ? json.agentIds : []
  const externalUserId = textOrNull(json?.externalUserId) ?? ''
  const session = service.sessions.create({
    credential,
    externalUserId,
    pluginIds: [...pluginIds, ...agentIds],
    createdAtMs: nowMs,
  })
  const time = new Date(nowMs).toISOString()
  return jsonAnswer(behaviour.sessionStatus ?? 201, {
    message: 'Chat session created successfully',
    data: {
      id: session.id,
      companyId: service.accounts.get(credential)?.companyId ?? 'company-simulated',
      externalUserId,
      agentIds,
      pluginIds,
      contextMetadata: Array.isArray(json?.contextMetadata) ? json.contextMetadata : [],
      title: '',
      status: 'draft',
      createdBy: service.accounts.get(credential)?.userId ?? 'user-simulated',
      createdAt: time,
      updatedAt: time,
      liveSettings: { enabled: false },
    },
  })
}

/** Undocumented, but answered so (seen live 2026-09). */
function answerDelete(call: ServedCall, session: SimulatedSession | null): DeliveredAnswer {
  if (session === null) return REQUEST_ERRORS.notFound('Session')
  call.service.sessions.delete(session, call.nowMs)
  return jsonAnswer(200, { message: 'Chat session deleted successfully' })
}

function answerQuery(call: ServedCall, facts: ChatFacts): DeliveredAnswer {
  const { json, request, nowMs, service } = call
  const { behaviour, session } = facts
  if (session === null) return REQUEST_ERRORS.notFound('Session')
  const heard = session.queries.filter((query) => query.isHeard)
  if (behaviour.sessionQueryLimit !== undefined && heard.length >= behaviour.sessionQueryLimit) {
    session.isForgotten = true
    return REQUEST_ERRORS.notFound('Session')
  }
  const refusal = queryRefusal(json, { endpoints: service.state.endpoints, shape: behaviour })
  if (refusal !== null || json === null || facts.noted === null) {
    return refusal ?? REQUEST_ERRORS.invalid('The body must be a JSON object')
  }
  const earlierQueries = heard.map((query) => query.text)
  const asked = readAsked(json, { credential: session.credential, sessionId: session.id, earlierQueries })
  facts.noted.isHeard = true
  const answer = makeAnswer(
    asked,
    behaviour,
    service.state.nextAnswers.shift() ?? behaviour.text ?? service.state.answer,
  )
  const about = {
    sessionId: session.id,
    messageId: `message-${request.number}`,
    shape: withWholeStatus(behaviour, asked.responseMode),
    isPlanned: behaviour.isPlanned ?? isPlanned(json, session),
    nowMs,
  }
  const frames = () => ({ head: STREAM_HEAD, frames: streamFrames(answer, about), about })
  if (asked.responseMode === 'stream') return frames()
  const whole = syncBody(answer, about)
  const style = facts.credentialKind === 'account' ? (behaviour.accountSyncStyle ?? 'data') : 'data'
  switch (style) {
    case 'events':
      return frames()
    case 'data':
      return { ...jsonAnswer(200, whole), isLate: asked.responseMode === 'sync' }
    case 'answer':
    case 'content':
      return { ...jsonAnswer(200, { [style]: answer.text }), isLate: true }
  }
}

const STREAM_HEAD = {
  status: 200,
  headers: [
    ['content-type', 'text/event-stream; charset=utf-8'],
    ['cache-control', 'no-cache'],
  ],
} as const

/** Where there is no stream an error in it is a failed answer; a webhook's answer is still to come. */
function withWholeStatus(behaviour: Behaviour, responseMode: 'sync' | 'stream' | 'webhook'): AnswerShape {
  if (responseMode === 'webhook') return { ...behaviour, syncStatus: 'processing', areMetricsSent: false }
  if (behaviour.kind === 'error_in_stream') return { ...behaviour, syncStatus: 'failed' }
  return behaviour
}

/** Without plugins, on the query or on its session, nothing is planned. */
function isPlanned(json: JsonObject, session: SimulatedSession): boolean {
  if (json.fulfillmentOnly === true) return false
  const own = [json.pluginIds, json.agentIds].flatMap((ids) => (isTextList(ids) ? ids : []))
  return own.length > 0 || session.pluginIds.length > 0
}
