/** The one table of failures: what is tried next, who is blamed and for how long. The attempt loop and the pool only obey it. */
import type { FailureKind } from '../domain.ts'

export interface FailurePolicy {
  /**
   * `credential`: another one of the same target, then the next target. `credential_once`: the same, but only one more.
   * `target`: the next target first.
   */
  readonly next: 'none' | 'credential' | 'credential_once' | 'target'
  /**
   * blameless: nothing happens to it. rest: out at once, checked, blacklisted for good only by a check of our own.
   * rest_scope: out for this model and path. blacklist: out until upstream's reset, or a re-check. cool: out for a time.
   * count: cools after `threshold` in a row.
   */
  readonly credential: 'blameless' | 'rest' | 'rest_scope' | 'blacklist' | 'cool' | 'count'
  /** `alive`: the upstream answered sensibly. `failed`: it did not. `silent`: says nothing of it. */
  readonly breaker: 'alive' | 'failed' | 'silent'
  /** Waits with jitter before the next try at the same upstream. */
  readonly isBackedOff: boolean
  /** The credential leaves the pool, so a refused try is paid once in its life: it is not one of `max_attempts`. */
  readonly isFree: boolean
}

export const failurePolicies: Readonly<Record<FailureKind, FailurePolicy>> = {
  client_gone: { next: 'none', credential: 'blameless', breaker: 'silent', isBackedOff: false, isFree: false },
  bad_request: { next: 'none', credential: 'blameless', breaker: 'alive', isBackedOff: false, isFree: false },
  invalid_credential: { next: 'credential', credential: 'rest', breaker: 'alive', isBackedOff: false, isFree: true },
  not_allowed: { next: 'credential', credential: 'rest_scope', breaker: 'alive', isBackedOff: false, isFree: false },
  model_unavailable: {
    next: 'credential_once',
    credential: 'blameless',
    breaker: 'alive',
    isBackedOff: false,
    isFree: false,
  },
  quota_exhausted: { next: 'credential', credential: 'blacklist', breaker: 'alive', isBackedOff: false, isFree: true },
  rate_limited: { next: 'credential', credential: 'cool', breaker: 'alive', isBackedOff: false, isFree: false },
  server_error: { next: 'credential', credential: 'count', breaker: 'failed', isBackedOff: true, isFree: false },
  timeout: { next: 'target', credential: 'count', breaker: 'failed', isBackedOff: false, isFree: false },
  unreachable: { next: 'target', credential: 'count', breaker: 'failed', isBackedOff: true, isFree: false },
  proxy_failed: { next: 'target', credential: 'blameless', breaker: 'failed', isBackedOff: true, isFree: false },
}
