/** Other gateways in front of the same upstream. */
import type { Subject } from './subjects.ts'

export interface Peers {
  readonly subjects: readonly Subject[]
  /** Those that could not be installed or started, and why. */
  readonly missing: readonly { readonly name: string; readonly version: string; readonly error: string }[]
}

export async function startPeers(_directory: string, _upstreamPort: number): Promise<Peers> {
  return { subjects: [], missing: [] }
}
