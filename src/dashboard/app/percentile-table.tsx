/** How long calls took: the share of them that was quicker than so much. */
import { formatCount, formatDuration } from './format.ts'
import type { Percentiles, RangeReport } from './reports.ts'
import { ScrollArea } from './scroll-area.tsx'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    title: 'Latency',
    hint: 'Within 10 %. p95: 95 of 100 calls were quicker.',
    firstByte: 'First byte',
    duration: 'Whole call',
    calls: 'Calls',
    unkept: 'Not kept for more than one filter at once, nor for hours older than 92 days.',
  },
  zh: {
    title: '延迟',
    hint: '误差在 10% 以内。p95 表示 100 次调用中有 95 次更快。',
    firstByte: '首字节',
    duration: '完整调用',
    calls: '调用数',
    unkept: '同时使用多个筛选条件，或数据早于 92 天时，没有此项统计。',
  },
})

const shown = ['p50', 'p90', 'p95', 'p99'] as const

/** Undefined: not read yet. Null: not kept. */
export function PercentileTable({ percentiles }: { readonly percentiles: RangeReport['percentiles'] | undefined }) {
  return (
    <div class="card">
      <header class="card-head">
        <h2>{text('title')}</h2>
        <span class="quiet">{text('hint')}</span>
      </header>
      {percentiles === null && <p class="empty">{text('unkept')}</p>}
      {percentiles !== null && (
        <ScrollArea label={text('title')}>
          <table>
            <caption class="hidden-label">{text('title')}</caption>
            <thead>
              <tr>
                <td />
                {shown.map((name) => (
                  <th key={name} scope="col" class="number">
                    {name}
                  </th>
                ))}
                <th scope="col" class="number">
                  {text('calls')}
                </th>
              </tr>
            </thead>
            <tbody>
              <Row title={text('firstByte')} percentiles={percentiles?.first_byte_ms} />
              <Row title={text('duration')} percentiles={percentiles?.duration_ms} />
            </tbody>
          </table>
        </ScrollArea>
      )}
    </div>
  )
}

function Row({ title, percentiles }: { readonly title: string; readonly percentiles: Percentiles | undefined }) {
  return (
    <tr>
      <th scope="row">{title}</th>
      {shown.map((name) => (
        <td key={name} class="number">
          {formatDuration(percentiles?.[name] ?? null)}
        </td>
      ))}
      <td class="number">{percentiles === undefined ? '–' : formatCount(percentiles.count)}</td>
    </tr>
  )
}
