/** The main thread's side of the store: queues writes, posts them to the Worker that owns the database, and awaits answers. */
import type { UsageRecord } from '../domain.ts'
import type { StateChange } from './database.ts'
import { createRecordQueue } from './packed-records.ts'
import type { Store, StoredKey } from './store.ts'
import { StoreError } from './store-error.ts'
import { defaultStoreLimits, type StoreLimits, type StoreOptions } from './store-options.ts'
import type {
  Answers,
  MessageFromWorker,
  MessageToWorker,
  Question,
  WorkerOptions,
  WriteMessage,
} from './worker-messages.ts'

/** Throws StoreError `locked`, `damaged`, `newer` or `unusable`, its message one line for the operator. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const limits = { ...defaultStoreLimits, ...options.limits }
  const link = createLink({ ...options, limits })
  try {
    const opened = await link.open()
    return createStore({ link, limits, opened })
  } catch (error) {
    link.end()
    throw error
  }
}

/**
 * From source the Worker is the file next to this one. In the compiled binary all modules of the program have the address of its
 * entry, and the Worker, an entry of its own, lies below that at its place under `src/`.
 */
function workerUrl(): URL {
  return new URL(Bun.isStandaloneExecutable ? './stores/worker.js' : './worker.ts', import.meta.url)
}

interface Link {
  open(): Promise<Opened>
  write(message: WriteMessage): void
  /** Sends the question when `post` is called, which may be later. */
  ask<Asked extends Question>(question: Asked): { answer: Promise<Answers[Asked['type']]>; post: () => void }
  onTaken(listener: () => void): void
  onKeys(listener: (keys: StoredKey[]) => void): void
  /** The Worker ended: what it was sent last may be lost. */
  onDeath(listener: () => void): void
  /** Another one took its place. */
  onRevival(listener: () => void): void
  problem(): string | null
  state(): LinkState
  end(): void
}

/** `down`: the Worker ended, and another one will take its place. `dead`: none will. */
type LinkState = 'opening' | 'up' | 'down' | 'dead'

type Opened = Extract<MessageFromWorker, { type: 'opened' }>

/**
 * Turns messages into promises with a deadline, and the end of the Worker, whenever it comes, into failures of those. Another Worker
 * then takes its place, a bounded number of times.
 */
