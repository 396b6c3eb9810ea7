/** The HTTP surface on one screen: identity and access first, every route in order, and the one place where errors are rendered. */
import { Elysia } from 'elysia'
import { checkAccess, dashboardClient, requireAdmin, sessionPath, type Visitor } from './access.ts'
import { GatewayError } from './errors.ts'
import { errorBody } from './formats/openai.ts'
import { describeError } from './log.ts'
import { adminCacheClear, adminCacheClearDocumentation } from './routes/admin-cache-clear.ts'
import { adminConfig, adminConfigDocumentation } from './routes/admin-config.ts'
import {
  pauseCredential,
  pauseDocumentation,
  recheckCredential,
  recheckDocumentation,
  resumeDocumentation,
} from './routes/admin-credentials.ts'
import {
  createKey,
  createKeyDocumentation,
  listKeys,
  listKeysDocumentation,
  revokeKey,
  revokeKeyDocumentation,
} from './routes/admin-keys.ts'
import { adminLive, adminLiveDocumentation } from './routes/admin-live.ts'
import { adminReload, adminReloadDocumentation } from './routes/admin-reload.ts'
import {
  adminRequest,
  adminRequestDocumentation,
  adminRequests,
  adminRequestsDocumentation,
} from './routes/admin-requests.ts'
import {
  showSession,
  showSessionDocumentation,
  signIn,
  signInDocumentation,
  signOut,
  signOutDocumentation,
} from './routes/admin-session.ts'
import { blacklist, blacklistDocumentation } from './routes/blacklist.ts'
import type { CallContext } from './routes/call.ts'
import { chatCompletions, chatDocumentation } from './routes/chat-completions.ts'
import { createCors } from './routes/cors.ts'
import { dashboard, dashboardPaths, homeDocumentation } from './routes/dashboard.ts'
import { favicon } from './routes/favicon.ts'
import { health, healthDocumentation, ready, readyDocumentation } from './routes/health.ts'
import { metrics, metricsDocumentation } from './routes/metrics.ts'
import { model, modelDocumentation, models, modelsDocumentation } from './routes/models.ts'
import { openApiDocument } from './routes/openapi.ts'
import { forOperator, type OperatorParts } from './routes/operator.ts'
import { passthrough } from './routes/passthrough.ts'
import { passthroughDocumentation } from './routes/passthrough-documentation.ts'
import { resetKeys, resetKeysByGetDocumentation, resetKeysDocumentation } from './routes/reset-keys.ts'
import { saveStats, saveStatsDocumentation } from './routes/save-stats.ts'
import { stats, statsDocumentation } from './routes/stats.ts'
import { swagger, swaggerPaths } from './routes/swagger.ts'

export type AppParts = OperatorParts

/** As under `/v1/`: the Response goes out as it was made. */
const dashboardPrefix = '/admin/v1/'
const nobody: Visitor = { id: '', client: null, isAdmin: false }

