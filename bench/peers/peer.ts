/** What the bench has to know of another gateway: which version, how it is installed, and how it is started in front of the mock upstream. */
import type { InstallStep } from './install.ts'

export interface Peer {
  readonly name: string
  readonly version: string
  /** Done in turn, in a directory of this peer and version; every one must succeed. */
  readonly install: readonly InstallStep[]
  /** Writes the configuration and says what is to be run. */
  launch(place: Place): Promise<Launch>
}

export interface Place {
  /** Where it was installed. */
  readonly home: string
  /** Empty, for its configuration and whatever it writes; the working directory of its process. */
  readonly scratch: string
  readonly port: number
  /** Free as well, for programs that must have a second one. */
  readonly otherPort: number
  /** Of the mock upstream, which serves `/v1/chat/completions` and `/v1/models` on the loopback. */
  readonly upstreamPort: number
}

export interface Launch {
  readonly command: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Answers a GET with the client's key with 2xx as soon as calls can be made. */
  readonly readyPath: string
  readonly headers?: Readonly<Record<string, string>>
  /** How the model is called there; without it `gpt-4o-mini`. */
  readonly model?: string
}

/** A key of the upstream: the mock takes any. */
export const upstreamKey = 'sk-upstream-5d0b7c1e'

export function upstreamUrl(place: Place): string {
  return `http://127.0.0.1:${place.upstreamPort}/v1`
}
