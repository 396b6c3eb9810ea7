/** A conversation with any model, as a client would have it, and the same request as code. */
import './operation.css'
import { useSignal } from '@preact/signals'
import { Choices } from './choices.tsx'
import { baseUrlOf, type ChatRequest, codeSample, type SampleKind, sampleKinds } from './code-samples.ts'
import { messagesOf, type Turn, useConversation } from './conversation.ts'
import { CopyButton } from './copy-button.tsx'
import { useRemote } from './remote.ts'
import { defineTexts } from './texts.ts'
import { TurnView } from './turn-view.tsx'

const text = defineTexts({
  en: {
    conversation: 'Conversation',
    model: 'Model',
    choose: 'Name or choose one',
    system: 'System prompt',
    message: 'Message',
    temperature: 'Temperature',
    maxTokens: 'Most tokens',
    stream: 'Stream the answer',
    send: 'Send',
    stop: 'Stop',
    clear: 'New conversation',
    code: 'As code',
    language: 'Language of the code',
    hint: 'Name a model and write something. Calls from here count in the statistics under the client “dashboard”.',
    options: 'Options',
    example: 'Hello, who are you?',
    default: 'default',
  },
  zh: {
    conversation: '对话',
    model: '模型',
    choose: '输入或选择模型',
    system: '系统提示词',
    message: '消息',
    temperature: '温度',
    maxTokens: '最大 Token 数',
    stream: '流式输出',
    send: '发送',
    stop: '停止',
    clear: '新对话',
    code: '代码示例',
    language: '代码语言',
    hint: '选择模型并输入内容。此处的调用以客户端“dashboard”计入统计。',
    options: '选项',
    example: '你好，你是谁？',
    default: '默认',
  },
})

interface TryForm {
  readonly model: string
  readonly system: string
  readonly message: string
  readonly temperature: string
  readonly maxTokens: string
  readonly isStream: boolean
}

const emptyForm: TryForm = { model: '', system: '', message: '', temperature: '', maxTokens: '', isStream: true }
const sampleNames: Readonly<Record<SampleKind, string>> = {
  curl: 'curl',
  python: 'Python',
  typescript: 'TypeScript',
}

export function TryPage() {
  const models = useRemote<{ data: readonly { id: string }[] }>('admin/v1/models')
  const form = useSignal<TryForm>(emptyForm)
  const sample = useSignal<SampleKind>('curl')
  const talk = useConversation()
  const change = (changes: Partial<TryForm>) => {
    form.value = { ...form.value, ...changes }
  }
  const message = form.value.message.trim()
  const canSend = form.value.model.trim() !== '' && message !== '' && !talk.isBusy.value

  function send(): void {
    if (!canSend) return
    const request = requestOf(form.value, talk.turns.value, message)
    change({ message: '' })
    talk.send(message, request)
  }

  const shown = requestOf(form.value, talk.turns.value, message === '' ? text('example') : message)
  const code = codeSample(sample.value, shown, baseUrlOf(document.baseURI))
  return (
    <div class="try">
      <section class="card options" aria-labelledby="options">
        <h2 id="options">{text('options')}</h2>
        <label class="field">
          {text('model')}
          <input
            name="model"
            list="models"
            autocomplete="off"
            placeholder={text('choose')}
            value={form.value.model}
            onInput={(event) => change({ model: event.currentTarget.value })}
          />
        </label>
        <datalist id="models">
          {models.value.value?.data.map(({ id }) => (
            <option key={id} value={id} />
          ))}
        </datalist>
        <p class="problem" role="alert">
          {models.problem}
        </p>
        <label class="field">
          {text('system')}
          <textarea
            name="system"
            rows={4}
            value={form.value.system}
            onInput={(event) => change({ system: event.currentTarget.value })}
          />
        </label>
        <label class="field">
          {text('temperature')}
          <input
            name="temperature"
            type="number"
            min="0"
            max="2"
            step="0.1"
            placeholder={text('default')}
            value={form.value.temperature}
            onInput={(event) => change({ temperature: event.currentTarget.value })}
          />
        </label>
        <label class="field">
          {text('maxTokens')}
          <input
            name="max_tokens"
            type="number"
            min="1"
            step="1"
            placeholder={text('default')}
            value={form.value.maxTokens}
            onInput={(event) => change({ maxTokens: event.currentTarget.value })}
          />
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={form.value.isStream}
            onChange={(event) => change({ isStream: event.currentTarget.checked })}
          />
          {text('stream')}
        </label>
      </section>
      <div class="stack">
        <section class="card" aria-labelledby="conversation">
          <div class="card-head">
            <h2 id="conversation">{text('conversation')}</h2>
            {talk.turns.value.length > 0 && (
              <button type="button" class="small push" onClick={talk.clear}>
                {text('clear')}
              </button>
            )}
          </div>
          {talk.turns.value.length === 0 && <p class="empty">{text('hint')}</p>}
          <ul class="talk" aria-live="polite" aria-busy={talk.isBusy}>
            {talk.turns.value.map((turn) => (
              <TurnView key={turn.id} turn={turn} />
            ))}
          </ul>
          <form
            onSubmit={(event) => {
              event.preventDefault()
              send()
            }}
          >
            <label class="field">
              {text('message')}
              <textarea
                name="message"
                rows={3}
                placeholder={text('example')}
                value={form.value.message}
                onInput={(event) => change({ message: event.currentTarget.value })}
                onKeyDown={(event) => {
                  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
                  event.preventDefault()
                  send()
                }}
              />
            </label>
            <div class="bar">
              <button type="submit" class="primary" disabled={!canSend}>
                {text('send')}
              </button>
              {talk.isBusy.value && (
                <button type="button" onClick={talk.stop}>
                  {text('stop')}
                </button>
              )}
            </div>
          </form>
        </section>
        <section class="card" aria-labelledby="code">
          <div class="card-head">
            <h2 id="code">{text('code')}</h2>
            <Choices
              label={text('language')}
              chosen={sample.value}
              options={sampleKinds.map((kind) => ({ value: kind, title: sampleNames[kind] }))}
              onChoose={(kind) => {
                sample.value = kind
              }}
            />
            <CopyButton value={code} label={text('code')} />
          </div>
          <pre class="code">{code}</pre>
        </section>
      </div>
    </div>
  )
}

function requestOf(form: TryForm, turns: readonly Turn[], message: string): ChatRequest {
  const system = form.system.trim()
  return {
    model: form.model.trim() === '' ? 'gpt-4o' : form.model.trim(),
    messages: [
      ...(system === '' ? [] : [{ role: 'system' as const, content: system }]),
      ...messagesOf(turns),
      { role: 'user', content: message },
    ],
    ...(form.temperature === '' ? {} : { temperature: Number(form.temperature) }),
    ...(form.maxTokens === '' ? {} : { max_tokens: Number(form.maxTokens) }),
    ...(form.isStream ? { stream: true, stream_options: { include_usage: true } } : {}),
  }
}
