/** The limits of one client, and how much of each is used. */
import { formatClock, formatCount, formatMoney } from './format.ts'
import { Gauge } from './gauge.tsx'
import { type ClientLimitReport, limitKinds } from './state-reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    rpm: 'Requests/min',
    rps: 'Requests/s',
    tpm: 'Tokens/min',
    concurrency: 'At once',
    day: 'Day’s budget',
    month: 'Month’s budget',
    of: '{used} of {limit}',
    burst: '{limit} per second, {left} of {burst} at once left',
    ends: 'until {time}',
    reserved: '+ {amount} under way',
    refused: '{count} calls refused',
  },
  zh: {
    rpm: '请求/分钟',
    rps: '请求/秒',
    tpm: 'Token/分钟',
    concurrency: '并发',
    day: '每日预算',
    month: '每月预算',
    of: '{used} / {limit}',
    burst: '每秒 {limit}，突发余量 {left} / {burst}',
    ends: '截至 {time}',
    reserved: '进行中预留 {amount}',
    refused: '已拒绝 {count} 次调用',
  },
})

export function ClientLimits({ limits }: { readonly limits: ClientLimitReport }) {
  const { rpm, rps, tpm, max_concurrent: concurrency, budget } = limits
  const refused = limitKinds.reduce((sum, kind) => sum + limits.refused[kind], 0)
  const ofCounts = (used: number, limit: number) => text('of', { used: formatCount(used), limit: formatCount(limit) })
  const usedOf = ({ limit, remaining }: { limit: number; remaining: number }) => Math.max(0, limit - remaining)
  return (
    <div class="gauges">
      {rpm !== null && (
        <Gauge title={text('rpm')} used={usedOf(rpm)} limit={rpm.limit} numbers={ofCounts(usedOf(rpm), rpm.limit)} />
      )}
      {rps !== null && (
        <Gauge
          title={text('rps')}
          used={rps.burst - rps.remaining}
          limit={rps.burst}
          numbers={text('burst', { limit: rps.limit, left: formatCount(rps.remaining), burst: formatCount(rps.burst) })}
        />
      )}
      {tpm !== null && (
        <Gauge title={text('tpm')} used={usedOf(tpm)} limit={tpm.limit} numbers={ofCounts(usedOf(tpm), tpm.limit)} />
      )}
      {concurrency !== null && (
        <Gauge
          title={text('concurrency')}
          used={concurrency.used}
          limit={concurrency.limit}
          numbers={ofCounts(concurrency.used, concurrency.limit)}
        />
      )}
      {budget !== null && (
        <Gauge
          title={text(budget.period)}
          used={budget.spent_usd + budget.reserved_usd}
          limit={budget.limit_usd}
          numbers={text('of', { used: formatMoney(budget.spent_usd), limit: formatMoney(budget.limit_usd) })}
          note={[
            ...(budget.reserved_usd > 0 ? [text('reserved', { amount: formatMoney(budget.reserved_usd) })] : []),
            text('ends', { time: formatClock(budget.ends) }),
          ].join(' · ')}
        />
      )}
      {refused > 0 && <span class="quiet">{text('refused', { count: formatCount(refused) })}</span>}
    </div>
  )
}
