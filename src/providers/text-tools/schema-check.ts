/**
 * Checks values against JSON Schema (draft 4 to 2020-12) that strangers wrote, within a bound on work: what cannot be told
 * within it counts as valid, since only the author of such a schema is hurt. It fetches nothing and compiles no code.
 * Not checked: `format` and `unevaluated*`, references to other documents, patterns with look-around or back references.
 */
import { isRecord } from '../../formats/is-record.ts'
import { createLinearPattern, type LinearPattern } from './linear-pattern.ts'

/** May be shared by several checks, so that their sum is bounded. */
export interface CheckBudget {
  steps: number
}

export interface SchemaCheck {
  readonly root: unknown
  isValid(value: unknown): boolean
  /** The same for a part of the schema. */
  accepts(part: unknown, value: unknown): boolean
  /** What a `$ref` points at; true (anything goes) when that is not in the document. */
  resolve(reference: string): unknown
  /** False when the budget is spent. */
  spend(steps: number): boolean
}

export function createSchemaCheck(root: unknown, budget: CheckBudget): SchemaCheck {
  const patterns = new Map<string, LinearPattern | null>()
  return {
    root,
    resolve: (reference) => resolveReference(root, reference),
    isValid: (value) => accepts(root, value),
    accepts,
    spend,
  }

  function accepts(part: unknown, value: unknown): boolean {
    const run: Run = { root, patterns, budget, isUnknown: false }
    const isValid = holds(part, value, { run, schema: {}, depth: 0 })
    return isValid || run.isUnknown
  }

  function spend(steps: number): boolean {
    budget.steps -= steps
    return budget.steps >= 0
  }
}

interface Run {
  readonly root: unknown
  readonly patterns: Map<string, LinearPattern | null>
  readonly budget: CheckBudget
  /** Set when a bound was met: whatever the rest says, it cannot be told whether the value is valid. */
  isUnknown: boolean
}

interface Place {
  readonly run: Run
  /** The schema whose keyword is looked at: some keywords depend on their neighbours. */
  readonly schema: Readonly<Record<string, unknown>>
  readonly depth: number
}

type Keyword = (rule: unknown, value: unknown, place: Place) => boolean

// A reference that leads back to itself ends here, as does a value nested deeper than any real one.
const maxDepth = 300

function holds(schema: unknown, value: unknown, place: Place): boolean {
  if (typeof schema === 'boolean') return schema
  if (!isRecord(schema)) return true
  if (place.depth >= maxDepth) place.run.isUnknown = true
  if (!spend(place, 1)) return true
  const inside = { run: place.run, schema, depth: place.depth + 1 }
  for (const name in schema) {
    if (!spend(place, 1)) return true
    const keyword = Object.hasOwn(keywords, name) ? keywords[name] : undefined
    if (keyword !== undefined && !keyword(schema[name], value, inside)) return false
  }
  return true
}

