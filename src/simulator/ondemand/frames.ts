/** Spells an answer on the wire: as the events of a stream, or whole as JSON; pure functions. */
import { textPieces } from '../text-pieces.ts'
import type { ModelAnswer } from './answers.ts'
import type { AnswerShape, Behaviour } from './behaviours.ts'
import { CONTEXT_LENGTH_CODE, CONTEXT_LENGTH_MESSAGE } from './refusals.ts'

/**
 * The events of a stream in order, as documented (docs.on-demand.io/docs/query-and-responses-modes) and seen live 2026-07 and 2026-09: a
 * heartbeat, progress, thoughts, the pieces of the answer, a status event that repeats the whole answer, the token counts, `[DONE]`.
 */
export function streamFrames(answer: ModelAnswer, about: AnswerFacts): readonly Frame[] {
  const { shape } = about
  const writer = createFrameWriter(about)
  const frames: Frame[] = []
  const add = (part: Frame['part'], text: string) => frames.push({ part, text })
  const addStatus = (part: Frame['part'], statusType: string, details: Readonly<Record<string, unknown>> = {}) => {
    if (shape.areStatusLogsSent !== false) add(part, writer.statusLog(statusType, details))
  }

  add('opening', writer.heartbeat())
  if (about.isPlanned) {
    addStatus('opening', 'analyzing')
    for (const each of textPieces(PLANNING_TEXT, {})) add('opening', writer.thinking('planning_thinking', each))
    add('opening', writer.output('planning_output', '{"steps":['))
    add('opening', writer.output('planning_output', '{"step":1}]}'))
    addStatus('opening', 'plan_created')
    addStatus('opening', 'agents_retrieved', { retrievedAgents: [{ id: 'plugin-simulated', name: 'simulated' }] })
    addStatus('opening', 'executing')
    for (const each of textPieces(STEP_TEXT, {})) add('opening', writer.thinking('step_thinking', each))
    add('opening', writer.output('step_output', '{"plugins":['))
    add('opening', writer.output('step_output', '"plugin-simulated"]}'))
    addStatus('opening', 'execution_completed')
  }
  addStatus('opening', 'fulfilling')
  if (shape.hasUnknownEvents === true) for (const text of writer.unknownEvents()) add('opening', text)
  for (const each of textPieces(shape.thinkingText ?? '', {}))
    add('thinking', writer.thinking('fulfillment_thinking', each))
  for (const [index, piece] of answer.pieces.entries()) {
    // In one frame with the piece, because pieces are counted.
    const unknown = index > 0 && shape.hasUnknownEvents === true ? writer.unknownEvents() : []
    add('piece', [...unknown, writer.fulfillment(piece)].join(''))
  }
  addStatus('completed', 'fulfillment_completed', { answer: answer.text })
  if (shape.areMetricsSent !== false) add('metrics', writer.metricsLog(answer.metrics))
  if (shape.isDoneSent !== false) add('done', writer.done())
  return frames
}

/** One event of a stream, its blank line included, and to which part of the stream it belongs. */
export interface Frame {
  readonly part: 'opening' | 'thinking' | 'piece' | 'completed' | 'metrics' | 'done'
  readonly text: string
}

export interface AnswerFacts {
  readonly sessionId: string
  readonly messageId: string
  readonly shape: AnswerShape
  readonly isPlanned: boolean
  readonly nowMs: number
}

const PLANNING_TEXT = 'The planner thinks: this is no answer.'
const STEP_TEXT = 'The step thinks: this is no answer either.'

/** What events of unknown types say in every field that a careless reader might take for text. */
export const UNKNOWN_EVENT_TEXT = 'THIS MUST BE IGNORED'

/** The event that ends a stream with an error (docs.on-demand.io/reference/submitquery), or one that has not been seen so far. */
export function errorFrame(error: Extract<Behaviour, { kind: 'error_in_stream' }>, about: AnswerFacts): string {
  const errorCode = error.errorCode ?? 'model_error'
  const message = error.message ?? (errorCode === CONTEXT_LENGTH_CODE ? CONTEXT_LENGTH_MESSAGE : 'The model failed')
  const writer = createFrameWriter(about)
  if (error.style === 'event') return writer.errorEvent({ errorCode, message })
  return writer.plain(`[ERROR]:${error.markerText ?? JSON.stringify({ message, errorCode })}`)
}

