/** `POST /reset-keys`: makes excluded credentials available again. `GET` does the same for scripts that know no better. */
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { documentRoute, queryParameter } from './documentation.ts'
import { findCredential, requireProvider } from './find-credential.ts'
import type { OperatorContext } from './operator.ts'

export function resetKeys({ gateway }: { gateway: Gateway }) {
  return ({ request }: OperatorContext): Response => {
    if (request.method === 'GET' || request.method === 'HEAD') requireKeyInHeader(request)
    const { searchParams } = new URL(request.url)
    const provider = searchParams.get('provider')
    const wanted = searchParams.get('credential')
    requireProvider(gateway, provider)
    const credential = wanted === null ? null : findCredential(gateway, { provider, wanted }).credentialId
    // HEAD asks what GET would say; it must not do it.
    if (request.method === 'HEAD') return new Response(null, { headers: { 'content-type': 'application/json' } })
    const { cleared, total } = gateway.reset({ provider, credential })
    const message = cleared === 1 ? '1 credential is available again' : `${cleared} credentials are available again`
    return Response.json({ success: true, message, clearedCount: cleared, totalKeys: total })
  }
}

/** A link or an image on a foreign page can make a browser send a GET with its cookies, but never with such a header. */
function requireKeyInHeader({ headers }: Request): void {
  if (headers.has('authorization') || headers.has('x-api-key') || headers.has('api-key')) return
  throw new GatewayError('missing_admin_key', 'a GET on this path needs the admin key in its Authorization header', {
    status: 401,
    headers: { 'www-authenticate': 'Bearer' },
  })
}

const shared = {
  tag: 'Operation',
  key: 'admin',
  parameters: [
    queryParameter('provider', 'Only the credentials of this provider', { type: 'string' }),
    queryParameter('credential', 'Only this one: its label or fingerprint as /stats shows it', { type: 'string' }),
  ],
  answer: {
    description: 'How many came back',
    example: { success: true, message: '1 credential is available again', clearedCount: 1, totalKeys: 3 },
  },
  errors: [400, 404],
} as const

export const resetKeysDocumentation = documentRoute({
  ...shared,
  summary: 'Make excluded credentials available again',
  description: 'Breakers are closed as well, unless a single credential is named.',
})

export const resetKeysByGetDocumentation = documentRoute({
  ...shared,
  summary: 'The same by GET',
  description: 'For scripts written for other programs. Needs the admin key in a header.',
  isDeprecated: true,
})
