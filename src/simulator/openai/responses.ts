/** The simulated Responses API: named events, and stored responses that belong to the credential that made them. */
import { isJsonObject } from '../json.ts'
import { textPieces } from '../text-pieces.ts'
import { chatAnswer, textOrEmpty } from './chat-answers.ts'
import type { Frame } from './chat-frames.ts'
import type { DeliveredAnswer } from './delivery.ts'
import { type EndpointCall, JSON_HEAD, jsonAnswer, STREAM_HEAD, simulatedId } from './endpoint-call.ts'
import { openAiError, REQUEST_ERRORS } from './refusals.ts'

/** The text and the token counts are those of a chat with the input as its messages. */
export function createResponse(call: EndpointCall): DeliveredAnswer {
  const request = call.json ?? {}
  const previousId = textOrEmpty(request.previous_response_id)
  if (previousId !== '' && !call.objects.responses.has(previousId)) {
    return openAiError(400, {
      message: `Previous response with id '${previousId}' not found.`,
      param: 'previous_response_id',
      code: 'previous_response_not_found',
    })
  }
  const messages = Array.isArray(request.input) ? request.input : [{ role: 'user', content: request.input }]
  const answer = chatAnswer({ ...request, messages, max_tokens: request.max_output_tokens }, call.shape)
  const output = answer.toolCalls.map((tool) => ({
    id: `fc_${simulatedId(call)}`,
    type: 'function_call',
    status: 'completed',
    call_id: tool.id,
    name: tool.name,
    arguments: tool.argumentsText,
  }))
  const message = messageItem(call, answer.text)
  const response = {
    id: `resp_${simulatedId(call)}`,
    object: 'response',
    created_at: Math.floor(call.nowMs / 1_000),
    status: 'completed',
    error: null,
    incomplete_details: null,
    instructions: request.instructions ?? null,
    model: textOrEmpty(request.model),
    output: output.length > 0 ? output : [message],
    previous_response_id: previousId === '' ? null : previousId,
    store: request.store !== false,
    usage: {
      input_tokens: answer.usage.prompt_tokens,
      input_tokens_details: { cached_tokens: answer.usage.prompt_tokens_details.cached_tokens },
      output_tokens: answer.usage.completion_tokens,
      output_tokens_details: { reasoning_tokens: answer.usage.completion_tokens_details.reasoning_tokens },
      total_tokens: answer.usage.total_tokens,
    },
  }
  if (request.store !== false) call.objects.responses.set(response.id, response)
  if (request.stream !== true) return { head: JSON_HEAD, body: `${JSON.stringify(response, null, 2)}\n` }
  const pieces = textPieces(answer.text, { pieceCount: call.shape.deltaCount })
  return { head: STREAM_HEAD, frames: responseFrames(response, pieces) }
}

function messageItem(call: EndpointCall, text: string): object {
  return {
    id: `msg_${simulatedId(call)}`,
    type: 'message',
    status: 'completed',
    role: 'assistant',
    content: [{ type: 'output_text', annotations: [], logprobs: [], text }],
  }
}

/** There is no `[DONE]`: `response.completed` is the end. */
function responseFrames(
  response: Readonly<Record<string, unknown>> & { readonly output: readonly object[] },
  pieces: readonly string[],
): readonly Frame[] {
  const frames: Frame[] = []
  function add(kind: Frame['kind'], type: string, rest: object): void {
    const text = JSON.stringify({ type, sequence_number: frames.length, ...rest })
    frames.push({ kind, text: `event: ${type}\ndata: ${text}\n\n` })
  }
  const begun = { ...response, status: 'in_progress', output: [], usage: null }
  add('role', 'response.created', { response: begun })
  add('role', 'response.in_progress', { response: begun })
  for (const [index, item] of response.output.entries()) addItem({ add, item, index, pieces })
  add('after', 'response.completed', { response })
  return frames
}

interface ItemFacts {
  readonly add: (kind: Frame['kind'], type: string, rest: object) => void
  readonly item: object
  readonly index: number
  readonly pieces: readonly string[]
}

function addItem({ add, item, index, pieces }: ItemFacts): void {
  const itemId = isJsonObject(item) ? item.id : ''
  const place = { item_id: itemId, output_index: index }
  const isCall = isJsonObject(item) && item.type === 'function_call'
  const empty = isCall ? { arguments: '' } : { content: [] }
  add('role', 'response.output_item.added', { output_index: index, item: { ...item, status: 'in_progress', ...empty } })
  if (isCall) {
    const argumentsText = textOrEmpty(item.arguments)
    for (const delta of textPieces(argumentsText, { pieceCount: 4 }))
      add('content', 'response.function_call_arguments.delta', { ...place, delta })
    add('after', 'response.function_call_arguments.done', { ...place, arguments: argumentsText })
  } else {
    const part = { type: 'output_text', annotations: [], text: '' }
    const inPart = { ...place, content_index: 0 }
    add('role', 'response.content_part.added', { ...inPart, part })
    for (const delta of pieces) add('content', 'response.output_text.delta', { ...inPart, delta, logprobs: [] })
    add('after', 'response.output_text.done', { ...inPart, text: pieces.join('') })
    add('after', 'response.content_part.done', { ...inPart, part: { ...part, text: pieces.join('') } })
  }
  add('after', 'response.output_item.done', { output_index: index, item })
}

export function storedResponse(call: EndpointCall, id: string): DeliveredAnswer {
  const response = call.objects.responses.get(id)
  return response === undefined ? REQUEST_ERRORS.noSuchResponse(id) : jsonAnswer(response)
}

export function responseDeletion(call: EndpointCall, id: string): DeliveredAnswer {
  const isDeleted = call.objects.responses.delete(id)
  return isDeleted ? jsonAnswer({ id, object: 'response', deleted: true }) : REQUEST_ERRORS.noSuchResponse(id)
}
