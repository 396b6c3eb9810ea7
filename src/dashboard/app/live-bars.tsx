/** The last 60 seconds, a bar for each: requests, those that failed in another colour. */
import { formatCount } from './format.ts'
import type { LiveReport } from './reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    label: 'Finished calls, second by second',
    summary: 'Finished calls of the last 60 seconds: {requests}, {errors} of them with an error',
    ago: '60 s ago',
    now: 'now',
    peak: 'peak {count}/s',
    requests: 'Requests',
    errors: 'Errors',
  },
  zh: {
    label: '每秒完成的调用',
    summary: '最近 60 秒完成的调用：{requests} 次，其中 {errors} 次出错',
    ago: '60 秒前',
    now: '现在',
    peak: '峰值 {count}/秒',
    requests: '请求',
    errors: '错误',
  },
})

const shown = 60
const height = 100
const barWidth = 8
const barStep = 10

export function LiveBars({ seconds }: { readonly seconds: LiveReport['seconds'] | null }) {
  const requests = seconds?.requests ?? []
  const errors = seconds?.errors ?? []
  const peak = Math.max(0, ...requests)
  const scale = height / Math.max(1, peak)
  const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0)
  const summary = text('summary', { requests: formatCount(sum(requests)), errors: formatCount(sum(errors)) })
  return (
    <figure class="live-bars">
      <figcaption class="bar-head">
        <span>{text('label')}</span>
        <span class="quiet">{text('peak', { count: formatCount(peak) })}</span>
      </figcaption>
      <svg viewBox={`0 0 ${shown * barStep} ${height}`} preserveAspectRatio="none" role="img" aria-label={summary}>
        {requests.map((count, at) => {
          const failed = errors[at] ?? 0
          return (
            <g key={at}>
              <rect class="good" x={at * barStep} y={height - count * scale} width={barWidth} height={count * scale} />
              <rect class="bad" x={at * barStep} y={height - failed * scale} width={barWidth} height={failed * scale} />
            </g>
          )
        })}
      </svg>
      <div class="bar-foot quiet">
        <span>{text('ago')}</span>
        <span>
          <span class="swatch good" /> {text('requests')} <span class="swatch bad" /> {text('errors')}
        </span>
        <span>{text('now')}</span>
      </div>
    </figure>
  )
}
