/** Who may call: keys, their limits and what they have used. */
import './operation.css'
import { useSignal } from '@preact/signals'
import { useAction } from './action.ts'
import { ActionSaid } from './action-said.tsx'
import { ask } from './api.ts'
import { ClientLimits } from './client-limits.tsx'
import { type ClientRow, listClients } from './client-list.ts'
import { ConfirmDialog } from './confirm-dialog.tsx'
import { formatClock, formatCount, formatMoney, formatShort } from './format.ts'
import { NewKeyDialog } from './new-key-dialog.tsx'
import { ReadingProblem } from './reading-problem.tsx'
import { useRemote } from './remote.ts'
import { linkTo } from './route.ts'
import type { KeyReport, StateReport } from './state-reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    keys: 'Client keys',
    create: 'New key',
    client: 'Client',
    models: 'Models',
    limits: 'Limits',
    requests: 'Requests',
    tokens: 'Tokens',
    cost: 'Cost',
    actions: 'Actions',
    settings: 'settings',
    data_directory: 'data directory',
    created: 'made {time}',
    stateful: 'stateful',
    all: 'all',
    noLimits: 'none',
    revoke: 'Revoke',
    revokeTitle: 'Revoke {name}?',
    revokeWords: 'Calls with this key are refused from now on. What it used stays in the statistics.',
    revoked: '{name} is revoked',
    inSettings: 'Taken out in the settings',
    none: 'No client key yet. Make one, and give it to a program together with this gateway’s address.',
    others: 'Callers without a key of their own now',
    othersHint: 'Revoked keys, calls from this dashboard, and callers without a key where they are allowed.',
    loading: 'Loading…',
  },
  zh: {
    keys: '客户端密钥',
    create: '新建密钥',
    client: '客户端',
    models: '模型',
    limits: '限额',
    requests: '请求',
    tokens: 'Token',
    cost: '费用',
    actions: '操作',
    settings: '设置',
    data_directory: '数据目录',
    created: '创建于 {time}',
    stateful: '可用有状态对象',
    all: '全部',
    noLimits: '无',
    revoke: '吊销',
    revokeTitle: '吊销 {name}？',
    revokeWords: '此后使用该密钥的调用将被拒绝。已产生的用量仍保留在统计中。',
    revoked: '{name} 已吊销',
    inSettings: '请在设置中移除',
    none: '还没有客户端密钥。请新建一个，并将其与网关地址一起提供给程序使用。',
    others: '当前没有专属密钥的调用方',
    othersHint: '包括已吊销的密钥、来自本控制台的调用，以及允许匿名时的无密钥调用。',
    loading: '加载中…',
  },
})

const refreshMs = 3000

export function ClientsPage() {
  const keys = useRemote<{ keys: readonly KeyReport[] }>('admin/keys', refreshMs * 3)
  const state = useRemote<StateReport>('stats', refreshMs)
  const isCreating = useSignal(false)
  const revoking = useSignal<string | null>(null)
  const action = useAction()
  const report = state.value.value
  const known = keys.value.value
  const refresh = () => Promise.all([keys.refresh(), state.refresh()])
  const rows = report === null || known === null ? null : listClients(known.keys, report)

  return (
    <div class="stack">
      <ReadingProblem remote={keys} />
      <ReadingProblem remote={state} />
      <section class="card" aria-labelledby="keys">
        <div class="card-head">
          <h2 id="keys">{text('keys')}</h2>
          <ActionSaid action={action} />
          <button
            type="button"
            class="primary push"
            onClick={() => {
              isCreating.value = true
            }}
          >
            {text('create')}
          </button>
        </div>
        {rows === null && <p class="empty">{text('loading')}</p>}
        {rows?.withKey.length === 0 && <p class="empty">{text('none')}</p>}
        {rows !== null && rows.withKey.length > 0 && (
          <ClientTable
            label={text('keys')}
            rows={rows.withKey}
            onRevoke={(name) => {
              revoking.value = name
            }}
          />
        )}
      </section>
      {rows !== null && rows.others.length > 0 && (
        <section class="card" aria-labelledby="others">
          <h2 id="others">{text('others')}</h2>
          <p class="quiet hint">{text('othersHint')}</p>
          <ClientTable label={text('others')} rows={rows.others} />
        </section>
      )}
      {isCreating.value && (
        <NewKeyDialog
          onCreated={refresh}
          onClose={() => {
            isCreating.value = false
          }}
        />
      )}
      {revoking.value !== null && (
        <ConfirmDialog
          title={text('revokeTitle', { name: revoking.value })}
          confirm={text('revoke')}
          onConfirm={() => {
            const name = revoking.value ?? ''
            action.run(async () => {
              await ask(`admin/keys?${new URLSearchParams({ name })}`, { method: 'DELETE' })
              await refresh()
              return text('revoked', { name })
            })
          }}
          onClose={() => {
            revoking.value = null
          }}
        >
          <p>{text('revokeWords')}</p>
        </ConfirmDialog>
      )}
    </div>
  )
}

interface ClientTableProps {
  readonly label: string
  readonly rows: readonly ClientRow[]
  /** Left out where there is nothing to revoke. */
  readonly onRevoke?: (name: string) => void
}

function ClientTable({ label, rows, onRevoke }: ClientTableProps) {
  const hasKeys = onRevoke !== undefined
  return (
    <div class="scroll">
      <table class="one-line operation">
        <caption class="hidden-label">{label}</caption>
        <thead>
          <tr>
            <th scope="col">{text('client')}</th>
            {hasKeys && <th scope="col">{text('models')}</th>}
            <th scope="col">{text('limits')}</th>
            <th scope="col" class="number">
              {text('requests')}
            </th>
            <th scope="col" class="number">
              {text('tokens')}
            </th>
            <th scope="col" class="number">
              {text('cost')}
            </th>
            {hasKeys && <th scope="col">{text('actions')}</th>}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, key, limits, totals }) => (
            <tr key={`${key?.source} ${name}`}>
              <td>
                <a href={linkTo('requests', { client: name })}>{name}</a>
                {key !== null && <KeyFacts of={key} />}
              </td>
              {hasKeys && <td class="why">{key?.models?.join(', ') ?? text('all')}</td>}
              <td>
                {limits === null ? <span class="quiet">{text('noLimits')}</span> : <ClientLimits limits={limits} />}
              </td>
              <td class="number">{formatCount(totals?.requests ?? 0)}</td>
              <td class="number">{formatShort((totals?.input_tokens ?? 0) + (totals?.output_tokens ?? 0))}</td>
              <td class="number">{formatMoney(totals?.cost_usd ?? 0)}</td>
              {hasKeys && (
                <td>
                  {key?.source === 'settings' ? (
                    <span class="quiet">{text('inSettings')}</span>
                  ) : (
                    <button
                      type="button"
                      class="small danger"
                      aria-label={`${text('revoke')}: ${name}`}
                      onClick={() => onRevoke(name)}
                    >
                      {text('revoke')}
                    </button>
                  )}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function KeyFacts({ of: { label, source, created_at, stateful } }: { readonly of: KeyReport }) {
  return (
    <div class="quiet">
      <code>{label}</code>
      <div>
        {text(source)}
        {created_at !== null && ` · ${text('created', { time: formatClock(created_at) })}`}
        {stateful === true && ` · ${text('stateful')}`}
      </div>
    </div>
  )
}