const keywords: Readonly<Record<string, Keyword>> = {
  $ref: (rule, value, place) => {
    if (typeof rule !== 'string' || !spend(place, rule.length)) return true
    return holds(resolveReference(place.run.root, rule), value, place)
  },
  // `nullable` is OpenAPI 3.0's.
  type: (rule, value, { schema }) => {
    const types = Array.isArray(rule) ? rule : [rule]
    return (value === null && schema.nullable === true) || types.some((type) => isOfType(value, type))
  },
  enum: (rule, value, place) => listOf(rule, place)?.some((each) => isEqual(each, value, place)) ?? true,
  const: (rule, value, place) => isEqual(rule, value, place),

  minimum: (rule, value) => compare(value, rule, (number, limit) => number >= limit),
  maximum: (rule, value) => compare(value, rule, (number, limit) => number <= limit),
  // In draft 4 a boolean here sharpened the neighbour.
  exclusiveMinimum: (rule, value, { schema }) =>
    compare(value, rule === true ? schema.minimum : rule, (number, limit) => number > limit),
  exclusiveMaximum: (rule, value, { schema }) =>
    compare(value, rule === true ? schema.maximum : rule, (number, limit) => number < limit),
  multipleOf: (rule, value) => compare(value, rule, (number, unit) => unit <= 0 || isWhole(number / unit)),

  minLength: (rule, value, place) => typeof value !== 'string' || isAtLeast(characterCount(value, place), rule),
  maxLength: (rule, value, place) => typeof value !== 'string' || isAtMost(characterCount(value, place), rule),
  pattern: (rule, value, place) => typeof value !== 'string' || matches(rule, value, place),

  minItems: (rule, value) => !Array.isArray(value) || isAtLeast(value.length, rule),
  maxItems: (rule, value) => !Array.isArray(value) || isAtMost(value.length, rule),
  uniqueItems: (rule, value, place) => {
    if (rule !== true) return true
    const items = itemsOf(value, place)
    return new Set(items.map((item) => canonicalText(item, place))).size === items.length || place.run.isUnknown
  },
  prefixItems: (rule, value, place) => tupleHolds(rule, value, place),
  // Before 2020-12 a list under `items` was what `prefixItems` is now.
  items: (rule, value, place) => {
    if (Array.isArray(rule)) return tupleHolds(rule, value, place)
    const { prefixItems } = place.schema
    const from = Array.isArray(prefixItems) ? prefixItems.length : 0
    return itemsOf(value, place).every((item, index) => index < from || holds(rule, item, place))
  },
  additionalItems: (rule, value, place) => {
    const { items } = place.schema
    if (!Array.isArray(items)) return true
    return itemsOf(value, place).every((item, index) => index < items.length || holds(rule, item, place))
  },
  contains: (rule, value, place) => {
    if (!Array.isArray(value)) return true
    const found = itemsOf(value, place).filter((item) => holds(rule, item, place)).length
    return isAtLeast(found, place.schema.minContains ?? 1) && isAtMost(found, place.schema.maxContains)
  },

  minProperties: (rule, value, place) => !isRecord(value) || isAtLeast(membersOf(value, place).length, rule),
  maxProperties: (rule, value, place) => !isRecord(value) || isAtMost(membersOf(value, place).length, rule),
  required: (rule, value, place) => !isRecord(value) || hasAll(rule, value, place),
  properties: (rule, value, place) =>
    !isRecord(rule) ||
    membersOf(value, place).every(([name, member]) => !Object.hasOwn(rule, name) || holds(rule[name], member, place)),
  patternProperties: (rule, value, place) =>
    membersOf(rule, place).every(([pattern, schema]) =>
      membersOf(value, place).every(([name, member]) => !matches(pattern, name, place) || holds(schema, member, place)),
    ),
  additionalProperties: (rule, value, place) => {
    const { properties, patternProperties } = place.schema
    const patterns = isRecord(patternProperties) ? Object.keys(patternProperties) : []
    return membersOf(value, place).every(([name, member]) => {
      if (isRecord(properties) && Object.hasOwn(properties, name)) return true
      return patterns.some((pattern) => matches(pattern, name, place)) || holds(rule, member, place)
    })
  },
  propertyNames: (rule, value, place) => membersOf(value, place).every(([name]) => holds(rule, name, place)),
  dependentRequired: (rule, value, place) => dependenciesHold(rule, value, place),
  dependentSchemas: (rule, value, place) => dependenciesHold(rule, value, place),
  dependencies: (rule, value, place) => dependenciesHold(rule, value, place),

  allOf: (rule, value, place) => listOf(rule, place)?.every((each) => holds(each, value, place)) ?? true,
  anyOf: (rule, value, place) => listOf(rule, place)?.some((each) => holds(each, value, place)) ?? true,
  oneOf: (rule, value, place) => {
    const list = listOf(rule, place)
    return list === null || list.filter((each) => holds(each, value, place)).length === 1
  },
  not: (rule, value, place) => !holds(rule, value, place),
  if: (rule, value, place) => {
    const branch = holds(rule, value, place) ? place.schema.then : place.schema.else
    return branch === undefined || holds(branch, value, place)
  },
}

function spend(place: Place, steps: number): boolean {
  const { run } = place
  run.budget.steps -= steps
  if (run.budget.steps < 0) run.isUnknown = true
  return !run.isUnknown
}

/** The entries of a keyword's list, paid for; null when it is none or cannot be paid. */
function listOf(rule: unknown, place: Place): readonly unknown[] | null {
  return Array.isArray(rule) && spend(place, rule.length) ? rule : null
}

