/** Spells a whole chat or completion answer as the stream that was asked for: for upstreams that ignore `stream: true`, and for kept answers. */

type Fields = Readonly<Record<string, unknown>>

/** Server-sent events with the same content, the same end and, if asked for, the same usage; null when it is no such answer. */
export function chatChunks(answer: unknown, isUsageAsked: boolean): string | null {
  if (!isFields(answer) || !Array.isArray(answer.choices)) return null
  const { choices, usage, ...rest } = answer
  const isText = rest.object === 'text_completion'
  const head = isText ? rest : { ...rest, object: 'chat.completion.chunk' }
  const chunks: Fields[] = choices.filter(isFields).flatMap((choice) => {
    if (isText) return [{ ...head, choices: [choice] }]
    const { index = 0, message, finish_reason = 'stop', logprobs = null } = choice
    return [
      { ...head, choices: [{ index, delta: deltaOf(message), logprobs, finish_reason: null }] },
      { ...head, choices: [{ index, delta: {}, logprobs: null, finish_reason }] },
    ]
  })
  if (isUsageAsked && usage !== undefined) chunks.push({ ...head, choices: [], usage })
  return `${chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('')}data: [DONE]\n\n`
}

/** In a stream each tool call says which one it is. */
function deltaOf(message: unknown): Fields {
  if (!isFields(message)) return { role: 'assistant', content: '' }
  if (!Array.isArray(message.tool_calls)) return message
  const calls = message.tool_calls.map((call: unknown, index) => ({ index, ...(isFields(call) ? call : {}) }))
  return { ...message, tool_calls: calls }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
