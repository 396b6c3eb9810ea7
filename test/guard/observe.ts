/**
 * Preloaded into a gateway's process: notes what its main thread does that costs (files, databases, processes, and each text that is parsed,
 * spelled or decoded), with the place that did it, and can hold back what the other threads say. Asked by messages, see `deeds.ts`.
 */
import {
  answerMark,
  type Deed,
  type DeedKind,
  type FromObserver,
  maxKinds,
  requestMark,
  settleMs,
  type ToObserver,
} from './deeds.ts'

// The other threads may do what they are there for.
if (Bun.isMainThread) observe()

type AnyFunction = (...args: unknown[]) => unknown
type Members = Record<string, unknown>

function observe(): void {
  const { stringify } = JSON
  const deeds = new Map<string, Deed>()
  let isWatching = false
  /** What an observed function uses itself is part of one deed. */
  let depth = 0

  function note(kind: DeedKind, what: string, { text = '', place = '' } = {}): void {
    if (!isWatching || depth > 0) return
    const isOfRequest = text.includes(requestMark)
    const isOfAnswer = text.includes(answerMark)
    const where =
      isText(kind) && !isOfRequest && !isOfAnswer && text.length < unmarkedLength ? 'anywhere' : place || caller()
    const key = [kind, what, where, isOfRequest, isOfAnswer].join('\n')
    const known = deeds.get(key) ?? { kind, what, where, isOfRequest, isOfAnswer, times: 0, length: 0 }
    if (!deeds.has(key) && deeds.size >= maxKinds) return
    deeds.set(key, { ...known, times: known.times + 1, length: known.length + text.length })
  }

  /** `textOf` finds the text among what went in and what came out; null: the deed itself counts. */
  function wrap(owner: object, name: string, deed: { kind: DeedKind; what: string; textOf: TextOf | null }): void {
    const members = owner as Members
    const original = members[name]
    if (typeof original !== 'function') return
    const observed = function (this: unknown, ...args: unknown[]) {
      if (deed.textOf === null) note(deed.kind, `${deed.what}(${shown(args[0])})`)
      depth++
      let result: unknown
      try {
        result = (original as AnyFunction).apply(this, args)
      } finally {
        depth--
      }
      const { textOf } = deed
      if (textOf === null) return result
      if (!(result instanceof Promise)) {
        note(deed.kind, deed.what, { text: textOf(args, result) })
        return result
      }
      // Later nobody knows any more who asked.
      const place = isWatching ? caller() : ''
      return result.then((value) => {
        note(deed.kind, deed.what, { text: textOf(args, value), place })
        return value
      })
    }
    try {
      members[name] = Object.assign(observed, original)
    } catch {
      // What cannot be replaced is a constant or a class.
    }
  }

  function wrapAll(owner: object, label: string, kind: DeedKind): void {
    for (const [name, value] of Object.entries(owner)) {
      if (typeof value === 'function' && !/^[A-Z_]/.test(name))
        wrap(owner, name, { kind, what: `${label}.${name}`, textOf: null })
    }
  }

  // Required, because only the object that is shared by all who import can be changed.
  wrapAll(require('node:fs') as object, 'fs', 'file')
  wrapAll(require('node:fs/promises') as object, 'fs/promises', 'file')
  wrapAll(require('node:child_process') as object, 'child_process', 'process')
  for (const name of ['file', 'write', 'mmap']) wrap(Bun, name, { kind: 'file', what: `Bun.${name}`, textOf: null })
  for (const name of ['spawn', 'spawnSync', '$'])
    wrap(Bun, name, { kind: 'process', what: `Bun.${name}`, textOf: null })
  watchDatabase()

  wrap(JSON, 'parse', { kind: 'parse', what: 'JSON.parse', textOf: ([text]) => String(text) })
  wrap(JSON, 'stringify', { kind: 'spell', what: 'JSON.stringify', textOf: (_, text) => String(text) })
  wrap(Response, 'json', { kind: 'spell', what: 'Response.json', textOf: ([value]) => stringify(value) ?? '' })
  const decoded: TextOf = (_, text) => (typeof text === 'string' ? text : '')
  const bodies = { Request, Response, Blob, ReadableStream }
  for (const [label, { prototype }] of Object.entries(bodies)) {
    wrap(prototype, 'json', { kind: 'parse', what: `${label}.json`, textOf: (_, value) => stringify(value) ?? '' })
    wrap(prototype, 'text', { kind: 'decode', what: `${label}.text`, textOf: decoded })
  }
  wrap(TextDecoder.prototype, 'decode', { kind: 'decode', what: 'TextDecoder.decode', textOf: decoded })
  for (const name of ['toString', 'latin1Slice', 'utf8Slice', 'asciiSlice', 'utf8Write'])
    wrap(Buffer.prototype, name, { kind: 'decode', what: `Buffer.${name}`, textOf: decoded })

  const held = holdWorkers()

  process.on('message', async (message: ToObserver) => {
    switch (message) {
      case 'watch':
        deeds.clear()
        isWatching = true
        return answer({ type: 'watching' })
      case 'report': {
        // What is done in batches after a call, the log and the hand-over of records, belongs to it.
        await Bun.sleep(settleMs)
        isWatching = false
        return answer({ type: 'report', deeds: [...deeds.values()], modules: Object.keys(require.cache) })
      }
      case 'hold':
        held.hold()
        return answer({ type: 'held' })
      case 'release':
        await held.something()
        return answer({ type: 'released', messages: held.release() })
    }
  })

  function watchDatabase(): void {
    const sqlite = require('bun:sqlite') as { Database: new (...args: unknown[]) => object }
    const Original = sqlite.Database
    for (const name of ['run', 'exec', 'query', 'prepare', 'transaction', 'serialize']) {
      wrap(Original.prototype as object, name, { kind: 'database', what: `Database.${name}`, textOf: null })
    }
    sqlite.Database = class extends Original {
      constructor(...args: unknown[]) {
        note('database', `new Database(${shown(args[0])})`)
        super(...args)
      }
    }
  }
}

