/**
 * Upstream conversations: one for each call, deleted afterwards in the background. A session remembers what it was told, so where the
 * operator wants them reused it is only ever by the same client key, credential and conversation, word for word.
 *
 * `POST {chat base}/sessions` answers 200 by the documentation and 201 live; the id is `data.id`
 * (https://docs.on-demand.io/reference/createchatsession). `DELETE {chat base}/sessions/{id}` is undocumented and answered 200
 * (https://github.com/bilawalsidhu/gods-eye-view, live run of 2026-09-18).
 */
import type { Clock } from '../../clock.ts'
import type { Credential, OndemandProviderConfig } from '../../domain.ts'
import { UpstreamError } from '../../errors.ts'
import { isRecord } from '../../formats/is-record.ts'
import type { StopSignal } from '../../stop-signal.ts'
import type { Authorized } from './authorized.ts'
import type { Background } from './background.ts'
import { parsed, raced, readText } from './send-request.ts'

export interface Sessions {
  /** A new one. Throws UpstreamError. */
  create(credential: Credential, signal: StopSignal): Promise<Session>
  /** The one that has heard exactly this conversation; null when there is none. It is the caller's alone until `keep` or `drop`. */
  take(conversation: string): Session | null
  /** Another call may go on with it. */
  keep(session: Session, conversation: string): void
  /** It is no longer needed: deleted in the background. */
  drop(session: Session): void
  /** All that wait for a call. */
  dropAll(): void
}

export interface Session {
  readonly id: string
  readonly credential: Credential
}

/** Outlives the provider that a reload replaces. */
export interface SessionMemory {
  /** Oldest first. */
  readonly idle: Map<string, { readonly session: Session; readonly since: number }>
  readonly waiting: (() => Promise<void>)[]
  deleting: number
  timer: Timer | null
}

export function createSessionMemory(): SessionMemory {
  return { idle: new Map(), waiting: [], deleting: 0, timer: null }
}

export interface SessionsParts {
  readonly config: OndemandProviderConfig
  readonly memory: SessionMemory
  readonly clock: Clock
  readonly authorized: Authorized
  readonly background: Background
}

const maxIdleSessions = 10_000
const deletionsAtOnce = 8
/** More than that are left to upstream: memory has a bound. */
const maxWaitingDeletions = 10_000
const deletionTries = 2
const deletionPauseMs = 1000

export function createSessions({ config, memory, clock, authorized, background }: SessionsParts): Sessions {
  async function create(credential: Credential, patience: StopSignal): Promise<Session> {
    const { signal } = background
    const plugins = config.pluginField === 'omit' ? {} : { [config.pluginField]: config.plugins }
    const response = await authorized.open(
      {
        method: 'POST',
        base: 'chat',
        path: '/sessions',
        headers: { accept: 'application/json' },
        body: { externalUserId: crypto.randomUUID(), ...plugins },
        deadlineMs: config.requestTimeoutMs,
      },
      { credential, signal, patience },
    )
    const id = readId(parsed(await readText(response, signal)))
    if (id !== null) return { id, credential }
    throw new UpstreamError('server_error', 'the upstream made a session without an id', {
      status: 502,
      code: 'no_session_id',
    })
  }

  function drop(session: Session): void {
    const isTooLate = background.signal.aborted
    if (!config.session.isDeleted || memory.waiting.length >= maxWaitingDeletions || isTooLate) return
    memory.waiting.push(() => remove(session))
    work()
  }

  function work(): void {
    while (memory.deleting < deletionsAtOnce) {
      const next = memory.waiting.shift()
      if (next === undefined) return
      memory.deleting++
      const removed = next().finally(() => {
        memory.deleting--
        work()
      })
      background.awaited(removed)
    }
  }

  /** Best effort: a session that stays is no harm to anybody but the account's list. */
  async function remove({ id, credential }: Session): Promise<void> {
    const path = `/sessions/${encodeURIComponent(id)}`
    const deadlineMs = config.requestTimeoutMs
    for (let left = deletionTries; left > 0; left--) {
      try {
        const request = { method: 'DELETE' as const, base: 'chat' as const, path, headers: {}, body: null, deadlineMs }
        await authorized.open(request, { credential, signal: background.signal })
        return
      } catch (cause) {
        if (!(cause instanceof UpstreamError) || cause.code === 'not_found' || left === 1) return
        await clock.sleep(deletionPauseMs, background.hurry)
      }
    }
  }

  function dropIdle(): void {
    const oldest = clock.now() - config.session.idleMs
    for (const [conversation, { session, since }] of memory.idle) {
      if (since > oldest && memory.idle.size <= maxIdleSessions) break
      memory.idle.delete(conversation)
      drop(session)
    }
    if (memory.timer !== null || memory.idle.size === 0) return
    memory.timer = setTimeout(() => {
      memory.timer = null
      dropIdle()
    }, config.session.idleMs)
    memory.timer.unref()
  }

  return {
    async create(credential, signal) {
      // Not tied to the caller's signal: of a session whose creation was broken off nobody would know the id to delete.
      const creating = background.awaited(create(credential, signal))
      try {
        return await raced(creating, signal)
      } catch (cause) {
        background.awaited(creating.then(drop, () => {}))
        throw cause
      }
    },
    take(conversation) {
      dropIdle()
      const found = memory.idle.get(conversation)
      memory.idle.delete(conversation)
      return found?.session ?? null
    },
    keep(session, conversation) {
      const earlier = memory.idle.get(conversation)
      if (earlier !== undefined) drop(earlier.session)
      memory.idle.delete(conversation)
      memory.idle.set(conversation, { session, since: clock.now() })
      dropIdle()
    },
    drop,
    dropAll() {
      for (const { session } of memory.idle.values()) drop(session)
      memory.idle.clear()
      if (memory.timer !== null) clearTimeout(memory.timer)
      memory.timer = null
    },
  }
}

function readId(json: unknown): string | null {
  const data = isRecord(json) && isRecord(json.data) ? json.data : {}
  return typeof data.id === 'string' && data.id !== '' ? data.id : null
}
