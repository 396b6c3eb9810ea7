/** Every attempt of a call on one line of time: where it went, how it ended, how long it took. */
import { formatCount, formatDuration } from './format.ts'
import { nameText } from './names.ts'
import type { AttemptReport, CallDetails } from './reports.ts'
import { ScrollArea } from './scroll-area.tsx'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    title: 'Attempts',
    none: 'The call was answered without asking an upstream.',
    where: 'Upstream',
    how: 'Result',
    start: 'Began after',
    took: 'Took',
    line: 'On the line of time',
    served: 'Served the call',
    firstByte: 'First byte after {time}',
    client_gone: 'Client left',
    bad_request: 'Bad request',
    invalid_credential: 'Credential refused',
    not_allowed: 'Not allowed',
    model_unavailable: 'Model not available',
    quota_exhausted: 'Quota used up',
    rate_limited: 'Rate limited',
    server_error: 'Server error',
    timeout: 'Timed out',
    unreachable: 'Not reachable',
    lost: 'Not every attempt of this call is kept.',
  },
  zh: {
    title: '尝试过程',
    none: '该调用未请求上游即得到响应。',
    where: '上游',
    how: '结果',
    start: '开始于',
    took: '用时',
    line: '时间线',
    served: '成功响应',
    firstByte: '首字节：{time}',
    client_gone: '客户端断开',
    bad_request: '请求无效',
    invalid_credential: '凭据被拒',
    not_allowed: '无权限',
    model_unavailable: '模型不可用',
    quota_exhausted: '额度用尽',
    rate_limited: '触发限流',
    server_error: '服务器错误',
    timeout: '超时',
    unreachable: '无法连接',
    lost: '该调用的尝试记录未全部保留。',
  },
})

const failures = [
  'client_gone',
  'bad_request',
  'invalid_credential',
  'not_allowed',
  'model_unavailable',
  'quota_exhausted',
  'rate_limited',
  'server_error',
  'timeout',
  'unreachable',
] as const

export function AttemptTimeline({ call }: { readonly call: CallDetails }) {
  const trail = trailOf(call)
  const wholeMs = Math.max(1, call.duration_ms, ...trail.map(({ start_ms, duration_ms }) => start_ms + duration_ms))
  return (
    <section>
      <h3>
        {text('title')} <span class="quiet">{formatCount(call.attempts)}</span>
        {call.first_byte_ms !== null && (
          <span class="quiet push"> · {text('firstByte', { time: formatDuration(call.first_byte_ms) })}</span>
        )}
      </h3>
      {call.attempts === 0 && <p class="quiet">{text('none')}</p>}
      {trail.length > 0 && (
        <ScrollArea label={text('title')}>
          <table class="timeline">
            <caption class="hidden-label">{text('title')}</caption>
            <thead>
              <tr>
                <th scope="col">#</th>
                <th scope="col">{text('where')}</th>
                <th scope="col">{text('how')}</th>
                <th scope="col" class="number">
                  {text('start')}
                </th>
                <th scope="col" class="number">
                  {text('took')}
                </th>
                <th scope="col">{text('line')}</th>
              </tr>
            </thead>
            <tbody>
              {trail.map((attempt, index) => (
                <AttemptRow key={index} attempt={attempt} number={index + 1} wholeMs={wholeMs} />
              ))}
            </tbody>
          </table>
        </ScrollArea>
      )}
      {trail.length < call.attempts && <p class="quiet">{text('lost')}</p>}
    </section>
  )
}

interface AttemptRowProps {
  readonly attempt: AttemptReport
  readonly number: number
  readonly wholeMs: number
}

function AttemptRow({ attempt, number, wholeMs }: AttemptRowProps) {
  const { failure, status, code } = attempt
  const said = [status, code].filter((part) => part !== null).join(' ')
  const share = (ms: number) => `${(ms / wholeMs) * 100}%`
  return (
    <tr>
      <td>{formatCount(number)}</td>
      <td>
        {nameText(attempt.provider)} / {nameText(attempt.model)}
        <br />
        <code class="quiet">{nameText(attempt.credential)}</code>
      </td>
      <td>
        <span class={failure === null ? 'badge good' : 'badge bad'}>
          {failure === null ? text('served') : failureText(failure)}
        </span>
        {said !== '' && (
          <>
            <br />
            <code class="quiet">{said}</code>
          </>
        )}
      </td>
      <td class="number">{formatDuration(attempt.start_ms)}</td>
      <td class="number">{formatDuration(attempt.duration_ms)}</td>
      <td class="line">
        <span class="track" aria-hidden="true">
          <span
            class={failure === null ? 'good' : 'bad'}
            style={{ left: share(attempt.start_ms), width: share(attempt.duration_ms) }}
          />
        </span>
      </td>
    </tr>
  )
}

/** Where the first attempt served the call none are kept: then the call was the attempt. */
export function trailOf(call: CallDetails): readonly AttemptReport[] {
  if (call.trail.length > 0 || call.attempts === 0 || call.outcome !== 'succeeded') return call.trail
  const { provider, target_model: model, credential, duration_ms } = call
  return [{ provider, model, credential, failure: null, status: null, code: null, start_ms: 0, duration_ms }]
}

/** One that is not known yet is shown in the gateway's word. */
export function failureText(failure: string): string {
  const known = failures.find((one) => one === failure)
  return known === undefined ? failure : text(known)
}
