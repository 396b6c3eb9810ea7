import { describe, expect, test } from 'bun:test'
import { createMarkers, createNonce } from '../../../src/providers/text-tools/markers.ts'
import { toolInstructions } from '../../../src/providers/text-tools/tool-instructions.ts'
import { readToolPlan } from '../../../src/providers/text-tools/tool-plan.ts'

const nonce = 'k3f9x2a7bq'
const schema = { type: 'object', properties: { q: { type: 'string' } }, required: ['q'] }
const tool = (name: string) => ({
  type: 'function',
  function: { name, description: `Does ${name}.`, parameters: schema },
})
const named = (name: string) => ({ type: 'function', function: { name } })
const tools = [tool('search'), tool('open')]

describe('the plan', () => {
  test.each([
    ['no tools', {}, 'none', []],
    ['empty tools', { tools: [] }, 'none', []],
    ['no choice', { tools }, 'auto', ['search', 'open']],
    ['auto', { tools, tool_choice: 'auto' }, 'auto', ['search', 'open']],
    ['none', { tools, tool_choice: 'none' }, 'none', []],
    ['none without tools', { tool_choice: 'none' }, 'none', []],
    ['required', { tools, tool_choice: 'required' }, 'required', ['search', 'open']],
    ['named', { tools, tool_choice: named('open') }, 'named', ['open']],
    [
      'allowed tools',
      { tools, tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'required', tools: [named('open')] } } },
      'required',
      ['open'],
    ],
    ['functions', { functions: [{ name: 'search' }] }, 'auto', ['search']],
    ['function_call none', { functions: [{ name: 'search' }], function_call: 'none' }, 'none', []],
    [
      'function_call named',
      { functions: [{ name: 'search' }], function_call: { name: 'search' } },
      'named',
      ['search'],
    ],
    ['null fields', { tools: null, tool_choice: null, functions: null }, 'none', []],
    ['a name given twice', { tools: [tool('search'), tool('search')] }, 'auto', ['search']],
  ] as const)('%s', (_, request, choice, names) => {
    const plan = readToolPlan(request)
    expect(plan.choice).toBe(choice)
    expect(plan.tools.map((each) => each.name)).toEqual([...names])
  })

  test('parallel calls are allowed unless refused; the legacy fields know one call', () => {
    expect(readToolPlan({ tools }).isParallel).toBe(true)
    expect(readToolPlan({ tools, parallel_tool_calls: false }).isParallel).toBe(false)
    expect(readToolPlan({ functions: [{ name: 'a' }] })).toMatchObject({ isParallel: false, isLegacy: true })
  })

  test('tools that are no functions are named as dropped', () => {
    const plan = readToolPlan({ tools: [{ type: 'custom', custom: { name: 'x' } }, tool('search')] })
    expect(plan.dropped).toEqual(['tools.0'])
    expect(plan.tools).toHaveLength(1)
  })

  test.each([
    [{ tools: 5 }, 'tools'],
    [{ tools: [5] }, 'tools.0.function'],
    [{ tools: [tool('a'), { type: 'function' }] }, 'tools.1.function'],
    [{ tools: [{ type: 'function', function: { name: '' } }] }, 'tools.0.function.name'],
    [{ tools: [{ type: 'function', function: { name: 'a', parameters: [] } }] }, 'tools.0.function.parameters'],
    [{ tools, tool_choice: 'always' }, 'tool_choice'],
    [{ tools, tool_choice: named('other') }, 'tool_choice'],
    [{ tool_choice: 'required' }, 'tool_choice'],
    [{ functions: [{}] }, 'functions.0.name'],
    [{ functions: [{ name: 'a' }], function_call: 'required' }, 'function_call'],
  ])('%j is refused', (request, param) => {
    expect(() => readToolPlan(request)).toThrow(expect.objectContaining({ status: 400, param }))
  })
})

describe('instructions', () => {
  const told = (request: Readonly<Record<string, unknown>>) => toolInstructions(readToolPlan(request), nonce)

  test('describe every tool with its schema, and show the form', () => {
    const text = told({ tools })
    for (const { function: described } of tools) expect(text).toContain(JSON.stringify(described))
    const { callStart, callEnd } = createMarkers(nonce)
    expect(text).toContain(`${callStart}\n{"name": "tool name", "arguments": {"parameter": "value"}}\n${callEnd}`)
    expect(text).toContain('block after block')
  })

  test('say what is required of the answer', () => {
    expect(told({ tools, tool_choice: 'required' })).toContain('This answer must call a tool.')
    const named = told({ tools, tool_choice: { type: 'function', function: { name: 'open' } } })
    expect(named).toContain('This answer must call the tool "open".')
    expect(named).not.toContain('search')
    expect(told({ tools, parallel_tool_calls: false })).toContain('One call at most')
  })

  test('with nothing to call there are none', () => {
    expect(told({ tools, tool_choice: 'none' })).toBe('')
    expect(told({})).toBe('')
  })
})

test('a nonce is new every time and easy to copy', () => {
  const nonces = Array.from({ length: 100 }, () => createNonce(''))
  expect(new Set(nonces).size).toBe(100)
  for (const each of nonces) expect(each).toMatch(/^[a-z2-9]{10}$/)
})
