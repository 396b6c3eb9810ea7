/** Which credential an operator means: by its label, by the fingerprint the label begins with, or by a longer part of its id. */
import { GatewayError } from '../errors.ts'
import type { CredentialPlace, Gateway } from '../gateway/gateway.ts'

/** Throws GatewayError. */
export function requireProvider(gateway: Gateway, provider: string | null): void {
  if (provider === null || gateway.status().providers.some((one) => one.name === provider)) return
  throw new GatewayError('provider_not_found', 'no such provider', { status: 404, param: 'provider' })
}

const leastPrefix = 6

/** Throws GatewayError. */
export function findCredential(
  gateway: Gateway,
  { provider, wanted }: { readonly provider: string | null; readonly wanted: string },
): CredentialPlace {
  const fingerprint = wanted.split(/…|\.\.\./, 1)[0] ?? ''
  const isPrefix = fingerprint.length >= leastPrefix && /^[0-9a-f]+$/i.test(fingerprint)
  // The same secret at two providers is one credential by its id; a reset then means both.
  const found = new Map<string, CredentialPlace>()
  for (const { name, credentials } of gateway.status().providers) {
    if (provider !== null && provider !== name) continue
    for (const { id, label } of credentials) {
      const isWanted = label === wanted || (isPrefix && id.startsWith(fingerprint.toLowerCase()))
      if (isWanted) found.set(id, { provider: name, credentialId: id })
    }
  }
  const [place] = found.values()
  if (place === undefined) {
    const message = 'no such credential; /stats lists them with their fingerprints'
    throw new GatewayError('credential_not_found', message, { status: 404, param: 'credential' })
  }
  if (found.size > 1) {
    const message = 'more than one credential fits; name its provider too, or more of its id'
    throw new GatewayError('ambiguous_credential', message, { status: 400, param: 'credential' })
  }
  return place
}
