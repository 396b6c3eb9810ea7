/** Any upstream that speaks OpenAI's API: request bytes pass untouched but for the model's name, answers untouched. */
import type { Credential, OpenAiProviderConfig } from '../../domain.ts'
import { UpstreamError } from '../../errors.ts'
import { cutByEdits, type Edit, findAllMembers } from '../../formats/json-members.ts'
import type { StopSignal } from '../../stop-signal.ts'
import { classifyRefusal, cutSecret, isWrittenIn } from '../classify-refusal.ts'
import { createConnections } from '../connections.ts'
import type { Attempt, Call, Model, Provider } from '../provider.ts'
import { readBounded, requestHeaders, upstreamFetch } from '../upstream-fetch.ts'
import type { UpstreamResponse } from '../upstream-response.ts'

export function createOpenAiProvider(config: OpenAiProviderConfig): Provider {
  const modelsUrl = `${config.baseUrl}/models`
  const chatUrl = config.chatUrl ?? `${config.baseUrl}/chat/completions`
  const connections = createConnections(config)
  let isUsageRefused = config.streamUsage === 'never'
  // In lower case, so that they replace what a client sends under the same name.
  const ownHeaders = Object.fromEntries(
    Object.entries(config.headers).map(([name, value]) => [name.toLowerCase(), value]),
  )

  function send(call: Call, attempt: Attempt, url: string): Promise<UpstreamResponse> {
    const headers = Object.assign(requestHeaders(call.headers), ownHeaders)
    const edits = modelEdits(call, attempt)
    const usageEdit = isUsageRefused ? null : findUsageEdit(call)
    const post = (all: readonly Edit[]) => request(url, call.method, { attempt, headers, body: bodyOf(call, all) })
    attempt.isUsageAsked = usageEdit !== null
    const sent = post(usageEdit === null ? edits : [...edits, usageEdit])
    return sent.then((response) =>
      response.ok
        ? response
        : afterRefusal(response, { call, attempt, plain: usageEdit === null ? null : () => post(edits) }),
    )
  }

  /** `plain`: the same request as the client sent it; null: it was that. */
  async function afterRefusal(
    response: UpstreamResponse,
    { call, attempt, plain }: { call: Call; attempt: Attempt; plain: (() => Promise<UpstreamResponse>) | null },
  ): Promise<UpstreamResponse> {
    const error = await readRefusal(response, attempt, call)
    if (plain === null || !isUsageRefusal(error)) throw error
    attempt.isUsageAsked = false
    const second = await plain()
    if (!second.ok) throw await readRefusal(second, attempt, call)
    // Proven: the same request passes without it.
    isUsageRefused = true
    return second
  }

  function request(
    url: string,
    method: string,
    parts: {
      attempt: Pick<Attempt, 'credential' | 'signal'>
      /** The caller's own object: the authorization is put into it. */
      headers: Record<string, string>
      body: readonly Uint8Array[] | null
    },
  ): Promise<UpstreamResponse> {
    const { headers } = parts
    const { credential, signal } = parts.attempt
    const secret = credential.reveal()
    if (secret !== '') headers.authorization = `Bearer ${secret}`
    return upstreamFetch({ url, method, headers, body: parts.body, signal }, connections)
  }

  async function getModels(credential: Credential, signal: StopSignal): Promise<UpstreamResponse> {
    return request(modelsUrl, 'GET', {
      attempt: { credential, signal },
      headers: { accept: 'application/json', ...ownHeaders },
      body: null,
    })
  }

  return {
    name: config.name,
    modelsUrl,
    chat: (call, attempt) => send(call, attempt, chatUrl + call.query),
    forward: (call, attempt) => send(call, attempt, config.baseUrl + call.path + call.query),
    async listModels(credential, signal) {
      const response = await getModels(credential, signal)
      if (!response.ok) throw await readRefusal(response, { credential, signal }, null)
      return readModels(await readBounded(response, maxModelListBytes, signal))
    },
    async recheck(credential, signal) {
      const response = await getModels(credential, signal)
      if (response.ok) {
        response.body?.cancel().catch(() => {})
        return true
      }
      const error = await readRefusal(response, { credential, signal }, null)
      if (error.kind === 'invalid_credential' || error.kind === 'quota_exhausted') return false
      throw error
    },
    close: connections.close,
  }
}

