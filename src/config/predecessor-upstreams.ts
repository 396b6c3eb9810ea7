/** What several of the programs that any2api replaces told of their upstream in the same way: its address and one timeout. */
import type { Assignment } from './predecessors.ts'
import { durationPattern, parseDuration } from './units.ts'

/** Their address stands before `/v1/chat/completions`, ours before `/chat/completions`. One that names a version keeps it. */
export function withVersionPath(address: string): string {
  const [, path] = /^https?:\/\/[^/?#]+(\/[^?#]*[^/?#])\/*$/i.exec(address) ?? []
  const isComplete = path === undefined || /\/v\d[^/]*(\/|$)/i.test(path) || path.endsWith('/chat/completions')
  return isComplete ? address : `${address.replace(/\/+$/, '')}/v1`
}

/** Their timeout is that of one attempt. Where two such waits do not fit into what a call may take, it may take longer. */
export function attemptTimeout(provider: string, value: string): readonly Assignment[] {
  const attemptMs = new RegExp(durationPattern).test(value) ? parseDuration(value) : 0
  const isLong = 2 * attemptMs > usualMaxWaitMs
  return [
    [`${provider}/timeouts/first_byte`, value],
    [`${provider}/max_wait`, isLong ? `${2 * attemptMs}ms` : undefined],
  ]
}

/** Default of `max_wait`. */
const usualMaxWaitMs = 120_000
