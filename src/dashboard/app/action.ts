/** Something an operator asks for with a button: busy while it runs, then what came of it. */
import { type ReadonlySignal, useSignal } from '@preact/signals'
import { ApiError } from './api.ts'

export interface Action {
  readonly isBusy: ReadonlySignal<boolean>
  /** What came of it; null: nothing yet. */
  readonly said: ReadonlySignal<{ readonly words: string; readonly isBad: boolean } | null>
  /** Runs it unless one is under way; it gives the words to be said. */
  readonly run: (act: () => Promise<string>) => Promise<void>
  readonly forget: () => void
}

export function useAction(): Action {
  const isBusy = useSignal(false)
  const said = useSignal<{ words: string; isBad: boolean } | null>(null)
  return {
    isBusy,
    said,
    async run(act) {
      if (isBusy.value) return
      isBusy.value = true
      said.value = null
      try {
        said.value = { words: await act(), isBad: false }
      } catch (error) {
        said.value = { words: error instanceof ApiError ? error.message : String(error), isBad: true }
      } finally {
        isBusy.value = false
      }
    },
    forget: () => {
      said.value = null
    },
  }
}
