/** Reads one paced stream as server-sent events and says whether it is whole: every delta in its order, then `[DONE]`, no error. */
import { deltaPattern, pacedDeltas } from './mock-answers.ts'

export interface StreamCheck {
  /** A piece of the body, cut anywhere. */
  push(text: string): void
  /** What is wrong with the stream when nothing more comes; null where it is whole. */
  fault(): string | null
}

/** `onEvent` is called for each event with data; with when a delta was sent (`system-clock.ts`), or null for events of another kind. */
export function createStreamCheck(onEvent: (sentUs: number | null) => void): StreamCheck {
  let rest = ''
  let deltas = 0
  let isDone = false
  let firstFault: string | null = null

  return {
    push(text) {
      rest += text.includes('\r') ? text.replaceAll('\r', '') : text
      let from = 0
      for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n', from)) {
        readEvent(rest.slice(from, end))
        from = end + 2
      }
      rest = rest.slice(from)
    },
    fault() {
      if (firstFault !== null) return firstFault
      if (rest.trim() !== '') return 'cut within an event'
      if (deltas < pacedDeltas) return `ended after ${deltas} of ${pacedDeltas} deltas`
      return isDone ? null : 'ended without [DONE]'
    },
  }

  function readEvent(event: string): void {
    // A comment, which only keeps the connection alive.
    if (!event.includes('data:')) return
    if (isDone) blame('something came after [DONE]')
    const delta = deltaPattern.exec(event)
    if (delta === null) {
      if (event.endsWith('[DONE]')) isDone = true
      else if (/"error"\s*:\s*[{"]/.test(event)) blame(`an error event: ${event.slice(0, 200)}`)
      onEvent(null)
      return
    }
    const number = Number(delta[1])
    if (number !== deltas) blame(`delta ${number} came where ${deltas} was due`)
    deltas = number + 1
    onEvent(Number(delta[2]))
  }

  function blame(fault: string): void {
    firstFault ??= fault
  }
}
