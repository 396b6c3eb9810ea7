/** Tries excluded credentials again in the background, when they are due: a dead key that was revived comes back by itself. */
import type { Clock } from '../clock.ts'
import type { Credential } from '../domain.ts'
import { UpstreamError } from '../errors.ts'
import { describeError, type Logger } from '../log.ts'
import type { Upstream } from './failover.ts'

export interface Recheck {
  /** Looks at what is due now and sets the timer for what will be. */
  wake(): void
  /** Checks this one at once, whatever state it is in; null: it could not be told. */
  now(upstream: Upstream, credential: Credential): Promise<boolean | null>
  close(): void
}

export interface RecheckParts {
  readonly clock: Clock
  readonly log: Logger
  readonly upstreams: () => Iterable<Upstream>
}

const checkDeadlineMs = 15_000
const checksAtOnce = 4
/** A due check is looked for at least so often, whatever the timers did. */
const longestSleepMs = 60_000

export function createRecheck({ clock, log, upstreams }: RecheckParts): Recheck {
  const running = new Set<AbortController>()
  let timer: Timer | null = null
  let isClosed = false

  function wake(): void {
    if (timer !== null) clearTimeout(timer)
    timer = null
    if (isClosed) return
    let nextAt: number | null = null
    for (const upstream of upstreams()) {
      for (const credential of upstream.pool.takeDueChecks(checksAtOnce - running.size)) check(upstream, credential)
      const at = upstream.pool.nextCheckAt()
      if (at !== null) nextAt = Math.min(nextAt ?? at, at)
    }
    // With every place taken, the end of a check wakes the rest.
    if (nextAt === null || running.size >= checksAtOnce) return
    timer = setTimeout(wake, Math.min(Math.max(nextAt - clock.now(), 0), longestSleepMs))
    timer.unref()
  }

  async function check(upstream: Upstream, credential: Credential): Promise<boolean | null> {
    const controller = new AbortController()
    running.add(controller)
    const late = () => controller.abort(new UpstreamError('timeout', 'the check took too long'))
    const deadline = setTimeout(late, checkDeadlineMs)
    let works: boolean | null = null
    try {
      works = await upstream.provider.recheck(credential, controller.signal)
    } catch (cause) {
      log.debug('a check could not tell', { credential: credential.label, ...describeError(cause) })
    } finally {
      clearTimeout(deadline)
      running.delete(controller)
      controller.abort()
    }
    if (isClosed) return null
    upstream.pool.checked(credential.id, works)
    wake()
    return works
  }

  return {
    wake,
    now: check,
    close() {
      isClosed = true
      if (timer !== null) clearTimeout(timer)
      for (const controller of running) controller.abort()
    },
  }
}