function createLink(options: WorkerOptions): Link {
  const { limits } = options
  let worker = hire()
  let bornAt = performance.now()
  let state: LinkState = 'opening'
  let restarts = 0
  let restartTimer: ReturnType<typeof setTimeout> | null = null
  const pending = new Map<number, Pending>()
  const openId = 0
  let lastId = openId
  let deathCause: string | null = null
  let problem: string | null = null
  let isEnded = false
  let notifyTaken = () => {}
  let notifyKeys: (keys: StoredKey[]) => void = () => {}
  let notifyDeath = () => {}
  const revivalListeners: (() => void)[] = []

  function hire(): Worker {
    const hired = new Worker(workerUrl())
    const isHired = () => hired === worker
    hired.onmessage = (event: MessageEvent<string>) => {
      if (isHired()) receive(JSON.parse(event.data) as MessageFromWorker)
    }
    hired.onerror = (event) => {
      event.preventDefault()
      if (isHired()) die(event.message)
    }
    hired.addEventListener('close', () => {
      if (isHired()) die('it ended')
    })
    return hired
  }

  function receive(message: MessageFromWorker): void {
    switch (message.type) {
      case 'opened':
        settle(openId, (waiting) => waiting.resolve(message))
        break
      case 'refused':
        settle(openId, (waiting) => waiting.reject(new StoreError(message.kind, message.message)))
        break
      case 'answer':
        settle(message.id, (waiting) => waiting.resolve(message.value))
        break
      case 'failure':
        settle(message.id, (waiting) => waiting.reject(new StoreError(message.kind, message.message)))
        break
      case 'taken':
        notifyTaken()
        break
      case 'keys':
        notifyKeys(message.keys)
        break
      case 'problem':
        problem = message.problem
    }
  }

  function die(cause: string): void {
    if (isEnded || !isUp()) return
    const isFirstOpening = state === 'opening' && deathCause === null
    if (performance.now() - bornAt > limits.restartsForgottenMs) restarts = 0
    const delayMs = isFirstOpening ? undefined : limits.restartDelaysMs[restarts]
    restarts++
    state = delayMs === undefined ? 'dead' : 'down'
    const next = delayMs === undefined ? 'nothing is recorded until a restart' : 'another one is being started'
    deathCause = `the database's thread failed (${firstLine(cause)}): ${next}`
    for (const id of [...pending.keys()]) settle(id, (waiting) => waiting.reject(deathError(deathCause)))
    // After an error that nobody caught the thread may still run: it must not go on by halves.
    worker.terminate()
    notifyDeath()
    if (delayMs !== undefined) restartTimer = setTimeout(restart, delayMs)
  }

  async function restart(): Promise<void> {
    state = 'opening'
    bornAt = performance.now()
    worker = hire()
    try {
      await open()
      for (const listener of revivalListeners) listener()
    } catch (error) {
      die(error instanceof Error ? error.message : 'it could not be started')
    }
  }

  async function open(): Promise<Opened> {
    const opened = waitFor(openId, limits.openMs)
    post({ type: 'open', options })
    const message = (await opened) as Opened
    state = 'up'
    deathCause = null
    problem = null
    return message
  }

  function isUp(): boolean {
    return state === 'up' || state === 'opening'
  }

  function settle(id: number, finish: (waiting: Pending) => void): void {
    const waiting = pending.get(id)
    if (waiting === undefined) return
    pending.delete(id)
    clearTimeout(waiting.timer)
    finish(waiting)
  }

  function waitFor(id: number, deadlineMs: number): Promise<unknown> {
    if (!isUp() || isEnded) return Promise.reject(deathError(deathCause))
    return new Promise((resolve, reject) => {
      const expire = () =>
        settle(id, () => reject(new StoreError('timeout', `the database did not answer within ${deadlineMs} ms`)))
      pending.set(id, { resolve, reject, timer: setTimeout(expire, deadlineMs) })
    })
  }

  function post(message: MessageToWorker): void {
    if (isUp() && !isEnded) worker.postMessage(JSON.stringify(message))
  }

  return {
    open,
    write(message) {
      if (isUp() && !isEnded) worker.postMessage(message, [message.records.numbers.buffer])
    },
    ask<Asked extends Question>(question: Asked) {
      lastId += 1
      const id = lastId
      const answer = waitFor(id, limits.questionMs) as Promise<Answers[Asked['type']]>
      return { answer, post: () => post({ type: 'ask', id, question }) }
    },
    onTaken(listener) {
      notifyTaken = listener
    },
    onKeys(listener) {
      notifyKeys = listener
    },
    onDeath(listener) {
      notifyDeath = listener
    },
    onRevival(listener) {
      revivalListeners.push(listener)
    },
    problem: () => deathCause ?? problem,
    state: () => state,
    end() {
      isEnded = true
      if (restartTimer !== null) clearTimeout(restartTimer)
      for (const id of [...pending.keys()]) settle(id, (waiting) => waiting.reject(deathError(null)))
      worker.terminate()
    },
  }
}

interface Pending {
  resolve(value: unknown): void
  reject(error: StoreError): void
  timer: ReturnType<typeof setTimeout>
}

function deathError(cause: string | null): StoreError {
  return new StoreError('failed', cause ?? 'the store is closed')
}

function firstLine(value: string): string {
  return value.split('\n', 1)[0] ?? ''
}

function createStore(parts: { link: Link; limits: StoreLimits; opened: Opened }): Store {
  const { link, limits, opened } = parts
  const queue = createWriteQueue(link, limits)
  const keyListeners: ((keys: StoredKey[]) => void)[] = []
  let closing: Promise<void> | null = null

  link.onKeys(tellKeys)
  // While there was no Worker nobody looked.
  link.onRevival(() => ask({ type: 'keys' }).then(tellKeys, () => {}))

  function tellKeys(keys: StoredKey[]): void {
    for (const listener of keyListeners) listener(keys)
  }

  function ask<Asked extends Question>(question: Asked): Promise<Answers[Asked['type']]> {
    const asked = link.ask(question)
    queue.afterWrites(asked.post)
    return asked.answer
  }

  async function closeOnce(): Promise<void> {
    try {
      await ask({ type: 'close' })
    } catch {
      // Dead or too slow: `problem` says so, and the process must be able to end.
    }
    queue.stop()
    link.end()
  }

  return {
    lostRecords: queue.lostRecords,
    persistence: opened.persistence,
    memoryReason: opened.reason,
    problem: () => link.problem() ?? queue.problem(),
    recordUsage: queue.record,
    putBlacklistEntry: (entry) => queue.change({ type: 'put_blacklist_entry', entry }),
    removeBlacklistEntry: ({ provider, credentialId, scope }) =>
      queue.change({ type: 'remove_blacklist_entry', entry: { provider, credentialId, scope } }),
    putPin: (pin) => queue.change({ type: 'put_pin', pin }),
    blacklist: () => ask({ type: 'blacklist' }),
    pins: () => ask({ type: 'pins' }),
    keys: () => ask({ type: 'keys' }),
    addKey: async (key) => {
      await ask({ type: 'addKey', key })
    },
    revokeKey: (name) => ask({ type: 'revokeKey', name }),
    onKeysChanged: (listener) => {
      keyListeners.push(listener)
    },
    totals: () => ask({ type: 'totals' }),
    rangeStats: (query) => ask({ type: 'rangeStats', query }),
    importTotals: (totals) => ask({ type: 'importTotals', totals }),
    spending: () => ask({ type: 'spending' }),
    requests: (filter) => ask({ type: 'requests', filter }),
    flush: async () => {
      await ask({ type: 'flush' })
    },
    close: () => {
      closing ??= closeOnce()
      return closing
    },
  }
}

