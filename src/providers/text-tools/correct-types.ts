/** Corrects values of the wrong type where their text can only mean one value of the right type; checking the result is done elsewhere. */
import { isRecord } from '../../formats/is-record.ts'
import { isOfType, type SchemaCheck } from './schema-check.ts'

/** `"5"` for an integer becomes 5, `"[1]"` for an array becomes [1], null for an optional member is left out. The value itself stays untouched. */
export function correctTypes(schema: SchemaCheck, value: unknown): unknown {
  return correct(schema.root, value, 0)

  function correct(part: unknown, given: unknown, depth: number): unknown {
    if (!isRecord(part) || depth >= maxDepth || !schema.spend(1)) return given
    let value = given
    if (typeof part.$ref === 'string') value = correct(schema.resolve(part.$ref), value, depth + 1)
    for (const each of listOf(part.allOf)) value = correct(each, value, depth + 1)
    value = correctByBranch(part.anyOf, value, depth)
    value = correctByBranch(part.oneOf, value, depth)
    value = correctType(part, value)
    if (Array.isArray(value)) return correctItems(part, value, depth)
    return isRecord(value) ? correctMembers(part, value, depth) : value
  }

  /** Only when all branches that can take the value make the same of it. */
  function correctByBranch(branches: unknown, value: unknown, depth: number): unknown {
    const list = listOf(branches)
    if (list.length === 0 || list.some((branch) => schema.accepts(branch, value))) return value
    const corrected = list
      .map((branch) => ({ branch, value: correct(branch, value, depth + 1) }))
      .filter((each) => schema.accepts(each.branch, each.value))
    const first = corrected[0]
    if (first === undefined || corrected.some((each) => each.value !== first.value)) return value
    return first.value
  }

  function correctItems(part: Part, items: readonly unknown[], depth: number): unknown[] {
    const tuple = listOf(part.prefixItems ?? part.items)
    const rest = Array.isArray(part.items) ? part.additionalItems : part.items
    return items.map((item, index) => correct(index < tuple.length ? tuple[index] : rest, item, depth + 1))
  }

  function correctMembers(part: Part, members: Part, depth: number): Part {
    const properties = isRecord(part.properties) ? part.properties : {}
    const required = new Set(listOf(part.required))
    const corrected = Object.entries(members).flatMap(([name, value]) => {
      const isKnown = Object.hasOwn(properties, name)
      const rule = isKnown ? properties[name] : part.additionalProperties
      if (value === null && isKnown && !required.has(name) && refusesNull(rule)) return []
      return [[name, correct(rule, value, depth + 1)] as const]
    })
    return Object.fromEntries(corrected)
  }
}

type Part = Readonly<Record<string, unknown>>

const maxDepth = 100

function refusesNull(rule: unknown): boolean {
  if (!isRecord(rule) || rule.type === undefined || rule.nullable === true) return false
  return !listOf(rule.type, rule.type).some((type) => isOfType(null, type))
}

function correctType(part: Part, value: unknown): unknown {
  const types = listOf(part.type, part.type)
  if (types.length === 0 || types.some((type) => isOfType(value, type))) return value
  if (value === null) return value
  const meanings = readings(value).filter((meaning) => types.some((type) => isOfType(meaning, type)))
  return meanings.length === 1 ? meanings[0] : value
}

/** The values of other types that a value may have been meant as. */
function readings(value: unknown): unknown[] {
  if (typeof value === 'boolean') return [String(value)]
  // A long number has lost digits by now.
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value) ? [] : [String(value)]
  if (typeof value !== 'string') return []
  const text = value.trim()
  if (/^(?:true|false)$/i.test(text)) return [text.toLowerCase() === 'true']
  if (numberText.test(text)) {
    const number = Number(text)
    return Number.isInteger(number) && !Number.isSafeInteger(number) ? [] : [number]
  }
  if (!text.startsWith('{') && !text.startsWith('[')) return []
  try {
    return [JSON.parse(text)]
  } catch {
    return []
  }
}

const numberText = /^-?(?:0|[1-9]\d{0,20})(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?$/

/** A list as it is; anything else that is given becomes a list of one where `single` is passed. */
function listOf(value: unknown, single?: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  return single === undefined ? [] : [single]
}
