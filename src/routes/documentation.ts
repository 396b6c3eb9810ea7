/** How a route describes itself for the OpenAPI document. The document as a whole is `openapi.ts`'s business. */
import type { DocumentDecoration } from 'elysia'

export interface RouteDocumentation {
  readonly tag: 'OpenAI API' | 'Operation'
  /** Whose key opens it. */
  readonly key: 'client' | 'admin' | 'none'
  readonly summary: string
  readonly description?: string
  readonly parameters?: readonly Parameter[]
  /** By content type. */
  readonly request?: Readonly<Record<string, Content>>
  /** What a 200 looks like. */
  readonly answer: Answer
  /** By status, beside the 200 and the errors. */
  readonly otherAnswers?: Readonly<Record<number, Answer>>
  /** Statuses in OpenAI's error shape beside those that follow from `key`. */
  readonly errors?: readonly ErrorStatus[]
  readonly isDeprecated?: boolean
}

export interface Answer {
  readonly description: string
  /** Of `application/json`. */
  readonly example?: unknown
  /** By content type, where JSON is not all. */
  readonly content?: Readonly<Record<string, Content>>
}

export interface Content {
  readonly schema?: object
  readonly example?: unknown
  readonly examples?: Readonly<Record<string, { summary: string; value: unknown }>>
}

export interface Parameter {
  readonly name: string
  readonly in: 'query' | 'path'
  readonly required: boolean
  readonly description: string
  readonly schema: object
}

/** The error answers that `openapi.ts` describes once for all. */
export const errorAnswers = {
  400: { name: 'BadRequest', description: 'The request is not valid; `param` names the place' },
  401: { name: 'Unauthorized', description: 'No key was given, or not the right one' },
  403: { name: 'Forbidden', description: 'The key may not do this' },
  404: { name: 'NotFound', description: 'There is no such thing' },
  409: { name: 'Conflict', description: 'What is there already is in the way' },
  413: { name: 'TooLarge', description: 'The body is larger than the operator allows' },
  429: {
    name: 'TooMany',
    description: 'Too many requests, or all credentials are cooling; `Retry-After` says how long',
  },
  500: { name: 'GatewayFailed', description: 'The gateway failed; its log has the cause under `x-request-id`' },
  502: { name: 'UpstreamFailed', description: 'The upstream failed, or refused all of our credentials' },
  503: { name: 'Unavailable', description: 'No upstream can serve this now' },
} as const

export type ErrorStatus = keyof typeof errorAnswers

export function documentRoute(route: RouteDocumentation): DocumentDecoration {
  const errors: readonly ErrorStatus[] = [...(route.key === 'none' ? [] : [401 as const]), ...(route.errors ?? [])]
  const operation = {
    tags: [route.tag],
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    ...(route.parameters === undefined ? {} : { parameters: [...route.parameters] }),
    ...(route.request === undefined ? {} : { requestBody: { required: true, content: route.request } }),
    security: route.key === 'none' ? [] : [{ [route.key === 'client' ? 'clientKey' : 'adminKey']: [] }],
    responses: {
      200: describeAnswer(route.answer),
      ...Object.fromEntries(
        Object.entries(route.otherAnswers ?? {}).map(([status, answer]) => [status, describeAnswer(answer)]),
      ),
      ...Object.fromEntries(
        errors.map((status) => [status, { $ref: `#/components/responses/${errorAnswers[status].name}` }]),
      ),
    },
    ...(route.isDeprecated === true ? { deprecated: true } : {}),
  }
  // Elysia's type is of OpenAPI 3.0, whose schemas are poorer than ours; it only carries this to `openapi.ts`.
  return operation as DocumentDecoration
}

export function queryParameter(name: string, description: string, schema: object): Parameter {
  return { name, in: 'query', required: false, description, schema }
}

export function pathParameter(name: string, description: string): Parameter {
  return { name, in: 'path', required: true, description, schema: { type: 'string' } }
}

function describeAnswer({ description, example, content }: Answer) {
  if (content !== undefined) return { description, content }
  return example === undefined ? { description } : { description, content: { 'application/json': { example } } }
}
