import { describe, expect, test } from 'bun:test'
import { repairJsonObject, repairJsonObjects } from '../../../src/providers/text-tools/repair-json.ts'
import { createSeededRandom } from './seeded-random.ts'

test('valid JSON keeps its spelling but for white space', () => {
  const random = createSeededRandom(1)
  const strings = ['', 'a', 'é', '👩‍👩‍👧', '"', '\\', '\n', "it's", '“x”', '\u0000', '```', '{', ', ', '</a>'] as const
  for (let round = 0; round < 2000; round++) {
    const value = { a: randomValue(4), [random.pick(strings)]: randomValue(2) }
    expect(repairJsonObject(JSON.stringify(value, null, random.below(3)))).toBe(JSON.stringify(value))
  }

  function randomValue(depth: number): unknown {
    const kind = random.below(depth > 0 ? 7 : 5)
    if (kind === 0) return random.below(1000) / 8
    if (kind === 1) return -random.below(1e9)
    if (kind === 2) return random.pick([true, false, null])
    if (kind < 5) return random.pick(strings) + random.pick(strings)
    if (kind === 5) return Array.from({ length: random.below(4) }, () => randomValue(depth - 1))
    return Object.fromEntries(
      Array.from({ length: random.below(4) }, () => [random.pick(strings), randomValue(depth - 1)]),
    )
  }
})

describe('what could be meant in two ways is not repaired', () => {
  test.each([
    ['{"a":"say "hi" now"}'],
    ["{'a':'one', 'two', 'b':1}"],
    ['{"a" 1}'],
    ['{"a":1 "b":2}'],
    ['{"a":01}'],
    ['{"a":1.}'],
    ['{"a":NaN}'],
    ['{"a":undefined}'],
    ['{"a":truely}'],
    ['{"a":[1}'],
    ['{"a":"x'],
    ['{,}'],
    ['{"a":,}'],
    ['words {"a":1}'],
    ['{"a":1} words'],
    ['{"a":1}{"b":2}'],
    ['"a"'],
    ['5'],
    ['[]'],
    [''],
  ])('%s', (text) => {
    expect(repairJsonObject(text)).toBeNull()
  })
})

test('brackets are added only to a text that was not cut off', () => {
  expect(repairJsonObjects('{"a":{"b":[1,2', true).objects).toEqual(['{"a":{"b":[1,2]}}'])
  expect(repairJsonObjects('{"a":{"b":[1,2', false)).toEqual({ objects: [], rest: '{"a":{"b":[1,2' })
})

test('what follows the objects is given back', () => {
  expect(repairJsonObjects('{"a":1}\n{"b":', false)).toEqual({ objects: ['{"a":1}'], rest: '{"b":' })
})

test('whatever comes out is JSON', () => {
  const random = createSeededRandom(9)
  const parts = [
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    ':',
    ',',
    '\\',
    'a',
    '1',
    '-',
    'é',
    '\n',
    ' ',
    '“',
    '’',
    'True',
    '\\u00',
    '.',
  ] as const
  let found = 0
  for (let round = 0; round < 50_000; round++) {
    const text = `{"a":${Array.from({ length: random.below(12) }, () => random.pick(parts)).join('')}`
    for (const object of repairJsonObjects(text, true).objects) {
      found++
      expect(() => JSON.parse(object)).not.toThrow()
    }
  }
  expect(found).toBeGreaterThan(500)
})
