/** `POST /save_stats`: writes down what is still queued. It would be written within moments anyway. */
import { GatewayError } from '../errors.ts'
import type { Store } from '../stores/store.ts'
import { documentRoute } from './documentation.ts'
import type { OperatorContext } from './operator.ts'

export function saveStats({ store }: { store: Store }) {
  return async ({ request }: OperatorContext): Promise<Response> => {
    await store.flush().catch(failed)
    const problem = store.problem()
    if (problem !== null) failed(new Error(problem))
    if (request.headers.get('accept')?.includes('text/html')) {
      return new Response(null, { status: 303, headers: { location: '/' } })
    }
    const message = store.persistence === 'memory' ? 'statistics are kept in memory only' : 'statistics are saved'
    return Response.json({ status: 'ok', message })
  }
}

function failed(cause: unknown): never {
  throw new GatewayError('store_failed', 'the statistics could not be written; /stats says why', { status: 500, cause })
}

export const saveStatsDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'Write statistics to disk now',
  description: 'A browser that asks for HTML is sent back to `/`.',
  answer: { description: 'They are on disk', example: { status: 'ok', message: 'statistics are saved' } },
  errors: [500],
})
