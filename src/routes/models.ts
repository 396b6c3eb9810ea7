/** `GET /v1/models` and `GET /v1/models/{id}`: the names a client may ask for. */
import { GatewayError } from '../errors.ts'
import type { CallContext, CallParts } from './call.ts'
import { documentRoute } from './documentation.ts'

export function models({ gateway }: CallParts) {
  return async ({ visitor }: CallContext): Promise<Response> => {
    return Response.json({ object: 'list', data: await gateway.listModels(visitor.client) })
  }
}

export function model({ gateway }: CallParts) {
  return async ({ visitor, request }: CallContext): Promise<Response> => {
    const wanted = decoded(new URL(request.url).pathname.slice('/v1/models/'.length))
    const found = await gateway.findModel(visitor.client, wanted)
    if (found !== null) return Response.json(found)
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

const exampleModel = { id: 'gpt-4o', object: 'model', created: 1_900_000_000, owned_by: 'openai' }

export const modelsDocumentation = documentRoute({
  tag: 'OpenAI API',
  key: 'client',
  summary: 'Models this key may use',
  description: 'Configured names and what the upstreams list. The operator can open it to everybody.',
  answer: { description: 'The models', example: { object: 'list', data: [exampleModel] } },
})

export const modelDocumentation = documentRoute({
  tag: 'OpenAI API',
  key: 'client',
  summary: 'One model',
  parameters: [
    {
      name: 'model',
      in: 'path',
      required: true,
      description: 'Its name',
      schema: { type: 'string', default: 'gpt-4o' },
    },
  ],
  answer: { description: 'The model', example: exampleModel },
  errors: [404],
})
