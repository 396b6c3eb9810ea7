/**
 * What the path of a call must not do, observed and not timed: the whole program runs with its main thread watched (`observe.ts`), and each
 * kind of call has a budget. Where this fails the message tells what was done, how often, and where. Lines of the log may be written by the
 * main thread to standard output, since they are collected first; to a file they go by the system's own threads.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { clientKey } from '../helpers/program.ts'
import { answerMark, type Deed, requestMark } from './deeds.ts'
import { canTrace, fileCallsOf } from './trace-files.ts'
import { type Report, startWatched, type WatchedGateway, type WatchedProvider } from './watched-gateway.ts'

/**
 * How much one call may parse (JSON), spell (as JSON) or decode (from bytes) of the texts that have words of the request, or of the answer, in
 * them, measured in whole bodies: 1 is the whole of it once, 0.05 an event or two of a stream. So it does not matter how the pieces of a
 * stream come together on their way. Files, databases, processes and the tokenizer have no budget: the main thread does not use them. To be
 * lowered whenever the code does less.
 */
interface Budget {
  readonly request: Shares
  readonly answer: Shares
}

interface Shares {
  readonly parse: number
  readonly spell: number
  readonly decode: number
}

/** The same for all that is asked without the cache: read once, its members found. */
const request = { parse: 1, spell: 0, decode: 1 }
/** With it: once more, for the key that says which calls are equal. */
const keyed = { parse: 1, spell: 0, decode: 2 }
/** A long text in a body is neither parsed nor decoded. */
const outlined = { parse: 0.01, spell: 0, decode: 0.01 }

/**
 * A fifth or so stands for looks at parts of bounded size (a head, an end) and an event or two. Of a stream each bound holds as well when all
 * of it comes at once. Answers are edited where the client's name of the model is another one.
 */
const budgets = {
  json: { request, answer: { parse: 0, spell: 0, decode: 0.2 } },
  editedJson: { request, answer: { parse: 0, spell: 0, decode: 1.2 } },
  stream: { request, answer: { parse: 0.03, spell: 0, decode: 0.2 } },
  editedStream: { request, answer: { parse: 0.03, spell: 0, decode: 1.2 } },
  // Neither a refusal nor an embedding repeats the words.
  unheard: { request, answer: { parse: 0, spell: 0, decode: 0 } },
  keptJson: { request: keyed, answer: { parse: 1, spell: 0, decode: 2.2 } },
  keptStream: { request: keyed, answer: { parse: 1.05, spell: 0.8, decode: 2.2 } },
  jsonFromCache: { request: keyed, answer: { parse: 0, spell: 0, decode: 0 } },
  streamFromCache: { request: keyed, answer: { parse: 1, spell: 1, decode: 2 } },
} satisfies Record<string, Budget>

/** Characters of all other JSON that a call may parse: what the other threads say, small members of a body. */
const otherParsedLength = 2400

interface Kind {
  readonly name: string
  readonly budget: Budget
  readonly path?: string
  /** Members of the body beside a message with the mark in it. */
  readonly body?: Readonly<Record<string, unknown>>
  /** The same words every time. */
  readonly isRepeated?: boolean
  readonly status?: number
}

const stream = true
const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } }]
const megabyte = `${requestMark} and `.repeat(36_000)
const { json, editedJson, editedStream, unheard } = budgets

