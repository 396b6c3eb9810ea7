/** Reads what a model wrote between the call tags: which tools, with which arguments, in whatever of the usual spellings. */
import { isRecord } from '../../formats/is-record.ts'
import { findMember } from '../../formats/json-members.ts'
import { createArgumentCheck } from './argument-check.ts'
import { repairJsonObject, repairJsonObjects } from './repair-json.ts'
import type { Tool, ToolPlan } from './tool-plan.ts'

export interface WrittenCall {
  /** Its JSON, or whatever stands where JSON should. */
  readonly source: string
  /** Null when it calls no tool of the plan, or calls it with invalid arguments. */
  readonly call: { readonly name: string; readonly arguments: string } | null
}

/** `isClosed`: the model wrote the closing tag, so that its text is not cut off. Everything of the text that is no call comes back as a source without one. */
export type CallReader = (text: string, isClosed: boolean) => WrittenCall[]

/** Every call of one answer is read by one reader: they share a bound on the work. */
export function createCallReader(plan: ToolPlan): CallReader {
  const budget = { steps: maxCheckSteps }
  const checks = new Map<string, (json: string) => string | null>()
  return (text, isClosed) => {
    if (plan.tools.length === 0) return []
    const { objects, rest } = repairJsonObjects(text, isClosed)
    const written = objects.flatMap(unwrapList).map((source) => ({ source, call: readCall(source) }))
    return rest === '' ? written : [...written, { source: rest, call: null }]
  }

  function readCall(source: string): WrittenCall['call'] {
    const object = callObject(source)
    const tool = findTool(nameOf(object), plan.tools)
    const json = tool === null ? null : argumentsOf(object)
    if (tool === null || json === null) return null
    const valid = checkOf(tool)(json)
    return valid === null ? null : { name: tool.name, arguments: valid }
  }

  function checkOf(tool: Tool) {
    const known = checks.get(tool.name)
    if (known !== undefined) return known
    const check = createArgumentCheck(tool.parameters, budget)
    checks.set(tool.name, check)
    return check
  }
}

/** Visited schema nodes, compared characters and so on, for all calls of an answer together: about a tenth of a second. */
const maxCheckSteps = 500_000

const argumentNames = ['arguments', 'parameters', 'input', 'args']
const toolNames = ['name', 'tool_name', 'tool', 'function']

/** `{"tool_calls": [...]}`: an answer of OpenAI's copied as a whole. */
function unwrapList(source: string): string[] {
  const list = memberText(source, 'tool_calls')
  const { objects, rest } = repairJsonObjects(list ?? '', true)
  return objects.length === 0 || rest !== '' ? [source] : [...objects]
}

/** `{"type": "function", "function": {...}}`: a call in OpenAI's spelling. */
function callObject(source: string): string {
  const inner = memberText(source, 'function')
  return inner?.startsWith('{') === true ? inner : source
}

function nameOf(source: string): string {
  const object: unknown = JSON.parse(source)
  if (!isRecord(object)) return ''
  const names = toolNames.map((name) => object[name])
  return names.find((name) => typeof name === 'string') ?? ''
}

/** Exact, else without a prefix such as `functions.`, else in another case when only one tool is meant. */
function findTool(name: string, tools: readonly Tool[]): Tool | null {
  const bare = name.trim().replace(/^(?:functions?|tools?)[.:]/i, '')
  const exact = tools.find((tool) => tool.name === name) ?? tools.find((tool) => tool.name === bare)
  if (exact !== undefined) return exact
  const similar = tools.filter((tool) => tool.name.toLowerCase() === bare.toLowerCase())
  return similar.length === 1 ? (similar[0] ?? null) : null
}

/** JSON text of the arguments object as it was written, so that long numbers keep their digits; null when it is none. */
function argumentsOf(source: string): string | null {
  const text = argumentNames.map((name) => memberText(source, name)).find((found) => found !== null)
  if (text === undefined || text === null || text === 'null') return '{}'
  if (text.startsWith('{')) return text
  if (!text.startsWith('"')) return null
  const inner = String(JSON.parse(text))
  if (inner.trim() === '') return '{}'
  return repairJsonObject(inner)
}

function memberText(source: string, name: string): string | null {
  const span = findMember(source, [name])
  return span === null ? null : source.slice(span.start, span.end)
}
