import { describe, expect, test } from 'bun:test'
import { createArgumentCheck } from '../../../src/providers/text-tools/argument-check.ts'
import { createSchemaCheck } from '../../../src/providers/text-tools/schema-check.ts'

const isValid = (schema: unknown, value: unknown) => createSchemaCheck(schema, { steps: 100_000 }).isValid(value)

describe('keywords: a value that fits, and one that does not', () => {
  const cases: readonly (readonly [unknown, unknown, unknown])[] = [
    [{ type: 'string' }, 'a', 1],
    [{ type: 'integer' }, 5.0, 5.5],
    [{ type: 'number' }, 5.5, '5.5'],
    [{ type: 'boolean' }, false, 0],
    [{ type: 'null' }, null, 0],
    [{ type: 'array' }, [], {}],
    [{ type: 'object' }, {}, []],
    [{ type: ['string', 'null'] }, null, 1],
    [{ type: 'string', nullable: true }, null, 1],
    [{ enum: [1, 'a', { b: [1] }] }, { b: [1] }, { b: [2] }],
    [{ const: { a: 1, b: 2 } }, { b: 2, a: 1 }, { a: 1 }],
    [{ minimum: 2 }, 2, 1],
    [{ maximum: 2 }, 2, 3],
    [{ exclusiveMinimum: 2 }, 3, 2],
    [{ exclusiveMaximum: 2 }, 1, 2],
    [{ minimum: 2, exclusiveMinimum: true }, 3, 2],
    [{ multipleOf: 0.1 }, 0.3, 0.35],
    [{ minLength: 2 }, 'ab', '👍'],
    [{ maxLength: 1 }, '👍', 'ab'],
    [{ pattern: '^\\d{4}-\\d{2}$' }, '2025-01', '2025-1'],
    [{ minItems: 1 }, [1], []],
    [{ maxItems: 1 }, [1], [1, 2]],
    [
      { uniqueItems: true },
      [1, '1', { a: 1 }],
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
    ],
    [{ items: { type: 'string' } }, ['a'], ['a', 1]],
    [{ prefixItems: [{ type: 'string' }], items: { type: 'number' } }, ['a', 1], ['a', 'b']],
    [{ items: [{ type: 'string' }], additionalItems: false }, ['a'], ['a', 1]],
    [{ contains: { type: 'string' } }, [1, 'a'], [1]],
    [{ contains: { type: 'string' }, maxContains: 1 }, ['a'], ['a', 'b']],
    [{ required: ['a'] }, { a: null }, {}],
    [{ required: ['toString'] }, { toString: 1 }, {}],
    [{ properties: { a: { type: 'string' } } }, { b: 1 }, { a: 1 }],
    [{ properties: { a: {} }, additionalProperties: false }, { a: 1 }, { b: 1 }],
    [{ patternProperties: { '^x': { type: 'string' } } }, { xa: 'a', b: 1 }, { xa: 1 }],
    [{ patternProperties: { '^x': {} }, additionalProperties: false }, { xa: 1 }, { b: 1 }],
    [{ propertyNames: { maxLength: 2 } }, { ab: 1 }, { abc: 1 }],
    [{ minProperties: 1 }, { a: 1 }, {}],
    [{ maxProperties: 1 }, { a: 1 }, { a: 1, b: 1 }],
    [{ dependentRequired: { a: ['b'] } }, { a: 1, b: 1 }, { a: 1 }],
    [{ dependentSchemas: { a: { required: ['b'] } } }, { b: 1 }, { a: 1 }],
    [{ dependencies: { a: ['b'] } }, {}, { a: 1 }],
    [{ allOf: [{ type: 'number' }, { minimum: 1 }] }, 1, 0],
    [{ anyOf: [{ type: 'number' }, { type: 'string' }] }, 'a', null],
    [{ oneOf: [{ minimum: 1 }, { minimum: 5 }] }, 3, 6],
    [{ not: { type: 'string' } }, 1, 'a'],
    [JSON.parse('{"if":{"type":"string"},"then":{"minLength":1},"else":{"type":"number"}}'), 'a', null],
    [{ $ref: '#/$defs/a~1b', $defs: { 'a/b': { type: 'string' } } }, 'a', 1],
    [{ $ref: '#/$defs/a%20b', $defs: { 'a b': { type: 'string' } } }, 'a', 1],
    [
      { properties: { next: { $ref: '#' }, value: { type: 'number' } } },
      { next: { next: {} } },
      { next: { next: { value: 'a' } } },
    ],
    [true, 1, undefined],
  ]

  test.each(cases)('%j', (schema, good, bad) => {
    expect(isValid(schema, good)).toBe(true)
    if (bad !== undefined) expect(isValid(schema, bad)).toBe(false)
  })

  test.each([
    [{ $ref: 'https://example.com/schema.json' }],
    [{ $ref: '#/nowhere' }],
    [{ $ref: 5, type: 'any', enum: 5, required: 5, properties: 5, minimum: 'a', pattern: 5, allOf: {}, items: 5 }],
    [{ pattern: '(?=a)b' }],
    [{ pattern: '(' }],
    [{ format: 'email', unknown: true }],
    ['words'],
    [null],
  ])('%j holds against nothing', (schema) => {
    expect(isValid(schema, { a: 'x' })).toBe(true)
    expect(isValid(schema, 'x')).toBe(true)
  })

  test('names from the prototype are no properties', () => {
    expect(isValid({ properties: {}, additionalProperties: false }, JSON.parse('{"__proto__":1}'))).toBe(false)
    expect(isValid({ constructor: { type: 'string' }, toString: 5 }, {})).toBe(true)
  })
})

