/** `GET /admin/config`: the configuration in force, with secrets masked. */
import { documentRoute } from './documentation.ts'
import type { OperatorParts } from './operator.ts'

export function adminConfig({ effectiveConfig }: OperatorParts) {
  return (): Response => Response.json(effectiveConfig())
}

export const adminConfigDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'Effective configuration',
  description: 'File, environment and defaults together, as they are in force. Secrets are masked.',
  answer: {
    description: 'The configuration',
    example: {
      server: { host: '0.0.0.0', port: 7860 },
      providers: { openai: { type: 'openai', base_url: 'https://api.openai.com/v1', keys: ['1f0c9a3e…9abc'] } },
    },
  },
})
