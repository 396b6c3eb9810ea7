/** What came of an action, told to everybody. */
import type { Action } from './action.ts'

export function ActionSaid({ action }: { readonly action: Pick<Action, 'said'> }) {
  const said = action.said.value
  return (
    <span class={said?.isBad === true ? 'said problem' : 'said quiet'} role="status">
      {said?.words}
    </span>
  )
}
