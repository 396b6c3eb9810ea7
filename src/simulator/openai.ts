/** A simulated OpenAI-compatible upstream on loopback: does with each credential what it is told, and remembers what it received. */
import { type HttpExchange, listenHttp } from './http-listener.ts'
import type { HeaderLine } from './http-request-parser.ts'
import { isJsonObject } from './json.ts'
import { type Behaviour, type BehaviourMemory, createBehaviourMemory } from './openai/behaviours.ts'
import type { ChatRequest } from './openai/chat-answers.ts'
import { type DeliveredAnswer, deliver } from './openai/delivery.ts'
import type { EndpointCall, StoredObjects } from './openai/endpoint-call.ts'
import { answerEndpoint } from './openai/endpoints.ts'
import { REQUEST_ERRORS, type RefusalAnswer, refusalAnswer } from './openai/refusals.ts'
import { createRecording, headerValue, type ReceivedRequest } from './recording.ts'

/** Starts at once. Throws when the port is taken. */
export function startOpenAiSimulator(options: OpenAiSimulatorOptions): OpenAiSimulator {
  const basePath = options.basePath ?? '/v1'
  const models = options.models ?? DEFAULT_MODELS
  const recording = createRecording(options.recordLimit ?? DEFAULT_RECORD_LIMIT)
  const credentials = new Map<string, CredentialState>()
  const setBehaviour = (secret: string, behaviour: Behaviour) => {
    const objects = credentials.get(secret)?.objects ?? { files: new Map(), responses: new Map() }
    credentials.set(secret, { memory: createBehaviourMemory(behaviour), objects })
  }
  for (const [secret, behaviour] of Object.entries(options.credentials ?? {})) setBehaviour(secret, behaviour)

  function stateOf(secret: string): CredentialState | null {
    const known = credentials.get(secret)
    if (known !== undefined) return known
    if (options.defaultBehaviour === undefined) return null
    setBehaviour(secret, options.defaultBehaviour)
    return credentials.get(secret) ?? null
  }

  const listener = listenHttp({
    port: options.port ?? 0,
    onExchange(exchange) {
      const secret = bearerOf(exchange)
      const request = recording.begin(exchange, secret, Date.now())
      exchange.onLost = () => recording.end(request, 'aborted', Date.now())
      const state = secret === null ? null : stateOf(secret)
      serve({ exchange, request, secret, state, basePath, models, recording })
    },
  })
  const origin = `http://127.0.0.1:${listener.port}`

  return {
    origin,
    baseUrl: `${origin}${basePath}`,
    port: listener.port,
    requests: recording.requests,
    setBehaviour,
    removeCredential: (secret) => void credentials.delete(secret),
    calls: recording.callCount,
    totalCalls: recording.totalCount,
    inFlight: recording.inFlightCount,
    connections: listener.connectionCount,
    openConnections: listener.openConnectionCount,
    closeIdleConnections: listener.closeIdleConnections,
    waitFor: recording.waitFor,
    reset: recording.clear,
    stop: listener.stop,
  }
}

export interface OpenAiSimulatorOptions {
  /** Default 0: the system chooses. */
  readonly port?: number
  readonly credentials?: Readonly<Record<string, Behaviour>>
  /** Of secrets that are not listed, each with a memory of its own; without it they are refused as OpenAI refuses wrong keys. */
  readonly defaultBehaviour?: Behaviour
  /** What the model list says. Calls may name any model. */
  readonly models?: readonly string[]
  /** Default `/v1`. */
  readonly basePath?: string
  /** How many requests are remembered; default 10,000. */
  readonly recordLimit?: number
}

