/** Makes a client key; its secret is shown in this dialog and gone with it. */
import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { ApiError, askJson } from './api.ts'
import { emptyForm, type KeyForm, keyWish, limitNames } from './client-list.ts'
import { useModal } from './confirm-dialog.tsx'
import { CopyButton } from './copy-button.tsx'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    title: 'New client key',
    name: 'Name',
    nameHint: 'Shown in logs and statistics; left empty, one is made up.',
    models: 'Models',
    modelsHint: 'Separated by commas; * stands for any text. Empty: all.',
    limits: 'Limits (empty: the defaults of the settings, or none)',
    rpm: 'Requests/minute',
    rps: 'Requests/second',
    burst: 'Burst',
    tpm: 'Tokens/minute',
    max_concurrent: 'Calls at once',
    budget_usd: 'Budget in USD',
    period: 'Budget per',
    day: 'day',
    month: 'month',
    stateful: 'May use files, batches, threads and other objects kept upstream',
    create: 'Create key',
    cancel: 'Cancel',
    made: 'Key {name} is valid now',
    once: 'Copy the secret now. It is shown this once: only a hash of it is kept.',
    secret: 'Secret',
    done: 'Done',
  },
  zh: {
    title: '新建客户端密钥',
    name: '名称',
    nameHint: '显示在日志和统计中；留空则自动生成。',
    models: '模型',
    modelsHint: '以逗号分隔，* 代表任意文本。留空表示全部。',
    limits: '限额（留空则使用设置中的默认值，或不限制）',
    rpm: '请求/分钟',
    rps: '请求/秒',
    burst: '突发请求数',
    tpm: 'Token/分钟',
    max_concurrent: '最大并发',
    budget_usd: '预算（美元）',
    period: '预算周期',
    day: '每日',
    month: '每月',
    stateful: '允许使用文件、批处理、会话等保存在上游的对象',
    create: '创建密钥',
    cancel: '取消',
    made: '密钥 {name} 已生效',
    once: '请立即复制。密钥只显示这一次，网关仅保存其哈希值。',
    secret: '密钥',
    done: '完成',
  },
})

interface NewKeyDialogProps {
  readonly onCreated: () => void
  readonly onClose: () => void
}

interface NewKey {
  readonly name: string
  readonly key: string
}

export function NewKeyDialog({ onCreated, onClose }: NewKeyDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const made = useSignal<NewKey | null>(null)
  useModal(dialog)
  const close = () => dialog.current?.close()
  return (
    <dialog ref={dialog} class="sheet narrow" aria-labelledby="new-key-title" onClose={onClose}>
      <h2 id="new-key-title">{made.value === null ? text('title') : text('made', { name: made.value.name })}</h2>
      {made.value === null ? (
        <KeyFields
          onCancel={close}
          onMade={(key) => {
            made.value = key
            onCreated()
          }}
        />
      ) : (
        <>
          <p role="status">{text('once')}</p>
          <div class="copy-line">
            <code class="secret">{made.value.key}</code>
            <CopyButton value={made.value.key} label={text('secret')} />
          </div>
          <div class="bar dialog-foot">
            <button type="button" class="primary" onClick={close}>
              {text('done')}
            </button>
          </div>
        </>
      )}
    </dialog>
  )
}

interface KeyFieldsProps {
  readonly onCancel: () => void
  readonly onMade: (key: NewKey) => void
}

function KeyFields({ onCancel, onMade }: KeyFieldsProps) {
  const form = useSignal<KeyForm>(emptyForm)
  const problem = useSignal<string | null>(null)
  const isBusy = useSignal(false)
  const change = (changes: Partial<KeyForm>) => {
    form.value = { ...form.value, ...changes }
  }

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    isBusy.value = true
    problem.value = null
    try {
      onMade(await askJson<NewKey>('admin/keys', { method: 'POST', body: keyWish(form.value) }))
    } catch (error) {
      problem.value = error instanceof ApiError ? error.message : String(error)
    }
    isBusy.value = false
  }

  return (
    <form onSubmit={submit}>
      <div class="form-fields">
        <label class="field wide">
          {text('name')}
          <input
            name="name"
            value={form.value.name}
            autocomplete="off"
            onInput={(event) => change({ name: event.currentTarget.value })}
          />
          <small>{text('nameHint')}</small>
        </label>
        <label class="field wide">
          {text('models')}
          <input
            name="models"
            value={form.value.models}
            placeholder="gpt-*, claude-sonnet-*"
            autocomplete="off"
            onInput={(event) => change({ models: event.currentTarget.value })}
          />
          <small>{text('modelsHint')}</small>
        </label>
      </div>
      <fieldset class="group">
        <legend class="quiet">{text('limits')}</legend>
        <div class="form-fields">
          {limitNames.map((name) => (
            <label key={name} class="field">
              {text(name)}
              <input
                name={name}
                inputMode="decimal"
                autocomplete="off"
                value={form.value[name]}
                onInput={(event) => change({ [name]: event.currentTarget.value })}
              />
            </label>
          ))}
          <label class="field">
            {text('period')}
            <select
              name="budget_period"
              value={form.value.budget_period}
              onChange={(event) => change({ budget_period: event.currentTarget.value })}
            >
              <option value="month">{text('month')}</option>
              <option value="day">{text('day')}</option>
            </select>
          </label>
        </div>
      </fieldset>
      <label class="check">
        <input
          type="checkbox"
          checked={form.value.stateful}
          onChange={(event) => change({ stateful: event.currentTarget.checked })}
        />
        {text('stateful')}
      </label>
      <p class="problem" role="alert">
        {problem}
      </p>
      <div class="bar dialog-foot">
        <button type="button" onClick={onCancel}>
          {text('cancel')}
        </button>
        <button type="submit" class="primary" disabled={isBusy}>
          {text('create')}
        </button>
      </div>
    </form>
  )
}
