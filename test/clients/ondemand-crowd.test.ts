/** Fifty clients at once, of all three libraries, on three credentials of OnDemand: whoever talks sees only the own conversation. */
import { expect, test } from 'bun:test'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { AIMessage, type BaseMessage, HumanMessage } from '@langchain/core/messages'
import { ChatOpenAI } from '@langchain/openai'
import { generateText, streamText } from 'ai'
import OpenAI from 'openai'
import { testClient, testConfig } from '../helpers/start-gateway.ts'
import { model, type OndemandPairOptions, startOndemand } from '../helpers/start-ondemand.ts'
import type { ClientEndpoint } from './client-check.ts'
import { patience } from './scripted-gateway.ts'

interface Turn {
  readonly role: 'user' | 'assistant'
  readonly content: string
}

type Talk = (endpoint: ClientEndpoint, turns: readonly Turn[]) => Promise<string>

/** Every library, whole and streamed. */
const talks: readonly Talk[] = [
  async (endpoint, turns) => {
    const { choices } = await openaiOf(endpoint).create({ model, messages: [...turns] })
    return choices[0]?.message.content ?? ''
  },
  async (endpoint, turns) =>
    (await openaiOf(endpoint)
      .stream({ model, messages: [...turns] })
      .finalContent()) ?? '',
  async (endpoint, turns) => (await generateText(aiSdkRequest(endpoint, turns))).text,
  async (endpoint, turns) => streamText(aiSdkRequest(endpoint, turns)).text,
  async (endpoint, turns) => (await langchainModel(endpoint).invoke(langchainMessages(turns))).text,
  async (endpoint, turns) => {
    let text = ''
    for await (const chunk of await langchainModel(endpoint).stream(langchainMessages(turns))) text += chunk.text
    return text
  },
]

const numbers = Array.from({ length: 50 }, (_, index) => index)
const secretOf = (number: number) => `sk-client-of-the-crowd-${number}-0123456789`
const wordOf = (number: number) => `word-${number}-end`
const wordsIn = (text: string) => new Set(text.match(/word-\d+-end/g))

const emails = ['first@example.com', 'second@example.com']
const pool: OndemandPairOptions = {
  keys: { 'key-of-the-crowd-000001': { kind: 'good', delayMs: 1, framesPerWrite: 4 } },
  accounts: Object.fromEntries(emails.map((each) => [each, { password: `password of ${each}` }])),
}

interface Reuse {
  readonly name: string
  readonly provider: OndemandPairOptions['provider']
  readonly mostSessions: number
}

const turnCount = 3
const reuses: readonly Reuse[] = [
  { name: 'one session for each call', provider: {}, mostSessions: numbers.length * turnCount },
  {
    name: 'sessions reused',
    provider: { rotation: 'sticky', session: { isReused: true, idleMs: 600, isDeleted: true } },
    mostSessions: numbers.length * turnCount - 1,
  },
]

test.each(reuses)(
  'no conversation sees the words of another, no session stays, and each account signs in once: $name',
  async ({ provider, mostSessions }) => {
    const { access } = testConfig([])
    const clientKeys = numbers.map((number) => testClient(`client-${number}`, secretOf(number)))
    await using pair = await startOndemand({
      ...pool,
      config: { access: { ...access, clientKeys } },
      provider: { timeouts: patience, requestTimeoutMs: 15_000, ...provider },
    })
    await Promise.all(
      numbers.map(async (number) => {
        const talk = talks[number % talks.length]
        if (talk === undefined) throw new Error('there is nobody to talk')
        const endpoint = { baseURL: `${pair.gateway.url}/v1`, apiKey: secretOf(number) }
        const turns: Turn[] = []
        for (let turn = 0; turn < turnCount; turn += 1) {
          turns.push({ role: 'user', content: `Turn ${turn} of ${wordOf(number)}, please.` })
          const content = await talk(endpoint, turns)
          expect(content).toContain(`Turn ${turn} of ${wordOf(number)}, please.`)
          // The simulated model tells all that its session has heard.
          expect(wordsIn(content)).toEqual(new Set([wordOf(number)]))
          turns.push({ role: 'assistant', content })
        }
      }),
    )
    await pair.noSessionsLeft()
    const { sessions } = pair.upstream
    expect(sessions.length).toBeWithin(numbers.length, mostSessions + 1)
    for (const { queries } of sessions) expect(wordsIn(queries.map(({ text }) => text).join()).size).toBe(1)
    expect(new Set(sessions.map(({ credential }) => credential)).size).toBe(3)
    for (const each of emails) {
      expect(pair.upstream.accountFacts(each)).toEqual({
        signIns: 1,
        rejectedSignIns: 0,
        refreshes: 0,
        rejectedRefreshes: 0,
      })
    }
    const records = await pair.gateway.recorded(numbers.length * turnCount)
    expect(new Set(records.map(({ outcome, attempts }) => `${outcome} ${attempts}`))).toEqual(new Set(['succeeded 1']))
  },
)

function openaiOf(endpoint: ClientEndpoint) {
  return new OpenAI({ ...endpoint, maxRetries: 0 }).chat.completions
}

function aiSdkRequest(endpoint: ClientEndpoint, turns: readonly Turn[]) {
  const provider = createOpenAICompatible({ name: 'gateway', ...endpoint })
  return { model: provider.chatModel(model), maxRetries: 0, messages: [...turns] }
}

function langchainModel({ baseURL, apiKey }: ClientEndpoint): ChatOpenAI {
  return new ChatOpenAI({ model, apiKey, configuration: { baseURL }, maxRetries: 0, streamUsage: false })
}

function langchainMessages(turns: readonly Turn[]): BaseMessage[] {
  return turns.map(({ role, content }) => (role === 'user' ? new HumanMessage(content) : new AIMessage(content)))
}
