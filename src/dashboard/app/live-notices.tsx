/** What an operator has to know before anything else: statistics that are not kept, upstreams that are shut off. */
import { stateText } from './badge.tsx'
import { formatClock } from './format.ts'
import type { Live } from './live.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    store: 'Statistics are not being kept:',
    breakers: 'Circuit breakers:',
    until: 'until {time}',
    state: '{target}: {state}',
  },
  zh: {
    store: '统计数据无法保存：',
    breakers: '熔断器：',
    until: '至 {time}',
    state: '{target}：{state}',
  },
})

export function LiveNotices({ live }: { readonly live: Live }) {
  const report = live.report.value
  const breakers = (report?.breakers ?? []).filter(({ state }) => state !== 'closed')
  const storeProblem = report?.store_problem ?? null
  return (
    <div class="notices" role="status">
      {storeProblem !== null && (
        <p class="notice bad">
          <b>{text('store')}</b> {storeProblem}
        </p>
      )}
      {breakers.length > 0 && (
        <p class="notice warn">
          <b>{text('breakers')}</b>{' '}
          {breakers.map(({ target, state, until }) => (
            <span key={target} class="notice-part">
              {text('state', { target, state: stateText(state) })}
              {until === null ? '' : ` (${text('until', { time: formatClock(until) })})`}
            </span>
          ))}
        </p>
      )}
    </div>
  )
}
