/** Checks merged settings against the schema, fills in defaults, and says everything that is wrong with them. */
import type { TSchema } from '@sinclair/typebox'
import { Value, type ValueError, ValueErrorType } from '@sinclair/typebox/value'
import { nearestName } from './nearest-name.ts'
import { type Settings, settingsSchema } from './schema.ts'
import { childPointer, isTree, parentPointer, pointerNames, replaceAt, type SettingsTree } from './settings-tree.ts'

/** Changes `tree`: what is wrong is taken out after it was refused, so that the rest can still be looked at. */
export function validateSettings(
  tree: SettingsTree,
  refuse: (pointer: string, message: string) => void,
): ValidatedSettings {
  const refused = new Set<string>()

  for (let round = 0; round < maxRounds; round++) {
    const settings = withDefaults(settingsSchema, tree)
    if (Value.Check(settingsSchema, settings)) return { settings, refused }
    for (const error of eachOnce(Value.Errors(settingsSchema, settings))) {
      const reading = readPlainText(error)
      if (reading !== undefined) {
        replaceAt(tree, error.path, reading)
        continue
      }
      if (!refused.has(error.path)) {
        const { pointer, message } = describe(error)
        refuse(pointer, message)
      }
      takeOut(tree, error, refused)
      // Whatever was meant by a kind that does not exist: its other settings are to be looked at as well.
      if (error.meantKind !== undefined) replaceAt(tree, error.path, error.meantKind)
    }
  }
  return { ...validateSettings({}, () => {}), refused }
}

export interface ValidatedSettings {
  readonly settings: Settings
  /** JSON pointers of what was taken out. */
  readonly refused: ReadonlySet<string>
}

/** TypeBox's own does not look into records, and mixes half of a group with half of its default. */
function withDefaults(schema: TSchema, value: unknown): unknown {
  if (value === undefined)
    return schema.default === undefined ? undefined : withDefaults(schema, structuredClone(schema.default))
  const kind = isTree(value) ? kindOfUnion(schema, value) : null
  if (kind !== null) return withDefaults(kind, value)
  if (schema.type !== 'object' || !isTree(value)) return value
  const properties: Readonly<Record<string, TSchema>> = schema.properties ?? {}
  const [ofRecord] = Object.values<TSchema>(schema.patternProperties ?? {})
  const missing = Object.keys(properties).filter((name) => !Object.hasOwn(value, name))
  const filled = [...Object.entries(value), ...missing.map((name) => [name, undefined] as const)].map(
    ([name, inner]) => {
      const innerSchema = Object.hasOwn(properties, name) ? properties[name] : ofRecord
      return [name, innerSchema === undefined ? inner : withDefaults(innerSchema, inner)] as const
    },
  )
  return Object.fromEntries(filled.filter(([, inner]) => inner !== undefined))
}

/** Each round takes out at least one level; the schema is not deeper. */
const maxRounds = 12

/** A schema's error, and what only the union around it can say. */
interface SettingError extends ValueError {
  /** Instead of what the schema says. */
  readonly said?: string
  /** Where a kind is written that does not exist: the one that its other settings fit best. */
  readonly meantKind?: string
}

/** The first error of each place. One of a union is looked up in the alternative that was probably meant. */
function eachOnce(errors: Iterable<ValueError>): SettingError[] {
  const byPath = new Map<string, SettingError>()
  for (const error of errors) {
    for (const inner of insideUnion(error)) {
      if (!byPath.has(inner.path)) byPath.set(inner.path, inner)
    }
  }
  return [...byPath.values()]
}

function insideUnion(error: ValueError): SettingError[] {
  if (error.type !== ValueErrorType.Union) return [error]
  if (isTree(error.value) && kindsOfUnion(error.schema).size > 0) return insideKind(error, error.value)
  const alternatives: readonly TSchema[] = error.schema.anyOf ?? []
  const meant = alternatives.filter(({ type, const: literal }) => literal === undefined && type === kindOf(error.value))
  const [only] = meant
  if (only === undefined || meant.length > 1) return [error]
  return errorsInside(error, only)
}

/** Errors of a union's alternative, with places from the root. Unions may stand in unions. */
function errorsInside(error: ValueError, alternative: TSchema): SettingError[] {
  return [...Value.Errors(alternative, error.value)].flatMap((inner) =>
    insideUnion({ ...inner, path: error.path + inner.path }),
  )
}

