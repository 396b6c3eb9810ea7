/** The limits of a client key as they are written on the command line and shown in a table; the settings' schema checks them. */
import { Value } from '@sinclair/typebox/value'
import { buildLimits, describeLimits } from '../config/build-limits.ts'
import { type LimitSettings, limitsSchema } from '../config/schema.ts'
import type { Limits } from '../domain.ts'
import type { Flags } from './terminal.ts'

const flagOf = {
  rpm: 'rpm',
  rps: 'rps',
  burst: 'burst',
  tpm: 'tpm',
  max_concurrent: 'max-concurrent',
  budget_usd: 'budget',
  budget_period: 'budget-period',
} as const satisfies Record<keyof LimitSettings, keyof Flags>

/** Either the limits, or what is wrong with the first flag that is. */
export function readLimitFlags(flags: Flags): { limits: Limits } | { fault: string } {
  const settings: Record<string, unknown> = {}
  for (const [name, flag] of Object.entries(flagOf) as [keyof LimitSettings, (typeof flagOf)[keyof LimitSettings]][]) {
    const written = flags[flag]
    if (written === undefined) continue
    const schema = limitsSchema.properties[name]
    // An empty text would be the number 0.
    const value = schema.type === 'number' || schema.type === 'integer' ? Number(written.trim() || Number.NaN) : written
    if (!Value.Check(schema, value)) return { fault: `--${flag} ${schema.errorMessage}` }
    settings[name] = value
  }
  return { limits: buildLimits(settings) }
}

/** `rpm 60, budget_usd 5`; `-` where there is none. */
export function showLimits(limits: Limits): string {
  const given = Object.entries(describeLimits(limits)).filter(([, value]) => value !== null)
  return given.length === 0 ? '-' : given.map(([name, value]) => `${name} ${value}`).join(', ')
}
