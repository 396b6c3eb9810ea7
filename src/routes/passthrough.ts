/** Every other path under `/v1`: passed to the provider that its model names, else to the default one. */
import { type RequestView, readFormRequest, readJsonRequest, readNothing } from '../formats/openai.ts'
import { type CallContext, type CallParts, type CallRoute, serveCall } from './call.ts'

export function passthrough(parts: CallParts) {
  return (context: CallContext): Promise<Response> => serveCall(parts, context, route)
}

const route: CallRoute = { readView, answer: (gateway, call) => gateway.forward(call) }

function readView(body: Uint8Array<ArrayBuffer>, { headers }: Request): RequestView {
  if (body.byteLength === 0) return readNothing()
  const contentType = headers.get('content-type') ?? ''
  if (/^multipart\/form-data/i.test(contentType)) return readFormRequest(body, contentType)
  // Clients that forget the content type still send JSON to these paths.
  const isJson = /\bjson\b/i.test(contentType) || (contentType === '' && body[0] === 0x7b)
  return isJson ? readJsonRequest(body) : readNothing()
}