export function doneFrame(about: AnswerFacts): string {
  return createFrameWriter(about).done()
}

export function heartbeatFrame(about: AnswerFacts): string {
  return createFrameWriter(about).heartbeat()
}

/** The body of an answer that is not a stream. `metrics` is undocumented, but was seen live 2026-09. */
export function syncBody(answer: ModelAnswer, about: AnswerFacts): unknown {
  const { shape } = about
  const status = shape.syncStatus ?? 'completed'
  const hasText = shape.isAnswerNull !== true && status === 'completed'
  return {
    message: 'Chat query submitted successfully',
    data: {
      sessionId: about.sessionId,
      messageId: about.messageId,
      answer: hasText ? answer.text : null,
      status,
      ...(shape.areMetricsSent === false ? {} : { metrics: answer.metrics }),
    },
  }
}

interface FrameWriter {
  readonly plain: (text: string) => string
  readonly heartbeat: () => string
  readonly statusLog: (statusType: string, details: Readonly<Record<string, unknown>>) => string
  readonly thinking: (eventType: string, delta: string) => string
  readonly output: (eventType: string, delta: string) => string
  readonly fulfillment: (piece: string) => string
  readonly metricsLog: (metrics: unknown) => string
  readonly errorEvent: (error: { readonly errorCode: string; readonly message: string }) => string
  readonly unknownEvents: () => readonly string[]
  readonly done: () => string
}

/** `eventIndex` counts for each event name by itself, as it did in recordings. */
function createFrameWriter(about: AnswerFacts): FrameWriter {
  const { sessionId, messageId, shape } = about
  const indexes = { message: 0, thinking: 0 }
  let frameCount = 0
  const time = new Date(about.nowMs).toISOString()

  function frame(event: string, text: string): string {
    frameCount += 1
    // Both spellings are legal, and both were seen.
    const space = { never: '', always: ' ', mixed: frameCount % 3 === 0 ? ' ' : '' }[shape.dataSpace ?? 'mixed']
    return `event:${space}${event}\ndata:${space}${text}\n\n`
  }

  function event(name: 'message' | 'thinking', eventType: string, rest: Readonly<Record<string, unknown>>): string {
    indexes[name] += 1
    const eventIndex = indexes[name]
    return frame(name, JSON.stringify({ sessionId, messageId, eventIndex, eventType, status: 'processing', ...rest }))
  }

  return {
    plain: (text) => frame('message', text),
    heartbeat: () => frame('heartbeat', JSON.stringify({ sessionId, messageId, time })),
    statusLog: (statusType, details) =>
      event('message', 'statusLog', {
        currentStatusLog: {
          stepQuery: '',
          statusType,
          statusMessage: statusType,
          retrievedAgents: [],
          executedAgents: [],
          ...details,
          time,
        },
      }),
    thinking: (eventType, delta) => event('thinking', eventType, { thinking: { delta } }),
    output: (eventType, delta) => event('thinking', eventType, { output: { delta } }),
    fulfillment(piece) {
      indexes.message += 1
      // Alone among the events it has spaces inside its JSON.
      return frame(
        'message',
        `{"sessionId": "${sessionId}", "messageId": "${messageId}", "answer": ${JSON.stringify(piece)}, "status": "processing", "eventIndex":${indexes.message}, "eventType": "fulfillment"}`,
      )
    },
    metricsLog: (publicMetrics) => event('message', 'metricsLog', { publicMetrics }),
    errorEvent: (error) => event('message', 'error', error),
    unknownEvents: () => [
      event('message', 'agentSuggestion', {
        answer: UNKNOWN_EVENT_TEXT,
        text: UNKNOWN_EVENT_TEXT,
        thoughts: UNKNOWN_EVENT_TEXT,
      }),
      frame('debug', JSON.stringify({ sessionId, answer: UNKNOWN_EVENT_TEXT, text: UNKNOWN_EVENT_TEXT })),
    ],
    done: () => frame('message', '[DONE]'),
  }
}
