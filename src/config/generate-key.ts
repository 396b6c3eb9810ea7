/** Keys that we generate: shown once, kept as a hash. */
import { noLimits } from '../domain.ts'
import type { StoredKey } from '../stores/store.ts'
import { hashSecret, maskSecret } from './credential.ts'

/** 256 bits; the prefix lets people and scanners see what it is. */
export function generateSecret(role: StoredKey['role']): string {
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')
  return `${role === 'admin' ? 'admin' : 'sk'}-any2api-${random}`
}

export function createStoredKey(role: StoredKey['role'], secret: string, changes: Partial<StoredKey> = {}): StoredKey {
  return {
    name: role === 'admin' ? 'generated-admin' : 'generated',
    role,
    hash: hashSecret(secret),
    label: maskSecret(secret),
    models: null,
    limits: noLimits,
    isStateful: null,
    createdAt: Date.now(),
    ...changes,
  }
}

/** For a client key that nobody named. */
export function generateKeyName(): string {
  return `client-${crypto.randomUUID().slice(0, 8)}`
}
