/** `GET /`: a page for people, a few words of JSON for programs. */
import page from '../dashboard/index.html' with { type: 'text' }
import { documentRoute } from './documentation.ts'
import { type HealthParts, healthBody } from './health.ts'
import type { OperatorContext } from './operator.ts'
import { pageHeaders } from './page-headers.ts'

export function home(parts: HealthParts) {
  const headers = {
    ...pageHeaders({ style: styleHash(html), script: "'none'" }),
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    vary: 'accept',
  }
  return ({ request, visitor }: OperatorContext): Response => {
    // Only browsers name HTML; `*/*` is what programs send that never thought about it.
    if (request.headers.get('accept')?.includes('text/html')) return new Response(html, { headers })
    const keys = parts.gateway.status().counts.total
    return Response.json({ ...healthBody(parts, visitor.isAdmin), keys }, { headers: { vary: 'accept' } })
  }
}

// The bundler's types know HTML as a bundle of its own; imported as text it is text.
const html = page as unknown as string

/** The page's one style element may be used, and no other. */
function styleHash(text: string): string {
  const style = /<style>([\s\S]*?)<\/style>/.exec(text)?.[1] ?? ''
  return `'sha256-${new Bun.CryptoHasher('sha256').update(style).digest('base64')}'`
}

export const homeDocumentation = documentRoute({
  tag: 'Operation',
  key: 'none',
  summary: 'Home page, or a short status',
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
