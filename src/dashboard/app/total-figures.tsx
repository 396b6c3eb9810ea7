/** The sums of a range. */
import { Figure } from './figure.tsx'
import { formatCount, formatMoney, formatShare, formatShort } from './format.ts'
import type { Totals } from './reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    requests: 'Requests',
    requestsNote: '{succeeded} succeeded · {aborted} aborted',
    failed: 'Failed',
    input: 'Input tokens',
    output: 'Output tokens',
    cached: '{tokens} from the upstream’s cache',
    reasoning: '{tokens} for reasoning',
    cost: 'Cost',
    perRequest: '{cost} per request',
    share: '{share} of all',
  },
  zh: {
    requests: '请求',
    requestsNote: '成功 {succeeded} · 客户端取消 {aborted}',
    failed: '失败',
    input: '输入 Token',
    output: '输出 Token',
    cached: '其中上游缓存命中 {tokens}',
    reasoning: '其中推理 {tokens}',
    cost: '费用',
    perRequest: '平均每次请求 {cost}',
    share: '占全部的 {share}',
  },
})

/** Null: not read yet. */
export function TotalFigures({ totals }: { readonly totals: Totals | null }) {
  const show = (make: (known: Totals) => string) => (totals === null ? '–' : make(totals))
  const shareOf = (count: number, { requests }: Totals) =>
    requests === 0 ? '' : text('share', { share: formatShare(count / requests) })
  return (
    <dl class="figures">
      <Figure
        title={text('requests')}
        value={show(({ requests }) => formatCount(requests))}
        note={
          totals === null
            ? ''
            : text('requestsNote', { succeeded: formatShort(totals.succeeded), aborted: formatShort(totals.aborted) })
        }
      />
      <Figure
        title={text('failed')}
        value={show(({ failed }) => formatCount(failed))}
        note={totals === null ? '' : shareOf(totals.failed, totals)}
        isBad={totals !== null && totals.failed > 0}
      />
      <Figure
        title={text('input')}
        value={show(({ input_tokens }) => formatShort(input_tokens))}
        note={totals === null ? '' : text('cached', { tokens: formatShort(totals.cached_tokens) })}
      />
      <Figure
        title={text('output')}
        value={show(({ output_tokens }) => formatShort(output_tokens))}
        note={totals === null ? '' : text('reasoning', { tokens: formatShort(totals.reasoning_tokens) })}
      />
      <Figure
        title={text('cost')}
        value={show(({ cost_usd }) => formatMoney(cost_usd))}
        note={
          totals === null || totals.requests === 0
            ? ''
            : text('perRequest', { cost: formatMoney(totals.cost_usd / totals.requests) })
        }
      />
    </dl>
  )
}
