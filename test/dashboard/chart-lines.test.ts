/** Numbers of charts: stacked, named, told. */
import { expect, test } from 'bun:test'
import { colourOf, columnsOf, totalOf, valueText } from '../../src/dashboard/app/chart-lines.ts'

const lines = [
  { name: 'a', values: [1, 2, null] },
  { name: 'b', values: [10, null, 30] },
]

test('lines stand as they are', () => {
  expect(columnsOf({ times: [0, 60, 120], lines })).toEqual([
    [0, 60, 120],
    [1, 2, null],
    [10, null, 30],
  ])
})

test('a stack is drawn from its top, each line the sum of those below', () => {
  expect(columnsOf({ times: [0, 60, 120], lines, isStacked: true })).toEqual([
    [0, 60, 120],
    [11, 2, 30],
    [1, 2, 0],
  ])
})

test('a bar stands in the middle of its bucket', () => {
  expect(columnsOf({ times: [0, 3600], lines: [], bucketSeconds: 3600 })[0]).toEqual([1800, 5400])
})

test('the legend tells the total, else the last known value, else a dash', () => {
  const format = (value: number) => `<${value}>`
  expect(totalOf({ name: 'a', values: [1], total: '7' }, format)).toBe('7')
  expect(totalOf({ name: 'a', values: [1, 2, null] }, format)).toBe('<2>')
  expect(totalOf({ name: 'a', values: [] }, format)).toBe('–')
  expect(valueText(0, format)).toBe('<0>')
  expect(valueText(null, format)).toBe('–')
})

test('colours follow each other and begin again', () => {
  const line = { name: 'a', values: [] }
  expect(colourOf(line, 0)).toBe('--series-1')
  expect(colourOf(line, 9)).toBe('--series-1')
  expect(colourOf({ ...line, colour: '--good' }, 3)).toBe('--good')
})
