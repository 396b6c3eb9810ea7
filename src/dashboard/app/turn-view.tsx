/** One question and its answer. */
import type { AnswerState, Turn } from './conversation.ts'
import { formatCount, formatDuration } from './format.ts'
import { linkTo } from './route.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    you: 'You',
    model: 'Answer',
    reasoning: 'Reasoning',
    waiting: 'Waiting for the first words…',
    streaming: 'Answering',
    done: 'Complete',
    cut: 'Cut off',
    stopped: 'Stopped',
    failed: 'Failed',
    firstByte: 'First byte {time}',
    total: 'Total {time}',
    tokens: '{input} tokens in, {output} out',
    finish: 'Ended: {reason}',
    empty: 'The answer has no text.',
    status: 'Status {status}',
  },
  zh: {
    you: '你',
    model: '回答',
    reasoning: '推理过程',
    waiting: '正在等待首个内容…',
    streaming: '回答中',
    done: '完成',
    cut: '中途中断',
    stopped: '已停止',
    failed: '失败',
    firstByte: '首字节 {time}',
    total: '总耗时 {time}',
    tokens: '输入 {input} Token，输出 {output} Token',
    finish: '结束原因：{reason}',
    empty: '回答没有文本内容。',
    status: '状态码 {status}',
  },
})

const colours: Readonly<Record<AnswerState, string>> = {
  waiting: '',
  streaming: '',
  done: 'good',
  cut: 'bad',
  stopped: 'warn',
  failed: 'bad',
}

export function TurnView({ turn }: { readonly turn: Turn }) {
  const { asked, answer, state, refusal } = turn
  const problem = refusal ?? answer.problem
  return (
    <>
      <li class="asked">
        <h3>{text('you')}</h3>
        <p class="words">{asked}</p>
      </li>
      <li class="answered">
        <h3>
          {text('model')}{' '}
          <span class={`badge ${colours[state]}`}>{text(state === 'waiting' ? 'streaming' : state)}</span>
        </h3>
        {answer.reasoning !== '' && (
          <details open={answer.content === ''}>
            <summary>{text('reasoning')}</summary>
            <p class="words">{answer.reasoning}</p>
          </details>
        )}
        {state === 'waiting' && <p class="quiet words">{text('waiting')}</p>}
        {answer.content !== '' && <p class="words content">{answer.content}</p>}
        {state === 'done' && answer.content === '' && <p class="quiet words">{text('empty')}</p>}
        {problem !== null && (
          <p class="problem">
            {refusal !== null && refusal.status > 0 && `${text('status', { status: refusal.status })} · `}
            {problem.code !== '' && (
              <>
                <code>{problem.code}</code> ·{' '}
              </>
            )}
            {problem.message}
          </p>
        )}
        <Facts turn={turn} />
      </li>
    </>
  )
}

function Facts({ turn: { answer, firstByteMs, totalMs, requestId } }: { readonly turn: Turn }) {
  const { inputTokens, outputTokens, finishReason } = answer
  const countText = (count: number | null) => (count === null ? '–' : formatCount(count))
  return (
    <p class="answer-foot">
      {firstByteMs !== null && <span>{text('firstByte', { time: formatDuration(firstByteMs) })}</span>}
      {totalMs !== null && <span>{text('total', { time: formatDuration(totalMs) })}</span>}
      {(inputTokens !== null || outputTokens !== null) && (
        <span>{text('tokens', { input: countText(inputTokens), output: countText(outputTokens) })}</span>
      )}
      {finishReason !== null && finishReason !== 'stop' && <span>{text('finish', { reason: finishReason })}</span>}
      {requestId !== null && <a href={linkTo('requests', { id: requestId })}>{requestId}</a>}
    </p>
  )
}
