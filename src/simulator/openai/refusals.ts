/** The error answers of OpenAI and of services compatible with it, as they spell them; pure functions. */
import type { AnswerHead } from '../http-listener.ts'
import type { HeaderLine } from '../http-request-parser.ts'
import type { RateLimit, Refusal } from './behaviours.ts'

/** The whole answer to a refused call. */
export function refusalAnswer(refusal: Refusal, call: RefusedCall): RefusalAnswer {
  switch (refusal.kind) {
    case 'revoked':
      return openAiError(401, { message: incorrectKeyMessage(call.credential), code: 'invalid_api_key' })
    case 'deactivated':
      return openAiError(refusal.status ?? 401, {
        message:
          'The OpenAI account associated with this API key has been deactivated. Please contact our help center at help.openai.com if you believe this was an error.',
        code: 'account_deactivated',
      })
    case 'forbidden':
      return openAiError(403, FORBIDDEN_ERRORS[refusal.reason ?? 'model'](call.model))
    case 'rate_limited':
      return rateLimitAnswer(refusal, call)
    case 'exhausted':
      return openAiError(429, EXHAUSTED_ERRORS[refusal.code ?? 'insufficient_quota'])
    case 'billing':
      return BILLING_ANSWERS[refusal.style ?? 'openrouter']
    case 'server_error':
      return SERVER_ERRORS[refusal.status ?? 500]
    case 'overloaded': {
      const answer = SERVER_ERRORS[refusal.status ?? 503]
      if (refusal.retryAfterSeconds === undefined) return answer
      return withHeaders(answer, [['retry-after', String(refusal.retryAfterSeconds)]])
    }
    case 'model_not_found':
      return openAiError(404, {
        message: `The model \`${call.model}\` does not exist or you do not have access to it.`,
        code: 'model_not_found',
      })
    case 'context_length_exceeded':
      return openAiError(400, {
        message:
          "This model's maximum context length is 128000 tokens. However, your messages resulted in 130412 tokens. Please reduce the length of the messages.",
        param: 'messages',
        code: 'context_length_exceeded',
      })
    case 'bad_request':
      return openAiError(400, {
        message:
          "Invalid value: 'nobody'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.",
        param: 'messages[0].role',
        code: 'invalid_value',
      })
    case 'refuses_stream_options':
      return STREAM_OPTIONS_ANSWERS[refusal.style ?? 'unrecognized']
    case 'error_in_200':
      return ERRORS_IN_200[refusal.style ?? 'openai']
    case 'redirect':
      return { head: { status: refusal.status ?? 302, headers: [['location', refusal.location]] }, body: '' }
    case 'empty_body':
      return { head: { status: 200, headers: [['content-type', 'application/json']] }, body: '' }
  }
}

export interface RefusedCall {
  readonly credential: string
  readonly model: string
  readonly nowMs: number
}

export interface RefusalAnswer {
  readonly head: AnswerHead
  readonly body: string
}

/** OpenAI's error body, indented as OpenAI sends it. */
export function openAiError(status: number, error: OpenAiError): RefusalAnswer {
  const { message, type = 'invalid_request_error', param = null, code = null } = error
  const body = `${JSON.stringify({ error: { message, type, param, code } }, null, 4)}\n`
  return { head: { status, headers: [['content-type', 'application/json; charset=utf-8']] }, body }
}

export interface OpenAiError {
  readonly message: string
  readonly type?: string
  readonly param?: string | null
  readonly code?: string | null
}

/** OpenAI repeats the first eight characters of a wrong key and its last four. */
function incorrectKeyMessage(credential: string): string {
  const masked =
    credential.length > 16
      ? `${credential.slice(0, 8)}${'*'.repeat(credential.length - 12)}${credential.slice(-4)}`
      : credential
  return `Incorrect API key provided: ${masked}. You can find your API key at https://platform.openai.com/account/api-keys.`
}

