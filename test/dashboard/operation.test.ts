/** What the pages of operation make of the gateway's answers. */
import { expect, test } from 'bun:test'
import { addBody, addEvent, emptyAnswer, isCut } from '../../src/dashboard/app/chat-answer.ts'
import { emptyForm, keyWish, listClients } from '../../src/dashboard/app/client-list.ts'
import { countdownText } from '../../src/dashboard/app/countdown-text.ts'
import { groupCredentials, readCredentialFilter } from '../../src/dashboard/app/credential-list.ts'
import { listSettings } from '../../src/dashboard/app/setting-list.ts'
import type { CredentialReport, KeyReport } from '../../src/dashboard/app/state-reports.ts'

function credential(index: number, changes: Partial<CredentialReport> = {}): CredentialReport {
  return {
    label: `label-${index}`,
    kind: 'key',
    provider: 'one',
    index,
    state: 'healthy',
    reason: null,
    detail: null,
    since: null,
    until: null,
    restsFor: [],
    inFlight: 0,
    successes: 0,
    failures: 0,
    failuresInRow: 0,
    ...changes,
  }
}

const everything = { state: null, words: '' }

test('of ten thousand credentials no more rows are shown than asked for, and all are counted', () => {
  const all = Array.from({ length: 10_000 }, (_, index) => credential(index, { provider: index < 150 ? 'one' : 'two' }))
  const { groups, found } = groupCredentials(all, everything, 200)
  expect(found).toBe(10_000)
  expect(groups.map(({ rows, total }) => [rows.length, total])).toEqual([
    [150, 150],
    [50, 9850],
  ])
})

test('credentials are found by state, label, reason and the model they rest for', () => {
  const all = [
    credential(0),
    credential(1, { state: 'cooling', reason: 'rate_limited', detail: '429 slow down' }),
    credential(2, { restsFor: [{ scope: 'gpt-4o', reason: 'model_unavailable', until: null }] }),
  ]
  const foundBy = (query: string) =>
    groupCredentials(all, readCredentialFilter(new URLSearchParams(query)), 200).groups.flatMap(({ rows }) =>
      rows.map(({ index }) => index),
    )
  expect(foundBy('')).toEqual([0, 1, 2])
  expect(foundBy('state=cooling')).toEqual([1])
  expect(foundBy('q=SLOW')).toEqual([1])
  expect(foundBy('q=gpt-4o')).toEqual([2])
  expect(foundBy('q=label-0&state=cooling')).toEqual([])
  expect(foundBy('state=unheard-of')).toEqual([0, 1, 2])
})

const noon = Date.parse('2030-01-01T12:00:00Z')
const countdowns: readonly [until: string, told: string | null][] = [
  ['2030-01-01T12:00:42Z', '0:42'],
  ['2030-01-01T12:12:05Z', '12:05'],
  ['2030-01-01T15:04:05Z', '3:04:05'],
  ['2030-01-03T15:04:05Z', '2d 03:04:05'],
  ['2030-01-01T12:00:00Z', null],
  ['2030-01-01T11:00:00Z', null],
]
test.each(countdowns)('until %s it is %s', (until, told) => expect(countdownText(until, noon)).toBe(told))

test('a stream becomes words, reasoning and tokens, and nonsense in it changes nothing', () => {
  const events = [
    '{"choices":[{"delta":{"role":"assistant","content":""}}]}',
    '{"choices":[{"delta":{"reasoning_content":"Hm"}}]}',
    'not json',
    '{"choices":[{"delta":{"content":"Hel"}}]}',
    '{"choices":[{"delta":{"content":"lo"},"finish_reason":"stop"}]}',
    '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}',
    '[DONE]',
  ]
  const answer = events.reduce(addEvent, emptyAnswer)
  expect(answer).toEqual({
    content: 'Hello',
    reasoning: 'Hm',
    finishReason: 'stop',
    inputTokens: 3,
    outputTokens: 2,
    problem: null,
    isEnded: true,
  })
  expect(isCut(answer)).toBe(false)
})

test('a stream that only stops, or tells an error, is cut', () => {
  const begun = addEvent(emptyAnswer, '{"choices":[{"delta":{"content":"Hel"}}]}')
  expect(isCut(begun)).toBe(true)
  const told = addEvent(begun, '{"error":{"code":"upstream_cut","message":"the upstream broke off"}}')
  expect(told.problem).toEqual({ code: 'upstream_cut', message: 'the upstream broke off' })
  expect(isCut(addEvent(told, '[DONE]'))).toBe(true)
})

test('a whole answer is read like a stream', () => {
  const answer = addBody(emptyAnswer, { choices: [{ message: { content: 'Hello' }, finish_reason: 'length' }] })
  expect([answer.content, answer.finishReason, isCut(answer)]).toEqual(['Hello', 'length', false])
})

test('of a new key only what was filled in is sent, and what is no number goes as it was typed', () => {
  expect(keyWish(emptyForm)).toEqual({})
  const form = { ...emptyForm, name: ' alice ', models: 'gpt-*, o1', rpm: '60', rps: 'many', budget_usd: '2.5' }
  expect(keyWish(form)).toEqual({
    name: 'alice',
    models: ['gpt-*', 'o1'],
    rpm: 60,
    rps: 'many',
    budget_usd: 2.5,
    budget_period: 'month',
  })
})

test('clients without a key of their own are listed apart', () => {
  const totals = { requests: 1 } as never
  const key = { name: 'alice' } as KeyReport
  const { withKey, others } = listClients([key], { clients: { alice: totals, gone: totals }, clients_limits: {} })
  expect(withKey.map(({ name }) => name)).toEqual(['alice'])
  expect(others.map(({ name }) => name)).toEqual(['gone'])
})

test('settings are found by path and value, and long lists are cut short', () => {
  const config = { server: { port: 7860 }, providers: { a: { keys: Array(60).fill('k'), timeouts: { idle: '2m' } } } }
  expect(listSettings(config, 'PROVIDERS idle')).toEqual([
    { name: 'providers', lines: [{ path: 'a.timeouts.idle', value: '2m' }] },
  ])
  expect(listSettings(config, '7860')).toEqual([{ name: 'server', lines: [{ path: 'port', value: '7860' }] }])
  expect(listSettings(config, 'keys')[0]?.lines[0]?.value).toEndWith('… (60)')
})
