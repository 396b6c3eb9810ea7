/** Lists of calls that were read one after the other. */
import { expect, test } from 'bun:test'
import { joinCalls, joinPages } from '../../src/dashboard/app/join-calls.ts'
import type { CallReport } from '../../src/dashboard/app/reports.ts'

const call = (id: number, at = id) =>
  ({ id: `req_${id}`, time: new Date(at * 1000).toISOString() }) as unknown as CallReport
const calls = (...ids: number[]) => ids.map((id) => call(id))
const idsOf = (list: readonly CallReport[] | null) => list?.map(({ id }) => Number(id.slice(4)))

test('live calls come first, each once', () => {
  expect(idsOf(joinCalls(calls(4, 3), calls(3, 2, 1)))).toEqual([4, 3, 2, 1])
})

test('at most 50 live calls are remembered, the newest', () => {
  const many = Array.from({ length: 50 }, (_, index) => call(100 - index))
  const joined = idsOf(joinCalls(calls(101), many))
  expect(joined).toHaveLength(50)
  expect(joined?.[0]).toBe(101)
  expect(joined?.at(-1)).toBe(52)
})

test('a new page in front of what is known holds each call once', () => {
  expect(idsOf(joinPages(calls(5, 4, 3), calls(4, 3, 2), true))).toEqual([5, 4, 3, 2])
})

test('a full page that meets nothing known may have left calls out', () => {
  expect(joinPages(calls(9, 8), calls(2, 1), true)).toBeNull()
})

test('a page that is not full has left nothing out', () => {
  expect(idsOf(joinPages(calls(9, 8), calls(2, 1), false))).toEqual([9, 8, 2, 1])
})

test('a full first page is taken as it is', () => {
  expect(idsOf(joinPages(calls(2, 1), [], true))).toEqual([2, 1])
})

test('a call that took long stands where it began', () => {
  expect(idsOf(joinPages([call(7, 4.5), call(5)], calls(4, 3), false))).toEqual([5, 7, 4, 3])
})

test('what is told anew replaces what was known', () => {
  const [joined] = joinPages([{ ...call(1), status: 502 }], [{ ...call(1), status: 200 }], false) ?? []
  expect(joined?.status).toBe(502)
})
