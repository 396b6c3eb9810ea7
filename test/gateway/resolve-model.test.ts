/** From a name to its targets, and the set that credentials are chosen from. */
import { describe, expect, test } from 'bun:test'
import { createAvailableSet } from '../../src/gateway/available-set.ts'
import { createModelResolver, createPatternMatch } from '../../src/gateway/resolve-model.ts'
import { createChance } from '../helpers/random.ts'

const route = (pattern: string, model: string, provider = 'p') => ({
  pattern,
  targets: [{ provider, model }],
  price: null,
})

describe('a name goes', () => {
  const resolver = createModelResolver({
    models: [
      route('*', 'all/*'),
      route('gpt-*', 'short'),
      route('gpt-4*', 'longer'),
      route('gpt-4o', 'exact'),
      route('a*z', 'x-*-y'),
      route('b', '*'),
    ],
    defaultProvider: 'fallback',
  })
  const rows: readonly (readonly [string, string])[] = [
    ['gpt-4o', 'exact'],
    ['gpt-4o-mini', 'longer'],
    ['gpt-5', 'short'],
    ['gpt-', 'short'],
    ['abcz', 'x-abcz-y'],
    ['az', 'x-az-y'],
    ['other', 'all/other'],
    ['b', 'b'],
    ["$&$1$'", "all/$&$1$'"],
    ['GPT-4o', 'all/GPT-4o'],
    ['*', 'all/*'],
  ]
  for (const [name, model] of rows) {
    test(`${name} to ${model}`, () => expect(resolver.resolve(name).targets).toEqual([{ provider: 'p', model }]))
  }

  test('to the default provider under its own name where no route fits, or nowhere', () => {
    const config = { models: [route('a', 'b')], defaultProvider: 'fallback' }
    expect(createModelResolver(config).resolve('c').targets).toEqual([{ provider: 'fallback', model: 'c' }])
    expect(createModelResolver({ ...config, defaultProvider: null }).resolve('c').targets).toEqual([])
  })
})

test('a pattern fits what the same regular expression fits, in 20,000 random cases', () => {
  for (let seed = 1; seed <= 20_000; seed++) {
    const chance = createChance(seed)
    const word = (letters: readonly [string, ...string[]], most: number) =>
      Array.from({ length: chance.below(most) }, () => chance.pick(letters)).join('')
    const pattern = word(['a', 'b', '*', '.'], 6)
    const name = word(['a', 'b', '.'], 7)
    const expression = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll(/\*+/g, '.*')}$`)
    expect(createPatternMatch(pattern)(name), `${pattern} and ${name}`).toBe(expression.test(name))
  }
})

test('a pattern of many stars costs no more than its length', () => {
  const startedMs = performance.now()
  expect(createPatternMatch(`${'a*'.repeat(50)}b`)('a'.repeat(100_000))).toBe(false)
  expect(performance.now() - startedMs).toBeLessThan(500)
})

test('the set holds what was added and not removed, in 300 random histories', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const chance = createChance(seed)
    const initial = Array.from({ length: chance.below(6) }, (_, index) => index)
    const set = createAvailableSet(initial)
    const model = new Set(initial)
    for (let step = 0; step < 60; step++) {
      const item = chance.below(10)
      if (chance.below(2) === 0) {
        set.add(item)
        model.add(item)
      } else {
        set.remove(item)
        model.delete(item)
      }
      expect(set.size()).toBe(model.size)
      const listed = Array.from({ length: model.size }, (_, position) =>
        set.at(position + chance.below(5) * model.size),
      )
      expect(new Set<number | undefined>(listed)).toEqual(model)
      for (let other = 0; other < 10; other++) expect(set.has(other)).toBe(model.has(other))
    }
  }
  expect(createAvailableSet<number>([]).at(3)).toBeUndefined()
})