describe('hostile schemas and values end within the budget', () => {
  const doubling = Object.fromEntries(
    Array.from({ length: 60 }, (_, index) => [
      `d${index}`,
      { allOf: [{ $ref: `#/$defs/d${index + 1}` }, { $ref: `#/$defs/d${index + 1}` }] },
    ]),
  )
  const manyOf = (schema: unknown) => Array.from({ length: 10_000 }, () => schema)
  const numbers = Array.from({ length: 50_000 }, (_, index) => index)
  const wide = Object.fromEntries(numbers.map((index) => [`k${index}`, index]))
  let deep: unknown = 1
  for (let depth = 0; depth < 5000; depth++) deep = { a: deep }

  test.each([
    ['a reference to itself', { $ref: '#' }, {}],
    ['two references to itself', { allOf: [{ $ref: '#' }, { $ref: '#' }] }, {}],
    ['references that double', { $ref: '#/$defs/d0', $defs: doubling }, {}],
    ['a deep value', { properties: { a: { $ref: '#' } } }, deep],
    ['a deep value compared', { const: deep }, { ...(deep as object) }],
    ['long text counted again and again', { allOf: manyOf({ minLength: 1 }) }, 'a'.repeat(1_000_000)],
    ['many members listed again and again', { allOf: manyOf({ additionalProperties: true }) }, wide],
    ['many items compared again and again', { allOf: manyOf({ uniqueItems: true }) }, numbers],
    ['many values for many items', { items: { not: { enum: numbers } } }, numbers.map((number) => -number - 1)],
    ['a pattern on long text', { allOf: manyOf({ pattern: '(a?){50}b' }) }, 'a'.repeat(100_000)],
  ])('%s', (_, schema, value) => {
    const budget = { steps: 100_000 }
    // What cannot be told counts as valid.
    expect(createSchemaCheck(schema, budget).isValid(value)).toBe(true)
    expect(budget.steps).toBeGreaterThan(-2_000_000)
  })

  test('a pattern that would backtrack for ever is decided', () => {
    expect(isValid({ pattern: '^(a+)+$' }, `${'a'.repeat(5000)}!`)).toBe(false)
    expect(isValid({ pattern: '^(a|a)*$' }, 'a'.repeat(5000))).toBe(true)
  })
})

describe('types are corrected only where one thing can be meant', () => {
  const check = (property: unknown, value: unknown) => {
    const schema = { type: 'object', properties: { a: property }, $defs: { count: { type: 'integer' } } }
    return createArgumentCheck(schema, { steps: 10_000 })(JSON.stringify({ a: value }))
  }

  test.each([
    [{ type: 'integer' }, '5', 5],
    [{ type: 'integer' }, ' -5 ', -5],
    [{ type: 'number' }, '5.5', 5.5],
    [{ type: ['integer', 'null'] }, '5', 5],
    [{ type: 'boolean' }, 'True', true],
    [{ type: 'string' }, 5, '5'],
    [{ type: 'string' }, true, 'true'],
    [{ type: 'array', items: { type: 'integer' } }, '[1,"2"]', [1, 2]],
    [{ type: 'object', properties: { b: { type: 'integer' } } }, '{"b":"1"}', { b: 1 }],
    [{ $ref: '#/$defs/count' }, '5', 5],
    [{ anyOf: [{ type: 'integer' }, { type: 'null' }] }, '5', 5],
    [{ oneOf: [{ type: 'integer' }, { type: 'array' }] }, '5', 5],
    [{ allOf: [{ type: 'integer' }] }, '5', 5],
  ])('%j: %j', (property, given, corrected) => {
    expect(check(property, given)).toBe(JSON.stringify({ a: corrected }))
  })

  test('null for an optional member that cannot be null is left out', () => {
    expect(check({ type: 'string' }, null)).toBe('{}')
    expect(check({ type: ['string', 'null'] }, null)).toBe('{"a":null}')
  })

  test.each([
    [{ type: 'integer' }, 'five'],
    [{ type: 'integer' }, '5.5'],
    [{ type: 'integer' }, '12345678901234567890'],
    [{ type: 'integer' }, ''],
    [{ type: 'integer' }, '0x10'],
    [{ type: 'integer' }, true],
    [{ type: 'boolean' }, 'yes'],
    [{ type: 'boolean' }, 1],
    [{ type: 'string' }, 2 ** 70],
    [{ type: 'string' }, ['a']],
    [{ type: 'array' }, 'a'],
    [{ type: 'object' }, '[1]'],
    [{ type: 'integer', maximum: 4 }, '5'],
    [{ anyOf: [{ const: 5 }, { type: 'boolean' }] }, 'x'],
  ])('%j: %j stays invalid', (property, given) => {
    expect(check(property, given)).toBeNull()
  })

  test('a name like __proto__ survives', () => {
    const schema = { type: 'object', properties: { a: { type: 'integer' } } }
    const json = '{"__proto__":{"b":1},"a":"5"}'
    expect(createArgumentCheck(schema, { steps: 1000 })(json)).toBe('{"__proto__":{"b":1},"a":5}')
  })
})
