/** Credentials from secrets, and how a secret may be shown. What state a credential is in is the gateway's business. */
import type { Credential } from '../domain.ts'

/** `secret` may be empty: a local upstream that asks for none. */
export function createCredential(providerType: string, secret: string): Credential {
  const id = hashSecret(`${providerType}\n${secret}`).slice(0, 16)
  const label = secret === '' ? 'keyless' : labelOf(id, secret)
  return Object.freeze({ id, label, reveal: () => secret })
}

/** Short fingerprint and the last 4 characters, none of a secret under 16. */
export function maskSecret(secret: string): string {
  return labelOf(hashSecret(secret), secret)
}

/** SHA-256, hex. */
export function hashSecret(secret: string): string {
  return new Bun.CryptoHasher('sha256').update(secret).digest('hex')
}

const leastLengthToShowEnd = 16

function labelOf(hash: string, secret: string): string {
  const end = secret.length < leastLengthToShowEnd ? '' : secret.slice(-4)
  return `${hash.slice(0, 8)}…${end}`
}
