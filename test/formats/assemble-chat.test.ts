import { describe, expect, test } from 'bun:test'
import { assembleChat } from '../../src/formats/assemble-chat.ts'
import { chatChunks } from '../../src/formats/chat-chunks.ts'

function assemble(...chunks: readonly unknown[]) {
  const text = [...chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`), 'data: [DONE]\n\n'].join('')
  return assembleChat(Buffer.from(text).toString('latin1'))
}

const head = { id: 'c1', object: 'chat.completion.chunk', created: 7, model: 'm', system_fingerprint: 'fp' }
const delta = (content: string, others = {}) => ({ ...head, choices: [{ index: 0, delta: { content }, ...others }] })
const end = { ...head, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }

test('texts are joined each by itself, choices by their index, and nothing is lost', () => {
  const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, vendor: { deep: [1] } }
  const token = (text: string) => ({ content: [{ token: text, logprob: -1 }], refusal: null })
  const assembled = assemble(
    { ...head, usage: null, choices: [{ index: 1, delta: { role: 'assistant', content: '', refusal: null } }] },
    { ...head, choices: [{ index: 0, delta: { role: 'assistant', reasoning_content: 'hm' } }] },
    {
      ...head,
      choices: [
        { index: 1, delta: { content: 'b' } },
        { index: 0, delta: { reasoning_content: 'm' } },
      ],
    },
    { ...head, obfuscation: 'xx', choices: [{ index: 0, delta: { content: 'ża' }, logprobs: token('ża') }] },
    { ...head, choices: [{ index: 0, delta: { content: 'b' }, logprobs: token('b'), finish_reason: null }] },
    { ...head, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
    { ...head, choices: [{ index: 1, delta: {}, finish_reason: 'length' }] },
    { ...head, choices: [], usage },
  )
  expect(assembled).toEqual({
    kind: 'whole',
    hasUsage: true,
    answer: {
      ...head,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'żab', reasoning_content: 'hmm' },
          logprobs: { content: [...token('ża').content, ...token('b').content], refusal: null },
          finish_reason: 'stop',
        },
        {
          index: 1,
          message: { role: 'assistant', content: 'b', refusal: null },
          logprobs: null,
          finish_reason: 'length',
        },
      ],
      usage,
    },
  })
})

const unknown: Readonly<Record<string, readonly unknown[]>> = {
  'a field of a delta that nobody knows': [delta('a', { delta: { content: 'a', audio: { data: 'x' } } }), end],
  'ids that differ': [delta('a'), { ...end, id: 'c2' }],
  'a text that is none': [delta('a', { delta: { content: [{ type: 'text', text: 'a' }] } }), end],
  'a choice that differs from piece to piece': [delta('a', { filter: 1 }), delta('b', { filter: 2 }), end],
  'a choice without its end': [delta('a')],
  'a choice that is missing': [delta('a'), { ...head, choices: [{ index: 2, delta: {}, finish_reason: 'stop' }] }, end],
  'an event without choices': [delta('a'), { ...head, extra: true }, end],
}
describe('not put together', () => {
  test.each(Object.keys(unknown))('%s', (what) => {
    expect(assemble(...(unknown[what] ?? []))).toEqual({ kind: 'unknown', hasUsage: false })
  })

  test('a call of a tool', () => {
    const call = delta('', { delta: { tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '' } }] } })
    expect(assemble(call, end)).toEqual({ kind: 'acting' })
    expect(assemble(delta('', { delta: { function_call: { name: 'f' } } }), end)).toEqual({ kind: 'acting' })
    expect(assemble(delta('a', { delta: { content: 'a', tool_calls: [] } }), end).kind).toBe('whole')
  })

  test('an error anywhere, something that is no JSON, and nothing at all', () => {
    expect(assemble(delta('a'), { error: { message: 'no' } }, end)).toEqual({ kind: 'broken' })
    expect(assembleChat('data: {"choi\n\ndata: [DONE]\n\n')).toEqual({ kind: 'broken' })
    const failed = { ...head, choices: [{ index: 0, delta: {}, finish_reason: 'error' }] }
    expect(assemble(delta('a'), failed)).toEqual({ kind: 'broken' })
    expect(assembleChat('')).toEqual({ kind: 'broken' })
  })
})

test('an answer survives being spelled as a stream and put together again', () => {
  const answers = [
    {
      id: 'c1',
      object: 'chat.completion',
      created: 7,
      model: 'm',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'a', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
        {
          index: 1,
          message: { role: 'assistant', content: null, refusal: 'no' },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
    },
    {
      id: 'c2',
      object: 'text_completion',
      created: 7,
      model: 'm',
      choices: [{ index: 0, text: 'ża', logprobs: null, finish_reason: 'length' }],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
    },
  ]
  for (const answer of answers) {
    const stream = Buffer.from(chatChunks(answer, true) ?? '').toString('latin1')
    expect(assembleChat(stream)).toEqual({ kind: 'whole', answer, hasUsage: true })
  }
})
