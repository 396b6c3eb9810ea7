/** Who has signed in with a browser: opaque sessions in place of the admin key. Cookies and HTTP are not its business. */

import type { Clock } from '../clock.ts'
import { hashSecret } from '../config/credential.ts'

export interface OperatorSessions {
  /** Opens a session; the token is told to the browser and kept here as a hash only. */
  open(adminKey: string): { readonly token: string; readonly maxAgeMs: number }
  /** Whether the session is open and the admin key it was opened with still is one. */
  isOpen(token: string): boolean
  close(token: string): void
}

export interface OperatorSessionsParts {
  readonly clock: Pick<Clock, 'now'>
  /** A changed admin key ends the sessions of the old one. */
  readonly isAdminHash: (hash: string) => boolean
}

interface Session {
  readonly adminKeyHash: string
  /** Unix milliseconds. */
  readonly until: number
}

const sessionMs = 12 * 3_600_000
/** The oldest goes first: nobody has so many browsers. */
const maxSessions = 256

export function createOperatorSessions({ clock, isAdminHash }: OperatorSessionsParts): OperatorSessions {
  const sessions = new Map<string, Session>()

  return {
    open(adminKey) {
      for (const [hash, session] of sessions) if (session.until <= clock.now()) sessions.delete(hash)
      const [oldest] = sessions.keys()
      if (sessions.size >= maxSessions && oldest !== undefined) sessions.delete(oldest)
      const token = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')
      sessions.set(hashSecret(token), { adminKeyHash: hashSecret(adminKey), until: clock.now() + sessionMs })
      return { token, maxAgeMs: sessionMs }
    },
    isOpen(token) {
      const session = sessions.get(hashSecret(token))
      return session !== undefined && session.until > clock.now() && isAdminHash(session.adminKeyHash)
    },
    close: (token) => void sessions.delete(hashSecret(token)),
  }
}