const FORBIDDEN_ERRORS: Readonly<Record<'model' | 'region' | 'permission', (model: string) => OpenAiError>> = {
  model: (model) => ({
    message: `Project \`proj_simulated\` does not have access to model \`${model}\``,
    code: 'model_not_found',
  }),
  region: () => ({
    message: 'Country, region, or territory not supported',
    type: 'request_forbidden',
    code: 'unsupported_country_region_territory',
  }),
  permission: () => ({
    message:
      'You have insufficient permissions for this operation. Missing scopes: model.request. Check that you have the correct role in your organization and project, and if you are using a restricted API key, that it has the necessary scopes.',
  }),
}

const EXHAUSTED_ERRORS = {
  insufficient_quota: {
    message:
      'You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.',
    type: 'insufficient_quota',
    code: 'insufficient_quota',
  },
  billing_hard_limit_reached: {
    message: 'Billing hard limit has been reached',
    code: 'billing_hard_limit_reached',
  },
  billing_not_active: {
    message: 'Your account is not active, please check your billing details on our website.',
    type: 'billing_not_active',
    code: 'billing_not_active',
  },
} satisfies Record<string, OpenAiError>

function rateLimitAnswer(refusal: RateLimit, call: RefusedCall): RefusalAnswer {
  const waitMs = refusal.retryAfterMs ?? 1_000
  const form = refusal.retryAfter ?? 'seconds'
  const advice = form === 'none' ? '' : ` Please try again in ${waitMs < 1_000 ? `${waitMs}ms` : `${waitMs / 1_000}s`}.`
  const answer = openAiError(429, {
    message: `Rate limit reached for ${call.model} in organization org-simulated on requests per min (RPM): Limit 3, Used 3, Requested 1.${advice} Visit https://platform.openai.com/account/rate-limits to learn more.`,
    type: 'requests',
    code: 'rate_limit_exceeded',
  })
  if (form === 'none' || form === 'body') return answer
  return withHeaders(answer, [
    ...RETRY_AFTER_HEADERS[form](waitMs, call.nowMs),
    ['x-ratelimit-limit-requests', '3'],
    ['x-ratelimit-remaining-requests', '0'],
    ['x-ratelimit-reset-requests', `${waitMs / 1_000}s`],
  ])
}

type RetryAfterHeaders = (waitMs: number, nowMs: number) => readonly HeaderLine[]

const RETRY_AFTER_HEADERS: Readonly<Record<'seconds' | 'milliseconds' | 'date', RetryAfterHeaders>> = {
  seconds: (waitMs) => [['retry-after', String(Math.ceil(waitMs / 1_000))]],
  // OpenAI sends both; the finer one counts.
  milliseconds: (waitMs) => [
    ['retry-after-ms', String(waitMs)],
    ['retry-after', String(Math.ceil(waitMs / 1_000))],
  ],
  date: (waitMs, nowMs) => [['retry-after', new Date(Math.ceil((nowMs + waitMs) / 1_000) * 1_000).toUTCString()]],
}

/** Codes that are numbers, as OpenRouter's are, and types that OpenAI does not know, as DeepSeek's. */
const BILLING_ANSWERS = {
  openrouter: jsonAnswer(402, {
    error: { message: 'Insufficient credits. Add more using https://openrouter.ai/settings/credits', code: 402 },
    user_id: 'user_simulated',
  }),
  deepseek: jsonAnswer(402, {
    error: { message: 'Insufficient Balance', type: 'unknown_error', param: null, code: 'invalid_request_error' },
  }),
}

const SERVER_ERRORS = {
  500: openAiError(500, {
    message:
      'The server had an error while processing your request. Sorry about that! You can retry your request, or contact us through our help center at help.openai.com if the error persists.',
    type: 'server_error',
  }),
  502: htmlAnswer(502, 'Bad Gateway'),
  503: openAiError(503, {
    message:
      'The server is currently overloaded with other requests. Sorry about that! You can retry your request, or contact us through our help center at help.openai.com if the error persists.',
    type: 'service_unavailable_error',
  }),
  504: htmlAnswer(504, 'Gateway Time-out'),
  529: jsonAnswer(529, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }),
}

