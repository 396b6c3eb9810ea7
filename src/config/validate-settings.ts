/** Checks merged settings against the schema, fills in defaults, and says everything that is wrong with them. */
import type { TSchema } from '@sinclair/typebox'
import { Value, type ValueError, ValueErrorType } from '@sinclair/typebox/value'
import { nearestName } from './nearest-name.ts'
import { type Settings, settingsSchema } from './schema.ts'
import { isTree, parentPointer, pointerNames, replaceAt, type SettingsTree } from './settings-tree.ts'

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

/** The first error of each place. One of a union is looked up in the alternative that was probably meant. */
function eachOnce(errors: Iterable<ValueError>): ValueError[] {
  const byPath = new Map<string, ValueError>()
  for (const error of errors) {
    for (const inner of insideUnion(error)) {
      if (!byPath.has(inner.path)) byPath.set(inner.path, inner)
    }
  }
  return [...byPath.values()]
}

function insideUnion(error: ValueError): ValueError[] {
  if (error.type !== ValueErrorType.Union) return [error]
  const alternatives: readonly TSchema[] = error.schema.anyOf ?? []
  const meant = alternatives.filter(({ type, const: literal }) => literal === undefined && type === kindOf(error.value))
  const [only] = meant
  if (only === undefined || meant.length > 1) return [error]
  return [...Value.Errors(only, error.value)].map((inner) => ({ ...inner, path: error.path + inner.path }))
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

function describe(error: ValueError): { pointer: string; message: string } {
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