/** The items of a list, paid for; none when it is no list. */
function itemsOf(value: unknown, place: Place): readonly unknown[] {
  return Array.isArray(value) && spend(place, value.length >> 3) ? value : []
}

/** The members of an object, paid for; none when it is no object. */
function membersOf(value: unknown, place: Place): readonly (readonly [string, unknown])[] {
  if (!isRecord(value)) return []
  const members = Object.entries(value)
  return spend(place, members.length) ? members : []
}

export function isOfType(value: unknown, type: unknown): boolean {
  switch (type) {
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isRecord(value)
    case 'integer':
      return Number.isInteger(value)
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === type
    default:
      // `any`, or a word of some other language: nothing to hold a value against.
      return true
  }
}

function compare(value: unknown, rule: unknown, test: (value: number, rule: number) => boolean): boolean {
  return typeof rule !== 'number' || typeof value !== 'number' || test(value, rule)
}

/** Fractions are not exact: 0.3 is a multiple of 0.1. */
function isWhole(quotient: number): boolean {
  return Math.abs(quotient - Math.round(quotient)) <= 1e-9 * Math.max(1, Math.abs(quotient))
}

function isAtLeast(count: number, rule: unknown): boolean {
  return typeof rule !== 'number' || count >= rule
}

function isAtMost(count: number, rule: unknown): boolean {
  return typeof rule !== 'number' || count <= rule
}

/** Code points, as JSON Schema counts. */
function characterCount(text: string, place: Place): number {
  if (!spend(place, text.length >> 4)) return 0
  let pairs = 0
  for (let index = 0; index < text.length; index++) if ((text.codePointAt(index) ?? 0) > 0xffff) pairs++
  return text.length - pairs
}

function matches(pattern: unknown, text: string, place: Place): boolean {
  if (typeof pattern !== 'string' || !spend(place, 1)) return true
  const { patterns, budget } = place.run
  let compiled = patterns.get(pattern)
  if (compiled === undefined) {
    spend(place, pattern.length)
    compiled = createLinearPattern(pattern)
    patterns.set(pattern, compiled)
  }
  if (compiled === null) return true
  const { isMatch, steps } = compiled(text, budget.steps)
  return !spend(place, steps) || isMatch
}

function tupleHolds(rule: unknown, value: unknown, place: Place): boolean {
  if (!Array.isArray(value)) return true
  return listOf(rule, place)?.every((each, index) => index >= value.length || holds(each, value[index], place)) ?? true
}

function hasAll(names: unknown, value: Readonly<Record<string, unknown>>, place: Place): boolean {
  return listOf(names, place)?.every((name) => typeof name !== 'string' || Object.hasOwn(value, name)) ?? true
}

function dependenciesHold(rule: unknown, value: unknown, place: Place): boolean {
  if (!isRecord(value)) return true
  return membersOf(rule, place).every(([name, needed]) => {
    if (!Object.hasOwn(value, name)) return true
    return Array.isArray(needed) ? hasAll(needed, value, place) : holds(needed, value, place)
  })
}

function isEqual(left: unknown, right: unknown, place: Place): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object') return false
  return canonicalText(left, place) === canonicalText(right, place)
}

/** JSON with sorted names: equal for equal values. */
function canonicalText(value: unknown, place: Place): string {
  if (!spend(place, typeof value === 'string' ? 1 + (value.length >> 4) : 1)) return ''
  if (place.depth >= maxDepth) {
    place.run.isUnknown = true
    return ''
  }
  const inside = { ...place, depth: place.depth + 1 }
  if (Array.isArray(value)) return `[${value.map((item) => canonicalText(item, inside)).join(',')}]`
  if (!isRecord(value)) return JSON.stringify(value) ?? ''
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalText(value[name], inside)}`)
  return `{${members.join(',')}}`
}

/** A JSON pointer in a fragment (RFC 6901, 6). */
function resolveReference(root: unknown, reference: string): unknown {
  if (reference === '#') return root
  if (!reference.startsWith('#/')) return true
  let found = root
  for (const step of reference.slice(2).split('/')) {
    const name = decode(step).replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return true
    found = (found as Record<string, unknown>)[name]
  }
  return found
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
