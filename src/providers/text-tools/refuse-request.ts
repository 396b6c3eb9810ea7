/** Refusals of our own, before anything is sent: the client's request cannot be honoured. */
import { GatewayError, UpstreamError, type UpstreamErrorBody } from '../../errors.ts'
import { errorBody } from '../../formats/openai.ts'

export function refuseRequest(message: string, error: { code: string; param: string | null }): UpstreamError {
  const body = refusalBody({ status: 400, message, ...error })
  return new UpstreamError('bad_request', message, { status: 400, code: error.code, body })
}

export function refuseUnsupported(param: string): UpstreamError {
  return refuseRequest(`'${param}' is not supported by this model's upstream`, { code: 'unsupported_parameter', param })
}

/** What the readers of tools and formats throw, as a failed attempt; anything else as it is. */
export function asRefusal(cause: unknown): unknown {
  if (!(cause instanceof GatewayError) || cause.status !== 400) return cause
  return refuseRequest(cause.message, { code: cause.code, param: cause.param })
}

/** An error in OpenAI's shape. */
export function refusalBody(error: {
  status: number
  code: string
  message: string
  param?: string | null
}): UpstreamErrorBody {
  const type = error.status >= 500 ? 'server_error' : 'invalid_request_error'
  const body = errorBody({ message: error.message, type, param: error.param ?? null, code: error.code })
  return { contentType: 'application/json', bytes: new Uint8Array(Buffer.from(JSON.stringify(body))) }
}