const maxErrorBytes = 65_536
const maxModelListBytes = 8 * 1024 * 1024

/** Null: none. Only what is changed is written anew: a prompt may be long. */
function bodyOf({ body }: Call, edits: readonly Edit[]): readonly Uint8Array[] | null {
  return body.byteLength === 0 ? null : cutByEdits(body, edits)
}

function modelEdits(call: Call, attempt: Attempt): Edit[] {
  const { model, modelSpan, isModelQuoted } = call.view
  if (modelSpan === null || attempt.target.model === model) return []
  const text = isModelQuoted ? JSON.stringify(attempt.target.model) : attempt.target.model
  return [{ ...modelSpan, text }]
}

const usagePaths = new Set(['/chat/completions', '/completions'])

/** The edit that asks a stream for its usage; null when the client has decided that itself, or nothing streams. */
function findUsageEdit(call: Call): Edit | null {
  const { outline, isStream } = call.view
  if (outline === null || !isStream || !usagePaths.has(call.path)) return null
  const options = outline.stream_options
  const bytes = call.body
  if (options === undefined) {
    const start = bytes.indexOf(0x7b) + 1
    return { start, end: start, text: '"stream_options":{"include_usage":true},' }
  }
  if (options !== null && (typeof options !== 'object' || 'include_usage' in options)) return null
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  // Of several the last one counts, as it does in `outline`.
  const span = findAllMembers(text, 'stream_options').at(-1)
  if (span === undefined) return null
  if (options === null) return { ...span, text: '{"include_usage":true}' }
  const isEmpty = Object.keys(options).length === 0
  return { start: span.start + 1, end: span.start + 1, text: `"include_usage":true${isEmpty ? '' : ','}` }
}

/** An upstream that knows no `stream_options` says so with a 400, a strict validator with a 422. */
function isUsageRefusal({ status, body }: UpstreamError): boolean {
  if ((status !== 400 && status !== 422) || body === null) return false
  return /stream_options|include_usage/.test(Buffer.from(body.bytes).toString('utf8'))
}

/** `call`: whose request was refused; null for one of our own. */
async function readRefusal(
  response: UpstreamResponse,
  attempt: Pick<Attempt, 'credential' | 'signal'> & Partial<Pick<Attempt, 'target'>>,
  call: Call | null,
): Promise<UpstreamError> {
  const body = await readBounded(response, maxErrorBytes, attempt.signal)
  return classifyRefusal({
    status: response.status,
    headers: response.headers,
    body: cutSecret(body, attempt.credential),
    model: attempt.target?.model ?? '',
    now: Date.now(),
    isEchoed: (phrase) => call !== null && isWrittenIn(call, phrase),
  })
}

function readModels(body: Uint8Array): Model[] {
  let json: unknown
  try {
    json = JSON.parse(Buffer.from(body).toString('utf8'))
  } catch (cause) {
    throw new UpstreamError('server_error', 'the model list is not valid JSON', { cause })
  }
  const list = Array.isArray(json) ? json : (json as { data?: unknown } | null)?.data
  if (!Array.isArray(list)) throw new UpstreamError('server_error', 'the model list has no data')
  return list.flatMap((entry: unknown) => {
    const { id, created, owned_by } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<
      string,
      unknown
    >
    if (typeof id !== 'string' || id === '') return []
    return {
      id,
      object: 'model' as const,
      created: typeof created === 'number' ? created : 0,
      owned_by: typeof owned_by === 'string' ? owned_by : '',
    }
  })
}
