import { describe, expect, test } from 'bun:test'
import { createLinearPattern } from '../../../src/providers/text-tools/linear-pattern.ts'
import { createSeededRandom } from './seeded-random.ts'

const random = createSeededRandom(5)

test('agrees with the native expression on random patterns and texts', () => {
  for (let round = 0; round < 4000; round++) {
    const source = randomChoice(2)
    const native = new RegExp(source, 'u')
    const linear = createLinearPattern(source)
    for (let count = 0; count < 4; count++) {
      const text = repeat(8, () => random.pick(['a', 'b', 'c', '1', ' ', '-', 'é', '😀']))
      expect([source, text, linear?.(text, 100_000).isMatch]).toEqual([source, text, native.test(text)])
    }
  }
})

function randomChoice(depth: number): string {
  const first = repeat(4, () => randomPiece(depth))
  return random.below(3) > 0 ? first : `${first}|${repeat(3, () => randomPiece(depth))}`
}

function randomPiece(depth: number): string {
  if (random.below(6) === 0) return random.pick(['^', '$', '\\b', '\\B'])
  const atom =
    depth > 0 && random.below(3) === 0
      ? `${random.pick(['(', '(?:', '(?<n>'])}${randomChoice(depth - 1)})`.replaceAll('(?<n>', '(')
      : random.pick(['a', 'b', '.', '\\d', '\\w', '\\S', '[ab]', '[^a-c1]', '-', '\\u{e9}', '\\p{L}', '\\x61'])
  return atom + random.pick(['', '', '', '*', '+', '?', '{2}', '{1,3}', '{0,2}', '{2,}', '*?', '{0}'])
}

function repeat(limit: number, create: () => string): string {
  return Array.from({ length: random.below(limit) }, create).join('')
}

describe('patterns of real schemas', () => {
  test.each([
    ['^[a-z0-9]+(?:-[a-z0-9]+)*$', 'a-slug-1', 'a--b'],
    ['^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$', '#ff00AA', '#ff00'],
    ['^https?://[^\\s/$.?#].[^\\s]*$', 'https://a.b/c', 'ftp://a'],
    ['^[\\w.+-]+@[\\w-]+\\.[\\w.-]+$', 'a.b@c.de', 'a@b'],
    ['^[\\w-\\.]+$', 'a-b.c', 'a b'],
    ['^\\+?[1-9]\\d{1,14}$', '+4930123456', '0'],
    ['^\\{\\{.+\\}\\}$', '{{x}}', '{x}'],
    ['^(?<year>\\d{4})$', '2025', '25'],
    ['^$', '', 'a'],
    ['', 'anything', null],
  ])('%s', (source, good, bad) => {
    const pattern = createLinearPattern(source)
    expect(pattern?.(good, 10_000).isMatch).toBe(true)
    if (bad !== null) expect(pattern?.(bad, 10_000).isMatch).toBe(false)
  })

  test.each([
    ['(?=a)b'],
    ['(?!a)b'],
    ['(?<=a)b'],
    ['(?<!a)b'],
    ['(a)\\1'],
    ['(?<n>a)\\k<n>'],
    ['(?i)a'],
    ['\\Aa\\Z'],
    ['('],
    [')'],
    ['['],
    ['*'],
    ['a{3,1}'],
    ['a{5000}'],
    ['((((a{20}){20}){20}){20})'],
    ['('.repeat(100) + ')'.repeat(100)],
    ['a'.repeat(5000)],
    ['\\p{Nonsense}'],
  ])('%s is not decided', (source) => {
    expect(createLinearPattern(source)).toBeNull()
  })
})

test('steps grow with the text, not faster', () => {
  for (const source of ['^(a+)+$', '^(a|a)*$', '(a*)*b', 'a*a*a*a*a*b', '(?:a?){100}a{100}$', '(.*)(.*)(.*)[^a]$']) {
    const pattern = createLinearPattern(source)
    const steps = (length: number) => pattern?.(`${'a'.repeat(length)}!`, Number.MAX_SAFE_INTEGER).steps ?? 0
    expect(steps(4000)).toBeLessThan(steps(1000) * 4.5)
  }
})

test('stops when its steps are used up', () => {
  const { isMatch, steps } = createLinearPattern('b$')?.('a'.repeat(10_000), 100) ?? { isMatch: true, steps: 0 }
  expect(isMatch).toBe(false)
  expect(steps).toBeGreaterThan(100)
  expect(steps).toBeLessThan(200)
})
