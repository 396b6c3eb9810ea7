/** Tokens and cost of one call, told as honestly as they are known: a dash where there are none, a sign where they are a guess. */
import { formatCount, formatMoney, formatShort } from './format.ts'
import type { CallReport } from './reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    estimate: 'estimated',
    counted: 'counted here',
    cache: 'from the cache',
    upstream: 'as the upstream says',
    none: 'not known',
  },
  zh: {
    estimate: '估算值',
    counted: '本地计数',
    cache: '来自缓存',
    upstream: '上游返回',
    none: '未知',
  },
})

type Source = 'upstream' | 'counted' | 'estimate' | 'cache' | 'none'

/** One that is not known yet is shown in the gateway's word. */
export function sourceText(source: string): string {
  return isSource(source) ? text(source) : source
}

export function hasNumbers(call: Pick<CallReport, 'usage_source'>): boolean {
  return call.usage_source !== 'none'
}

/** 1.2K → 340 */
export function TokenNumbers({ call }: { readonly call: CallReport }) {
  if (!hasNumbers(call)) return <span class="quiet">–</span>
  return (
    <span title={sourceText(call.usage_source)}>
      <Guess call={call} />
      {formatShort(call.input_tokens)} → {formatShort(call.output_tokens)}
    </span>
  )
}

export function TokenNumber({ call, value }: { readonly call: CallReport; readonly value: number }) {
  if (!hasNumbers(call)) return <span class="quiet">–</span>
  return (
    <>
      <Guess call={call} />
      {formatCount(value)}
    </>
  )
}

export function CostNumber({ call }: { readonly call: CallReport }) {
  if (!hasNumbers(call)) return <span class="quiet">–</span>
  return (
    <>
      <Guess call={call} />
      {formatMoney(call.cost_usd)}
    </>
  )
}

/** Said in words to whoever does not see the sign. */
function Guess({ call }: { readonly call: CallReport }) {
  if (call.usage_source !== 'estimate') return null
  return (
    <>
      <span aria-hidden="true" title={text('estimate')}>
        ≈
      </span>
      <span class="hidden-label">{text('estimate')} </span>
    </>
  )
}

function isSource(source: string): source is Source {
  return ['upstream', 'counted', 'estimate', 'cache', 'none'].includes(source)
}
