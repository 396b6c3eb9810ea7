/** The cookies of the simulated Scira of the demo do what their descriptions say. */
import { afterAll, expect, test } from 'bun:test'
import { startSciraDemo } from '../../src/simulator/scira-scenario.ts'
import { ask, linesOf, partsOf } from './scira-client.ts'

const demo = startSciraDemo()
afterAll(demo.stop)

function cookieOf(name: string): string {
  return demo.cookies.find((each) => each.name === name)?.cookie ?? ''
}

function askAs(name: string): Promise<Response> {
  return ask(demo.current, { headers: { cookie: cookieOf(name) }, fields: { model: 'scira-grok-3' } })
}

/** What came of an answer: its status, or how its stream ended and whether there was any text. */
async function outcomeOf(response: Response): Promise<string> {
  if (!response.ok) return String(response.status)
  const types = partsOf(await response.text()).map((part) => (part === '[DONE]' ? part : part.type))
  const ending = types.includes('error') ? 'error' : 'finish'
  return types.includes('text-delta') ? `text, ${ending}` : ending
}

test('cookies are distinct and long enough to be shown in part', () => {
  expect(new Set(demo.cookies.map(({ cookie }) => cookie)).size).toBe(4)
  expect(demo.cookies.every(({ cookie }) => cookie.length > 32)).toBe(true)
  expect(demo.baseUrl).not.toBe(demo.olderBaseUrl)
})

test('good account: a model for the paying, with thoughts', async () => {
  const text = await (await askAs('good account')).text()
  expect(text).toContain('"type":"reasoning-delta"')
  expect(partsOf(text).at(-1)).toBe('[DONE]')
})

test.each([
  ['limited account', ['text, finish', 'text, finish', 'text, finish', '429']],
  ['challenged account', ['text, finish', '403', 'text, finish', '403']],
  ['failing account', ['error', 'text, finish', 'text, error']],
])('%s', async (name, outcomes) => {
  const responses: Response[] = []
  for (const _ of outcomes) responses.push(await askAs(name))
  expect(await Promise.all(responses.map(outcomeOf))).toEqual(outcomes)
})

test('as of 2025, signed out', async () => {
  const response = await ask(demo.older, {
    generation: '2025-06',
    headers: { origin: demo.olderBaseUrl, 'user-agent': 'Mozilla/5.0' },
  })
  expect(linesOf(await response.text()).at(-1)?.[0]).toBe('d')
}, 10_000)