const kinds: readonly Kind[] = [
  { name: 'JSON', budget: json },
  { name: 'a stream', budget: budgets.stream, body: { stream } },
  { name: 'a stream that comes all at once', budget: budgets.stream, body: { model: 'at-once', stream } },
  {
    name: 'a redirected stream that comes all at once',
    budget: editedStream,
    body: { model: 'redirected-at-once', stream },
  },
  { name: 'a prompt of 1 MB', budget: { ...json, request: outlined }, body: { megabyte } },
  { name: 'a prompt of 1 MB, streamed', budget: { ...budgets.stream, request: outlined }, body: { megabyte, stream } },
  { name: 'a redirected model', budget: editedJson, body: { model: 'redirected' } },
  { name: 'a redirected model, streamed', budget: editedStream, body: { model: 'redirected', stream } },
  {
    name: 'a redirected model and a prompt of 1 MB',
    budget: { ...editedJson, request: outlined },
    body: { model: 'redirected', megabyte },
  },
  { name: 'tools', budget: json, body: { tools } },
  { name: 'tools, streamed', budget: budgets.stream, body: { tools, stream } },
  { name: 'a second target after a failure', budget: editedJson, body: { model: 'first-target-fails' } },
  {
    name: 'a second target after a failure, streamed',
    budget: editedStream,
    body: { model: 'first-target-fails', stream },
  },
  { name: 'usage that is not told', budget: editedJson, body: { model: 'usage-is-not-told' } },
  {
    name: 'usage that is not told, streamed',
    budget: editedStream,
    body: { model: 'usage-is-not-told', stream },
  },
  { name: 'a refused request', budget: unheard, body: { model: 'refused' }, status: 400 },
  { name: 'embeddings', budget: unheard, path: '/embeddings' },
]

const kindsWithCache: readonly Kind[] = [
  { name: 'an answer that will be kept', budget: budgets.keptJson },
  { name: 'an answer that will be kept, streamed', budget: budgets.keptStream, body: { stream } },
  { name: 'a kept answer', budget: budgets.jsonFromCache, isRepeated: true },
  { name: 'a kept answer, streamed', budget: budgets.streamFromCache, body: { stream }, isRepeated: true },
]

const callsOfEach = 3
/** So long that a look at a part of bounded size, a head or an end, is a small share. */
const text = Array.from({ length: 50 }, () => `${answerMark}${'-'.repeat(800)}`).join(' ')
const good = { text, deltaCount: 50, delayMs: 0 } as const

const providers: Readonly<Record<string, WatchedProvider>> = {
  up: { credentials: credentials(50, 'up', { kind: 'bad_request', models: ['refused'], ...good }) },
  quick: { credentials: credentials(1, 'quick', { kind: 'good', ...good, isInOneChunk: true }) },
  quiet: { credentials: credentials(1, 'quiet', { kind: 'good', ...good, usage: 'never' }) },
  // It fails every call, and is to be asked every time.
  bad: {
    credentials: credentials(1, 'bad', { kind: 'server_error' }),
    settings: { max_attempts: 1, blacklist: { threshold: 10_000 }, breaker: { failures: 10_000, min_calls: 10_000 } },
  },
}

const models = {
  redirected: 'up/gpt-4o-mini',
  'at-once': 'quick/at-once',
  'redirected-at-once': 'quick/gpt-4o',
  'usage-is-not-told': 'quiet/gpt-4o',
  'first-target-fails': { targets: ['bad/gpt-4o', 'up/gpt-4o'] },
}

/** Only a deadline for a call that hangs. */
const hangingMs = 10_000

