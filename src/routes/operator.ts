/** What all endpoints of the operator share: who is let in, and what they are handed. */
import { requireAdmin, type Visitor } from '../access.ts'
import type { Clock } from '../clock.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { Logger } from '../log.ts'
import type { Store } from '../stores/store.ts'

export interface OperatorParts {
  readonly gateway: Gateway
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly version: string
  /** Unix milliseconds. */
  readonly startedAt: number
  /** Reads the settings anew and, when they are good, puts them in force. */
  readonly reload: () => ReloadResult
  /** Fires when the server stops: answers that never end by themselves end then. */
  readonly stopping?: AbortSignal
  readonly lastReload: () => ReloadResult | null
  /** What is in force, in the settings' own words, with every secret masked. */
  readonly effectiveConfig: () => unknown
}

export interface ReloadResult {
  readonly isApplied: boolean
  readonly problems: readonly { readonly place: string; readonly message: string }[]
  readonly notices: readonly string[]
  /** Settings that changed but need a restart. */
  readonly needsRestart: readonly string[]
  /** Unix milliseconds. */
  readonly time: number
  /** What asked for it. */
  readonly cause: string
}

export interface OperatorContext {
  readonly request: Request
  readonly visitor: Visitor
}

type Handler = (context: OperatorContext) => Response | Promise<Response>

/**
 * Access was checked by the path as it was asked for; this asks once more at the route itself. A router that reads a path
 * in another way than we do (it has happened, with a doubled slash) then opens nothing.
 */
export function forOperator(handler: Handler): Handler {
  return ({ request, visitor }) => {
    requireAdmin(visitor)
    return handler({ request, visitor })
  }
}