type TextOf = (args: readonly unknown[], result: unknown) => string

/** Shorter texts without a mark are counted, but nobody asks where. */
const unmarkedLength = 2000

function isText(kind: DeedKind): boolean {
  return kind === 'parse' || kind === 'spell' || kind === 'decode'
}

function answer(message: FromObserver): void {
  process.send?.(message)
}

function shown(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, 80) : typeof value
}

/** The nearest places in the program's own source, without the columns. */
function caller(): string {
  const lines = (new Error().stack ?? '').split('\n').filter((line) => !line.includes('/guard/observe.ts'))
  const own = lines.filter((line) => line.includes('/src/'))
  const told = (own.length > 0 ? own : lines.slice(1)).slice(0, 3)
  return told
    .map((line) =>
      line
        .trim()
        .replace(/^at /, '')
        .replace(/\S*\/(src|node_modules)\//, '$1/'),
    )
    .join(' < ')
}

const mostWaits = 50

/** What the threads of the database and of the token counter say can be kept from the main thread. */
function holdWorkers() {
  const Original = globalThis.Worker
  let isHolding = false
  const waiting: (() => void)[] = []
  const held =
    (listener: (event: MessageEvent) => void) =>
    (event: MessageEvent): void => {
      if (isHolding) waiting.push(() => listener(event))
      else listener(event)
    }
  globalThis.Worker = class extends Original {
    override addEventListener(type: string, listener: never, ...others: never[]): void {
      super.addEventListener(type, type === 'message' ? (held(listener) as never) : listener, ...others)
    }
    override set onmessage(listener: (event: MessageEvent) => void) {
      super.onmessage = held(listener)
    }
  } as typeof Worker
  return {
    hold() {
      isHolding = true
    },
    /** Waits, if not for ever, until there is something that is held back. */
    async something(): Promise<void> {
      for (let left = mostWaits; left > 0 && waiting.length === 0; left--) await Bun.sleep(settleMs)
    },
    release() {
      isHolding = false
      const all = waiting.splice(0)
      for (const tell of all) tell()
      return all.length
    },
  }
}