export interface OpenAiSimulator {
  readonly origin: string
  /** What stands before `/chat/completions`. */
  readonly baseUrl: string
  readonly port: number
  /** Oldest first; the objects change while their answers are under way. */
  readonly requests: readonly ReceivedRequest[]
  /** From the next request on, with all counts of the behaviour from zero. Stored files and responses stay. */
  readonly setBehaviour: (secret: string, behaviour: Behaviour) => void
  readonly removeCredential: (secret: string) => void
  /** Requests with this secret, or with none (null), since the start or the last reset. */
  readonly calls: (secret: string | null) => number
  readonly totalCalls: () => number
  /** Requests whose answer is under way; a hanging one too. */
  readonly inFlight: () => number
  /** Connections that have sent anything since the start. */
  readonly connections: () => number
  readonly openConnections: () => number
  readonly closeIdleConnections: () => void
  /** The first request of which the predicate is true, now or later. Rejects at the deadline. */
  readonly waitFor: (predicate: (request: ReceivedRequest) => boolean, deadlineMs: number) => Promise<ReceivedRequest>
  /** Forgets the requests and their counts; behaviours and their counts stay. */
  readonly reset: () => void
  /** Closes all connections at once. */
  readonly stop: () => void
}

const DEFAULT_RECORD_LIMIT = 10_000

const DEFAULT_MODELS = [
  'gpt-4o',
  'gpt-4o-mini',
  'gpt-4.1',
  'gpt-4.1-mini',
  'o3-mini',
  'text-embedding-3-small',
  'whisper-1',
  'tts-1',
]

interface CredentialState {
  readonly memory: BehaviourMemory
  readonly objects: StoredObjects
}

interface ServedCall {
  readonly exchange: HttpExchange
  readonly request: ReceivedRequest
  readonly secret: string | null
  readonly state: CredentialState | null
  readonly basePath: string
  readonly models: readonly string[]
  readonly recording: ReturnType<typeof createRecording>
}

function serve(call: ServedCall): void {
  const { exchange, request, secret, state, basePath } = call
  const nowMs = call.request.receivedAtMs
  if (secret === null || secret === '') {
    refuse(call, { kind: 'good' }, REQUEST_ERRORS.noKey())
    return
  }
  if (state === null) {
    request.treatment = 'unknown credential'
    refuse(call, { kind: 'good' }, refusalAnswer({ kind: 'revoked' }, { credential: secret, model: '', nowMs }))
    return
  }
  if (!request.path.startsWith(`${basePath}/`)) {
    refuse(call, { kind: 'good' }, REQUEST_ERRORS.unknownUrl(request.method, request.path))
    return
  }
  const path = request.path.slice(basePath.length)
  const json = jsonOf(request)
  const model = typeof json?.model === 'string' ? json.model : null
  const behaviour = state.memory.decide({
    path: request.path,
    model,
    isModelList: path === '/models' || path.startsWith('/models/'),
    hasStreamOptions: json?.stream_options !== undefined && json.stream_options !== null,
    isConnectionReused: exchange.isConnectionReused,
    nowMs,
  })
  request.treatment = behaviour.kind
  if (behaviour.closeConnectionAfterMs !== undefined) exchange.closeWhenIdleAfter(behaviour.closeConnectionAfterMs)
  const endpointCall: EndpointCall = {
    request,
    path,
    json,
    credential: secret,
    shape: behaviour,
    nowMs,
    models: call.models,
    objects: state.objects,
  }
  treat(call, behaviour, endpointCall)
}

function treat(call: ServedCall, behaviour: Behaviour, endpointCall: EndpointCall): void {
  switch (behaviour.kind) {
    case 'hanging':
      return
    case 'no_answer':
      call.recording.end(call.request, 'broken', Date.now())
      call.exchange[behaviour.how ?? 'reset']()
      return
    case 'good':
    case 'silent':
    case 'dying':
    case 'error_in_stream':
    case 'script':
      answerWell(call, behaviour, endpointCall).catch((error) => {
        // A fault of the simulator itself must neither end the process nor look like one that was asked for.
        call.request.treatment = `simulator failed: ${error}`
        call.recording.end(call.request, 'broken', Date.now())
        call.exchange.reset()
      })
      return
    case 'sequence':
      throw new Error('A sequence is decided before it is carried out')
    default: {
      const { credential, json, nowMs } = endpointCall
      const model = typeof json?.model === 'string' ? json.model : ''
      refuse(call, behaviour, refusalAnswer(behaviour, { credential, model, nowMs }))
    }
  }
}

