/** Records on their way to the Worker: whatever is put in comes out. */
import { expect, test } from 'bun:test'
import type { UsageRecord } from '../../src/domain.ts'
import { createRecordQueue, createRecordReader, type RecordReader } from '../../src/stores/packed-records.ts'
import { usageRecord } from './fixtures/usage-record.ts'

function takeWith(reader: RecordReader, queue: ReturnType<typeof createRecordQueue>): UsageRecord[] {
  const { count, packed } = queue.take()
  const records = reader.read(structuredClone(packed, { transfer: [packed.numbers.buffer] }))
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
  const reader = createRecordReader()
  const take = (from: typeof queue) => takeWith(reader, from)
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

test('names are posted once, anew to another reader, and no more of them are kept than there is a bound for', () => {
  const queue = createRecordQueue(100)
  const first = createRecordReader()
  const batchOf = (prefix: string, count = 150) =>
    Array.from({ length: count }, (_, index) =>
      usageRecord({ id: `${index}`, time: 1, credential: `${prefix}${index % 60}` }),
    )
  const add = (records: readonly UsageRecord[]) => {
    for (const record of records) queue.add(record)
  }
  add(batchOf('a'))
  expect([...takeWith(first, queue), ...takeWith(first, queue)]).toEqual(batchOf('a'))
  add(batchOf('a', 50))
  const again = queue.take()
  expect(again.packed.names).toEqual([])
  expect(first.read(again.packed)).toEqual(batchOf('a', 50))

  // Full batches wait when the reader goes: the next one has to understand them.
  add([...batchOf('b'), ...batchOf('a'), ...batchOf('c')])
  takeWith(first, queue)
  queue.changeReader()
  const second = createRecordReader()
  const rest = Array.from({ length: 4 }, () => takeWith(second, queue)).flat()
  expect(rest).toEqual([...batchOf('b'), ...batchOf('a'), ...batchOf('c')].slice(100))

  const names = new Set<number>()
  for (let round = 0; round < 500; round++) {
    const records = Array.from({ length: 100 }, (_, index) => usageRecord({ model: `m${round}-${index}` }))
    add(records)
    const { packed } = queue.take()
    names.add(packed.firstName + packed.names.length)
    expect(second.read(packed).map(({ model }) => model)).toEqual(records.map(({ model }) => model))
  }
  expect(Math.max(...names)).toBeLessThan(21_000)

  const long = Array.from({ length: 30 }, (_, index) => usageRecord({ model: `${index}`.repeat(50_000) }))
  const places = long.map((record) => {
    add([record])
    const { packed } = queue.take()
    expect(second.read(packed)).toEqual([record])
    return packed.firstName
  })
  expect(places.slice(1)).toContain(0)
})
