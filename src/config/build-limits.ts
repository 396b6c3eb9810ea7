/** The limits of a client in the settings' words and units, made into ours and back. Who has which is not its business. */
import type { Limits } from '../domain.ts'
import type { LimitSettings } from './schema.ts'

export function buildLimits(written: LimitSettings): Limits {
  return {
    requestsPerMinute: written.rpm ?? null,
    requestsPerSecond: written.rps ?? null,
    burst: written.burst ?? null,
    tokensPerMinute: written.tpm ?? null,
    maxConcurrent: written.max_concurrent ?? null,
    budgetMicroUsd: written.budget_usd === undefined ? null : Math.round(written.budget_usd * 1_000_000),
    budgetPeriod: written.budget_period ?? null,
  }
}

/** Null where there is none. */
export function describeLimits(limits: Limits) {
  return {
    rpm: limits.requestsPerMinute,
    rps: limits.requestsPerSecond,
    burst: limits.burst,
    tpm: limits.tokensPerMinute,
    max_concurrent: limits.maxConcurrent,
    budget_usd: limits.budgetMicroUsd === null ? null : limits.budgetMicroUsd / 1_000_000,
    budget_period: limits.budgetPeriod,
  }
}
