/** A conversation with a model: what was said, and the answer that is under way. */
import { type ReadonlySignal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { ApiError, ask, readEventsOf } from './api.ts'
import { addBody, addEvent, type Body, type ChatAnswer, emptyAnswer, isCut } from './chat-answer.ts'
import type { ChatMessage, ChatRequest } from './code-samples.ts'

export type AnswerState = 'waiting' | 'streaming' | 'done' | 'cut' | 'stopped' | 'failed'

export interface Turn {
  readonly id: number
  readonly asked: string
  readonly answer: ChatAnswer
  readonly state: AnswerState
  /** Null: no byte came. */
  readonly firstByteMs: number | null
  /** Null: not over yet. */
  readonly totalMs: number | null
  readonly requestId: string | null
  /** Of an answer that never began. */
  readonly refusal: { readonly status: number; readonly code: string; readonly message: string } | null
}

export interface Conversation {
  readonly turns: ReadonlySignal<readonly Turn[]>
  readonly isBusy: ReadonlySignal<boolean>
  /** `request` holds everything, the question at its end. */
  readonly send: (asked: string, request: ChatRequest) => Promise<void>
  readonly stop: () => void
  readonly clear: () => void
}

/** More is not sent along, nor shown: a try is no archive. */
const mostTurns = 50

export function useConversation(): Conversation {
  const turns = useSignal<readonly Turn[]>([])
  const isBusy = useSignal(false)
  const current = useRef<AbortController | null>(null)
  const stop = () => current.current?.abort()
  useEffect(() => stop, [])

  async function send(asked: string, request: ChatRequest): Promise<void> {
    if (isBusy.value) return
    const stopper = new AbortController()
    current.current = stopper
    isBusy.value = true
    let turn: Turn = { ...newTurn, id: Date.now(), asked }
    turns.value = [...turns.value, turn].slice(-mostTurns)
    const change = (changes: Partial<Turn>) => {
      turn = { ...turn, ...changes }
      turns.value = turns.value.map((one) => (one.id === turn.id ? turn : one))
    }
    const begin = performance.now()
    const elapsedMs = () => performance.now() - begin
    try {
      const response = await ask('admin/v1/chat/completions', {
        method: 'POST',
        body: request,
        signal: stopper.signal,
        isEndless: true,
      })
      change({ requestId: response.headers.get('x-request-id') })
      if (response.headers.get('content-type')?.includes('event-stream') === true) {
        await readEventsOf(response, (data) => {
          const firstByteMs = turn.firstByteMs ?? elapsedMs()
          change({ state: 'streaming', firstByteMs, answer: addEvent(turn.answer, data) })
        })
        change({ state: isCut(turn.answer) ? 'cut' : 'done', totalMs: elapsedMs() })
      } else {
        const firstByteMs = elapsedMs()
        const answer = addBody(emptyAnswer, (await response.json()) as Body)
        change({ state: 'done', firstByteMs, answer, totalMs: elapsedMs() })
      }
    } catch (error) {
      change({ ...endOf(error, turn, stopper.signal.aborted), totalMs: elapsedMs() })
    } finally {
      isBusy.value = false
    }
  }

  return {
    turns,
    isBusy,
    send,
    stop,
    clear: () => {
      stop()
      turns.value = []
    },
  }
}

/** What was said so far, for the next request. Answers that never came are left out with their question. */
export function messagesOf(turns: readonly Turn[]): ChatMessage[] {
  return turns
    .filter(({ answer }) => answer.content !== '')
    .flatMap(({ asked, answer }) => [
      { role: 'user' as const, content: asked },
      { role: 'assistant' as const, content: answer.content },
    ])
}

const newTurn: Omit<Turn, 'id' | 'asked'> = {
  answer: emptyAnswer,
  state: 'waiting',
  firstByteMs: null,
  totalMs: null,
  requestId: null,
  refusal: null,
}

function endOf(error: unknown, { firstByteMs }: Turn, isStopped: boolean): Partial<Turn> {
  if (isStopped) return { state: 'stopped' }
  if (error instanceof ApiError) {
    const { status, code, message } = error
    return { state: 'failed', refusal: { status, code, message } }
  }
  // The connection broke: with words already there that is an answer cut short.
  if (firstByteMs !== null) return { state: 'cut' }
  return { state: 'failed', refusal: { status: 0, code: '', message: String(error) } }
}
