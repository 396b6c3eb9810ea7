/** One call in every detail, in a dialog that the address names (`#requests?id=…`). */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { changeQuery } from './address.ts'
import { AttemptTimeline } from './attempt-timeline.tsx'
import { OutcomeBadge } from './badge.tsx'
import { CostNumber, hasNumbers, sourceText, TokenNumber } from './call-numbers.tsx'
import { CopyButton } from './copy-button.tsx'
import { formatDuration, formatTime } from './format.ts'
import { dimensionText, nameText } from './names.ts'
import { useRemote } from './remote.ts'
import type { CallDetails } from './reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    title: 'Request',
    close: 'Close',
    loading: 'Loading…',
    failed: 'It could not be read: {cause}',
    id: 'ID',
    time: 'Began',
    path: 'Path',
    way: 'Way of answering',
    stream: 'Stream',
    whole: 'All at once',
    target: 'Upstream model',
    error: 'Error',
    firstByte: 'First byte',
    duration: 'Duration',
    input: 'Input tokens',
    cached: '… of them cached',
    output: 'Output tokens',
    reasoning: '… of them reasoning',
    source: 'Tokens are',
    cost: 'Cost',
    call: 'Call',
    times: 'Times',
    usage: 'Usage',
    status: 'Status',
  },
  zh: {
    title: '请求详情',
    close: '关闭',
    loading: '加载中…',
    failed: '无法读取：{cause}',
    id: 'ID',
    time: '开始时间',
    path: '路径',
    way: '响应方式',
    stream: '流式',
    whole: '非流式',
    target: '上游模型',
    error: '错误',
    firstByte: '首字节',
    duration: '总耗时',
    input: '输入 Token',
    cached: '其中缓存命中',
    output: '输出 Token',
    reasoning: '其中推理',
    source: 'Token 来源',
    cost: '费用',
    call: '调用',
    times: '时间',
    usage: '用量',
    status: '状态码',
  },
})

export function CallDialog({ id }: { readonly id: string }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const remote = useRemote<CallDetails>(`admin/requests/${encodeURIComponent(id)}`)
  const call = remote.value.value
  const problem = remote.problem.value
  useEffect(() => {
    const opener = document.activeElement
    dialog.current?.showModal()
    return () => {
      // Gone without having been closed when the address changes: then nobody gives the focus back. Not before the dialog is out of
      // the page: until then everything outside of it takes no focus.
      queueMicrotask(() => {
        if (opener instanceof HTMLElement && opener.isConnected) opener.focus()
      })
    }
  }, [])

  return (
    <dialog ref={dialog} class="sheet" aria-labelledby="call-title" onClose={() => changeQuery({ id: null })}>
      <header class="card-head">
        <h2 id="call-title">{text('title')}</h2>
        {call !== null && (
          <span>
            <OutcomeBadge outcome={call.outcome} /> {text('status')} {call.status}
          </span>
        )}
        <button type="button" class="push" onClick={() => dialog.current?.close()}>
          {text('close')}
        </button>
      </header>
      <div class="copy-line">
        <code>{id}</code>
        <CopyButton value={id} label={text('id')} />
      </div>
      <p class="problem" role="alert">
        {problem === null ? '' : text('failed', { cause: problem })}
      </p>
      {call === null && problem === null && <p class="empty">{text('loading')}</p>}
      {call !== null && <Details call={call} />}
    </dialog>
  )
}

function Details({ call }: { readonly call: CallDetails }) {
  const rows: Readonly<Record<'call' | 'times' | 'usage', readonly (readonly [string, ComponentChildren])[]>> = {
    call: [
      [dimensionText('model'), nameText(call.model)],
      [text('target'), nameText(call.target_model)],
      [dimensionText('provider'), nameText(call.provider)],
      [dimensionText('credential'), <code key="credential">{nameText(call.credential)}</code>],
      [dimensionText('client'), nameText(call.client)],
      [text('path'), <code key="path">{call.path}</code>],
      [text('way'), text(call.stream ? 'stream' : 'whole')],
      ...(call.error_code === null ? [] : [[text('error'), <code key="error">{call.error_code}</code>] as const]),
    ],
    times: [
      [
        text('time'),
        <time key="time" dateTime={call.time} title={call.time}>
          {formatTime(call.time)}
        </time>,
      ],
      [text('firstByte'), formatDuration(call.first_byte_ms)],
      [text('duration'), formatDuration(call.duration_ms)],
    ],
    usage: [
      [text('input'), <TokenNumber key="input" call={call} value={call.input_tokens} />],
      [text('cached'), <TokenNumber key="cached" call={call} value={call.cached_tokens} />],
      [text('output'), <TokenNumber key="output" call={call} value={call.output_tokens} />],
      [text('reasoning'), <TokenNumber key="reasoning" call={call} value={call.reasoning_tokens} />],
      [text('source'), sourceText(hasNumbers(call) ? call.usage_source : 'none')],
      [text('cost'), <CostNumber key="cost" call={call} />],
    ],
  }
  return (
    <div class="stack">
      <AttemptTimeline call={call} />
      <div class="detail-columns">
        {(['call', 'times', 'usage'] as const).map((part) => (
          <section key={part}>
            <h3>{text(part)}</h3>
            <dl class="pairs">
              {rows[part].map(([title, value]) => (
                <div key={title}>
                  <dt>{title}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </div>
  )
}
