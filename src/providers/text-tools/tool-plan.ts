/** What a chat request says of tools, in any of OpenAI's spellings; how a model is told is not decided here. */
import { GatewayError } from '../../errors.ts'
import { isRecord } from '../../formats/is-record.ts'

/** What the model may call in this turn. */
export interface ToolPlan {
  /** Empty: no tool is described and the whole answer is text. With `named`, the one tool. */
  readonly tools: readonly Tool[]
  readonly choice: ToolChoice
  /** Several calls in one answer. */
  readonly isParallel: boolean
  /** The client speaks `functions` and `function_call`, and is answered so. */
  readonly isLegacy: boolean
  /** Fields of the request that cannot be honoured (`tools.1`), for the caller to name or refuse. */
  readonly dropped: readonly string[]
}

export type ToolChoice = 'auto' | 'none' | 'required' | 'named'

export interface Tool {
  readonly name: string
  readonly description: string
  /** JSON Schema of the arguments. */
  readonly parameters: unknown
}

/** Reads the JSON body of a chat request. Throws GatewayError 400 naming the param. */
export function readToolPlan(request: Readonly<Record<string, unknown>>): ToolPlan {
  const isLegacy = !isGiven(request.tools) && isGiven(request.functions)
  const described = isLegacy ? readFunctions(request.functions) : readTools(request.tools)
  const choice = isLegacy ? readFunctionCall(request.function_call) : readToolChoice(request.tool_choice)
  const plan = { isLegacy, dropped: described.dropped, isParallel: !isLegacy && request.parallel_tool_calls !== false }
  if (choice.mode === 'none') return { ...plan, tools: [], choice: 'none' }
  const tools =
    choice.allowed === null ? described.tools : choice.allowed.map((name) => toolNamed(name, described.tools))
  if (tools.length === 0) {
    if (choice.mode !== 'auto') throw badRequest(`'${choiceParam(isLegacy)}' needs tools`, choiceParam(isLegacy))
    return { ...plan, tools, choice: 'none' }
  }
  return { ...plan, tools, choice: choice.mode }

  function toolNamed(name: string, among: readonly Tool[]): Tool {
    const tool = among.find((each) => each.name === name)
    if (tool !== undefined) return tool
    throw badRequest(`'${choiceParam(isLegacy)}' names '${name}', which is not among the tools`, choiceParam(isLegacy))
  }
}

interface Described {
  readonly tools: readonly Tool[]
  readonly dropped: readonly string[]
}

interface Choice {
  readonly mode: ToolChoice
  /** Null: every tool. */
  readonly allowed: readonly string[] | null
}

function readTools(value: unknown): Described {
  const dropped: string[] = []
  const tools = readList(value, 'tools').flatMap((entry, index) => {
    // Custom tools take free text in a grammar; nothing of that can be promised through a prompt.
    if (isRecord(entry) && isGiven(entry.type) && entry.type !== 'function') {
      dropped.push(`tools.${index}`)
      return []
    }
    return [readFunction(isRecord(entry) ? entry.function : undefined, `tools.${index}.function`)]
  })
  return { tools: withoutRepeats(tools), dropped }
}

function readFunctions(value: unknown): Described {
  const tools = readList(value, 'functions').map((entry, index) => readFunction(entry, `functions.${index}`))
  return { tools: withoutRepeats(tools), dropped: [] }
}

function readFunction(value: unknown, param: string): Tool {
  if (!isRecord(value)) throw badRequest(`invalid value for '${param}': expected an object`, param)
  const { name, description, parameters } = value
  if (typeof name !== 'string' || name === '') {
    throw badRequest(`invalid value for '${param}.name': expected a non-empty string`, `${param}.name`)
  }
  if (isGiven(parameters) && !isRecord(parameters)) {
    throw badRequest(`invalid value for '${param}.parameters': expected a JSON Schema object`, `${param}.parameters`)
  }
  return {
    name,
    description: typeof description === 'string' ? description : '',
    parameters: parameters ?? { type: 'object', properties: {} },
  }
}

/** `tool_choice`: a word, a named function, or a list of allowed tools with a mode. */
function readToolChoice(value: unknown): Choice {
  if (!isGiven(value)) return { mode: 'auto', allowed: null }
  if (value === 'auto' || value === 'none' || value === 'required') return { mode: value, allowed: null }
  if (isRecord(value)) {
    const name = nameOf(value)
    if (name !== null) return { mode: 'named', allowed: [name] }
    const list = isRecord(value.allowed_tools) ? value.allowed_tools : value
    if (value.type === 'allowed_tools' && Array.isArray(list.tools)) {
      const allowed = list.tools.flatMap((tool) => (isRecord(tool) ? (nameOf(tool) ?? []) : []))
      return { mode: list.mode === 'required' ? 'required' : 'auto', allowed }
    }
  }
  throw badRequest("invalid value for 'tool_choice': expected 'auto', 'none', 'required' or a function", 'tool_choice')
}

function readFunctionCall(value: unknown): Choice {
  if (!isGiven(value)) return { mode: 'auto', allowed: null }
  if (value === 'auto' || value === 'none') return { mode: value, allowed: null }
  if (isRecord(value) && typeof value.name === 'string') return { mode: 'named', allowed: [value.name] }
  throw badRequest("invalid value for 'function_call': expected 'auto', 'none' or a function", 'function_call')
}

/** The name in `{type: 'function', function: {name}}`. */
function nameOf(value: Readonly<Record<string, unknown>>): string | null {
  return isRecord(value.function) && typeof value.function.name === 'string' ? value.function.name : null
}

function readList(value: unknown, param: string): readonly unknown[] {
  if (!isGiven(value)) return []
  if (!Array.isArray(value)) throw badRequest(`invalid value for '${param}': expected an array`, param)
  return value
}

function withoutRepeats(tools: readonly Tool[]): readonly Tool[] {
  const byName = new Map<string, Tool>()
  for (const tool of tools) if (!byName.has(tool.name)) byName.set(tool.name, tool)
  return [...byName.values()]
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

function choiceParam(isLegacy: boolean): string {
  return isLegacy ? 'function_call' : 'tool_choice'
}

function badRequest(message: string, param: string): GatewayError {
  return new GatewayError('invalid_request', message, { status: 400, param })
}
