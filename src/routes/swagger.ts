/** `GET /swagger`: Swagger UI from files inside the program, and the OpenAPI document it shows. Nothing comes from another host. */

import stylePath from 'swagger-ui-dist/swagger-ui.css' with { type: 'file' }
import bundlePath from 'swagger-ui-dist/swagger-ui-bundle.js' with { type: 'file' }
import page from '../dashboard/swagger.html' with { type: 'text' }
import startScriptPath from '../dashboard/swagger-start.js' with { type: 'file' }
import ownStylePath from '../dashboard/swagger-style.css' with { type: 'file' }
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { pageHeaders } from './page-headers.ts'
import { staticAsset } from './static-asset.ts'

export interface SwaggerParts {
  readonly gateway: Gateway
  /** The document; made when it is first asked for, when all routes are known. */
  readonly openApi: () => object
}

type Handler = (context: { request: Request }) => Response | Promise<Response>

/** Handlers by path; each says 404 while the operator has it switched off. */
export function swagger({ gateway, openApi }: SwaggerParts): Record<keyof typeof swaggerPaths, Handler> {
  const whileEnabled =
    (handler: Handler): Handler =>
    ({ request }) => {
      if (gateway.config().server.isSwaggerEnabled) return handler({ request })
      throw new GatewayError('not_found', 'the API documentation is switched off', { status: 404 })
    }
  const file = (path: string, contentType: string) =>
    whileEnabled(staticAsset({ contentType, read: () => Bun.file(path).bytes() }))
  const text = (read: () => string, contentType: string, headers: Record<string, string> = {}) =>
    whileEnabled(staticAsset({ contentType, headers, read: async () => new TextEncoder().encode(read()) }))

  return {
    page: text(() => page as unknown as string, 'text/html; charset=utf-8', swaggerPageHeaders),
    slash: whileEnabled(() => new Response(null, { status: 308, headers: { location: '../swagger' } })),
    document: text(() => JSON.stringify(openApi()), 'application/json'),
    bundle: file(bundlePath, 'text/javascript; charset=utf-8'),
    style: file(stylePath, 'text/css; charset=utf-8'),
    startScript: file(startScriptPath, 'text/javascript; charset=utf-8'),
    ownStyle: file(ownStylePath, 'text/css; charset=utf-8'),
  }
}

export const swaggerPaths = {
  page: '/swagger',
  slash: '/swagger/',
  document: '/swagger/json',
  bundle: '/swagger/swagger-ui-bundle.js',
  style: '/swagger/swagger-ui.css',
  startScript: '/swagger/start.js',
  ownStyle: '/swagger/style.css',
} as const

// Swagger UI writes style attributes into its markup; scripts it brings in files only.
const swaggerPageHeaders = pageHeaders({ style: "'self' 'unsafe-inline'", script: "'self'" })
