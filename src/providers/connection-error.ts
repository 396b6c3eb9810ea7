/** What a failure of a connection is called. */
import { UpstreamError } from '../errors.ts'
import type { StopSignal } from '../stop-signal.ts'

/** Names a failure of a request or of reading its body: the signal's reason where that says it, else UpstreamError `unreachable`. */
export function connectionError(cause: unknown, signal: StopSignal): UpstreamError {
  if (signal.aborted && signal.reason instanceof UpstreamError) return signal.reason
  if (cause instanceof UpstreamError) return cause
  const code = connectionErrorCode(cause)
  return new UpstreamError('unreachable', `no connection to the upstream (${code})`, { code, cause })
}

function connectionErrorCode(cause: unknown): string {
  if (!(cause instanceof Error)) return 'unknown'
  const { code } = cause as { code?: unknown }
  return typeof code === 'string' && /^[\w-]{1,60}$/.test(code) ? code : cause.name
}
