/** The client keys that are valid now: those of the settings and those kept in the data directory. Secrets are known by their hash only. */

import { hashSecret } from '../config/credential.ts'
import { type ClientKey, noLimits } from '../domain.ts'
import type { StoredKey } from '../stores/store.ts'

export interface ClientKeys {
  /** Null when no such key is valid. The hash is looked up, not compared: time tells nothing of a secret. */
  find(secret: string): ClientKey | null
  isAdmin(secret: string): boolean
  isAdminHash(hash: string): boolean
  /** All of them, for the operator. */
  list(): readonly ClientKey[]
  setConfigured(keys: readonly ClientKey[], adminKeyHash: string | null): void
  setStored(keys: readonly StoredKey[]): void
}

export function createClientKeys(): ClientKeys {
  let configured: readonly ClientKey[] = []
  let configuredAdminHash: string | null = null
  let stored: readonly StoredKey[] = []
  let byHash = new Map<string, ClientKey>()
  let adminHashes = new Set<string>()

  function rebuild(): void {
    const fromStore = stored.filter((key) => key.role === 'client').map(toClientKey)
    byHash = new Map([...fromStore, ...configured].map((key) => [key.hash, key]))
    // A key in the settings replaces a generated one: whoever set it meant to know who holds the keys.
    const generated = stored.filter((key) => key.role === 'admin').map((key) => key.hash)
    adminHashes = new Set(configuredAdminHash === null ? generated : [configuredAdminHash])
  }

  return {
    find: (secret) => byHash.get(hashSecret(secret)) ?? null,
    isAdmin: (secret) => adminHashes.has(hashSecret(secret)),
    isAdminHash: (hash) => adminHashes.has(hash),
    list: () => [...byHash.values()],
    setConfigured(keys, adminKeyHash) {
      configured = keys
      configuredAdminHash = adminKeyHash
      rebuild()
    },
    setStored(keys) {
      stored = keys
      rebuild()
    },
  }
}

/** All callers without a key together. */
export const anonymousClient: ClientKey = {
  name: 'anonymous',
  hash: '',
  label: 'anonymous',
  models: null,
  limits: noLimits,
  isStateful: null,
}

function toClientKey({ name, hash, label, models, limits, isStateful }: StoredKey): ClientKey {
  return { name, hash, label, models, limits, isStateful }
}
