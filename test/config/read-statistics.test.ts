import { describe, expect, test } from 'bun:test'
import { readStatistics } from '../../src/config/read-statistics.ts'

/** As OnDemand-API-Proxy writes it. */
const written = {
  total_requests: 12,
  successful_requests: 10,
  failed_requests: 2,
  model_usage: { 'gpt-4o': 7, o3: 3 },
  account_usage: { 'alice@example.com': 6, 'anna@example.com': 1, 'bob@other.example': 3 },
  daily_usage: { '2025-06-01': 6, '2025-06-02': 4 },
  hourly_usage: { '2025-06-01 10:00': 4, '2025-06-02 09:00': 4 },
  total_prompt_tokens: 750,
  total_completion_tokens: 250,
  total_tokens: 1000,
  model_tokens: { 'gpt-4o': 600, o3: 400 },
  daily_tokens: { '2025-06-01': 700, '2025-06-02': 300 },
  hourly_tokens: { '2025-06-01 10:00': 500, '2025-06-02 09:00': 300 },
  last_saved: '2025-06-02T09:30:00',
}
const options = { provider: 'ondemand', priceOf: () => ({ input: 1, output: 3, cachedInput: null }) }
const read = (value: unknown) => readStatistics(typeof value === 'string' ? value : JSON.stringify(value), options)

describe('the statistics file of OnDemand-API-Proxy', () => {
  test('becomes totals: requests, tokens, models, hours, and accounts by their masked names', () => {
    const ok = (requests: number) => ({ requests, succeeded: requests, failed: 0 })
    expect(read(written)).toEqual({
      source: 'OnDemand-API-Proxy',
      provider: 'ondemand',
      all: { requests: 12, succeeded: 10, failed: 2, inputTokens: 750, outputTokens: 250, costMicroUsd: 1500 },
      models: {
        'gpt-4o': { ...ok(7), inputTokens: 450, outputTokens: 150, costMicroUsd: 900 },
        o3: { ...ok(3), inputTokens: 300, outputTokens: 100, costMicroUsd: 600 },
      },
      credentials: {
        'a***@example.com': { ...ok(7), inputTokens: 0, outputTokens: 0, costMicroUsd: 0 },
        'b***@other.example': { ...ok(3), inputTokens: 0, outputTokens: 0, costMicroUsd: 0 },
      },
      hours: {
        '2025-06-01T00:00': { ...ok(2), inputTokens: 150, outputTokens: 50, costMicroUsd: 300 },
        '2025-06-01T10:00': { ...ok(4), inputTokens: 375, outputTokens: 125, costMicroUsd: 750 },
        '2025-06-02T09:00': { ...ok(4), inputTokens: 225, outputTokens: 75, costMicroUsd: 450 },
      },
    })
  })

  test('what is missing or no number counts as nothing', () => {
    const strange = { total_requests: -1, model_usage: { m: '7', n: 1.5, o: 2 }, account_usage: [], daily_usage: null }
    expect(read(strange)).toMatchObject({
      all: { requests: 0, inputTokens: 0 },
      models: { o: { requests: 2 } },
      hours: {},
    })
  })

  test.each(['', 'nonsense', '[]', '5', 'null', '{}', '{"other": 1}', JSON.stringify(written).slice(0, 80)])(
    'a file such as %j is none',
    (text) => {
      expect(read(text)).toBeNull()
    },
  )
})
