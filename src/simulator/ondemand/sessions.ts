/** The chat sessions of a simulated OnDemand service: whose they are, what they have heard, and what became of them. */

/** Remembers the last `limitCount`; older ones become unknown. */
export function createSessions(limitCount: number): Sessions {
  const known = new Map<string, SimulatedSession>()
  const recorded: SimulatedSession[] = []
  let createdCount = 0

  return {
    recorded,
    create(facts) {
      createdCount += 1
      const session: SimulatedSession = {
        ...facts,
        id: `5e5510${createdCount.toString(16).padStart(18, '0')}`,
        deletedAtMs: null,
        isForgotten: false,
        queries: [],
      }
      known.set(session.id, session)
      recorded.push(session)
      if (recorded.length > limitCount) recorded.splice(0, Math.ceil(limitCount / 10))
      if (known.size > limitCount) known.delete(known.keys().next().value ?? '')
      return session
    },
    find(id, credential) {
      const session = known.get(id)
      return session === undefined || session.credential !== credential || session.isForgotten ? null : session
    },
    delete(session, nowMs) {
      session.deletedAtMs = nowMs
      known.delete(session.id)
    },
    forget(credential) {
      for (const session of known.values()) {
        if (credential !== null && session.credential !== credential) continue
        session.isForgotten = true
        known.delete(session.id)
      }
    },
    countsOf(credential) {
      const own = credential === null ? recorded : recorded.filter((session) => session.credential === credential)
      const deleted = own.filter((session) => session.deletedAtMs !== null).length
      const forgotten = own.filter((session) => session.deletedAtMs === null && session.isForgotten).length
      return { created: own.length, deleted, alive: own.length - deleted - forgotten }
    },
    clear() {
      recorded.length = 0
    },
  }
}

/** Notes a query that reached its session. */
export function noteQuery(session: SimulatedSession, query: Omit<SessionQuery, 'isHeard'>): SessionQuery {
  if (session.queries.length >= MAX_QUERIES_OF_A_SESSION) session.queries.shift()
  const noted: SessionQuery = { ...query, isHeard: false }
  session.queries.push(noted)
  return noted
}

const MAX_QUERIES_OF_A_SESSION = 1_000

export interface Sessions {
  /** Oldest first. */
  readonly recorded: SimulatedSession[]
  readonly create: (facts: NewSession) => SimulatedSession
  /** Null when there is none such, or it is another's. */
  readonly find: (id: string, credential: string) => SimulatedSession | null
  readonly delete: (session: SimulatedSession, nowMs: number) => void
  /** Makes sessions unknown that nobody has deleted, as an expiry would: of one credential, or of all (null). */
  readonly forget: (credential: string | null) => void
  readonly countsOf: (credential: string | null) => SessionCounts
  /** Forgets the record; sessions that are alive still work. */
  readonly clear: () => void
}

export interface NewSession {
  /** An API key or an account's e-mail address. */
  readonly credential: string
  readonly externalUserId: string
  readonly pluginIds: readonly string[]
  readonly createdAtMs: number
}

export interface SimulatedSession extends NewSession {
  readonly id: string
  deletedAtMs: number | null
  /** The service has forgotten it by itself. */
  isForgotten: boolean
  /** All that were sent to it, oldest first. */
  readonly queries: SessionQuery[]
}

export interface SessionQuery {
  readonly text: string
  readonly endpointId: string
  readonly requestNumber: number
  /** Whether it was answered, even if not to the end: the session then remembers it. False when it was refused. */
  isHeard: boolean
}

export interface SessionCounts {
  readonly created: number
  readonly deleted: number
  readonly alive: number
}
