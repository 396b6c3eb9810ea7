/**
 * Deadlines of attempts, all on one timer, which is set for the nearest of them: a timer for each would cost most calls more than all
 * the rest of their deadline. One is moved by remembering a time; they are true to a few milliseconds.
 */

export interface Deadline {
  /** Something arrived: the time starts again. */
  touch(): void
  /** From now on this much silence is allowed. */
  allow(silenceMs: number): void
  stop(): void
}

interface Running {
  /** Among all that run; -1: it does not. */
  place: number
  lastMs: number
  allowedMs: number
  readonly expire: () => void
}

const running: Running[] = []
/** Many that end one after the other end together. */
const leastPauseMs = 4
let timer: Timer | null = null
let firesAtMs = Number.POSITIVE_INFINITY

export function createDeadline(silenceMs: number, expire: () => void): Deadline {
  const one: Running = { place: running.length, lastMs: performance.now(), allowedMs: silenceMs, expire }
  running.push(one)
  wakeAt(one.lastMs + silenceMs, one.lastMs)
  return {
    touch() {
      one.lastMs = performance.now()
    },
    allow(nextMs) {
      one.lastMs = performance.now()
      one.allowedMs = nextMs
      if (one.place >= 0) wakeAt(one.lastMs + nextMs, one.lastMs)
    },
    stop: () => remove(one),
  }
}

function remove(one: Running): void {
  if (one.place < 0) return
  const last = running.pop()
  if (last !== undefined && last !== one) {
    running[one.place] = last
    last.place = one.place
  }
  one.place = -1
}

function wakeAt(dueMs: number, nowMs: number): void {
  if (dueMs >= firesAtMs) return
  if (timer !== null) clearTimeout(timer)
  firesAtMs = dueMs
  timer = setTimeout(endDue, dueMs - nowMs)
  // Whoever has a deadline has a connection, too, for which the program stays.
  timer.unref()
}

function endDue(): void {
  const nowMs = performance.now()
  timer = null
  firesAtMs = Number.POSITIVE_INFINITY
  let nextMs = Number.POSITIVE_INFINITY
  const due: Running[] = []
  for (const one of running) {
    const dueMs = one.lastMs + one.allowedMs
    if (dueMs <= nowMs + 1) due.push(one)
    else if (dueMs < nextMs) nextMs = dueMs
  }
  for (const one of due) remove(one)
  if (nextMs < firesAtMs) wakeAt(Math.max(nextMs, nowMs + leastPauseMs), nowMs)
  // Each by itself: what one throws is no other's business.
  for (const one of due) queueMicrotask(one.expire)
}
