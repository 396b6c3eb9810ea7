/** Credentials from secrets, and how a secret may be shown. What state a credential is in is the gateway's business. */
import type { Credential } from '../domain.ts'

/** `secret` may be empty: a local upstream that asks for none. */
export function createCredential(providerType: string, secret: string): Credential {
  const id = hashSecret(`${providerType}\n${secret}`).slice(0, 16)
  const label = secret === '' ? 'keyless' : labelOf(id, secret)
  return Object.freeze({ id, kind: 'key' as const, user: null, label, reveal: () => secret })
}

/** The e-mail is its identity, in any case of letters: quota, sessions and statistics outlive a changed password. */
export function createAccount(providerType: string, user: string, password: string): Credential {
  const id = hashSecret(`${providerType}\naccount\n${user.toLowerCase()}`).slice(0, 16)
  return Object.freeze({ id, kind: 'account' as const, user, label: maskUser(user), reveal: () => password })
}

/** A whole `Cookie` header. */
export function createCookie(providerType: string, header: string): Credential {
  return Object.freeze({ ...createCredential(providerType, header), kind: 'cookie' as const })
}

/** For an upstream that is called without any secret, known by where the call comes from. */
export function createAnonymous(providerType: string): Credential {
  return Object.freeze({ ...createCredential(providerType, ''), kind: 'anonymous' as const, label: 'signed out' })
}

/** `a***@example.com` */
export function maskUser(user: string): string {
  const at = user.lastIndexOf('@')
  return `${user.slice(0, 1)}***${at < 1 ? '' : user.slice(at)}`
}

/** Short fingerprint and the last 4 characters, none of a secret under 16. */
export function maskSecret(secret: string): string {
  return labelOf(hashSecret(secret), secret)
}

/** SHA-256, hex. */
export function hashSecret(secret: string): string {
  return Bun.SHA256.hash(secret, 'hex')
}

const leastLengthToShowEnd = 16

function labelOf(hash: string, secret: string): string {
  const end = secret.length < leastLengthToShowEnd ? '' : secret.slice(-4)
  return `${hash.slice(0, 8)}…${end}`
}
