/** From an HTTP request under `/v1` to a Call, and from its Response back: what the chat route and the pass-through share. */
import type { Server } from 'bun'
import type { Visitor } from '../access.ts'
import type { Clock } from '../clock.ts'
import { GatewayError } from '../errors.ts'
import type { RequestView } from '../formats/openai.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { Call } from '../providers/provider.ts'
import { readBody } from './read-body.ts'

export interface CallParts {
  readonly gateway: Gateway
  readonly clock: Clock
}

export interface CallContext {
  readonly request: Request
  readonly server: Server<unknown> | null
  readonly visitor: Visitor
}

/** The runtime's longest. The comments of a silent stream come more often (`server.keep_alive` is at most four minutes). */
const answeredIdleSeconds = 255

/** What a route makes of a call. */
export interface CallRoute {
  /** Throws GatewayError. */
  readonly readView: (body: Uint8Array<ArrayBuffer>, request: Request) => RequestView
  readonly answer: (gateway: Gateway, call: Call) => Promise<Response>
}

/** Reads the body and what it asks for, and answers it. Throws GatewayError. */
export async function serveCall(
  { gateway, clock }: CallParts,
  { request, server, visitor }: CallContext,
  { readView, answer }: CallRoute,
): Promise<Response> {
  const startedMs = clock.monotonic()
  const { client } = visitor
  if (client === null) throw new GatewayError('missing_api_key', 'this path needs a client key', { status: 401 })
  const body = await readBody(request, gateway.config().server.maxBodyBytes)
  const url = request.url
  const pathStart = url.indexOf('/v1/', url.indexOf('//') + 2) + 3
  const queryStart = url.indexOf('?', pathStart)
  const call = {
    id: visitor.id,
    client,
    method: request.method,
    path: queryStart < 0 ? url.slice(pathStart) : url.slice(pathStart, queryStart),
    query: queryStart < 0 ? '' : url.slice(queryStart),
    headers: request.headers,
    body,
    view: readView(body, request),
    signal: request.signal,
    time: clock.now(),
    startedMs,
  }
  // That silence is ours and has deadlines of its own.
  server?.timeout(request, 0)
  try {
    return await answer(gateway, call)
  } finally {
    // Without a limit a client that vanished would keep its connection for ever.
    server?.timeout(request, answeredIdleSeconds)
  }
}
