/** The best-known of the paths that one wildcard route passes on: documented one by one, so that they can be found and tried. */

import { type Content, documentRoute, type RouteDocumentation } from './documentation.ts'
import type { DocumentedRoute } from './openapi.ts'

export const passthroughDocumentation: readonly DocumentedRoute[] = [
  passed('POST', '/v1/embeddings', {
    summary: 'Embeddings',
    request: json({ model: 'text-embedding-3-small', input: 'The quick brown fox' }),
    answer: {
      description: 'Vectors',
      example: {
        object: 'list',
        data: [{ object: 'embedding', index: 0, embedding: [0.0023, -0.0093, 0.0158] }],
        model: 'text-embedding-3-small',
        usage: { prompt_tokens: 4, total_tokens: 4 },
      },
    },
  }),
  passed('POST', '/v1/responses', {
    summary: 'Responses',
    description: 'Stored responses live on an upstream account; see the operator’s `stateful` setting.',
    request: json({ model: 'gpt-4o', input: 'Say hello in five words.', store: false }),
    answer: {
      description: 'The response, or server-sent events with `stream`',
      example: { id: 'resp_123', object: 'response', status: 'completed', model: 'gpt-4o', output: [] },
    },
  }),
  passed('POST', '/v1/completions', {
    summary: 'Text completions',
    request: json({ model: 'gpt-3.5-turbo-instruct', prompt: 'Once upon a time', max_tokens: 16 }),
    answer: {
      description: 'The completion',
      example: {
        id: 'cmpl-123',
        object: 'text_completion',
        choices: [{ index: 0, text: ' there was', finish_reason: 'length' }],
      },
    },
  }),
  passed('POST', '/v1/images/generations', {
    summary: 'Images',
    request: json({ model: 'gpt-image-1', prompt: 'A lighthouse at dusk', size: '1024x1024' }),
    answer: { description: 'The images', example: { created: 1_900_000_000, data: [{ b64_json: '…' }] } },
  }),
  passed('POST', '/v1/audio/speech', {
    summary: 'Speech from text',
    request: json({ model: 'tts-1', voice: 'alloy', input: 'Hello there.' }),
    answer: { description: 'Sound', content: { 'audio/mpeg': { schema: { type: 'string', format: 'binary' } } } },
  }),
  passed('POST', '/v1/audio/transcriptions', {
    summary: 'Text from speech',
    request: form({ model: { type: 'string', default: 'whisper-1' }, file: { type: 'string', format: 'binary' } }),
    answer: { description: 'The text', example: { text: 'Hello there.' } },
  }),
  passed('POST', '/v1/moderations', {
    summary: 'Moderations',
    request: json({ model: 'omni-moderation-latest', input: 'Some text' }),
    answer: { description: 'The verdict', example: { id: 'modr-123', results: [{ flagged: false }] } },
  }),
  passed('GET', '/v1/files', {
    summary: 'Files of this client',
    description:
      'Files live on an upstream account; with several client keys the operator opens this by `stateful: true`.',
    answer: { description: 'The files', example: { object: 'list', data: [] } },
  }),
  passed('POST', '/v1/files', {
    summary: 'Upload a file',
    request: form({ purpose: { type: 'string', default: 'assistants' }, file: { type: 'string', format: 'binary' } }),
    answer: { description: 'The file', example: { id: 'file-123', object: 'file', bytes: 120, purpose: 'assistants' } },
  }),
]

type Passed = Pick<RouteDocumentation, 'summary' | 'description' | 'request' | 'answer'>

function passed(method: string, path: string, { description = '', ...rest }: Passed): DocumentedRoute {
  const passing = 'Passed as it is to the provider that its model names, else to the default one.'
  const detail = documentRoute({
    tag: 'OpenAI API',
    key: 'client',
    ...rest,
    description: `${passing} ${description}`.trim(),
    errors: [400, 403, 404, 413, 429, 502, 503],
  })
  return { method, path, detail }
}

function json(example: Record<string, unknown>): Record<string, Content> {
  return { 'application/json': { schema: { type: 'object', additionalProperties: true }, example } }
}

function form(properties: Record<string, object>): Record<string, Content> {
  return { 'multipart/form-data': { schema: { type: 'object', required: Object.keys(properties), properties } } }
}
