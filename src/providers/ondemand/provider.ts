/**
 * OnDemand (on-demand.io) behind OpenAI's chat API, by API key and by account. This file is the life of one call: conversation told,
 * session opened, question asked. The parts, and the conversion of the answer, are in the files beside it.
 */
import type { Clock } from '../../clock.ts'
import type { OndemandProviderConfig } from '../../domain.ts'
import { UpstreamError } from '../../errors.ts'
import type { StopSignal } from '../../stop-signal.ts'
import type { Attempt, Call, Provider } from '../provider.ts'
import { answerStream, answerWhole } from '../text-tools/answer-call.ts'
import { droppedHeader } from '../text-tools/find-unsupported.ts'
import { createConversationParser, isUsageWanted } from '../text-tools/prepare-conversation.ts'
import { asRefusal, refuseUnsupported } from '../text-tools/refuse-request.ts'
import type { UpstreamResponse } from '../upstream-response.ts'
import { createAuthorized } from './authorized.ts'
import { type Background, createBackground } from './background.ts'
import { nameConversation, splitConversation } from './convert.ts'
import { classifyRefusal } from './errors.ts'
import { createEventSource } from './event-source.ts'
import { type Catalogues, createModels } from './models.ts'
import { type Prepared, prepareQuery } from './prepare-query.ts'
import { createRequests } from './send-request.ts'
import { createSessionMemory, createSessions, type Session, type SessionMemory } from './session.ts'
import { type Accounts, createSignIn } from './sign-in.ts'

/** What must survive a reload. */
interface Memory {
  readonly accounts: Accounts
  readonly catalogues: Catalogues
  readonly sessions: SessionMemory
  readonly background: Background
  /** Providers that use it; while a reload is under way there are two. */
  users: number
}

const memories = new WeakMap<Provider, Memory>()