export function createApp(parts: AppParts) {
  const { gateway, clock, log, version } = parts
  const healthParts = { ...parts, now: clock.now }
  const cors = createCors(() => gateway.config().server.corsOrigins)
  const pages = dashboard(healthParts)
  const ui = swagger({ gateway, openApi: () => openApiDocument(version, documentedRoutes()) })

  /** Under `/v1` the Response goes out as it was made: nothing of Elysia's is merged into it, so its headers are set here. */
  const finish = (visitor: Visitor, request: Request, response: Response): Response => {
    response.headers.set('x-request-id', visitor.id)
    cors.addHeaders(request, response.headers)
    return response
  }
  /** The parts are named one by one: a handler that takes the whole context makes Elysia parse query, cookies and headers for it. */
  const underV1 =
    (handler: (context: CallContext) => Promise<Response>) =>
    async ({ request, server, visitor }: CallContext): Promise<Response> =>
      finish(visitor, request, await handler({ request, server, visitor }))
  /** The dashboard's way to try a model: a call like any other, of a client of its own. */
  const asDashboard =
    (handler: (context: CallContext) => Promise<Response>) =>
    async ({ request, server, visitor }: CallContext): Promise<Response> => {
      requireAdmin(visitor)
      const context = { request, server, visitor: { ...visitor, client: dashboardClient } }
      return finish(visitor, request, await handler(context))
    }

  // One router, and it reads the same path as the access check: the runtime's own takes `//host/stats` for `/stats`, and
  // Elysia's skips a host name's first letters unless told that they may be few. Loose paths would open `/stats/`.
  const app = new Elysia({
    normalize: false,
    strictPath: true,
    systemRouter: false,
    handler: { standardHostname: false },
  })
    .decorate('visitor', nobody as Visitor)
    .onRequest((context) => {
      const { request, set } = context
      const preflight = cors.answerPreflight(request)
      if (preflight !== null) return preflight
      // Of version 7: where to look for its record can be told from it.
      const id = `req_${Bun.randomUUIDv7()}`
      const path = pathOf(request.url)
      context.visitor = { id, client: null, isAdmin: false }
      if (!path.startsWith('/v1/')) {
        if (!path.startsWith(dashboardPrefix)) {
          set.headers['x-request-id'] = id
          cors.addHeaders(request, set.headers)
        }
        // An unknown path is told so, with or without a key, and goes no further: no route is reached unchecked.
        if (methodsOf(path).length === 0) throw unknownRoute(request)
      }
      context.visitor = checkAccess(
        { request, path, config: gateway.config(), clientKeys: gateway.clientKeys, sessions: gateway.sessions },
        id,
      )
    })
    .onError(({ error, code, request, visitor, set }) => {
      const told = code === 'NOT_FOUND' ? unknownRoute(request) : toldOf(error, visitor, request)
      gateway.metrics.countRefusal(told.status)
      const response = Response.json(errorBody(told), { status: told.status, headers: told.headers })
      if (set.headers['x-request-id'] !== undefined) return response
      return finish(visitor ?? nobody, request, response)
    })
    .get('/', pages.page, { detail: homeDocumentation })
    .get(dashboardPaths.script, pages.script)
    .get(dashboardPaths.style, pages.style)
    .get('/favicon.ico', favicon())
    .get('/health', health(healthParts), { detail: healthDocumentation })
    .get('/health/ready', ready(healthParts), { detail: readyDocumentation })
    .get(swaggerPaths.page, ui.page)
    .get(swaggerPaths.slash, ui.slash)
    .get(swaggerPaths.document, ui.document)
    .get(swaggerPaths.bundle, ui.bundle)
    .get(swaggerPaths.style, ui.style)
    .get(swaggerPaths.startScript, ui.startScript)
    .get(swaggerPaths.ownStyle, ui.ownStyle)
    .post('/v1/chat/completions', underV1(chatCompletions(parts)), { parse: 'none', detail: chatDocumentation })
    .get('/v1/models', underV1(models(parts)), { detail: modelsDocumentation })
    .get('/v1/models/*', underV1(model(parts)), { detail: modelDocumentation })
    .all('/v1/*', underV1(passthrough(parts)), { parse: 'none' })
    .get('/stats', forOperator(stats(parts)), { detail: statsDocumentation })
    .get('/blacklist', forOperator(blacklist(parts)), { detail: blacklistDocumentation })
    .post('/reset-keys', forOperator(resetKeys(parts)), { parse: 'none', detail: resetKeysDocumentation })
    .get('/reset-keys', forOperator(resetKeys(parts)), { detail: resetKeysByGetDocumentation })
    .post('/save_stats', forOperator(saveStats(parts)), { parse: 'none', detail: saveStatsDocumentation })
    .get('/metrics', metrics(parts), { detail: metricsDocumentation })
    .post('/admin/reload', forOperator(adminReload(parts)), { parse: 'none', detail: adminReloadDocumentation })
    .post('/admin/cache/clear', forOperator(adminCacheClear(parts)), {
      parse: 'none',
      detail: adminCacheClearDocumentation,
    })
    .get(`${dashboardPrefix}models`, asDashboard(models(parts)))
    .post(`${dashboardPrefix}chat/completions`, asDashboard(chatCompletions(parts)), { parse: 'none' })
    .get(sessionPath, showSession(), { detail: showSessionDocumentation })
    .post(sessionPath, signIn(parts), { parse: 'none', detail: signInDocumentation })
    .delete(sessionPath, forOperator(signOut(parts)), { parse: 'none', detail: signOutDocumentation })
    .post('/admin/pause', forOperator(pauseCredential(parts, true)), { parse: 'none', detail: pauseDocumentation })
    .post('/admin/resume', forOperator(pauseCredential(parts, false)), { parse: 'none', detail: resumeDocumentation })
    .post('/admin/recheck', forOperator(recheckCredential(parts)), { parse: 'none', detail: recheckDocumentation })
    .get('/admin/keys', forOperator(listKeys(parts)), { detail: listKeysDocumentation })
    .post('/admin/keys', forOperator(createKey(parts)), { parse: 'none', detail: createKeyDocumentation })
    .delete('/admin/keys', forOperator(revokeKey(parts)), { parse: 'none', detail: revokeKeyDocumentation })
    .get('/admin/config', forOperator(adminConfig(parts)), { detail: adminConfigDocumentation })
    .get('/admin/requests', forOperator(adminRequests(parts)), { detail: adminRequestsDocumentation })
    .get('/admin/requests/:id', forOperator(adminRequest(parts)), { detail: adminRequestDocumentation })
    .get('/admin/live', forOperator(adminLive(parts)), { detail: adminLiveDocumentation })

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
    for (const route of app.routes) if (isPathOf(route.path, path) && route.method !== 'WS') methods.add(route.method)
    if (methods.has('GET')) methods.add('HEAD')
    return [...methods]
  }

  /** Paths as OpenAPI writes them, with those that the wildcard stands for. */
  function documentedRoutes() {
    const own = app.routes.map(({ method, path, hooks }) => ({
      method,
      path: path.replace('/v1/models/*', '/v1/models/{model}').replace(/:(\w+)/, '{$1}'),
      detail: hooks.detail,
    }))
    const isUnderV1 = (route: { path: string }) => route.path.startsWith('/v1/')
    return [...own.filter(isUnderV1), ...passthroughDocumentation, ...own.filter((route) => !isUnderV1(route))]
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

/** `:id` at the end of a route stands for one part of a path. */
function isPathOf(route: string, path: string): boolean {
  const start = route.indexOf(':')
  if (start < 0) return route === path
  return path.length > start && path.startsWith(route.slice(0, start)) && !path.includes('/', start)
}

function pathOf(url: string): string {
  const start = url.indexOf('/', url.indexOf('//') + 2)
  const query = url.indexOf('?', start)
  return query < 0 ? url.slice(start) : url.slice(start, query)
}
