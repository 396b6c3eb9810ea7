/** `POST /admin/reload`: reads the settings anew. Bad ones change nothing. */
import { errorBody } from '../formats/openai.ts'
import { documentRoute } from './documentation.ts'
import type { OperatorParts } from './operator.ts'

export function adminReload({ reload }: OperatorParts) {
  return (): Response => {
    const { isApplied, problems, notices, needsRestart } = reload()
    if (isApplied) return Response.json({ ok: true, notices, needsRestart })
    const error = errorBody({
      message: `the settings have ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}; the old ones stay in force`,
      type: 'invalid_request_error',
      param: problems[0]?.place ?? null,
      code: 'invalid_settings',
    })
    return Response.json({ ...error, ok: false, problems, notices }, { status: 422 })
  }
}

export const adminReloadDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'Read the settings anew',
  description:
    'Calls under way finish with the settings they began with. Settings that are refused change nothing: 422 with all problems at once.',
  answer: {
    description: 'The new settings are in force',
    example: { ok: true, notices: [], needsRestart: ['server.port'] },
  },
  otherAnswers: {
    422: {
      description: 'The settings are refused',
      example: {
        error: {
          message: 'the settings have a problem; the old ones stay in force',
          type: 'invalid_request_error',
          param: 'providers.openai.rotation',
          code: 'invalid_settings',
        },
        ok: false,
        problems: [{ place: 'providers.openai.rotation', message: 'expected round_robin, least_busy or sticky' }],
        notices: [],
      },
    },
  },
})