const STREAM_OPTIONS_ANSWERS = {
  unrecognized: openAiError(400, { message: 'Unrecognized request argument supplied: stream_options' }),
  unknown_parameter: openAiError(400, {
    message: "Unknown parameter: 'stream_options'.",
    param: 'stream_options',
    code: 'unknown_parameter',
  }),
  extra_forbidden: jsonAnswer(422, {
    detail: [
      {
        type: 'extra_forbidden',
        loc: ['body', 'stream_options'],
        msg: 'Extra inputs are not permitted',
        input: { include_usage: true },
      },
    ],
  }),
}

const ERRORS_IN_200 = {
  openai: jsonAnswer(200, {
    error: {
      message: 'The server had an error processing your request.',
      type: 'server_error',
      param: null,
      code: null,
    },
  }),
  openrouter: jsonAnswer(200, {
    error: {
      message: 'Provider returned error',
      code: 502,
      metadata: { provider_name: 'Simulated', raw: 'upstream busy' },
    },
    user_id: 'user_simulated',
  }),
  text: { head: { status: 200, headers: [['content-type', 'text/plain']] }, body: 'upstream busy' },
} satisfies Record<string, RefusalAnswer>

function jsonAnswer(status: number, value: unknown): RefusalAnswer {
  return { head: { status, headers: [['content-type', 'application/json']] }, body: JSON.stringify(value) }
}

function htmlAnswer(status: number, title: string): RefusalAnswer {
  const heading = `${status} ${title}`
  return {
    head: { status, headers: [['content-type', 'text/html; charset=UTF-8']] },
    body: `<html>\r\n<head><title>${heading}</title></head>\r\n<body>\r\n<center><h1>${heading}</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n`,
  }
}

function withHeaders(answer: RefusalAnswer, headers: readonly HeaderLine[]): RefusalAnswer {
  return { ...answer, head: { status: answer.head.status, headers: [...answer.head.headers, ...headers] } }
}

/** OpenAI's own checks of a request, in its words. */
export const REQUEST_ERRORS = {
  noKey: () =>
    openAiError(401, {
      message:
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from https://platform.openai.com/account/api-keys.",
    }),
  unknownUrl: (method: string, path: string) => openAiError(404, { message: `Invalid URL (${method} ${path})` }),
  wrongMethod: (method: string, path: string) =>
    openAiError(405, {
      message: `Not allowed to ${method} on ${path}. (HINT: Perhaps you meant to use a different HTTP method?)`,
      code: 'method_not_supported',
    }),
  notJson: () =>
    openAiError(400, {
      message:
        'We could not parse the JSON body of your request. (HINT: This likely means you aren’t using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)',
    }),
  wrongContentType: (contentType: string) =>
    openAiError(400, {
      message: `Unsupported content type: '${contentType}'. This API method only accepts 'application/json' requests, but you specified the header 'Content-Type: ${contentType}'. Please try again with a supported content type.`,
      code: 'unsupported_content_type',
    }),
  noModel: () => openAiError(400, { message: 'you must provide a model parameter' }),
  missing: (param: string) =>
    openAiError(400, {
      message: `Missing required parameter: '${param}'.`,
      param,
      code: 'missing_required_parameter',
    }),
  streamOptionsWithoutStream: () =>
    openAiError(400, {
      message: "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
      param: 'stream_options',
    }),
  noSuchObject: (kind: string, id: string) =>
    openAiError(404, { message: `No such ${kind} object: ${id}`, param: 'id' }),
  noSuchResponse: (id: string) => openAiError(404, { message: `Response with id '${id}' not found.` }),
  noSuchModel: (id: string) =>
    openAiError(404, {
      message: `The model '${id}' does not exist`,
      param: 'model',
      code: 'model_not_found',
    }),
}
