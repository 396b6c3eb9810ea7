/** `GET /v1/models` and `GET /v1/models/{id}`: the names a client may ask for. */
import { GatewayError } from '../errors.ts'
import type { CallContext, CallParts } from './call.ts'

export function models({ gateway }: CallParts) {
  return async ({ visitor }: CallContext): Promise<Response> => {
    return Response.json({ object: 'list', data: await gateway.listModels(visitor.client) })
  }
}

export function model({ gateway }: CallParts) {
  return async ({ visitor, request }: CallContext): Promise<Response> => {
    const wanted = decoded(new URL(request.url).pathname.slice('/v1/models/'.length))
    const found = (await gateway.listModels(visitor.client)).find((one) => one.id === wanted)
    if (found !== undefined) return Response.json(found)
    throw new GatewayError('model_not_found', 'no such model; GET /v1/models lists what there is', {
      status: 404,
      param: 'model',
    })
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
