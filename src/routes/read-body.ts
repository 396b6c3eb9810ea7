/** Reads a request's body whole, up to the limit: it may have to be sent upstream more than once. */
import { GatewayError } from '../errors.ts'

/** Throws GatewayError 413, or 400 when the client breaks off. */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const announced = request.headers.get('content-length')
  if (announced !== null) {
    if (Number(announced) > maxBytes) throw tooLarge(maxBytes)
    return (await request.bytes().catch(brokenOff)) as Uint8Array<ArrayBuffer>
  }
  if (request.body === null) return new Uint8Array()
  const parts: Uint8Array[] = []
  let size = 0
  const reader = request.body.getReader()
  for (;;) {
    const { done, value } = await reader.read().catch(brokenOff)
    if (done) break
    size += value.byteLength
    if (size > maxBytes) {
      reader.cancel().catch(() => {})
      throw tooLarge(maxBytes)
    }
    parts.push(value)
  }
  return new Uint8Array(Buffer.concat(parts))
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('request_too_large', `the request body is larger than ${maxBytes} bytes`, { status: 413 })
}

function brokenOff(cause: unknown): never {
  throw new GatewayError('incomplete_body', 'the request body ended before it was complete', { status: 400, cause })
}
