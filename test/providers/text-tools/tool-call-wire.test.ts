import { describe, expect, test } from 'bun:test'
import {
  assistantMessage,
  callDelta,
  createCallId,
  finishReason,
} from '../../../src/providers/text-tools/tool-call-wire.ts'
import { readToolPlan } from '../../../src/providers/text-tools/tool-plan.ts'

const plan = readToolPlan({ tools: [{ type: 'function', function: { name: 'search' } }] })
const legacyPlan = readToolPlan({ functions: [{ name: 'search' }] })
const call = { id: 'call_1', name: 'search', arguments: '{"q":1}' }
const wireFunction = { name: 'search', arguments: '{"q":1}' }

test('ids are call_ and 24 alphanumerics, and differ', () => {
  const ids = Array.from({ length: 1000 }, createCallId)
  for (const id of ids) expect(id).toMatch(/^call_[A-Za-z0-9]{24}$/)
  expect(new Set(ids).size).toBe(1000)
})

describe('OpenAI wire format', () => {
  test('a whole message', () => {
    const wireCall = { id: 'call_1', type: 'function', function: wireFunction }
    expect(assistantMessage('', [call], plan)).toEqual({
      role: 'assistant',
      content: null,
      tool_calls: [wireCall],
    } as never)
    expect(assistantMessage('a', [call], plan)).toMatchObject({ content: 'a' })
    expect(assistantMessage('', [], plan)).toEqual({ role: 'assistant', content: '' })
  })

  test('a delta', () => {
    expect(callDelta(call, 2, plan)).toEqual({
      tool_calls: [{ index: 2, id: 'call_1', type: 'function', function: wireFunction }],
    })
  })

  test('the legacy spelling', () => {
    const message = { role: 'assistant', content: null, function_call: wireFunction }
    expect(assistantMessage('', [call], legacyPlan)).toEqual(message as never)
    expect(callDelta(call, 0, legacyPlan)).toEqual({ function_call: wireFunction })
  })

  test('the reason of the end', () => {
    expect(finishReason(0, plan)).toBe('stop')
    expect(finishReason(0, plan, 'length')).toBe('length')
    expect(finishReason(1, plan, 'stop')).toBe('tool_calls')
    expect(finishReason(1, legacyPlan)).toBe('function_call')
  })
})
