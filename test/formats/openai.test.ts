/** What the gateway understands of requests and answers, as pure functions. */
import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../src/errors.ts'
import {
  chatEventNature,
  otherEventNature,
  readChatRequest,
  readFormRequest,
  readJsonRequest,
  readUsage,
} from '../../src/formats/openai.ts'

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text))
}

function refusalOf(read: () => unknown): GatewayError {
  try {
    read()
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error('it was accepted')
}

describe('a chat request', () => {
  const refused: readonly (readonly [string, string | null])[] = [
    ['{', null],
    ['', null],
    ['[]', null],
    ['"x"', null],
    ['null', null],
    ['{"messages":[]}', 'model'],
    ['{"model":"a"}', 'messages'],
    ['{"model":"a","messages":[]}', 'messages'],
    ['{"model":"a","messages":"x"}', 'messages'],
    ['{"model":"","messages":[{"role":"user","content":"x"}]}', 'model'],
    ['{"model":5,"messages":[{"role":"user","content":"x"}]}', 'model'],
    ['{"model":"a","messages":[{"content":"x"}]}', 'messages.0.role'],
    ['{"model":"a","messages":[{"role":"user","content":5}]}', 'messages.0.content'],
    ['{"model":"a","messages":[{"role":"user"}],"stream":"yes"}', 'stream'],
    ['{"model":"a","messages":[{"role":"user"}],"temperature":"hot"}', 'temperature'],
    ['{"model":"a","messages":[{"role":"user"}],"n":1.5}', 'n'],
    ['{"model":"a","mod\\u0065l":"b","messages":[{"role":"user"}]}', 'model'],
    ['{"model":"a","model":"a","messages":[{"role":"user"}]}', 'model'],
    ['{"model":"a","Model":"b","messages":[{"role":"user"}]}', 'model'],
  ]
  for (const [body, param] of refused) {
    test(`${body || '(empty)'} is a 400 that names ${param ?? 'no param'}`, () => {
      const error = refusalOf(() => readChatRequest(bytes(body)))
      expect([error.status, error.param]).toEqual([400, param])
    })
  }

  test('is never echoed in the refusal', () => {
    const error = refusalOf(() =>
      readChatRequest(bytes('{"model":"a","messages":[{"role":"user","content":{"secret":"hunter2"}}]}')),
    )
    expect(error.message).not.toContain('hunter2')
  })

  const accepted = [
    '{"model":"a","messages":[{"role":"user","content":null}],"unknown":{"x":1.0}}',
    '{"model":"a","messages":[{"role":"x","content":[{"type":"text","text":"t"}]}],"n":1.0,"seed":9007199254740993}',
    '{"model":"a","messages":[{"role":"user","content":"x"}],"stream":null,"stream_options":null,"temperature":null}',
  ]
  for (const body of accepted) test(`${body} is accepted`, () => expect(readChatRequest(bytes(body)).model).toBe('a'))
})

describe('another JSON request', () => {
  test('may be any JSON value', () => {
    expect(readJsonRequest(bytes('[{"model":"a"}]'))).toMatchObject({ model: '', json: null })
    expect(readJsonRequest(bytes('"text"'))).toMatchObject({ model: '', json: null })
  })

  test('may leave the model open with null', () => {
    expect(readJsonRequest(bytes('{"model":null,"prompt":"x"}'))).toMatchObject({ model: '', modelSpan: null })
  })

  const refused = [
    '{"model":5}',
    '{"model":["a"]}',
    '{"model":""}',
    '{"model":null,"model":"a"}',
    '{"MODEL":"b","model":"a"}',
  ]
  for (const body of refused) {
    test(`${body} is a 400`, () => expect(refusalOf(() => readJsonRequest(bytes(body))).param).toBe('model'))
  }
})

const part = (head: string, value: string) => `--B\r\n${head}\r\n\r\n${value}\r\n`
const disposition = (rest: string) => `Content-Disposition: form-data; ${rest}`
const form = (...parts: string[]) => `${parts.join('')}--B--\r\n`
const modelPart = part(disposition('name="model"'), 'whisper-1')
const filePart = part(
  `${disposition('name="file"; filename="a.wav"')}\r\nContent-Type: audio/wav`,
  'RIFF\r\n\r\n--A name="model"',
)

describe('a form', () => {
  const accepted: readonly (readonly [string, string, string])[] = [
    ['the model last', form(filePart, modelPart), 'whisper-1'],
    ['the model first', form(modelPart, filePart), 'whisper-1'],
    ['no model', form(filePart), ''],
    ['an unquoted name', form(part('content-disposition:form-data;name=model', 'm')), 'm'],
    ['headers in another order', form(part(`Content-Type: text/plain\r\n${disposition('name="model"')}`, 'm')), 'm'],
    ['a name in another header', form(part(`X-A: b; name="model"\r\n${disposition('name="x"')}`, 'm')), ''],
    ['a name inside a file name', form(part(disposition('filename="; name=model"; name="file"'), 'm')), ''],
    ['a line before the first part', `\r\n${form(modelPart)}`, 'whisper-1'],
    ['text after the end', `${form(modelPart)}epilogue`, 'whisper-1'],
    ['an empty form', '--B--\r\n', ''],
    [
      'bytes beyond UTF-8 in a file',
      form(part(disposition('name="file"; filename="x"'), '\xff\xfe'), modelPart),
      'whisper-1',
    ],
  ]
  for (const [what, body, model] of accepted) {
    test(`with ${what} names the model ${model || '(none)'}`, () => {
      const view = readFormRequest(new Uint8Array(Buffer.from(body, 'latin1')), 'multipart/form-data; boundary=B')
      expect(view.model).toBe(model)
      if (view.modelSpan !== null) expect(body.slice(view.modelSpan.start, view.modelSpan.end)).toBe(model)
    })
  }

  const refused: readonly (readonly [string, string])[] = [
    ['two models', form(modelPart, modelPart)],
    ['a second model in escaped spelling', form(modelPart, part(disposition('name="mod\\el"'), 'x'))],
    ['a second model in other case', form(modelPart, part('CONTENT-DISPOSITION: form-data; NAME=model', 'x'))],
    ['a second model in upper case', form(modelPart, part(disposition('name="Model"'), 'x'))],
    ['a second model as an extended parameter', form(modelPart, part(disposition("name*=utf-8''mod%65l"), 'x'))],
    ['a second model that has a file name', form(modelPart, part(disposition('name="model"; filename=""'), 'x'))],
    [
      'a second model behind another header',
      form(modelPart, part(`X-A: b; name="x"\r\n${disposition('name="model"')}`, 'x')),
    ],
    [
      'a second model in a folded header',
      form(modelPart, part('Content-Disposition: form-data;\r\n name="model"', 'x')),
    ],
    ['a second model as its second name', form(modelPart, part(disposition('name="x"; name="model"'), 'x'))],
    ['an empty model', form(part(disposition('name="model"'), ''))],
    [
      'a second model after a thousand parts',
      form(modelPart, ...Array.from({ length: 1100 }, () => part(disposition('name="x"'), '')), modelPart),
    ],
    ['a second model that is not closed', `${modelPart}--B\r\n${disposition('name="model"')}\r\n\r\nx`],
    ['lines that end with LF alone', form(modelPart).replaceAll('\r\n', '\n')],
    ['a second model in front of the first part', `--A\n${disposition('name="model"')}\n\nx\n${form(modelPart)}`],
    ['no end', modelPart],
    ['no part', 'nothing'],
  ]
  for (const [what, body] of refused) {
    test(`with ${what} is a 400`, () => {
      expect(refusalOf(() => readFormRequest(bytes(body), 'multipart/form-data; boundary=B')).status).toBe(400)
    })
  }

  const contentTypes: readonly (readonly [string, boolean])[] = [
    ['multipart/form-data; boundary=B', true],
    ['multipart/form-data; boundary="B"', true],
    ['Multipart/Form-Data;BOUNDARY=B;charset=utf-8', true],
    ['multipart/form-data; charset=utf-8; boundary=B', true],
    ['multipart/form-data', false],
    ['multipart/form-data; xboundary=B', false],
    ['multipart/form-data; boundary=B; boundary=C', false],
    ['multipart/form-data; boundary=B, multipart/form-data; boundary=C', false],
    ['multipart/form-data; boundary=', false],
  ]
  for (const [contentType, isRead] of contentTypes) {
    test(`of the type ${contentType} is ${isRead ? 'read' : 'a 400'}`, () => {
      const read = () => readFormRequest(bytes(form(modelPart)), contentType).model
      if (isRead) expect(read()).toBe('whisper-1')
      else expect(refusalOf(read).status).toBe(400)
    })
  }
})

describe('usage', () => {
  const rows: readonly (readonly [unknown, readonly [number | null, number | null, number, number] | null])[] = [
    [{ prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 }, [5, 7, 0, 0]],
    [
      {
        prompt_tokens: 5,
        completion_tokens: 7,
        prompt_tokens_details: { cached_tokens: 3 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
      [5, 7, 3, 2],
    ],
    [
      {
        input_tokens: 9,
        output_tokens: 1,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens_details: { reasoning_tokens: 1 },
      },
      [9, 1, 4, 1],
    ],
    [{ prompt_tokens: 5, prompt_cache_hit_tokens: 2, completion_tokens: 1 }, [5, 1, 2, 0]],
    [{ prompt_tokens: 5, total_tokens: 5 }, [5, 0, 0, 0]],
    [{ total_tokens: 8 }, [8, 0, 0, 0]],
    [{ prompt_tokens: 2, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 9 } }, [2, 1, 2, 0]],
    [{ prompt_tokens: -5, completion_tokens: Number.POSITIVE_INFINITY }, null],
    [{ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }, null],
    [{ completion_tokens: 7 }, [null, 7, 0, 0]],
    [{ prompt_tokens: null, completion_tokens: 7, total_tokens: null }, [null, 7, 0, 0]],
    [{ prompt_tokens: 0, completion_tokens: 7, total_tokens: 7 }, [null, 7, 0, 0]],
    [{ completion_tokens: 7, total_tokens: 12 }, [5, 7, 0, 0]],
    [{ prompt_tokens: 5, total_tokens: 12 }, [5, 7, 0, 0]],
    [{ prompt_tokens: 5, completion_tokens: null }, [5, null, 0, 0]],
    [{}, null],
    [null, null],
    ['usage', null],
    [{ prompt_tokens: '5' }, null],
  ]
  for (const [given, expected] of rows) {
    test(`of ${JSON.stringify(given)}`, () => {
      const usage = readUsage(given)
      const counts = usage && [usage.inputTokens, usage.outputTokens, usage.cachedTokens, usage.reasoningTokens]
      expect(counts).toEqual(expected === null ? null : [...expected])
    })
  }
})

describe('an event', () => {
  const chat: readonly (readonly [string, string])[] = [
    ['[DONE]', 'done'],
    ['{"choices":[{"delta":{"role":"assistant","content":""}}]}', 'idle'],
    ['{"choices":[{"delta":{"role":"assistant","content":"a"}}]}', 'content'],
    ['{"choices":[{"delta":{"reasoning_content":"a"}}]}', 'content'],
    ['{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}', 'content'],
    ['{"choices":[{"delta":{},"finish_reason":"stop"}]}', 'content'],
    ['{"choices":[{"text":"a"}]}', 'content'],
    ['{"choices":[{"delta":{}},{"delta":{"content":"b"}}]}', 'content'],
    ['{"choices":[],"usage":{}}', 'idle'],
    ['{"choices":[{"delta":{"refusal":"no"}}]}', 'content'],
    ['{"choices":[{"delta":{"audio":{"id":"x"}}}]}', 'content'],
    ['{"error":{"message":"x"}}', 'error'],
    ['{"error":"x"}', 'error'],
    ['{"error":null,"choices":[{"delta":{"content":"a"}}]}', 'content'],
    ['text', 'idle'],
  ]
  for (const [data, nature] of chat) {
    test(`of a chat: ${data} is ${nature}`, () => {
      const json = data.startsWith('{') ? JSON.parse(data) : undefined
      expect(chatEventNature(data, json) as string).toBe(nature)
    })
  }
  const other: readonly (readonly [string, string])[] = [
    ['{"type":"response.created"}', 'idle'],
    ['{"type":"response.in_progress"}', 'idle'],
    ['{"type":"response.output_text.delta","delta":"a"}', 'content'],
    ['{"type":"response.failed"}', 'error'],
    ['{"type":"error","message":"x"}', 'error'],
    ['text', 'content'],
  ]
  for (const [data, nature] of other) {
    test(`of another stream: ${data} is ${nature}`, () => {
      const json = data.startsWith('{') ? JSON.parse(data) : undefined
      expect(otherEventNature(data, json) as string).toBe(nature)
    })
  }
})
