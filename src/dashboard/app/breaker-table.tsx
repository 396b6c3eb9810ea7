/** Upstreams that failed for every credential and are left alone for a while. */
import type { ReadonlySignal } from '@preact/signals'
import { useAction } from './action.ts'
import { ActionSaid } from './action-said.tsx'
import { askJson } from './api.ts'
import { StateBadge } from './badge.tsx'
import { Countdown } from './countdown.tsx'
import { formatCount } from './format.ts'
import type { BreakerReport } from './state-reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    title: 'Circuit breakers',
    hint: 'An upstream whose failures are not one credential’s is not asked for a while. A reset also makes the provider’s credentials available again.',
    none: 'All closed: no upstream is being left alone.',
    target: 'Upstream',
    state: 'State',
    cause: 'Cause',
    inRow: '{count} failures in a row',
    many: 'Too many calls failed',
    until: 'Next try',
    actions: 'Actions',
    reset: 'Reset',
    done: 'Closed',
  },
  zh: {
    title: '熔断器',
    hint: '当故障并非单个凭据所致时，网关会暂停访问该上游。重置时，该提供方的凭据也会恢复可用。',
    none: '全部闭合，没有上游被熔断。',
    target: '上游',
    state: '状态',
    cause: '原因',
    inRow: '连续失败 {count} 次',
    many: '失败的调用过多',
    until: '下次尝试',
    actions: '操作',
    reset: '重置',
    done: '已闭合',
  },
})

export interface BreakerTableProps {
  readonly breakers: readonly BreakerReport[]
  readonly now: ReadonlySignal<number | null>
  readonly onChange: () => Promise<void>
}

export function BreakerTable({ breakers, now, onChange }: BreakerTableProps) {
  const action = useAction()
  const shown = breakers.filter(({ state, failuresInRow }) => state !== 'closed' || failuresInRow > 0)
  return (
    <section class="card" aria-labelledby="breakers">
      <div class="card-head">
        <h2 id="breakers">{text('title')}</h2>
        <ActionSaid action={action} />
      </div>
      <p class="quiet hint">{text('hint')}</p>
      {shown.length === 0 ? (
        <p class="quiet">{text('none')}</p>
      ) : (
        <div class="scroll">
          <table class="one-line operation">
            <caption class="hidden-label">{text('title')}</caption>
            <thead>
              <tr>
                <th scope="col">{text('target')}</th>
                <th scope="col">{text('state')}</th>
                <th scope="col">{text('cause')}</th>
                <th scope="col">{text('until')}</th>
                <th scope="col">{text('actions')}</th>
              </tr>
            </thead>
            <tbody>
              {shown.map(({ target, state, until, failuresInRow }) => (
                <tr key={target}>
                  <td>
                    <code>{target}</code>
                  </td>
                  <td>
                    <StateBadge state={state} />
                  </td>
                  <td>{failuresInRow > 0 ? text('inRow', { count: formatCount(failuresInRow) }) : text('many')}</td>
                  <td>{until === null ? '–' : <Countdown until={until} now={now} />}</td>
                  <td>
                    <button
                      type="button"
                      class="small"
                      aria-label={`${text('reset')}: ${target}`}
                      disabled={action.isBusy.value}
                      onClick={() => action.run(() => close(target, onChange))}
                    >
                      {text('reset')}
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  )
}

/** A target is `provider/model` or `provider`. */
async function close(target: string, onChange: () => Promise<void>): Promise<string> {
  const provider = target.split('/', 1)[0] ?? target
  await askJson(`reset-keys?${new URLSearchParams({ provider })}`, { method: 'POST' })
  await onChange()
  return text('done')
}
