/** Finding and replacing members of a JSON text, with JSON.parse as the judge. */
import { describe, expect, test } from 'bun:test'
import { applyEdit, cutByEdits, findAllMembers, findMember } from '../../src/formats/json-members.ts'
import { type Chance, createChance } from '../helpers/random.ts'

function valueAt(json: string, path: readonly string[]): string | null {
  const latin1 = Buffer.from(json).toString('latin1')
  const span = findMember(latin1, path)
  return span === null ? null : Buffer.from(latin1.slice(span.start, span.end), 'latin1').toString()
}

describe('findMember', () => {
  const rows: readonly (readonly [string, readonly string[], string | null])[] = [
    ['{"model":"a"}', ['model'], '"a"'],
    [' \r\n\t{ "model" \n : \t"a" , "b":1}', ['model'], '"a"'],
    ['{"a":{"model":"no"},"model":"yes"}', ['model'], '"yes"'],
    ['{"a":"\\"model\\":\\"no\\"","model":"yes"}', ['model'], '"yes"'],
    ['{"a":["model",{"model":"no"}],"mod\\u0065l":"yes"}', ['model'], '"yes"'],
    ['{"a":"\\\\","model":"yes"}', ['model'], '"yes"'],
    ['{"a":"\\\\\\"","model":"yes"}', ['model'], '"yes"'],
    ['{"a":"}]{[","model":"yes"}', ['model'], '"yes"'],
    ['{"a":"ü🙂","model":"ü🙂"}', ['model'], '"ü🙂"'],
    ['{"a":1.0,"b":-1e400,"model":9007199254740993}', ['model'], '9007199254740993'],
    ['{"a":null,"model":true }', ['model'], 'true'],
    ['{"response":{"x":[{}],"model":"in"},"model":"out"}', ['response', 'model'], '"in"'],
    ['{"response":"model","model":"out"}', ['response', 'model'], null],
    ['{"a":"model"}', ['model'], null],
    ['{}', ['model'], null],
    ['[]', ['model'], null],
    ['"model"', ['model'], null],
    ['{"model":[1,[2,{"x":"]"}]]}', ['model'], '[1,[2,{"x":"]"}]]'],
  ]
  for (const [json, path, expected] of rows) {
    test(`${path.join('.')} of ${JSON.stringify(json)}`, () => expect(valueAt(json, path)).toBe(expected))
  }
})

describe('findAllMembers', () => {
  const rows: readonly (readonly [string, number])[] = [
    ['{"model":"a"}', 1],
    ['{"model":"a","model":"b"}', 2],
    ['{"model":"a","mod\\u0065l":"b"}', 2],
    ['{"\\u006dodel":"a","model":"b"}', 2],
    ['{"\\u006Dodel":"a","\\u006dodel":"b"}', 2],
    ['{"model":"a","x":{"model":"b"}}', 1],
    ['{"x":[{"model":"b"},"model"],"model":"a"}', 1],
    ['{"x":"\\"model","model":"a"}', 1],
    ['{"model":"model"}', 1],
    ['{"model":"a","x":"\\u0041"}', 1],
  ]
  for (const [json, count] of rows) {
    test(`${count} in ${json}`, () => expect(findAllMembers(json, 'model')).toHaveLength(count))
  }
})

test('edits change their spans and nothing else, in whatever order they are given', () => {
  const bytes = new Uint8Array(Buffer.from('{"a":"ü","b":"c"}'))
  const edits = [
    { start: 14, end: 17, text: '"ü"' },
    { start: 1, end: 1, text: '"n":1.0,' },
  ]
  const edited = '{"n":1.0,"a":"ü","b":"ü"}'
  expect(Buffer.concat(cutByEdits(bytes, edits)).toString()).toBe(edited)
  expect(Buffer.concat(cutByEdits(bytes, edits.toReversed())).toString()).toBe(edited)
  expect(cutByEdits(bytes, [])).toEqual([bytes])
})

const spaces = ['', '', '', ' ', '\n', '\t', '\r\n  '] as const
const names = ['model', 'mod\\u0065l', 'a', '"', '\\\\', 'response', 'ü🙂', '\\u00fc', '__proto__', ''] as const
const scalars = [
  '1.0',
  '9007199254740993',
  '1e400',
  '-0',
  'true',
  'null',
  '"model"',
  '"\\"model\\":"',
  '"}"',
  '"🙂é"',
] as const

function randomJson(chance: Chance, depth: number): string {
  const space = () => chance.pick(spaces)
  const shape = chance.below(depth > 3 ? 1 : 4)
  if (shape <= 1) return chance.pick(scalars)
  const items = Array.from({ length: chance.below(5) }, () => randomJson(chance, depth + 1))
  if (shape === 2) return `[${space()}${items.map((item) => `${item}${space()}`).join(`,${space()}`)}]`
  return randomObject(chance, items)
}

function randomObject(chance: Chance, values: readonly string[]): string {
  const space = () => chance.pick(spaces)
  const members = values.map((value) => {
    const name = chance.pick(names)
    return `"${name === '"' ? '\\"' : name}"${space()}:${space()}${value}${space()}`
  })
  return `{${space()}${members.join(`,${space()}`)}}`
}

test('in 4,000 random texts a replaced member is replaced in the eyes of JSON.parse, and everything else is the same', () => {
  for (let seed = 1; seed <= 4000; seed++) {
    const chance = createChance(seed)
    const values = Array.from({ length: chance.below(6) }, () => randomJson(chance, 1))
    const json = chance.pick(spaces) + randomObject(chance, values)
    const parsed = JSON.parse(json) as Record<string, unknown>
    const latin1 = Buffer.from(json).toString('latin1')
    const spans = Object.hasOwn(parsed, 'model') ? findAllMembers(latin1, 'model') : []
    expect(findMember(latin1, ['model']) !== null, `seed ${seed}`).toBe(Object.hasOwn(parsed, 'model'))
    const last = spans.at(-1)
    if (last === undefined) continue
    const text = Buffer.from(latin1.slice(last.start, last.end), 'latin1').toString()
    expect(JSON.parse(text), `seed ${seed}`).toEqual(parsed.model)
    const edited = Buffer.from(applyEdit(latin1, { ...last, text: '"neu ü"' }), 'latin1').toString()
    expect(JSON.parse(edited), `seed ${seed}`).toEqual({ ...parsed, model: 'neu ü' })
    expect(edited.length - '"neu ü"'.length, `seed ${seed}`).toBe(json.length - text.length)
  }
})

test('a text of ten megabytes with a million quotes is searched in linear time', () => {
  const json = `{"a":"${'\\"'.repeat(1_000_000)}","b":${'['.repeat(1000)}${']'.repeat(1000)},"c":"${'\\\\'.repeat(4_000_000)}","model":"x"}`
  const startedMs = performance.now()
  expect(valueAt(json, ['model'])).toBe('"x"')
  expect(performance.now() - startedMs).toBeLessThan(2000)
})
