/** Which calls the page of requests shows, as its address says it. */
import { describe, expect, test } from 'bun:test'
import { callParameters, isOpenEnded, readCallFilter } from '../../src/dashboard/app/call-filter.ts'

const ask = (query: string) => callParameters(readCallFilter(new URLSearchParams(query))).toString()

describe('the address becomes the question to the gateway', () => {
  test.each([
    ['', ''],
    ['range=24h&model=gpt-4o', 'from=24h&model=gpt-4o'],
    ['range=90d', 'from=90d'],
    ['outcome=cut', 'outcome=cut'],
    ['outcome=lost', ''],
    ['status=5xx', 'status=5xx'],
    ['status=429', 'status=429'],
    ['status=6xx', ''],
    ['status=42', ''],
    ['min=1.5', 'min_duration=1500'],
    ['min=-1', ''],
    ['min=soon', ''],
    ['min=86401', ''],
    // The call that is looked at is no filter.
    ['id=req_1', ''],
  ])('%p', (query, expected) => {
    expect(ask(query)).toBe(expected)
  })
})

test('new calls are awaited only in a range that has not ended', () => {
  const now = new Date('2030-01-02T00:00:00Z')
  const isOpen = (query: string) => isOpenEnded(readCallFilter(new URLSearchParams(query)), now)
  expect(isOpen('range=24h')).toBe(true)
  expect(isOpen('range=custom&from=2030-01-01')).toBe(true)
  expect(isOpen('range=custom&to=2030-01-03')).toBe(true)
  expect(isOpen('range=custom&to=2030-01-01')).toBe(false)
})
