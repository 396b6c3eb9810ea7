/** A word with a colour: how a call ended, in what state a credential is. */
import type { Outcome } from './reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    succeeded: 'Succeeded',
    refused: 'Refused',
    failed: 'Failed',
    cut: 'Cut off',
    aborted: 'Aborted',
    healthy: 'Healthy',
    cooling: 'Resting',
    blacklisted: 'Blacklisted',
    paused: 'Paused',
    open: 'Open',
    half_open: 'Half open',
    closed: 'Closed',
  },
  zh: {
    succeeded: '成功',
    refused: '被拒绝',
    failed: '失败',
    cut: '中断',
    aborted: '客户端取消',
    healthy: '正常',
    cooling: '冷却中',
    blacklisted: '已拉黑',
    paused: '已暂停',
    open: '熔断',
    half_open: '半开',
    closed: '闭合',
  },
})

const outcomeColours = { succeeded: 'good', refused: 'warn', failed: 'bad', cut: 'bad', aborted: '' } as const

export function OutcomeBadge({ outcome }: { readonly outcome: Outcome }) {
  return <span class={`badge ${outcomeColours[outcome] ?? ''}`}>{outcomeText(outcome)}</span>
}

export function outcomeText(outcome: Outcome): string {
  return text(outcome)
}

const stateColours = {
  healthy: 'good',
  cooling: 'warn',
  blacklisted: 'bad',
  paused: '',
  open: 'bad',
  half_open: 'warn',
  closed: 'good',
} as const
export type State = keyof typeof stateColours

/** One that is not known yet is shown in the gateway's word. */
export function StateBadge({ state }: { readonly state: string }) {
  return <span class={`badge ${stateColour(state)}`}>{stateText(state)}</span>
}

export function stateText(state: string): string {
  return isState(state) ? text(state) : state
}

export function stateColour(state: string): string {
  return isState(state) ? stateColours[state] : ''
}

function isState(state: string): state is State {
  return Object.hasOwn(stateColours, state)
}
