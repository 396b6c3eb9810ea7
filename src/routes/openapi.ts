/** The OpenAPI document, put together from what the routes say of themselves. */
import type { DocumentDecoration } from 'elysia'
import { errorBody } from '../formats/openai.ts'
import { errorAnswers } from './documentation.ts'

export interface DocumentedRoute {
  readonly method: string
  readonly path: string
  readonly detail: DocumentDecoration | undefined
}

/** Paths stand in the order in which the routes are given. */
export function openApiDocument(version: string, routes: readonly DocumentedRoute[]) {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const { method, path, detail } of routes) {
    // Elysia gives every route a detail; one of ours says what it answers.
    if (detail?.responses === undefined) continue
    const operations = paths[path] ?? {}
    paths[path] = { ...operations, [method.toLowerCase()]: { operationId: operationId(method, path), ...detail } }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'any2api',
      version,
      description:
        'Many upstream keys and accounts behind one OpenAI-compatible endpoint. Press **Authorize** and paste a client key to try the paths under `/v1`, or the admin key for the others. A key stays in this page and is gone when it is closed.',
    },
    tags: [
      { name: 'OpenAI API', description: 'For OpenAI clients, with a client key' },
      { name: 'Operation', description: 'For the operator, with the admin key' },
    ],
    paths,
    components: {
      securitySchemes: {
        clientKey: {
          type: 'http',
          scheme: 'bearer',
          description: 'A client key. Opens the paths under `/v1`. `x-api-key` and `api-key` are taken as well.',
        },
        adminKey: { type: 'http', scheme: 'bearer', description: 'The admin key. Opens the operator’s paths.' },
      },
      schemas: { Error: errorSchema },
      responses: Object.fromEntries(
        Object.entries(errorAnswers).map(([status, { name, description }]) => [
          name,
          { description, content: { 'application/json': { schema: errorReference, example: errorExample(status) } } },
        ]),
      ),
    },
  }
}

const errorReference = { $ref: '#/components/schemas/Error' }

const errorSchema = {
  type: 'object',
  required: ['error'],
  description: 'OpenAI’s error shape. The header `x-request-id` names the request in the log.',
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code'],
      properties: {
        message: { type: 'string', description: 'For people' },
        type: { type: 'string' },
        param: { type: ['string', 'null'], description: 'The field or parameter it is about' },
        code: { type: ['string', 'null'], description: 'For programs' },
      },
    },
  },
}

const errorExamples: Readonly<Record<string, { message: string; type: string; param: string | null; code: string }>> = {
  400: {
    message: "'model' is given more than once",
    type: 'invalid_request_error',
    param: 'model',
    code: 'duplicate_model',
  },
  401: { message: 'this client key is not valid', type: 'authentication_error', param: null, code: 'invalid_api_key' },
  403: {
    message: 'this key may not use this model',
    type: 'permission_error',
    param: 'model',
    code: 'model_not_allowed',
  },
  404: {
    message: 'no such model; GET /v1/models lists what there is',
    type: 'invalid_request_error',
    param: 'model',
    code: 'model_not_found',
  },
  409: {
    message: 'a key named alice is already there: revoke it or choose another name',
    type: 'invalid_request_error',
    param: 'name',
    code: 'key_exists',
  },
  413: {
    message: 'the request body is larger than 67108864 bytes',
    type: 'invalid_request_error',
    param: null,
    code: 'request_too_large',
  },
  429: { message: 'all credentials are cooling', type: 'rate_limit_error', param: null, code: 'rate_limit_exceeded' },
  500: {
    message: 'the gateway failed; the log has the cause under this x-request-id',
    type: 'server_error',
    param: null,
    code: 'internal_error',
  },
  502: { message: 'the upstream failed', type: 'server_error', param: null, code: 'upstream_error' },
  503: { message: 'no upstream can serve this now', type: 'server_error', param: null, code: 'upstream_unavailable' },
}

function errorExample(status: string) {
  const example = errorExamples[status]
  return example === undefined ? undefined : errorBody(example)
}

function operationId(method: string, path: string): string {
  const words = path.split(/[^a-z0-9]+/i).filter((word) => word !== '')
  return [method.toLowerCase(), ...words].join('_')
}
