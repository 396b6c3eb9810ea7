/** `GET /`: the dashboard for people, a few words of JSON for programs. The page is open, what it shows needs a session. */
import { readDashboardBundle } from '../dashboard/bundle.ts'
import page from '../dashboard/index.html' with { type: 'text' }
import { documentRoute } from './documentation.ts'
import { type HealthParts, healthBody } from './health.ts'
import type { OperatorContext } from './operator.ts'
import { pageHeaders } from './page-headers.ts'
import { staticAsset } from './static-asset.ts'

export const dashboardPaths = { script: '/dashboard/app.js', style: '/dashboard/app.css' } as const

export function dashboard(parts: HealthParts) {
  const headers = {
    ...pageHeaders({ style: "'self'", script: "'self'" }),
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    vary: 'accept',
  }
  let bundle: ReturnType<typeof readDashboardBundle> | null = null
  const asset = (part: 'script' | 'style', contentType: string) =>
    staticAsset({
      contentType,
      read: async () => {
        bundle ??= readDashboardBundle()
        return new TextEncoder().encode((await bundle)[part])
      },
    })

  return {
    page({ request, visitor }: OperatorContext): Response {
      // Only browsers name HTML; `*/*` is what programs send that never thought about it.
      if (request.headers.get('accept')?.includes('text/html'))
        return new Response(page as unknown as string, { headers })
      const keys = parts.gateway.status().counts.total
      return Response.json({ ...healthBody(parts, visitor.isAdmin), keys }, { headers: { vary: 'accept' } })
    },
    script: asset('script', 'text/javascript; charset=utf-8'),
    style: asset('style', 'text/css; charset=utf-8'),
  }
}

export const homeDocumentation = documentRoute({
  tag: 'Operation',
  key: 'none',
  summary: 'Dashboard, or a short status',
  description: 'HTML for a browser; JSON for everything else: what `/health` answers plus the number of credentials.',
  answer: {
    description: 'Running',
    example: {
      status: 'ok',
      message: 'running',
      time: '2030-01-01T10:05:01.000Z',
      uptime: '2h5m1s',
      uptime_seconds: 7501.2,
      persistence: 'sqlite',
      keys: 3,
    },
  },
})
