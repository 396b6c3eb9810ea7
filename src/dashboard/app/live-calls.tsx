/** The last calls as they finish. It stands still while somebody points at it or has the focus in it. */
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { OutcomeBadge } from './badge.tsx'
import { CostNumber, TokenNumbers } from './call-numbers.tsx'
import { formatClock, formatCount, formatDuration } from './format.ts'
import type { Live } from './live.ts'
import { nameText } from './names.ts'
import type { CallReport } from './reports.ts'
import { linkTo } from './route.ts'
import { ScrollArea } from './scroll-area.tsx'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    title: 'Last calls',
    all: 'All requests',
    held: 'Standing still while you look · {count} newer',
    empty: 'No call has ended since the gateway started.',
    emptyHint: 'Point a client at {address} with a client key, or send a first call from',
    tryIt: 'Try it',
    ended: 'Ended',
    outcome: 'Outcome',
    model: 'Model',
    client: 'Client',
    provider: 'Provider',
    firstByte: 'First byte',
    duration: 'Duration',
    tokens: 'Tokens',
    cost: 'Cost',
  },
  zh: {
    title: '最近的调用',
    all: '查看全部请求',
    held: '查看期间列表暂停更新 · {count} 条新调用',
    empty: '网关启动以来还没有完成的调用。',
    emptyHint: '请让客户端使用客户端密钥访问 {address}，或先从这里发起一次调用：',
    tryIt: '试用',
    ended: '结束时间',
    outcome: '结果',
    model: '模型',
    client: '客户端',
    provider: '提供方',
    firstByte: '首字节',
    duration: '耗时',
    tokens: 'Token',
    cost: '费用',
  },
})

const shownCalls = 10

export function LiveCalls({ live }: { readonly live: Live }) {
  const place = useRef<HTMLDivElement>(null)
  const held = useHeld(place, live)
  const current = live.calls.value
  const newer = held === null ? 0 : countNewer(current, held)
  return (
    <div class="card" ref={place}>
      <header class="card-head">
        <h2>{text('title')}</h2>
        <span class="quiet">{newer > 0 ? text('held', { count: formatCount(newer) }) : ''}</span>
        <a href={linkTo('requests')}>{text('all')}</a>
      </header>
      <div class="live-list">
        {live.report.value !== null && current.length === 0 ? <NoCalls /> : <CallTable calls={held ?? current} />}
      </div>
    </div>
  )
}

/** The list as it was when the pointer or the focus came; null while neither is there. */
function useHeld(place: { readonly current: HTMLElement | null }, { calls }: Live): readonly CallReport[] | null {
  const held = useSignal<readonly CallReport[] | null>(null)
  useEffect(() => {
    const element = place.current
    if (element === null) return
    let isPointedAt = false
    const settle = (hasFocus: boolean) => {
      held.value = isPointedAt || hasFocus ? (held.value ?? calls.value) : null
    }
    const settleNow = () => settle(element.contains(document.activeElement))
    const come = ({ pointerType }: PointerEvent) => {
      // A finger leaves no trace of where it rests.
      isPointedAt = pointerType === 'mouse'
      settleNow()
    }
    const leave = () => {
      isPointedAt = false
      settleNow()
    }
    const focus = () => settle(true)
    const blur = ({ relatedTarget }: FocusEvent) =>
      settle(relatedTarget instanceof Node && element.contains(relatedTarget))
    element.addEventListener('pointerenter', come)
    element.addEventListener('pointerleave', leave)
    element.addEventListener('focusin', focus)
    element.addEventListener('focusout', blur)
    return () => {
      element.removeEventListener('pointerenter', come)
      element.removeEventListener('pointerleave', leave)
      element.removeEventListener('focusin', focus)
      element.removeEventListener('focusout', blur)
    }
  }, [])
  return held.value
}

/** How many came after those that are shown. */
export function countNewer(current: readonly CallReport[], shown: readonly CallReport[]): number {
  const ids = new Set(shown.map(({ id }) => id))
  return current.filter(({ id }) => !ids.has(id)).length
}

function CallTable({ calls }: { readonly calls: readonly CallReport[] }) {
  const shown = calls.slice(0, shownCalls)
  return (
    <ScrollArea label={text('title')}>
      <table class="one-line">
        <caption class="hidden-label">{text('title')}</caption>
        <thead>
          <tr>
            <th scope="col">{text('ended')}</th>
            <th scope="col">{text('outcome')}</th>
            <th scope="col">{text('model')}</th>
            <th scope="col">{text('client')}</th>
            <th scope="col">{text('provider')}</th>
            <th scope="col" class="number">
              {text('firstByte')}
            </th>
            <th scope="col" class="number">
              {text('duration')}
            </th>
            <th scope="col" class="number">
              {text('tokens')}
            </th>
            <th scope="col" class="number">
              {text('cost')}
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((call) => (
            <CallRow key={call.id} call={call} />
          ))}
        </tbody>
      </table>
    </ScrollArea>
  )
}

function CallRow({ call }: { readonly call: CallReport }) {
  return (
    <tr class="linked">
      <td>
        <a href={linkTo('requests', { id: call.id })}>{formatClock(endOf(call))}</a>
      </td>
      <td>
        <OutcomeBadge outcome={call.outcome} /> <span class="quiet">{call.status}</span>
      </td>
      <td class="name" title={call.model}>
        {nameText(call.model)}
      </td>
      <td class="name">{nameText(call.client)}</td>
      <td class="name">{nameText(call.provider)}</td>
      <td class="number">{formatDuration(call.first_byte_ms)}</td>
      <td class="number">{formatDuration(call.duration_ms)}</td>
      <td class="number">
        <TokenNumbers call={call} />
      </td>
      <td class="number">
        <CostNumber call={call} />
      </td>
    </tr>
  )
}

/** The list is in the order in which calls end. */
function endOf({ time, duration_ms }: CallReport): string {
  return new Date(Date.parse(time) + duration_ms).toISOString()
}

function NoCalls() {
  return (
    <p class="empty">
      {text('empty')}
      <br />
      {text('emptyHint', { address: new URL('v1', location.href).href })} <a href={linkTo('try')}>{text('tryIt')}</a>
    </p>
  )
}
