/** From messages to Scira's body, and from its parts to the steps of an answer. */
import { describe, expect, test } from 'bun:test'
import { createAnswerReader, writeSearch } from '../../../src/providers/scira/convert.ts'
import { readTurns, systemText } from '../../../src/providers/text-tools/read-turns.ts'
import { tellToolMessages } from '../../../src/providers/text-tools/tell-tool-messages.ts'
import { sciraProvider } from '../../helpers/start-scira.ts'

function told(messages: readonly Record<string, unknown>[], systemPlacement: 'first_user_message' | 'message') {
  const turns = readTurns(tellToolMessages(messages, 'nonce'))
  const config = sciraProvider('http://scira.example', [], { systemPlacement })
  const body = writeSearch({ turns, system: systemText(turns, []) }, config, { model: 'scira-default', now: 0 })
  return (body.messages as { role: string; parts: { text: string }[] }[]).map(
    ({ role, parts }) => `${role}: ${parts.map(({ text }) => text).join('|')}`,
  )
}

const user = (content: string) => ({ role: 'user', content })
const assistant = (content: string) => ({ role: 'assistant', content })
const system = { role: 'system', content: 'S' }

describe('messages', () => {
  test.each([
    ['a lone one goes as it is', [user(' a\n')], ['user:  a\n'], ['user:  a\n']],
    ['system text before everything', [system, user('a')], ['user: S\n\na'], ['system: S', 'user: a']],
    ['system text alone is what is asked', [system], ['user: S'], ['user: S']],
    [
      'the first of the user has it, whoever speaks before',
      [system, assistant('a'), user('b'), user('c')],
      ['assistant: a', 'user: S\n\nb', 'user: c'],
      ['system: S', 'assistant: a', 'user: b', 'user: c'],
    ],
    [
      'the last one is always of the user',
      [user('a'), assistant('b')],
      ['user: a', 'assistant: b', 'user: Go on.'],
      ['user: a', 'assistant: b', 'user: Go on.'],
    ],
    ['a name is told', [{ ...user('a'), name: 'Ann' }], ['user: Ann: a'], ['user: Ann: a']],
  ] as const)('%s', (_, messages, folded, apart) => {
    expect(told(messages, 'first_user_message')).toEqual([...folded])
    expect(told(messages, 'message')).toEqual([...apart])
  })

  test('calls of tools are the assistant’s words, their results the user’s', () => {
    const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{"x":1}' } }
    const lines = told(
      [
        user('a'),
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: 'c1', content: 'done' },
      ],
      'first_user_message',
    )
    expect(lines.map((line) => line.slice(0, line.indexOf(':')))).toEqual(['user', 'assistant', 'user'])
    expect(lines[1]).toContain('"x":1')
    expect(lines[2]).toContain('done')
  })

  test('ids are new each time', () => {
    for (const generation of ['current', 'mid_2025'] as const) {
      const turns = readTurns([user('a')])
      const ids = Array.from({ length: 50 }, () => {
        const config = sciraProvider('http://scira.example', [], { generation })
        return writeSearch({ turns, system: '' }, config, { model: 'm', now: 1_900_000_000_000 }).id
      })
      expect(new Set(ids).size).toBe(50)
    }
  })
})

describe('an answer', () => {
  const encode = (text: string) => new Uint8Array(Buffer.from(text))

  function read(text: string) {
    const reader = createAnswerReader({ streamFormat: 'auto' })
    const steps = [...reader.push(encode(text)), ...reader.finish()]
    return { steps: steps.filter(({ kind }) => kind !== 'alive'), end: reader.end() }
  }

  test.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['content-filter', 'content_filter'],
    // Its tools ran there: a client that was told of calls would wait for some.
    ['tool-calls', 'stop'],
    ['unknown', 'stop'],
  ])('that ended by %s tells %s', (reason, word) => {
    expect(read(`0:"a"\nd:{"finishReason":"${reason}"}\n`).end).toMatchObject({ isComplete: true, reason: word })
  })

  test('of thoughts alone is one; of nothing it is none, unless the reason explains it', () => {
    expect(read('g:"hm"\nd:{"finishReason":"stop"}\n').end.failure).toBeUndefined()
    expect(read('0:""\nd:{"finishReason":"stop"}\n').end.failure).toMatchObject({
      kind: 'server_error',
      code: 'empty_answer',
    })
    expect(read('0:""\nd:{"finishReason":"length"}\n').end.failure).toBeUndefined()
    expect(read('0:""\n').end).toMatchObject({ isComplete: false })
    expect(read('0:""\n').end.failure).toBeUndefined()
  })

  test('that ended by an error, with a sentence or without, has failed', () => {
    expect(read('d:{"finishReason":"error"}\n').steps).toEqual([{ kind: 'error', text: '' }])
    expect(read('3:"no"\n').steps).toEqual([{ kind: 'error', text: 'no' }])
  })
})
