/** What is known of each client: its key, its limits as they stand, what it has used. */
import type { Totals } from './reports.ts'
import type { ClientLimitReport, KeyReport, StateReport } from './state-reports.ts'

export interface ClientRow {
  readonly name: string
  /** Null: no key of this name is valid now. */
  readonly key: KeyReport | null
  /** Null: it has none. */
  readonly limits: ClientLimitReport | null
  /** Null: it has made no call. */
  readonly totals: Totals | null
}

export interface ClientRows {
  readonly withKey: readonly ClientRow[]
  /** Revoked ones, callers without a key, the dashboard itself. */
  readonly others: readonly ClientRow[]
}

export function listClients(
  keys: readonly KeyReport[],
  { clients, clients_limits }: Pick<StateReport, 'clients' | 'clients_limits'>,
): ClientRows {
  const rowOf = (name: string, key: KeyReport | null): ClientRow => ({
    name,
    key,
    limits: clients_limits[name] ?? null,
    totals: clients[name] ?? null,
  })
  const named = new Set(keys.map(({ name }) => name))
  const others = [...new Set([...Object.keys(clients), ...Object.keys(clients_limits)])].filter(
    (name) => !named.has(name),
  )
  return {
    withKey: keys.map((key) => rowOf(key.name, key)),
    others: others.toSorted().map((name) => rowOf(name, null)),
  }
}

/** What the form of a new key holds: texts as they are typed. */
export interface KeyForm {
  readonly name: string
  /** Separated by commas or blanks. */
  readonly models: string
  readonly rpm: string
  readonly rps: string
  readonly burst: string
  readonly tpm: string
  readonly max_concurrent: string
  readonly budget_usd: string
  readonly budget_period: string
  readonly stateful: boolean
}

export const emptyForm: KeyForm = {
  name: '',
  models: '',
  rpm: '',
  rps: '',
  burst: '',
  tpm: '',
  max_concurrent: '',
  budget_usd: '',
  budget_period: 'month',
  stateful: false,
}

export const limitNames = ['rpm', 'rps', 'burst', 'tpm', 'max_concurrent', 'budget_usd'] as const

/** The body of `POST /admin/keys`: what was left empty is left out. The gateway says what is wrong with the rest. */
export function keyWish(form: KeyForm): Record<string, unknown> {
  const models = form.models.split(/[\s,]+/).filter((pattern) => pattern !== '')
  const limits = limitNames
    .filter((name) => form[name].trim() !== '')
    .map((name) => [name, Number.isNaN(Number(form[name])) ? form[name] : Number(form[name])])
  return {
    ...(form.name.trim() === '' ? {} : { name: form.name.trim() }),
    ...(models.length === 0 ? {} : { models }),
    ...Object.fromEntries(limits),
    ...(form.budget_usd.trim() === '' ? {} : { budget_period: form.budget_period }),
    ...(form.stateful ? { stateful: true } : {}),
  }
}
