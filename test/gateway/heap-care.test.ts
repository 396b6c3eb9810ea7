import { expect, test } from 'bun:test'
import { createHeapCare } from '../../src/gateway/heap-care.ts'

test('around a flood of streams garbage is collected where memory grows, and thoroughly when it is over', () => {
  const collected: boolean[] = []
  let bytes = 100
  const care = createHeapCare({ collect: (isThorough) => collected.push(isThorough), residentBytes: () => bytes })
  for (let stream = 0; stream < 600; stream++) care.begin()
  care.look()
  expect(collected).toEqual([false])
  bytes = 110
  care.look()
  expect(collected).toEqual([false])
  bytes = 120
  care.look()
  expect(collected).toEqual([false, false])
  for (let stream = 0; stream < 600; stream++) care.end()
  care.look()
  expect(collected).toEqual([false, false, true])
})
