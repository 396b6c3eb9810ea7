/** The prepared bytes that the mock upstream answers with: whole HTTP answers, and the pieces of a paced stream. */

/** How a request says that it wants its stream paced: in a text, which every gateway passes on, not in the model's name. */
export const pacedMark = 'Answer in pace.'
export const pacedDeltas = 64
export const pacedDelayMs = 20
/** In each paced delta: its number, and when it was sent on the clock of `system-clock.ts`, both with leading zeros. */
export const deltaPattern = /#(\d{2}) @(\d{16})/

export interface PacedStream {
  /** Status, headers and the first event. */
  readonly begin: Buffer
  readonly deltas: readonly PacedDelta[]
  /** Finish, usage where it is asked for, `[DONE]`, and the end of the body. */
  readonly end: Buffer
}

export interface PacedDelta {
  readonly bytes: Buffer
  /** Where the 16 digits of the time stand. */
  readonly timeOffset: number
}

const unpacedPieces = 48

export const modelsAnswer = jsonAnswer({
  object: 'list',
  data: [{ id: 'gpt-4o-mini', object: 'model', created: 1721172741, owned_by: 'system' }],
})

export const completionAnswer = jsonAnswer({
  id: 'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT',
  object: 'chat.completion',
  created: 1741569952,
  model: 'gpt-4o-mini-2024-07-18',
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content:
          'Nothing here was thought up: this answer was prepared before the question came, and it is as long as it is.',
        refusal: null,
        annotations: [],
      },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: usage(24),
  service_tier: 'default',
  system_fingerprint: 'fp_44added55e',
})

/** A whole stream of 50 events with content or finish, each a chunk of its own, as services send them. */
export function unpacedAnswer(isUsageAsked: boolean): Buffer {
  const pieces = Array.from({ length: unpacedPieces }, (_, index) => piece({ content: ` word${index}` }, isUsageAsked))
  return Buffer.concat([streamBegin(isUsageAsked), ...pieces.map(framed), streamEnd(unpacedPieces, isUsageAsked)])
}

export function pacedStream(isUsageAsked: boolean): PacedStream {
  const deltas = Array.from({ length: pacedDeltas }, (_, index) => {
    const mark = `#${String(index).padStart(2, '0')} @`
    const bytes = framed(piece({ content: `${mark}${'0'.repeat(16)} ` }, isUsageAsked))
    return { bytes, timeOffset: bytes.indexOf(mark) + mark.length }
  })
  return { begin: streamBegin(isUsageAsked), deltas, end: streamEnd(pacedDeltas, isUsageAsked) }
}

/** Writes the time into the bytes of a delta, as 16 digits. */
export function stamp({ bytes, timeOffset }: PacedDelta, microseconds: number): void {
  let rest = Math.floor(microseconds)
  for (let offset = timeOffset + 15; offset >= timeOffset; offset--) {
    const next = Math.floor(rest / 10)
    bytes[offset] = 48 + rest - next * 10
    rest = next
  }
}

function streamBegin(isUsageAsked: boolean): Buffer {
  // X-Accel-Buffering makes nginx pass a stream on as it comes, and buffer everything else as it does by default.
  const head =
    'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-accel-buffering: no\r\ntransfer-encoding: chunked\r\n\r\n'
  return Buffer.concat([
    Buffer.from(head),
    framed(piece({ role: 'assistant', content: '', refusal: null }, isUsageAsked)),
  ])
}

function streamEnd(completionTokens: number, isUsageAsked: boolean): Buffer {
  const events = [
    piece({}, isUsageAsked, 'stop'),
    ...(isUsageAsked ? [JSON.stringify({ ...streamHead, choices: [], usage: usage(completionTokens) })] : []),
    '[DONE]',
  ]
  return Buffer.concat([...events.map(framed), Buffer.from('0\r\n\r\n')])
}

const streamHead = {
  id: 'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT',
  object: 'chat.completion.chunk',
  created: 1741569952,
  model: 'gpt-4o-mini-2024-07-18',
  service_tier: 'default',
  system_fingerprint: 'fp_44added55e',
}

function piece(delta: object, isUsageAsked: boolean, finishReason: string | null = null): string {
  const choice = { index: 0, delta, logprobs: null, finish_reason: finishReason }
  return JSON.stringify({ ...streamHead, choices: [choice], ...(isUsageAsked ? { usage: null } : {}) })
}

/** One event as one chunk of HTTP. */
function framed(data: string): Buffer {
  const event = `data: ${data}\n\n`
  return Buffer.from(`${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`)
}

function jsonAnswer(value: object): Buffer {
  const body = JSON.stringify(value)
  const head = [
    'HTTP/1.1 200 OK',
    'content-type: application/json',
    'x-request-id: req_0123456789abcdef0123456789abcdef',
    `content-length: ${Buffer.byteLength(body)}`,
  ]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)
}

function usage(completionTokens: number): object {
  return {
    prompt_tokens: 29,
    completion_tokens: completionTokens,
    total_tokens: 29 + completionTokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}
