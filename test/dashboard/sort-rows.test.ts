/** Tables sorted by a column. */
import { expect, test } from 'bun:test'
import { sortRows } from '../../src/dashboard/app/sort-rows.ts'

interface Row {
  readonly name: string
  readonly share: number | null
}

const rows: readonly Row[] = [
  { name: 'b', share: 9 },
  { name: 'c', share: null },
  { name: 'a', share: 10 },
]
const columns = [
  { id: 'name', value: ({ name }: Row) => name },
  { id: 'share', value: ({ share }: Row) => share },
]
const names = (id: string, isDescending: boolean) =>
  sortRows(rows, columns, { id, isDescending })
    .map(({ name }) => name)
    .join('')

test('numbers are compared as numbers, words as words', () => {
  expect(names('share', false).slice(0, 2)).toBe('ba')
  expect(names('share', true).slice(0, 2)).toBe('ab')
  expect(names('name', false)).toBe('abc')
  expect(names('name', true)).toBe('cba')
})

test('what is not known comes last in either direction', () => {
  expect(names('share', false)).toBe('bac')
  expect(names('share', true)).toBe('abc')
})

test('the rows given stay as they are, a column that is not there sorts nothing', () => {
  expect(names('weather', true)).toBe('bca')
  expect(rows[0]?.name).toBe('b')
})
