/** Records on their way to the Worker: whatever is put in comes out. */
import { expect, test } from 'bun:test'
import type { UsageRecord } from '../../src/domain.ts'
import { createRecordQueue, unpackRecords } from '../../src/stores/packed-records.ts'
import { usageRecord } from './fixtures/usage-record.ts'

function take(queue: ReturnType<typeof createRecordQueue>): UsageRecord[] {
  const { count, packed } = queue.take()
  const records = unpackRecords(structuredClone(packed, { transfer: [packed.numbers.buffer] }))
  expect(records).toHaveLength(count)
  return records
}

test('records come out as they went in, oldest first, at most a batch at a time', () => {
  const attempt = {
    provider: 'a',
    model: 'm',
    credential: '…',
    failure: null,
    status: 200,
    code: null,
    startMs: 0,
    durationMs: 3,
  }
  const records = Array.from({ length: 250 }, (_, index) =>
    usageRecord({
      id: `req_${index}`,
      model: index % 2 === 0 ? 'gpt-4o' : 'ünï\ncödé "😀"',
      isStream: index % 3 === 0,
      firstByteMs: index % 5 === 0 ? null : index,
      costMicroUsd: Number.MAX_SAFE_INTEGER - index,
      trail: index % 7 === 0 ? [attempt] : null,
    }),
  )
  const queue = createRecordQueue(100)
  for (const record of records) queue.add(record)
  expect(queue.size()).toBe(250)
  expect([take(queue), take(queue), take(queue)].map(({ length }) => length)).toEqual([100, 100, 50])
  expect([queue.size(), take(queue)]).toEqual([0, []])
  for (const record of records.slice(0, 150)) queue.add(record)
  expect([...take(queue), ...take(queue)]).toEqual(records.slice(0, 150))
  for (const record of records) queue.add(record)
  queue.clear()
  expect([queue.size(), take(queue)]).toEqual([0, []])
})
