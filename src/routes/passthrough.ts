/** Every other path under `/v1`: passed to the provider that its model names, else to the default one. */
import { readFormRequest, readJsonRequest, readNothing } from '../formats/openai.ts'
import { type CallContext, type CallParts, readCall, withoutIdleLimit } from './call.ts'

export function passthrough(parts: CallParts) {
  return async (context: CallContext): Promise<Response> => {
    const contentType = context.request.headers.get('content-type') ?? ''
    const call = await readCall(parts, context, (body) => {
      if (body.byteLength === 0) return readNothing()
      if (/^multipart\/form-data/i.test(contentType)) return readFormRequest(body, contentType)
      // Clients that forget the content type still send JSON to these paths.
      const isJson = /\bjson\b/i.test(contentType) || (contentType === '' && body[0] === 0x7b)
      return isJson ? readJsonRequest(body) : readNothing()
    })
    return withoutIdleLimit(context, () => parts.gateway.forward(call))
  }
}
