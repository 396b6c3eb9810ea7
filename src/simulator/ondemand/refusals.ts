/** The error answers of OnDemand and of the gateway at its edge, as they spell them; pure functions. */
import type { AnswerHead } from '../http-listener.ts'
import type { EdgeBody, Refusal, ServerErrorStatus } from './behaviours.ts'
import type { Operation } from './routes.ts'

/** The whole answer to a refused call. */
export function refusalAnswer(refusal: Refusal, call: RefusedCall): WholeAnswer {
  switch (refusal.kind) {
    case 'revoked':
      return REQUEST_ERRORS.unauthenticated(UNAUTHENTICATED_MESSAGES[call.credentialKind], call.operation)
    case 'stray':
      return strayAnswer(refusal, call)
    case 'forbidden':
      return UNAUTHORIZED
    case 'rate_limited':
      return envelope(429, { errorCode: 'rate_limit_exceeded', message: 'Too many requests' })
    case 'server_error':
      return serverErrorAnswer(refusal)
    case 'content_policy':
      return envelope(403, {
        errorCode: 'content_policy_violation',
        message: 'The request was refused by the content policy of the model',
      })
    case 'context_length':
      return envelope(400, { errorCode: CONTEXT_LENGTH_CODE, message: CONTEXT_LENGTH_MESSAGE })
    case 'bad_request':
      return REQUEST_ERRORS.invalid('The request is invalid')
    case 'locked':
      return envelope(refusal.status ?? 403, { errorCode: 'unauthorized', message: 'This account is locked' })
  }
}

export const CONTEXT_LENGTH_CODE = 'context_length_exceeded'
export const CONTEXT_LENGTH_MESSAGE = 'The prompt is too long for the context of this model'

export interface RefusedCall {
  readonly operation: Operation
  readonly credentialKind: 'key' | 'account'
  readonly requestNumber: number
}

/** An answer whose length is known before it is sent. */
export interface WholeAnswer {
  readonly head: AnswerHead
  readonly body: string
}

export function jsonAnswer(status: number, value: unknown): WholeAnswer {
  return {
    head: { status, headers: [['content-type', 'application/json; charset=utf-8']] },
    body: JSON.stringify(value),
  }
}

/** The form of all errors from 400 on (docs.on-demand.io/reference/errors). */
function envelope(status: number, error: ErrorEnvelope): WholeAnswer {
  return jsonAnswer(status, error)
}

interface ErrorEnvelope {
  readonly errorCode: string
  readonly message: string
  readonly details?: unknown
}

const UNAUTHORIZED = envelope(403, {
  errorCode: 'unauthorized',
  message: 'You do not have permission to access this resource',
})

const UNAUTHENTICATED_MESSAGES = { key: 'Invalid API Key', account: 'Invalid Token' } as const

function strayAnswer(stray: Extract<Refusal, { kind: 'stray' }>, call: RefusedCall): WholeAnswer {
  const body = stray.body ?? (stray.status === 404 ? 'route_not_found' : 'envelope')
  if (body !== 'envelope') return edgeAnswer(stray.status, body, call.requestNumber)
  if (stray.status === 404) return REQUEST_ERRORS.notFound('Resource')
  return stray.status === 401 ? refusalAnswer({ kind: 'revoked' }, call) : UNAUTHORIZED
}

/** Seen live 2026-07: the edge gateway speaks in forms of its own. */
function edgeAnswer(status: number, body: EdgeBody, requestNumber: number): WholeAnswer {
  const edge = {
    route_not_found: { error_msg: '404 Route Not Found' },
    no_route: {
      message: 'no Route matched with those values',
      request_id: requestNumber.toString(16).padStart(32, '0'),
    },
  }
  return jsonAnswer(status, edge[body])
}

function serverErrorAnswer(error: Extract<Refusal, { kind: 'server_error' }>): WholeAnswer {
  const status = error.status ?? 500
  const known = SERVER_ERRORS[status]
  switch (error.body ?? known.body) {
    case 'json':
      return envelope(status, { errorCode: error.errorCode ?? known.errorCode, message: known.message })
    case 'empty':
      return { head: { status, headers: [] }, body: '' }
    case 'html': {
      const heading = `${status} ${known.title}`
      return {
        head: { status, headers: [['content-type', 'text/html; charset=UTF-8']] },
        body: `<html>\r\n<head><title>${heading}</title></head>\r\n<body>\r\n<center><h1>${heading}</h1></center>\r\n</body>\r\n</html>\r\n`,
      }
    }
  }
}

interface ServerError {
  readonly errorCode: string
  readonly message: string
  readonly title: string
  readonly body: 'json' | 'html'
}

const SERVER_ERRORS: Readonly<Record<ServerErrorStatus, ServerError>> = {
  500: {
    errorCode: 'server_error',
    message: 'The server had an error while processing the request',
    title: 'Internal Server Error',
    body: 'json',
  },
  502: { errorCode: 'bad_gateway', message: 'Bad gateway', title: 'Bad Gateway', body: 'json' },
  503: {
    errorCode: 'resource_unavailable',
    message: 'The resource is not available at the moment',
    title: 'Service Temporarily Unavailable',
    body: 'json',
  },
  504: {
    errorCode: 'plugin_execution_timeout',
    message: 'The execution took too long',
    title: 'Gateway Time-out',
    body: 'json',
  },
  520: {
    errorCode: 'server_error',
    message: 'Unknown error',
    title: 'Web server is returning an unknown error',
    body: 'html',
  },
}

/** The service's own checks of a request. Where nobody has recorded its words, the code is documented and the words are ours. */
export const REQUEST_ERRORS = {
  noRoute: (requestNumber: number) => edgeAnswer(404, 'no_route', requestNumber),
  wrongMethod: (method: string) =>
    envelope(405, { errorCode: 'method_not_allowed', message: `Method ${method} is not allowed` }),
  /** Seen live 2026-07: an empty key is no 401. */
  emptyKey: () => serverErrorAnswer({ kind: 'server_error' }),
  unauthenticated(message: string, operation: Operation): WholeAnswer {
    const own = AUTHENTICATION_MESSAGES[operation]
    return envelope(401, { errorCode: 'unauthenticated', message: own ?? message })
  },
  noKey: () => envelope(401, { errorCode: 'unauthenticated', message: 'No API key header' }),
  noAuthorization: () => envelope(401, { errorCode: 'unauthenticated', message: 'No Authorization header' }),
  noToken: () => envelope(401, { errorCode: 'unauthenticated', message: 'Token missing from Bearer' }),
  invalid: (message: string) => envelope(400, { errorCode: 'invalid_request', message }),
  invalidAgents: (ids: readonly string[]) =>
    envelope(400, {
      errorCode: 'invalid_request',
      message: 'One or more agents are invalid',
      details: { invalidAgentIds: ids },
    }),
  inactive: (endpointId: string) =>
    envelope(400, { errorCode: 'invalid_request', message: `endpointId ${endpointId} is not active` }),
  notFound: (what: string) => envelope(404, { errorCode: 'not_found', message: `${what} not found` }),
}

const AUTHENTICATION_MESSAGES: Readonly<Partial<Record<Operation, string>>> = {
  sign_in: 'Invalid email or password',
  refresh: 'Invalid refresh token',
}
