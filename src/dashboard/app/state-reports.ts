/** The shapes of `GET /stats` and `GET /admin/keys` that tell of this moment. Money in US dollars, times ISO 8601. */
import type { Totals } from './reports.ts'

export const credentialStates = ['healthy', 'cooling', 'blacklisted', 'paused'] as const
export type CredentialState = (typeof credentialStates)[number]

export interface RestReport {
  /** The model, or the path. */
  readonly scope: string
  readonly reason: string
  readonly until: string | null
}

export interface CredentialReport {
  readonly label: string
  readonly kind: string
  readonly provider: string
  /** Position in the settings, from 0. */
  readonly index: number
  readonly state: CredentialState
  readonly reason: string | null
  readonly detail: string | null
  readonly since: string | null
  /** Null while it is out: until a check finds it working. */
  readonly until: string | null
  readonly restsFor: readonly RestReport[]
  readonly inFlight: number
  readonly successes: number
  readonly failures: number
  readonly failuresInRow: number
}

export interface BreakerReport {
  readonly target: string
  readonly state: 'closed' | 'open' | 'half_open'
  readonly until: string | null
  readonly failuresInRow: number
}

export interface QuotaReport {
  readonly limit: number
  readonly remaining: number
  readonly reset_ms: number
}

export const limitKinds = ['rpm', 'rps', 'tpm', 'concurrency', 'budget'] as const
export type LimitKind = (typeof limitKinds)[number]

export interface ClientLimitReport {
  readonly allowed: number
  readonly refused: Readonly<Record<LimitKind, number>>
  readonly rpm: QuotaReport | null
  /** `limit` per second. */
  readonly rps: (QuotaReport & { readonly burst: number }) | null
  readonly tpm: QuotaReport | null
  readonly max_concurrent: { readonly limit: number; readonly used: number } | null
  readonly budget: {
    readonly period: 'day' | 'month'
    readonly limit_usd: number
    readonly spent_usd: number
    /** Set aside for calls under way. */
    readonly reserved_usd: number
    readonly ends: string
  } | null
}

export interface CacheReport {
  readonly enabled: boolean
  readonly hits: number
  readonly misses: number
  readonly coalesced: number
  readonly evictions: number
  readonly entries: number
  readonly bytes: number
  readonly maxBytes: number
}

export interface ReloadReport {
  readonly time: string
  readonly applied: boolean
  readonly cause: string
  readonly problems: readonly { readonly place: string; readonly message: string }[]
  readonly notices: readonly string[]
  readonly needsRestart: readonly string[]
}

export interface StateReport {
  readonly server: {
    readonly uptime: string
    readonly requestCount: number
    readonly startTime: string
    readonly version: string
  }
  readonly keys: { readonly credentials: readonly CredentialReport[] }
  /** When it was made, by the gateway's clock. */
  readonly timestamp: string
  readonly clients: Readonly<Record<string, Totals>>
  readonly clients_limits: Readonly<Record<string, ClientLimitReport>>
  readonly cache: CacheReport
  readonly breakers: readonly BreakerReport[]
  /** Null: there was none since the start. */
  readonly reload: ReloadReport | null
  readonly store: {
    readonly persistence: 'sqlite' | 'memory'
    readonly reason: string | null
    readonly problem: string | null
  }
}

export interface KeyReport {
  readonly name: string
  readonly label: string
  readonly source: 'settings' | 'data_directory'
  /** Null: all. */
  readonly models: readonly string[] | null
  readonly limits: Readonly<Record<string, number | string | null>>
  readonly stateful: boolean | null
  readonly created_at: string | null
}