describe.each([
  { cache: 'without an answer cache', settings: { models }, kinds },
  { cache: 'with an answer cache', settings: { models, cache: { enabled: true } }, kinds: kindsWithCache },
])('$cache', ({ settings, kinds: all }) => {
  let gateway: WatchedGateway
  let count = 0

  beforeAll(async () => {
    gateway = await startWatched({ providers, settings })
    // What is done once, for the first call of its kind, is no matter of a call's path.
    await callEach()
  })
  afterAll(() => gateway?.[Symbol.asyncDispose]())

  async function callEach(): Promise<void> {
    for (const kind of all) await call(kind)
  }

  /** Resolves with the lengths of both bodies. */
  async function call({ name, path = '/chat/completions', body, isRepeated = false, status = 200 }: Kind) {
    count++
    const content = `${requestMark} ${isRepeated ? name : count}`
    const request = JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content }], input: content, ...body })
    const response = await fetch(`${gateway.url}/v1${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
      body: request,
      signal: AbortSignal.timeout(hangingMs),
    }).catch((cause: Error) => {
      throw new Error(`${name}: no answer (${cause.message})`)
    })
    const answer = await response.text()
    if (response.status !== status) throw new Error(`${name}: ${response.status} ${answer.slice(0, 300)}`)
    return { request: request.length, answer: answer.length }
  }

  test.each(all.map((kind) => [kind.name, kind] as const))('%s: does what it must and no more', async (_, kind) => {
    const lengths = { request: 0, answer: 0 }
    const report = await gateway.watched(async () => {
      for (let index = 0; index < callsOfEach; index++) {
        const { request, answer } = await call(kind)
        lengths.request += request
        lengths.answer += answer
      }
    })
    expect([...forbidden(report), ...excesses(report, kind.budget, lengths)]).toEqual([])
  })

  test('no call waits for a word of the database or of the token counter', async () => {
    expect(await gateway.withThreadsHeld(callEach)).toBeGreaterThan(0)
  })

  test.skipIf(!canTrace)('no file is touched by the main thread, as the system sees it', async () => {
    expect(await fileCallsOf(gateway.pid, callEach)).toEqual([])
  })
})

function credentials(count: number, name: string, behaviour: Behaviour): Record<string, Behaviour> {
  const secrets = Array.from({ length: count }, (_, index) => `sk-upstream-${name}-${String(index).padStart(8, '0')}`)
  return Object.fromEntries(secrets.map((secret) => [secret, behaviour]))
}

/** Loaded where tokens are counted, and nowhere else. */
const tokenizerModules = /token-encoder|token-worker|tiktoken/

const costlyKinds: ReadonlySet<string> = new Set(['file', 'database', 'process'])
/** By the clock, every few seconds, whether there are calls or not, and through the system's own threads. */
const looksForNewSettings = /^\S+ src\/config\/watch\.ts/

/** What the main thread must never do, in words. */
function forbidden({ deeds, modules }: Report): string[] {
  const costly = deeds.filter((deed) => costlyKinds.has(deed.kind) && !looksForNewSettings.test(deed.where))
  const loaded = modules.filter((path) => tokenizerModules.test(path))
  return [
    ...costly.map((deed) => `${deed.kind} in the main thread: ${told(deed)}`),
    ...loaded.map((path) => `tokenizer in the main thread: ${path} is loaded`),
  ]
}

/** What was done more than the budget allows, in words. */
function excesses({ deeds }: Report, budget: Budget, lengths: { request: number; answer: number }): string[] {
  const found: string[] = []
  for (const body of ['request', 'answer'] as const) {
    for (const kind of ['parse', 'spell', 'decode'] as const) {
      const isOfBody = (deed: Deed) => (body === 'request' ? deed.isOfRequest : deed.isOfAnswer)
      const done = deeds.filter((deed) => deed.kind === kind && isOfBody(deed))
      const share = lengthOf(done) / lengths[body]
      if (share <= budget[body][kind]) continue
      found.push(`${kind} of the ${body}: ${share.toFixed(3)} of it, at most ${budget[body][kind]}: ${listed(done)}`)
    }
  }
  const others = deeds.filter((deed) => deed.kind === 'parse' && !deed.isOfRequest && !deed.isOfAnswer)
  const otherLength = lengthOf(others) / callsOfEach
  if (otherLength <= otherParsedLength) return found
  return [...found, `other JSON parsed: ${otherLength} characters, at most ${otherParsedLength}: ${listed(others)}`]
}

function lengthOf(deeds: readonly Deed[]): number {
  return deeds.reduce((sum, { length }) => sum + length, 0)
}

function listed(deeds: readonly Deed[]): string {
  return deeds.map(told).join('; ')
}

function told({ what, where, times, length }: Deed): string {
  return `${what}, ${times} times in ${callsOfEach} calls${length > 0 ? `, ${length} characters` : ''}, at ${where}`
}
