/** What each client has spent in the day or month of now, and what is set aside for its calls under way. By name, as the store sums it. */
import type { BudgetPeriod } from '../domain.ts'
import { periodAround } from '../stores/budget-period.ts'
import type { LocalTime } from '../stores/local-time.ts'
import type { PeriodSpending } from '../stores/store.ts'

export interface Ledger {
  /** Of the period of now; whoever holds one of an earlier period changes nothing of this one. */
  account(client: string): Account
  /** For looking only. */
  find(client: string): Readonly<Account>
  /** A cost counts in the period in which its call began, as in the statistics. */
  spend(client: string, costMicroUsd: number, beganAt: number): void
  /** Unix milliseconds. */
  endsAt(): number
}

/** Millionths of a US dollar. */
export interface Account {
  spent: number
  /** May hold fractions. */
  reserved: number
}

export interface LedgerParts {
  readonly kind: BudgetPeriod
  readonly localTime: LocalTime
  /** Unix milliseconds. */
  readonly now: () => number
  /** Of earlier runs. */
  readonly remembered: PeriodSpending
}

const emptyAccount: Readonly<Account> = { spent: 0, reserved: 0 }

export function createLedger({ kind, localTime, now, remembered }: LedgerParts): Ledger {
  let period = periodAround(localTime, kind, now())
  let accounts = new Map<string, Account>()
  if (remembered.startsAt === period.startsAt) {
    for (const [client, spent] of Object.entries(remembered.costsMicroUsd)) {
      if (spent > 0) accounts.set(client, { spent, reserved: 0 })
    }
  }

  function turn(): void {
    if (now() < period.endsAt) return
    period = periodAround(localTime, kind, now())
    accounts = new Map()
  }

  function account(client: string): Account {
    turn()
    const known = accounts.get(client)
    if (known !== undefined) return known
    const created = { spent: 0, reserved: 0 }
    accounts.set(client, created)
    return created
  }

  return {
    account,
    find(client) {
      turn()
      return accounts.get(client) ?? emptyAccount
    },
    spend(client, costMicroUsd, beganAt) {
      const one = account(client)
      if (beganAt >= period.startsAt) one.spent += costMicroUsd
    },
    endsAt() {
      turn()
      return period.endsAt
    },
  }
}
