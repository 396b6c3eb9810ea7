/**
 * Scira (scira.ai) behind OpenAI's chat API, by the search route of its web app. This file is the life of one call; how requests and answers
 * are spelt, and what a refusal means, is in the files beside it.
 */
import type { Clock } from '../../clock.ts'
import type { Credential, SciraProviderConfig } from '../../domain.ts'
import { UpstreamError } from '../../errors.ts'
import { createConnections } from '../connections.ts'
import type { Attempt, Call, Provider } from '../provider.ts'
import { answerStream, answerWhole } from '../text-tools/answer-call.ts'
import { createAnswerSource } from '../text-tools/answer-source.ts'
import { droppedHeader, findUnsupported } from '../text-tools/find-unsupported.ts'
import { createConversationParser, isUsageWanted, prepareConversation } from '../text-tools/prepare-conversation.ts'
import { asRefusal, refuseUnsupported } from '../text-tools/refuse-request.ts'
import { readBounded, upstreamFetch } from '../upstream-fetch.ts'
import type { UpstreamResponse } from '../upstream-response.ts'
import { createAnswerReader, writeSearch } from './convert.ts'
import { classifyRefusal, classifyStreamError, isRefusal } from './errors.ts'
import { listNames, resolveModel } from './models.ts'

export function createSciraProvider(config: SciraProviderConfig, clock: Clock): Provider {
  const connections = createConnections(config)
  const headers = headersOf(config)

  async function chat(call: Call, attempt: Attempt): Promise<Response> {
    const conversation = prepareConversation(call)
    const unsupported = findUnsupported(call.view.json ?? {})
    const dropped = [...conversation.plan.dropped, ...unsupported.dropped]
    const [refused] = dropped
    if (refused !== undefined && config.unsupported === 'refuse') throw refuseUnsupported(refused)
    const model = resolveModel(attempt.target.model, config)
    if (model === null) throw unknownModel(attempt.target.model)
    const body = JSON.stringify(writeSearch(conversation, config, { model, now: clock.now() }))
    const response = await send({ method: 'POST', url: config.baseUrl + config.path, body }, attempt)
    if (isRefusal(response)) throw await readRefusal(response, attempt)
    const { credential, signal } = attempt
    const parts = {
      source: createAnswerSource(response, signal, { reader: createAnswerReader(config), lingerMs }),
      release: () => {},
      facts: {
        id: `chatcmpl-${crypto.randomUUID().replaceAll('-', '')}`,
        created: Math.floor(call.time / 1000),
        model: attempt.target.model,
        plan: conversation.plan,
        parser: createConversationParser(conversation),
        isThinkingShown: config.reasoning === 'reasoning_content',
      },
      headers: droppedHeader([...dropped, ...unsupported.ignored]),
      signal,
      readError: (text: string) => classifyStreamError(text, credential),
    }
    if (!call.view.isStream) return answerWhole(parts)
    attempt.isUsageAsked = !isUsageWanted(call)
    return answerStream(parts)
  }

  function send(
    request: { readonly method: string; readonly url: string; readonly body: string | null },
    attempt: Pick<Attempt, 'credential' | 'signal'>,
  ): Promise<UpstreamResponse> {
    const { body, method, url } = request
    const cookie = attempt.credential.reveal()
    return upstreamFetch(
      {
        url,
        method,
        headers: {
          ...headers,
          ...(body === null ? {} : { 'content-type': 'application/json' }),
          ...(cookie === '' ? {} : { cookie }),
        },
        body: body === null ? null : [Buffer.from(body)],
        signal: attempt.signal,
      },
      connections,
    )
  }

  async function readRefusal(
    response: UpstreamResponse,
    { credential, signal }: Pick<Attempt, 'credential' | 'signal'>,
  ): Promise<UpstreamError> {
    const text = Buffer.from(await readBounded(response, maxRefusalBytes, signal)).toString('utf8')
    const { headers: said, status } = response
    return classifyRefusal({
      status,
      headers: said,
      text,
      credential,
      rateLimitRestMs: config.rateLimitRestMs,
      now: clock.now(),
    })
  }

  return {
    name: config.name,
    // Nothing is fetched: another list of names is another list.
    modelsUrl: `${config.baseUrl} ${listNames(config, true).join(' ')}`,
    async chat(call, attempt) {
      try {
        return await chat(call, attempt)
      } catch (cause) {
        throw asRefusal(cause)
      }
    },
    listModels: async (credential) =>
      listNames(config, isSignedIn(credential)).map((id) => ({ id, object: 'model', created: 0, owned_by: 'scira' })),
    /** A call would cost one of few: only whether the web app lets this machine in is looked at. Of a cookie that says nothing. */
    async recheck(credential, signal) {
      const response = await send({ method: 'GET', url: `${config.baseUrl}/`, body: null }, { credential, signal })
      if (response.status === 403 || response.status === 429 || response.status >= 500) {
        throw await readRefusal(response, { credential, signal })
      }
      response.body?.cancel().catch(() => {})
      if (!isSignedIn(credential)) return true
      throw new UpstreamError('model_unavailable', 'nothing tells whether a cookie is valid', { status: 404 })
    },
    close: connections.close,
  }
}

const maxRefusalBytes = 65_536
/** Data streams have no last word: so long a finished answer is waited for to be closed. */
const lingerMs = 2000

/**
 * Scira let in whoever came from its own pages (allow-list of origins, zaidmukaddam/scira @ 4132c87, 2025-06-04 to 06-09) and named no library
 * of programmers as its user agent. The name is our own and says what we are; what the operator sets replaces it.
 */
function headersOf(config: SciraProviderConfig): Readonly<Record<string, string>> {
  const own = Object.entries(config.headers).map(([name, value]) => [name.toLowerCase(), value] as const)
  return {
    accept: '*/*',
    // Without a slash at its end: it is compared as a whole.
    origin: new URL(config.baseUrl).origin,
    referer: `${config.baseUrl}/`,
    'user-agent': 'Mozilla/5.0 (compatible; any2api)',
    ...Object.fromEntries(own),
  }
}

function isSignedIn(credential: Credential): boolean {
  return credential.kind === 'cookie'
}

function unknownModel(name: string): UpstreamError {
  return new UpstreamError('model_unavailable', `'${name}' stands for no model of Scira`, {
    status: 404,
    code: 'model_not_found',
  })
}
