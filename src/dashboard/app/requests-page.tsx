/** Single calls: found by filters, looked into one by one, taken away as a file. */
import './statistics.css'
import { linkWith } from './address.ts'
import { OutcomeBadge, outcomeText } from './badge.tsx'
import { CallDialog } from './call-dialog.tsx'
import { CallFields } from './call-fields.tsx'
import { type CallFilter, callParameters, callPresets, isOpenEnded, readCallFilter } from './call-filter.ts'
import { CostNumber, TokenNumbers } from './call-numbers.tsx'
import { type Calls, useCalls } from './calls.ts'
import { type Chip, FilterChips, nameChips } from './filter-chips.tsx'
import { formatClock, formatCount, formatDuration } from './format.ts'
import { dimensionText, nameText } from './names.ts'
import { RangePicker } from './range-picker.tsx'
import { ReadingProblem } from './reading-problem.tsx'
import type { CallReport } from './reports.ts'
import { route } from './route.ts'
import { ScrollArea } from './scroll-area.tsx'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    title: 'Requests, newest first',
    time: 'Time',
    outcome: 'Outcome',
    attempts: '{count} tries',
    firstByte: 'First byte',
    duration: 'Duration',
    upstream: 'Provider and credential',
    tokens: 'Tokens',
    cost: 'Cost',
    status: 'Status',
    minimum: 'At least',
    seconds: '{count} s',
    shown: '{count} shown',
    live: 'New ones appear at the top',
    ended: 'The range has ended, nothing new can come',
    csv: 'CSV',
    json: 'JSON',
    download: 'Download all of these:',
    more: 'Load more',
    loading: 'Loading…',
    over: 'No more requests.',
    empty: 'No request matches.',
    emptyHint: 'Remove a filter or choose a longer range. Requests are kept for as long as store.retention says.',
    as: 'as {target}',
  },
  zh: {
    title: '请求列表（最新在前）',
    time: '时间',
    outcome: '结果',
    attempts: '尝试 {count} 次',
    firstByte: '首字节',
    duration: '耗时',
    upstream: '提供方与凭据',
    tokens: 'Token',
    cost: '费用',
    status: '状态码',
    minimum: '耗时至少',
    seconds: '{count} 秒',
    shown: '已显示 {count} 条',
    live: '新请求会出现在顶部',
    ended: '时间范围已结束，不会再有新请求',
    csv: 'CSV',
    json: 'JSON',
    download: '下载全部结果：',
    more: '加载更多',
    loading: '加载中…',
    over: '没有更多请求了。',
    empty: '没有符合条件的请求。',
    emptyHint: '请移除筛选条件，或选择更长的时间范围。请求明细的保留时间由 store.retention 决定。',
    as: '实际为 {target}',
  },
})

export function RequestsPage() {
  const { query } = route.value
  const filter = readCallFilter(query)
  const parameters = callParameters(filter).toString()
  const isLive = isOpenEnded(filter)
  const calls = useCalls(parameters, isLive)
  const id = query.get('id')
  return (
    <div class="stack">
      <div class="bar">
        <RangePicker range={filter.range} offered={callPresets} />
      </div>
      <CallFields filter={filter} />
      <FilterChips chips={chipsOf(filter)} />
      <ReadingProblem remote={calls} />
      <div class="card">
        <ListHead calls={calls} parameters={parameters} isLive={isLive} />
        <CallList calls={calls} />
      </div>
      {id !== null && id !== '' && <CallDialog key={id} id={id} />}
    </div>
  )
}

function chipsOf({ names, outcome, status, minSeconds }: CallFilter): Chip[] {
  return [
    ...nameChips(names),
    ...(outcome === null ? [] : [{ parameter: 'outcome', title: text('outcome'), value: outcomeText(outcome) }]),
    ...(status === null ? [] : [{ parameter: 'status', title: text('status'), value: status }]),
    ...(minSeconds === null
      ? []
      : [{ parameter: 'min', title: text('minimum'), value: text('seconds', { count: formatCount(minSeconds) }) }]),
  ]
}

interface ListHeadProps {
  readonly calls: Calls
  readonly parameters: string
  readonly isLive: boolean
}

function ListHead({ calls, parameters, isLive }: ListHeadProps) {
  const count = calls.value.value?.length ?? null
  const file = (format: string) => {
    const query = new URLSearchParams(parameters)
    query.set('format', format)
    return `admin/requests?${query}`
  }
  return (
    <header class="card-head">
      <span class="quiet">
        {count === null ? text('loading') : text('shown', { count: formatCount(count) })} ·{' '}
        {text(isLive ? 'live' : 'ended')}
      </span>
      <span class="push">
        {text('download')}{' '}
        <a href={file('csv')} download>
          {text('csv')}
        </a>{' '}
        <a href={file('json')} download>
          {text('json')}
        </a>
      </span>
    </header>
  )
}

function CallList({ calls }: { readonly calls: Calls }) {
  const rows = calls.value.value
  if (rows === null) return <p class="empty">{calls.isLoading.value ? text('loading') : ''}</p>
  if (rows.length === 0 && calls.cursor.value === null)
    return (
      <p class="empty">
        {text('empty')}
        <br />
        {text('emptyHint')}
      </p>
    )
  return (
    <>
      <ScrollArea label={text('title')}>
        <table class="one-line many-columns">
          <caption class="hidden-label">{text('title')}</caption>
          <thead>
            <tr>
              <th scope="col">{text('time')}</th>
              <th scope="col">{text('outcome')}</th>
              <th scope="col">{dimensionText('model')}</th>
              <th scope="col">{text('upstream')}</th>
              <th scope="col">{dimensionText('client')}</th>
              {(['firstByte', 'duration', 'tokens', 'cost'] as const).map((name) => (
                <th key={name} scope="col" class="number">
                  {text(name)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((call) => (
              <CallRow key={call.id} call={call} />
            ))}
          </tbody>
        </table>
      </ScrollArea>
      <p class="list-foot">
        {calls.cursor.value === null ? (
          <span class="quiet">{text('over')}</span>
        ) : (
          <button type="button" disabled={calls.isLoading} onClick={calls.loadMore}>
            {text('more')}
          </button>
        )}
      </p>
    </>
  )
}

function CallRow({ call }: { readonly call: CallReport }) {
  return (
    <tr class="linked">
      <td>
        <a href={linkWith({ id: call.id })}>{formatClock(call.time)}</a>
      </td>
      <td>
        <OutcomeBadge outcome={call.outcome} /> <span class="quiet">{call.status}</span>
        {call.attempts > 1 && <span class="quiet"> · {text('attempts', { count: formatCount(call.attempts) })}</span>}
      </td>
      <td class="name" title={call.model}>
        {nameText(call.model)}
        {call.target_model !== '' && call.target_model !== call.model && (
          <div class="below" title={call.target_model}>
            {text('as', { target: call.target_model })}
          </div>
        )}
      </td>
      <td class="name" title={call.provider}>
        {nameText(call.provider)}
        {call.credential !== '' && <div class="below mono">{call.credential}</div>}
      </td>
      <td class="name" title={call.client}>
        {nameText(call.client)}
      </td>
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
