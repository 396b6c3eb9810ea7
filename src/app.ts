/** The HTTP surface on one screen: identity and access first, every route in order, and the one place where errors are rendered. */
import { Elysia } from 'elysia'
import { checkAccess, type Visitor } from './access.ts'
import type { Clock } from './clock.ts'
import { GatewayError } from './errors.ts'
import { errorBody } from './formats/openai.ts'
import type { Gateway } from './gateway/gateway.ts'
import { describeError, type Logger } from './log.ts'
import { chatCompletions } from './routes/chat-completions.ts'
import { createCors } from './routes/cors.ts'
import { health, ready } from './routes/health.ts'
import { model, models } from './routes/models.ts'
import { passthrough } from './routes/passthrough.ts'
import type { Store } from './stores/store.ts'

export interface AppParts {
  readonly gateway: Gateway
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly version: string
  /** Unix milliseconds. */
  readonly startedAt: number
}

const nobody: Visitor = { id: '', client: null, isAdmin: false }

export function createApp(parts: AppParts) {
  const { gateway, clock, log } = parts
  const healthParts = { ...parts, now: clock.now }
  const cors = createCors(() => gateway.config().server.corsOrigins)
  const unread = { parse: 'none' } as const

  /** Under `/v1` the Response goes out as it was made: nothing of Elysia's is merged into it, so its headers are set here. */
  const finish = (visitor: Visitor, request: Request, response: Response): Response => {
    response.headers.set('x-request-id', visitor.id)
    cors.addHeaders(request, response.headers)
    return response
  }
  const underV1 =
    <Context extends { request: Request; visitor: Visitor }>(handler: (context: Context) => Promise<Response>) =>
    async (context: Context): Promise<Response> =>
      finish(context.visitor, context.request, await handler(context))

  const app = new Elysia({ normalize: false })
    .decorate('visitor', nobody as Visitor)
    .onRequest((context) => {
      const { request, set } = context
      const preflight = cors.answerPreflight(request)
      if (preflight !== null) return preflight
      const id = `req_${crypto.randomUUID()}`
      const path = pathOf(request.url)
      context.visitor = { ...nobody, id }
      if (!path.startsWith('/v1/')) {
        set.headers['x-request-id'] = id
        cors.addHeaders(request, set.headers)
        // An unknown path is told so, with or without a key; what exists is closed unless it is listed as open.
        if (!isKnown(path)) return
      }
      context.visitor = checkAccess({ request, path, config: gateway.config(), clientKeys: gateway.clientKeys }, id)
    })
    .onError(({ error, code, request, visitor, set }) => {
      const told = code === 'NOT_FOUND' ? unknownRoute(request) : toldOf(error, visitor, request)
      gateway.metrics.countRefusal(told.status)
      const response = Response.json(errorBody(told), { status: told.status, headers: told.headers })
      if (set.headers['x-request-id'] !== undefined) return response
      return finish(visitor ?? nobody, request, response)
    })
    .get('/health', health(healthParts))
    .get('/health/ready', ready(healthParts))
    .get('/v1/models', underV1(models(parts)))
    .get('/v1/models/*', underV1(model(parts)))
    .post('/v1/chat/completions', underV1(chatCompletions(parts)), unread)
    .all('/v1/*', underV1(passthrough(parts)), unread)

  function toldOf(error: unknown, visitor: Visitor, request: Request): GatewayError {
    if (error instanceof GatewayError) return error
    log.error('a request failed in a way that nobody foresaw', {
      id: visitor?.id,
      path: pathOf(request.url).slice(0, 200),
      ...describeError(error),
    })
    const message = 'the gateway failed; the log has the cause under this x-request-id'
    return new GatewayError('internal_error', message, { status: 500, cause: error })
  }

  function methodsOf(path: string): string[] {
    const methods = new Set<string>()
    for (const route of app.routes) if (route.path === path && route.method !== 'WS') methods.add(route.method)
    if (methods.has('GET')) methods.add('HEAD')
    return [...methods]
  }

  function isKnown(path: string): boolean {
    return methodsOf(path).length > 0 || path.startsWith('/swagger/')
  }

  function unknownRoute(request: Request): GatewayError {
    const path = pathOf(request.url)
    const methods = methodsOf(path)
    if (methods.length === 0)
      return new GatewayError('not_found', 'no such path; /swagger lists what there is', { status: 404 })
    return new GatewayError('method_not_allowed', `this path takes ${methods.join(', ')}`, {
      status: 405,
      headers: { allow: methods.join(', ') },
    })
  }

  return app
}

function pathOf(url: string): string {
  const start = url.indexOf('/', url.indexOf('//') + 2)
  const query = url.indexOf('?', start)
  return query < 0 ? url.slice(start) : url.slice(start, query)
}
