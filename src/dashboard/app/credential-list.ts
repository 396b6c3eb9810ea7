/** Which credentials the page shows: filtered, by provider, and no more at once than a browser draws without effort. */
import { type CredentialReport, type CredentialState, credentialStates } from './state-reports.ts'

export interface CredentialFilter {
  readonly state: CredentialState | null
  /** Any part of label, provider, reason, detail or a model that it rests for. */
  readonly words: string
}

export interface ProviderGroup {
  readonly provider: string
  /** Of all of its credentials, whatever the filter. */
  readonly counts: Readonly<Record<CredentialState, number>>
  readonly total: number
  /** Those that are shown. */
  readonly rows: readonly CredentialReport[]
}

export interface CredentialGroups {
  readonly groups: readonly ProviderGroup[]
  /** That fit the filter, shown or not. */
  readonly found: number
}

export function readCredentialFilter(query: URLSearchParams): CredentialFilter {
  return {
    state: credentialStates.find((state) => state === query.get('state')) ?? null,
    words: query.get('q') ?? '',
  }
}

/** `most`: rows of all providers together. A provider without one that fits is left out. */
export function groupCredentials(
  all: readonly CredentialReport[],
  filter: CredentialFilter,
  most: number,
): CredentialGroups {
  const words = filter.words.trim().toLowerCase()
  const byProvider = new Map<
    string,
    { counts: Record<CredentialState, number>; rows: CredentialReport[]; found: number }
  >()
  let found = 0
  for (const credential of all) {
    let group = byProvider.get(credential.provider)
    if (group === undefined) {
      group = { counts: { healthy: 0, cooling: 0, blacklisted: 0, paused: 0 }, rows: [], found: 0 }
      byProvider.set(credential.provider, group)
    }
    group.counts[credential.state]++
    if (!isFound(credential, filter.state, words)) continue
    if (found < most) group.rows.push(credential)
    group.found++
    found++
  }
  const groups = [...byProvider]
    .filter(([, group]) => group.found > 0)
    .map(([provider, { counts, rows }]) => ({ provider, counts, rows, total: sumOf(counts) }))
  return { groups, found }
}

/** Whether a reset would change anything. */
export function isOut({ state, restsFor }: CredentialReport): boolean {
  return (state !== 'healthy' && state !== 'paused') || restsFor.length > 0
}

function isFound(credential: CredentialReport, state: CredentialState | null, words: string): boolean {
  if (state !== null && credential.state !== state) return false
  if (words === '') return true
  const { label, provider, reason, detail, restsFor } = credential
  const texts = [label, provider, reason ?? '', detail ?? '', ...restsFor.flatMap((rest) => [rest.scope, rest.reason])]
  return texts.some((part) => part.toLowerCase().includes(words))
}

function sumOf(counts: Readonly<Record<CredentialState, number>>): number {
  return credentialStates.reduce((sum, state) => sum + counts[state], 0)
}
