/** `POST /admin/pause`, `/admin/resume`, `/admin/recheck`: what an operator does with one credential. */
import { GatewayError } from '../errors.ts'
import type { CredentialPlace, Gateway } from '../gateway/gateway.ts'
import { documentRoute, queryParameter } from './documentation.ts'
import { findCredential, requireProvider } from './find-credential.ts'
import type { OperatorContext } from './operator.ts'

interface Parts {
  readonly gateway: Gateway
}

export function pauseCredential({ gateway }: Parts, isPaused: boolean) {
  return ({ request }: OperatorContext): Response => {
    const place = namedCredential(gateway, request)
    gateway.setPaused(place, isPaused)
    return Response.json({ credential: labelOf(gateway, place), paused: isPaused })
  }
}

export function recheckCredential({ gateway }: Parts) {
  return async ({ request }: OperatorContext): Promise<Response> => {
    const place = namedCredential(gateway, request)
    const works = await gateway.recheck(place)
    return Response.json({ credential: labelOf(gateway, place), works: works ?? null, state: stateOf(gateway, place) })
  }
}

function namedCredential(gateway: Gateway, request: Request): CredentialPlace {
  const { searchParams } = new URL(request.url)
  const wanted = searchParams.get('credential')
  const provider = searchParams.get('provider')
  if (wanted === null || wanted === '')
    throw new GatewayError('missing_credential', 'which one? `?credential=` takes its label or fingerprint', {
      status: 400,
      param: 'credential',
    })
  requireProvider(gateway, provider)
  return findCredential(gateway, { provider, wanted })
}

function statusOf(gateway: Gateway, { provider, credentialId }: CredentialPlace) {
  const found = gateway.status().providers.find(({ name }) => name === provider)
  return found?.credentials.find(({ id }) => id === credentialId)
}

function labelOf(gateway: Gateway, place: CredentialPlace): string {
  return statusOf(gateway, place)?.label ?? ''
}

function stateOf(gateway: Gateway, place: CredentialPlace): string | null {
  return statusOf(gateway, place)?.state ?? null
}

const shared = {
  tag: 'Operation',
  key: 'admin',
  parameters: [
    {
      ...queryParameter('credential', 'Its label or fingerprint as /stats shows it', { type: 'string' }),
      required: true,
    },
    queryParameter('provider', 'Its provider, where two have the same secret', { type: 'string' }),
  ],
  errors: [400, 404],
} as const

export const pauseDocumentation = documentRoute({
  ...shared,
  summary: 'Take a credential out',
  description: 'No call chooses it until it is resumed; calls under way finish. Lasts over restarts.',
  answer: { description: 'It is out', example: { credential: '1f0c9a3e…9abc', paused: true } },
})

export const resumeDocumentation = documentRoute({
  ...shared,
  summary: 'Give a paused credential back',
  answer: { description: 'It serves calls again', example: { credential: '1f0c9a3e…9abc', paused: false } },
})

export const recheckDocumentation = documentRoute({
  ...shared,
  summary: 'Check a credential now',
  description:
    'Asks the upstream in our own name. A blacklisted one that works comes back; `works` is null when it could not be told.',
  answer: { description: 'The verdict', example: { credential: '1f0c9a3e…9abc', works: true, state: 'healthy' } },
})
