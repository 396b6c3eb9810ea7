/** `POST /admin/cache/clear`: forgets every kept answer. */
import type { Gateway } from '../gateway/gateway.ts'
import { documentRoute } from './documentation.ts'

export function adminCacheClear({ gateway }: { gateway: Pick<Gateway, 'cache'> }) {
  return (): Response => Response.json({ ok: true, cleared: gateway.cache.clear() })
}

export const adminCacheClearDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'Forget all kept answers',
  description: 'Answers that are still under way reach their clients, but are not kept.',
  answer: { description: 'How many there were', example: { ok: true, cleared: 180 } },
})
