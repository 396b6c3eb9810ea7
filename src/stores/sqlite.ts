/** The main thread's side of the store: queues writes, posts them to the Worker that owns the database, and awaits answers. */
import type { UsageRecord } from '../domain.ts'
import type { StateChange } from './database.ts'
import type { Store, StoredKey } from './store.ts'
import { StoreError } from './store-error.ts'
import { defaultStoreLimits, type StoreLimits, type StoreOptions } from './store-options.ts'
import type { Answers, MessageFromWorker, MessageToWorker, Question, WorkerOptions } from './worker-messages.ts'

/** Throws StoreError `locked`, `damaged`, `newer` or `unusable`, its message one line for the operator. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const limits = { ...defaultStoreLimits, ...options.limits }
  const worker = new Worker(workerUrl())
  const link = createLink(worker, limits)
  try {
    const opened = await link.open({ ...options, limits })
    return createStore({ link, limits, opened })
  } catch (error) {
    worker.terminate()
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
  open(options: WorkerOptions): Promise<Opened>
  post(message: MessageToWorker): void
  /** Sends the question when `post` is called, which may be later. */
  ask<Asked extends Question>(question: Asked): { answer: Promise<Answers[Asked['type']]>; post: () => void }
  onTaken(listener: () => void): void
  onKeys(listener: (keys: StoredKey[]) => void): void
  problem(): string | null
  isDead(): boolean
  end(): void
}

type Opened = Extract<MessageFromWorker, { type: 'opened' }>

/** Turns messages into promises with a deadline, and the end of the Worker, whenever it comes, into failures of those. */
function createLink(worker: Worker, limits: StoreLimits): Link {
  const pending = new Map<number, Pending>()
  const openId = 0
  let lastId = openId
  let deathCause: string | null = null
  let problem: string | null = null
  let isEnded = false
  let notifyTaken = () => {}
  let notifyKeys: (keys: StoredKey[]) => void = () => {}

  worker.onmessage = (event: MessageEvent<string>) => receive(JSON.parse(event.data) as MessageFromWorker)
  worker.onerror = (event) => {
    event.preventDefault()
    die(event.message)
  }
  worker.addEventListener('close', () => die('it ended'))

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
    if (isEnded || deathCause !== null) return
    deathCause = `the database's thread failed (${firstLine(cause)}): nothing is recorded until a restart`
    for (const id of [...pending.keys()]) settle(id, (waiting) => waiting.reject(deathError(deathCause)))
    // After an error that nobody caught the thread may still run: it must not go on by halves.
    worker.terminate()
  }

  function settle(id: number, finish: (waiting: Pending) => void): void {
    const waiting = pending.get(id)
    if (waiting === undefined) return
    pending.delete(id)
    clearTimeout(waiting.timer)
    finish(waiting)
  }

  function waitFor(id: number, deadlineMs: number): Promise<unknown> {
    if (deathCause !== null || isEnded) return Promise.reject(deathError(deathCause))
    return new Promise((resolve, reject) => {
      const expire = () =>
        settle(id, () => reject(new StoreError('timeout', `the database did not answer within ${deadlineMs} ms`)))
      pending.set(id, { resolve, reject, timer: setTimeout(expire, deadlineMs) })
    })
  }

  function post(message: MessageToWorker): void {
    if (deathCause === null && !isEnded) worker.postMessage(JSON.stringify(message))
  }

  return {
    open(options) {
      const opened = waitFor(openId, limits.openMs)
      post({ type: 'open', options })
      return opened as Promise<Opened>
    },
    post,
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
    problem: () => deathCause ?? problem,
    isDead: () => deathCause !== null,
    end() {
      isEnded = true
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

  link.onKeys((keys) => {
    for (const listener of keyListeners) listener(keys)
  })

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

interface WriteQueue {
  record(record: UsageRecord): void
  change(change: StateChange): void
  /** Runs `post` when everything that is queued now has been posted: messages keep their order from there on. */
  afterWrites(post: () => void): void
  problem(): string | null
  stop(): void
}

/** At most one batch is under way, so that a slow disk fills this bounded queue and not the Worker's mailbox. */
function createWriteQueue(link: Link, limits: StoreLimits): WriteQueue {
  let records: UsageRecord[] = []
  let changes: StateChange[] = []
  let timer: ReturnType<typeof setTimeout> | null = null
  let isUnderWay = false
  let isDue = false
  let droppedCount = 0
  let isDropping = false
  const waiting: { afterCount: number; post: () => void }[] = []
  /** Records ever queued and posted; a question waits for the second to reach what the first was. */
  let queuedCount = 0
  let postedCount = 0

  link.onTaken(() => {
    isUnderWay = false
    if (records.length === 0) isDropping = false
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
    if (link.isDead()) return
    if (isDue && !isUnderWay && (records.length > 0 || changes.length > 0)) postBatch()
    while (waiting[0] !== undefined && waiting[0].afterCount <= postedCount) waiting.shift()?.post()
  }

  function postBatch(): void {
    const batch = records.length > limits.maxBatchRecords ? records.splice(0, limits.maxBatchRecords) : records
    if (batch === records) records = []
    link.post({ type: 'write', records: batch, changes })
    postedCount += batch.length + changes.length
    changes = []
    isUnderWay = true
    isDue = records.length > 0
  }

  return {
    record(record) {
      if (link.isDead()) return
      if (records.length >= limits.maxQueuedRecords) {
        droppedCount += 1
        isDropping = true
        return
      }
      records.push(record)
      queuedCount += 1
      if (timer === null) schedule()
    },
    change(change) {
      if (link.isDead()) return
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
    stop() {
      if (timer !== null) clearTimeout(timer)
    },
  }
}