async function answerWell(call: ServedCall, behaviour: Behaviour, endpointCall: EndpointCall): Promise<void> {
  const { exchange, request, recording } = call
  // A script is the whole answer, whatever the path.
  const answer = behaviour.kind === 'script' ? emptyAnswer : await answerEndpoint(endpointCall)
  const isRefused = answer.head.status >= 400
  // A request that the API itself refuses is refused in the ordinary way, whatever fault was due.
  const delivered: Behaviour = isRefused ? { kind: 'good' } : behaviour
  await deliver({ exchange, behaviour: delivered, request, recording }, withUsualHeaders(answer, request, behaviour))
}

const emptyAnswer: DeliveredAnswer = { head: { status: 200, headers: [] }, body: '' }

function refuse(call: ServedCall, behaviour: Behaviour, answer: RefusalAnswer): void {
  const { exchange, request, recording } = call
  void deliver(
    // The shape is that of good answers; of a refusal only the wait before it is taken.
    { exchange, behaviour: refusalShape(behaviour), request, recording },
    withUsualHeaders(answer, request, behaviour),
  )
}

function refusalShape(behaviour: Behaviour): Behaviour {
  const { firstTokenDelayMs, contentEncoding } = behaviour
  return {
    kind: 'good',
    ...(firstTokenDelayMs === undefined ? {} : { firstTokenDelayMs }),
    ...(contentEncoding === undefined ? {} : { contentEncoding }),
  }
}

/** What api.openai.com, behind Cloudflare, sends with each answer. */
function withUsualHeaders(answer: DeliveredAnswer, request: ReceivedRequest, behaviour: Behaviour): DeliveredAnswer {
  const number = String(request.number).padStart(32, '0')
  const usual: readonly HeaderLine[] = [
    ['date', new Date(request.receivedAtMs).toUTCString()],
    ['connection', 'keep-alive'],
    ['access-control-expose-headers', 'X-Request-ID'],
    ['openai-organization', 'org-simulated'],
    ['openai-processing-ms', '12'],
    ['openai-version', '2020-10-01'],
    ['x-request-id', `req_${number}`],
    ['x-ratelimit-limit-requests', '10000'],
    ['x-ratelimit-limit-tokens', '30000000'],
    ['x-ratelimit-remaining-requests', '9999'],
    ['x-ratelimit-remaining-tokens', '29999900'],
    ['x-ratelimit-reset-requests', '6ms'],
    ['x-ratelimit-reset-tokens', '0s'],
    ['strict-transport-security', 'max-age=31536000; includeSubDomains; preload'],
    ['x-content-type-options', 'nosniff'],
    ['cf-cache-status', 'DYNAMIC'],
    ['set-cookie', `__cf_bm=simulated${number}; path=/; domain=.api.openai.com; HttpOnly; Secure; SameSite=None`],
    ['set-cookie', `_cfuvid=simulated${number}; path=/; domain=.api.openai.com; HttpOnly; Secure; SameSite=None`],
    ['server', 'cloudflare'],
    ['alt-svc', 'h3=":443"; ma=86400'],
  ]
  const own = [...answer.head.headers, ...Object.entries(behaviour.headers ?? {})]
  const ownNames = new Set(own.map(([name]) => name))
  const headers = [...own, ...usual.filter(([name]) => !ownNames.has(name))]
  return { ...answer, head: { status: answer.head.status, headers } }
}

function bearerOf(exchange: HttpExchange): string | null {
  const authorization = headerValue(exchange.headers, 'authorization')
  const match = /^bearer\s+(.*)$/i.exec(authorization ?? '')
  return match?.[1] ?? null
}

function jsonOf(request: ReceivedRequest): ChatRequest | null {
  if (request.body.length === 0 || request.body[0] === DASH) return null
  try {
    const value = request.json()
    return isJsonObject(value) ? value : null
  } catch {
    return null
  }
}

/** Multipart bodies begin with it: not worth decoding megabytes to learn that they are no JSON. */
const DASH = 0x2d