const nothing: { readonly records: number; readonly changes: readonly StateChange[] } = { records: 0, changes: [] }

interface WriteQueue {
  record(record: UsageRecord): void
  change(change: StateChange): void
  /** Runs `post` when everything that is queued now has been posted: messages keep their order from there on. */
  afterWrites(post: () => void): void
  problem(): string | null
  lostRecords(): number
  stop(): void
}

/** At most one batch is under way, so that a slow disk fills this bounded queue and not the Worker's mailbox. */
function createWriteQueue(link: Link, limits: StoreLimits): WriteQueue {
  const records = createRecordQueue(limits.maxBatchRecords)
  let changes: StateChange[] = []
  let timer: ReturnType<typeof setTimeout> | null = null
  let isUnderWay = false
  let underWay = nothing
  let lostCount = 0
  let isDue = false
  let droppedCount = 0
  let isDropping = false
  const waiting: { afterCount: number; post: () => void }[] = []
  /** Records ever queued and posted; a question waits for the second to reach what the first was. */
  let queuedCount = 0
  let postedCount = 0

  link.onDeath(() => {
    if (isUnderWay) lostCount += underWay.records
    if (link.state() === 'dead') {
      lostCount += records.size()
      records.clear()
      changes = []
      return
    }
    records.changeReader()
    // To say them twice changes nothing. Records may have been written, and must not be counted twice.
    changes = [...underWay.changes, ...changes]
    postedCount -= underWay.changes.length
    underWay = nothing
    isUnderWay = false
    isDue = true
  })
  link.onRevival(pump)
  link.onTaken(() => {
    underWay = nothing
    isUnderWay = false
    if (records.size() === 0) isDropping = false
    pump()
  })

  function schedule(): void {
    timer ??= setTimeout(onTimer, limits.writeDelayMs)
  }

  function onTimer(): void {
    timer = null
    isDue = true
    pump()
  }

  function pump(): void {
    if (link.state() === 'down' || link.state() === 'dead') return
    if (isDue && !isUnderWay && (records.size() > 0 || changes.length > 0)) postBatch()
    while (waiting[0] !== undefined && waiting[0].afterCount <= postedCount) waiting.shift()?.post()
  }

  function postBatch(): void {
    const { count, packed } = records.take()
    link.write({ records: packed, changes })
    underWay = { records: count, changes }
    postedCount += count + changes.length
    changes = []
    isUnderWay = true
    isDue = records.size() > 0
  }

  return {
    record(record) {
      if (link.state() === 'dead') return
      if (records.size() >= limits.maxQueuedRecords) {
        droppedCount += 1
        isDropping = true
        return
      }
      records.add(record)
      queuedCount += 1
      if (timer === null) schedule()
    },
    change(change) {
      if (link.state() === 'dead') return
      changes.push(change)
      queuedCount += 1
      if (timer === null) schedule()
    },
    afterWrites(post) {
      waiting.push({ afterCount: queuedCount, post })
      isDue = true
      pump()
    },
    problem: () =>
      isDropping ? `usage cannot be written fast enough: ${droppedCount} records were dropped since the start` : null,
    lostRecords: () => lostCount + droppedCount,
    stop() {
      if (timer !== null) clearTimeout(timer)
    },
  }
}