function insideKind(error: ValueError, value: SettingsTree): SettingError[] {
  const kinds = kindsOfUnion(error.schema)
  const kind = kindOfUnion(error.schema, value)
  if (kind === null) {
    const said = `must be one of ${[...kinds.keys()].join(', ')}`
    return [{ ...error, path: childPointer(error.path, 'type'), said, meantKind: bestFit(kinds, value) }]
  }
  return errorsInside(error, kind).map((inner) => {
    if (inner.type !== ValueErrorType.ObjectAdditionalProperties || parentPointer(inner.path) !== error.path)
      return inner
    const name = pointerNames(inner.path).at(-1) ?? ''
    const [other] = [...kinds].find(([, schema]) => Object.hasOwn(schema.properties, name)) ?? []
    if (other === undefined) return inner
    const own = String(kind.properties.type.const)
    const isDefault = kindOfUnion(error.schema, {}) === kind
    const hasType = `this one has type: ${own}${isDefault ? ', which is the default' : ''}`
    return { ...inner, said: `is a setting of providers with type: ${other}; ${hasType}` }
  })
}

/** Alternatives of a union of groups that their `type` tells apart; empty for other unions. */
function kindsOfUnion(schema: TSchema): ReadonlyMap<string, TSchema> {
  const alternatives: readonly TSchema[] = schema.anyOf ?? []
  const kinds = alternatives.flatMap((each) => {
    const name: unknown = each.properties?.type?.const
    return typeof name === 'string' ? [[name, each] as const] : []
  })
  return new Map(kinds.length === alternatives.length ? kinds : [])
}

/** The alternative that `value` says it is, the first one where it says nothing; null: there is no such one. */
function kindOfUnion(schema: TSchema, value: SettingsTree): TSchema | null {
  const kinds = kindsOfUnion(schema)
  const [first] = kinds.values()
  if (value.type === undefined) return first ?? null
  return (typeof value.type === 'string' && kinds.get(value.type)) || null
}

function bestFit(kinds: ReadonlyMap<string, TSchema>, value: SettingsTree): string {
  const fits = [...kinds].map(([name, schema]) => ({
    name,
    known: Object.keys(value).filter((each) => Object.hasOwn(schema.properties, each)).length,
  }))
  return fits.reduce((best, each) => (each.known > best.known ? each : best)).name
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value
}

/** A number or switch that came as text, from the environment or in quotes; `undefined`: it did not. */
function readPlainText({ schema, value }: ValueError): number | boolean | undefined {
  if (typeof value !== 'string') return undefined
  const text = value.trim().toLowerCase()
  if (schema.type === 'boolean') return switches[text]
  const isNumber = schema.type === 'integer' || schema.type === 'number'
  return isNumber && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined
}

const switches: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  1: true,
  false: false,
  no: false,
  off: false,
  0: false,
}

function describe(error: SettingError): { pointer: string; message: string } {
  if (error.said !== undefined) return { pointer: error.path, message: error.said }
  const name = pointerNames(error.path).at(-1) ?? ''
  if (error.type === ValueErrorType.ObjectRequiredProperty) return { pointer: error.path, message: 'is missing' }
  if (error.type !== ValueErrorType.ObjectAdditionalProperties) {
    return { pointer: error.path, message: error.schema.errorMessage ?? 'is not valid here' }
  }
  const names = Object.keys(error.schema.properties ?? {}).filter((known) => known !== '$schema')
  if (names.length === 0) {
    return { pointer: parentPointer(error.path), message: 'a name must consist of letters, digits, ".", "_" and "-"' }
  }
  // A secret may stand where a name belongs; only what looks like the name of a setting is repeated.
  const pointer = looksLikeSetting.test(name) ? error.path : parentPointer(error.path)
  const near = nearestName(name, names)
  const hint = near === null ? `known here: ${names.join(', ')}` : `did you mean ${near}?`
  return { pointer, message: `unknown setting; ${hint}` }
}

const looksLikeSetting = /^[A-Za-z]\w{0,31}$/

/** Something without a required part is useless as a whole. */
function takeOut(tree: SettingsTree, error: ValueError, refused: Set<string>): void {
  const isMissing = error.type === ValueErrorType.ObjectRequiredProperty
  const pointer = isMissing || isListItem(error.path) ? parentPointer(error.path) : error.path
  refused.add(error.path)
  refused.add(pointer)
  replaceAt(tree, pointer, undefined)
}

function isListItem(pointer: string): boolean {
  return /\/\d+$/.test(pointer)
}
