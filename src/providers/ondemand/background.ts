/**
 * What goes on after the one who asked has left: sessions that are made and deleted, tokens, lists. It ends with the program, and a moment
 * is given to it then, so that a stop leaves no session behind; afterwards nothing is sent any more.
 */
import { UpstreamError } from '../../errors.ts'

export interface Background {
  /** Fires when nothing of it may go on. */
  readonly signal: AbortSignal
  /** Fires when the end is near: no more pauses. */
  readonly hurry: AbortSignal
  /** The end waits for it, if not for long. */
  awaited<T>(work: Promise<T>): Promise<T>
  /** Resolves when all has ended, or was given up. */
  end(): Promise<void>
}

const lastWorkMs = 1000

export function createBackground(): Background {
  const ended = new AbortController()
  const hurried = new AbortController()
  const underWay = new Set<Promise<unknown>>()

  return {
    signal: ended.signal,
    hurry: hurried.signal,
    awaited(work) {
      underWay.add(work)
      const over = () => underWay.delete(work)
      work.then(over, over)
      return work
    },
    async end() {
      hurried.abort()
      let timer: Timer | undefined
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(resolve, lastWorkMs, 'late')
      })
      // What ends may begin something else: the deletion of a session that was being made.
      while (underWay.size > 0 && (await Promise.race([Promise.allSettled(underWay), late])) !== 'late');
      clearTimeout(timer)
      ended.abort(new UpstreamError('client_gone', 'the gateway has stopped'))
    },
  }
}