/** `previous`: the provider of the same name before a reload; its tokens, sessions and lists are taken over. */
export function createOndemandProvider(
  config: OndemandProviderConfig,
  previous: Provider | null,
  clock: Clock,
): Provider {
  const memory = (previous === null ? undefined : memories.get(previous)) ?? createMemory()
  memory.users++
  const { background } = memory
  const lasting = background.signal
  const { open, send, close } = createRequests(config, clock)
  const signIn = createSignIn({ config, accounts: memory.accounts, clock, send, lasting })
  const authorized = createAuthorized({ config, clock, open, signIn })
  const sessions = createSessions({ config, memory: memory.sessions, clock, authorized, background })
  const models = createModels({ config, catalogues: memory.catalogues, clock, open, authorized, signIn, lasting })

  async function chat(call: Call, attempt: Attempt): Promise<Response> {
    const prepared = prepareQuery(call, config)
    const asked = await completeQuery(prepared, attempt)
    const { release, response } = await ask({ call, attempt, prepared, asked })
    const readError = (text: string) => readErrorInside(text, attempt)
    const { maxTokens } = prepared.parameters
    const parts = {
      source: createEventSource(response, { signal: attempt.signal, maxTokens, readError }),
      release,
      facts: {
        id: `chatcmpl-${crypto.randomUUID().replaceAll('-', '')}`,
        created: Math.floor(call.time / 1000),
        model: attempt.target.model,
        plan: prepared.plan,
        parser: createConversationParser(prepared),
        isThinkingShown: config.reasoning === 'reasoning_content',
      },
      headers: droppedHeader([...prepared.dropped, ...asked.dropped]),
      signal: attempt.signal,
      readError,
    }
    if (!call.view.isStream) return answerWhole(parts)
    attempt.isUsageAsked = !isUsageWanted(call)
    return answerStream(parts)
  }

  /** What of the query depends on the model. */
  async function completeQuery({ parameters }: Prepared, attempt: Attempt): Promise<Asked> {
    const { model } = attempt.target
    const endpointId = await models.resolve(model, attempt)
    if (endpointId === null) throw unknownModel(model)
    const effort = parameters.reasoningEffort
    if (effort === null) return { endpointId, fields: { endpointId }, dropped: [] }
    const efforts = await models.reasoningEfforts(endpointId, attempt)
    if (efforts.includes(effort)) return { endpointId, fields: { endpointId, reasoningEffort: effort }, dropped: [] }
    if (config.unsupported === 'refuse') throw refuseUnsupported('reasoning_effort')
    return { endpointId, fields: { endpointId }, dropped: ['reasoning_effort'] }
  }

  /** In the session that has heard this conversation, where sessions are reused and there is one; else in a new one. */
  async function ask({ call, attempt, prepared, asked }: Question): Promise<Talk> {
    const { credential, signal } = attempt
    const owner = [call.client.name, call.client.hash, credential.id, asked.endpointId, prepared.system]
    const { heard, fresh } = splitConversation(prepared.turns)
    const isReusable = config.session.isReused && !prepared.hasTools
    const known =
      isReusable && heard.length > 0 && fresh.length > 0 ? sessions.take(nameConversation(owner, heard)) : null
    const release = (session: Session) => (answer: string | null) => {
      if (answer === null || !isReusable) return sessions.drop(session)
      const told = [...prepared.turns, { role: 'assistant' as const, name: '', text: answer }]
      sessions.keep(session, nameConversation(owner, told))
    }
    if (known !== null) {
      try {
        const response = await query(known, { ...prepared.continued(fresh), ...asked.fields }, signal)
        return { response, release: release(known) }
      } catch (cause) {
        sessions.drop(known)
        if (!isAboutSession(cause)) throw cause
      }
    }
    const body = { ...prepared.whole(), ...asked.fields }
    const session = await sessions.create(credential, signal)
    try {
      return { response: await query(session, body, signal), release: release(session) }
    } catch (cause) {
      sessions.drop(session)
      throw cause
    }
  }

  function query(session: Session, body: Record<string, unknown>, signal: StopSignal): Promise<UpstreamResponse> {
    const path = `/sessions/${encodeURIComponent(session.id)}/query`
    const headers = { accept: 'text/event-stream' }
    return authorized.open(
      { method: 'POST', base: 'chat', path, headers, body, deadlineMs: null },
      { credential: session.credential, signal },
    )
  }

  /** An error that came with a status of 200. */
  function readErrorInside(text: string, { credential }: Attempt): UpstreamError {
    return classifyRefusal({
      status: 200,
      headers: new Headers(),
      text,
      secrets: authorized.secrets(credential),
      rateLimitRestMs: config.rateLimitRestMs,
      now: clock.now(),
    })
  }

  const provider: Provider = {
    name: config.name,
    modelsUrl: `${config.configBase}/endpoints`,
    async chat(call, attempt) {
      try {
        return await chat(call, attempt)
      } catch (cause) {
        if (cause instanceof UpstreamError && cause.kind === 'model_unavailable') models.forget()
        throw asRefusal(cause)
      }
    },
    listModels: (credential, signal) => models.list({ credential, signal }),
    async recheck(credential, signal) {
      if (credential.kind === 'account') return signIn.check(credential, signal)
      try {
        await models.ask(credential, signal)
        return true
      } catch (cause) {
        const isRefused =
          cause instanceof UpstreamError && (cause.kind === 'invalid_credential' || cause.kind === 'quota_exhausted')
        if (isRefused) return false
        throw cause
      }
    },
    close() {
      memory.users--
      // The provider that a reload has put in this one's place goes on with what is kept.
      if (memory.users === 0) sessions.dropAll()
      close()
    },
    end: background.end,
  }
  memories.set(provider, memory)
  return provider
}

interface Talk {
  readonly response: UpstreamResponse
  /** Gives the session up. The whole answer, or null when it is none that a conversation could go on from. */
  readonly release: (answer: string | null) => void
}

interface Asked {
  readonly endpointId: string
  readonly fields: Readonly<Record<string, string>>
  readonly dropped: readonly string[]
}

interface Question {
  readonly call: Call
  readonly attempt: Attempt
  readonly prepared: Prepared
  readonly asked: Asked
}

function createMemory(): Memory {
  return {
    accounts: new Map(),
    catalogues: new Map(),
    sessions: createSessionMemory(),
    background: createBackground(),
    users: 0,
  }
}

/** A session that upstream has forgotten answers so; which of the two nobody has recorded. */
function isAboutSession(cause: unknown): boolean {
  if (!(cause instanceof UpstreamError)) return false
  return cause.kind === 'bad_request' || cause.kind === 'model_unavailable' || cause.code === 'not_found'
}

function unknownModel(name: string): UpstreamError {
  return new UpstreamError('model_unavailable', `there is no endpoint for '${name}'`, {
    status: 404,
    code: 'model_not_found',
  })
}
