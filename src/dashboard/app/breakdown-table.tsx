/** The totals of each model, provider, client or credential; a click on a name filters by it. */
import { useSignal } from '@preact/signals'
import { linkWith } from './address.ts'
import { formatCount, formatMoney, formatShare, formatShort } from './format.ts'
import { dimensionText, nameText } from './names.ts'
import type { Dimension, RangeReport, Totals } from './reports.ts'
import { type Column, SortTable } from './sort-table.tsx'
import { defineTexts } from './texts.ts'
import { filterChanges, type UsageView } from './usage-view.ts'

const text = defineTexts({
  en: {
    title: 'By {dimension}',
    requests: 'Requests',
    failed: 'Failed',
    input: 'Input tokens',
    output: 'Output tokens',
    cached: 'Cached',
    cost: 'Cost',
    empty: 'Nothing in this range.',
    unkept: 'Not kept together with the filter in force: credentials are counted with providers only.',
    filter: 'Show only {name}',
    more: 'Show all {count}',
    fewer: 'Show fewer',
  },
  zh: {
    title: '按{dimension}',
    requests: '请求数',
    failed: '失败',
    input: '输入 Token',
    output: '输出 Token',
    cached: '缓存命中',
    cost: '费用',
    empty: '该时间范围内没有数据。',
    unkept: '当前筛选条件下没有此项统计：凭据只与提供方一起统计。',
    filter: '只看 {name}',
    more: '显示全部 {count} 项',
    fewer: '收起',
  },
})

interface Row extends Totals {
  readonly name: string
}

const fewRows = 10

export interface BreakdownTableProps {
  readonly dimension: Dimension
  readonly report: RangeReport | null
  readonly view: UsageView
}

export function BreakdownTable({ dimension, report, view }: BreakdownTableProps) {
  const isWhole = useSignal(false)
  const title = text('title', { dimension: dimensionText(dimension).toLowerCase() })
  const rows: readonly Row[] = Object.entries(report?.[`${dimension}s`] ?? {}).map(([name, totals]) => ({
    name,
    ...totals,
  }))
  const isKept = report?.range.unavailable.includes(`${dimension}s`) !== true
  return (
    <div class="card">
      <h2>{title}</h2>
      {!isKept && <p class="empty">{text('unkept')}</p>}
      {isKept && rows.length === 0 && <p class="empty">{report === null ? '…' : text('empty')}</p>}
      {rows.length > 0 && (
        <SortTable
          label={title}
          columns={columnsOf(dimension, view, rows)}
          rows={rows}
          rowKey={({ name }) => name}
          sortedBy="requests"
          {...(isWhole.value ? {} : { most: fewRows })}
        />
      )}
      {rows.length > fewRows && (
        <button
          type="button"
          class="small more"
          onClick={() => {
            isWhole.value = !isWhole.value
          }}
        >
          {isWhole.value ? text('fewer') : text('more', { count: formatCount(rows.length) })}
        </button>
      )}
    </div>
  )
}

function columnsOf(dimension: Dimension, view: UsageView, rows: readonly Row[]): Column<Row>[] {
  const all = rows.reduce((sum, { requests }) => sum + requests, 0)
  const isFiltered = view.filter[dimension] !== undefined
  const number = (id: keyof Totals, title: string, format: (value: number) => string): Column<Row> => ({
    id,
    title,
    isNumber: true,
    value: (row) => row[id],
    cell: (row) => format(row[id]),
  })
  return [
    {
      id: 'name',
      title: dimensionText(dimension),
      value: ({ name }) => name,
      cell: ({ name }) =>
        name === '' || isFiltered ? (
          <span class="name">{nameText(name)}</span>
        ) : (
          <a
            class="name"
            href={linkWith(filterChanges(view, dimension, name))}
            title={text('filter', { name: nameText(name) })}
          >
            {name}
          </a>
        ),
    },
    {
      id: 'requests',
      title: text('requests'),
      isNumber: true,
      value: ({ requests }) => requests,
      cell: ({ requests }) => <Share count={requests} all={all} />,
    },
    {
      id: 'failed',
      title: text('failed'),
      isNumber: true,
      value: ({ failed, requests }) => (requests === 0 ? null : failed / requests),
      cell: ({ failed, requests }) => (requests === 0 ? '–' : formatShare(failed / requests)),
    },
    number('input_tokens', text('input'), formatShort),
    number('output_tokens', text('output'), formatShort),
    number('cached_tokens', text('cached'), formatShort),
    number('cost_usd', text('cost'), formatMoney),
  ]
}

function Share({ count, all }: { readonly count: number; readonly all: number }) {
  const share = all === 0 ? 0 : count / all
  return (
    <span class="share">
      <span class="share-bar" aria-hidden="true">
        <span style={{ width: `${share * 100}%` }} />
      </span>
      <span>{formatCount(count)}</span>
      <span class="quiet">{formatShare(share)}</span>
    </span>
  )
}
