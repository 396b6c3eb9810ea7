/** The numbers of this moment and the last minute as bars. */
import { stateColour, stateText } from './badge.tsx'
import { Figure } from './figure.tsx'
import { formatCount, formatDuration, formatMoney, formatRate, formatShare, formatShort } from './format.ts'
import type { Live, LiveState } from './live.ts'
import { LiveBars } from './live-bars.tsx'
import type { LiveReport, Percentiles } from './reports.ts'
import { linkTo } from './route.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    now: 'Now',
    connecting: 'Connecting…',
    live: 'Live',
    reconnecting: 'Reconnecting…',
    reconnectingAfter: 'Reconnecting… ({problem})',
    paused: 'Paused',
    inFlight: 'Calls in flight',
    requests: 'Requests per second',
    requestsNote: '{count} in the last minute',
    errors: 'Errors per second',
    errorsNote: '{share} of the last minute',
    firstByte: 'First byte, median',
    duration: 'Duration, median',
    percentiles: 'p95 {p95} · p99 {p99}',
    fiveMinutes: 'Of the last five minutes',
    tokens: 'Tokens per minute',
    tokensNote: '{input} in · {output} out',
    cost: 'Cost per minute',
    costNote: '{perHour} an hour',
    credentials: 'Credentials',
    noCredentials: 'None configured',
    credential: '{count} {state}',
  },
  zh: {
    now: '实时',
    connecting: '连接中…',
    live: '实时',
    reconnecting: '正在重新连接…',
    reconnectingAfter: '正在重新连接…（{problem}）',
    paused: '已暂停',
    inFlight: '进行中的调用',
    requests: '每秒请求数',
    requestsNote: '最近一分钟共 {count} 次',
    errors: '每秒错误数',
    errorsNote: '占最近一分钟的 {share}',
    firstByte: '首字节延迟（中位数）',
    duration: '总耗时（中位数）',
    percentiles: 'p95 {p95} · p99 {p99}',
    fiveMinutes: '最近五分钟',
    tokens: '每分钟 Token 数',
    tokensNote: '输入 {input} · 输出 {output}',
    cost: '每分钟费用',
    costNote: '每小时约 {perHour}',
    credentials: '凭据',
    noCredentials: '尚未配置',
    credential: '{count} 个{state}',
  },
})

export function LiveFigures({ live }: { readonly live: Live }) {
  const report = live.report.value
  const state = live.state.value
  return (
    <section class={`card ${state === 'live' ? '' : 'is-old'}`} aria-labelledby="now-title">
      <header class="card-head">
        <h2 id="now-title">{text('now')}</h2>
        <LiveSign state={state} problem={live.problem.value} />
      </header>
      <div class="now">
        <dl class="figures">
          <Figures report={report} />
        </dl>
        <LiveBars seconds={report?.seconds ?? null} />
      </div>
      <CredentialStates states={report?.credentials ?? null} />
    </section>
  )
}

function LiveSign({ state, problem }: { readonly state: LiveState; readonly problem: string | null }) {
  const words = state === 'reconnecting' && problem !== null ? text('reconnectingAfter', { problem }) : text(state)
  return (
    <span class={`live-sign ${state}`} role="status">
      {words}
    </span>
  )
}

function Figures({ report }: { readonly report: LiveReport | null }) {
  const minute = report?.last_minute ?? null
  const show = (make: (known: LiveReport) => string) => (report === null ? '–' : make(report))
  const tokens = minute === null ? null : minute.input_tokens + minute.output_tokens
  const errorShare = minute === null || minute.requests === 0 ? null : minute.errors / minute.requests
  return (
    <>
      <Figure title={text('inFlight')} value={show(({ in_flight }) => formatCount(in_flight))} />
      <Figure
        title={text('requests')}
        value={minute === null ? '–' : formatRate(minute.requests_per_second)}
        note={minute === null ? '' : text('requestsNote', { count: formatCount(minute.requests) })}
      />
      <Figure
        title={text('errors')}
        value={minute === null ? '–' : formatRate(minute.errors_per_second)}
        note={errorShare === null ? '' : text('errorsNote', { share: formatShare(errorShare) })}
        isBad={minute !== null && minute.errors > 0}
      />
      <LatencyFigure title={text('firstByte')} percentiles={report?.first_byte_ms ?? null} />
      <LatencyFigure title={text('duration')} percentiles={report?.duration_ms ?? null} />
      <Figure
        title={text('tokens')}
        value={tokens === null ? '–' : formatShort(tokens)}
        note={
          minute === null
            ? ''
            : text('tokensNote', { input: formatShort(minute.input_tokens), output: formatShort(minute.output_tokens) })
        }
      />
      <Figure
        title={text('cost')}
        value={minute === null ? '–' : formatMoney(minute.cost_usd)}
        note={minute === null ? '' : text('costNote', { perHour: formatMoney(minute.cost_usd * 60) })}
      />
    </>
  )
}

function LatencyFigure({ title, percentiles }: { readonly title: string; readonly percentiles: Percentiles | null }) {
  const note =
    percentiles === null || percentiles.count === 0
      ? ''
      : text('percentiles', { p95: formatDuration(percentiles.p95), p99: formatDuration(percentiles.p99) })
  return (
    <Figure title={title} value={formatDuration(percentiles?.p50 ?? null)} note={note} hint={text('fiveMinutes')} />
  )
}

function CredentialStates({ states }: { readonly states: Readonly<Record<string, number>> | null }) {
  const counts = Object.entries(states ?? {}).filter(([state, count]) => count > 0 || state === 'healthy')
  const total = counts.reduce((sum, [, count]) => sum + count, 0)
  return (
    <div class="credential-states">
      <a href={linkTo('credentials')}>{text('credentials')}</a>
      <span class="share-line" aria-hidden="true">
        {counts.map(([state, count]) => (
          <span key={state} class={`part ${stateColour(state)}`} style={{ flexGrow: String(count) }} />
        ))}
      </span>
      <span>
        {states !== null && total === 0 && text('noCredentials')}
        {total > 0 &&
          counts.map(([state, count]) => (
            <span key={state} class={`dot-label ${stateColour(state)}`}>
              {text('credential', { count: formatCount(count), state: stateText(state) })}
            </span>
          ))}
      </span>
    </div>
  )
}
