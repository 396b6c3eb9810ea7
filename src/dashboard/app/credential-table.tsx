/** The credentials of one provider. */
import type { ReadonlySignal } from '@preact/signals'
import { useAction } from './action.ts'
import { ActionSaid } from './action-said.tsx'
import { askJson } from './api.ts'
import { StateBadge, stateText } from './badge.tsx'
import { Countdown } from './countdown.tsx'
import { isOut, type ProviderGroup } from './credential-list.ts'
import { formatClock, formatCount } from './format.ts'
import { reasonText } from './reason-text.ts'
import { type CredentialReport, credentialStates } from './state-reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    credential: 'Credential',
    state: 'State',
    why: 'Why',
    rests: 'Rests for models',
    inFlight: 'In flight',
    successes: 'Succeeded',
    failures: 'Failed',
    inRow: '{count} in a row',
    actions: 'Actions',
    reset: 'Reset',
    resetHint: 'Make it available again now',
    recheck: 'Check',
    pause: 'Pause',
    resume: 'Resume',
    resetAll: 'Reset all',
    since: 'since {time}',
    untilCheck: 'until a check finds it working',
    key: 'key',
    account: 'account',
    cookie: 'cookie',
    anonymous: 'signed out',
    works: 'It works.',
    fails: 'It does not work.',
    unsure: 'Could not be told.',
    wasReset: '{count} available again',
    nothingReset: 'Nothing to reset',
    isPaused: 'Paused',
    isResumed: 'Resumed',
  },
  zh: {
    credential: '凭据',
    state: '状态',
    why: '原因',
    rests: '暂停使用的模型',
    inFlight: '进行中',
    successes: '成功',
    failures: '失败',
    inRow: '连续 {count} 次',
    actions: '操作',
    reset: '重置',
    resetHint: '立即恢复可用',
    recheck: '检测',
    pause: '暂停',
    resume: '恢复',
    resetAll: '全部重置',
    since: '自 {time}',
    untilCheck: '直到检测通过',
    key: '密钥',
    account: '账号',
    cookie: 'Cookie',
    anonymous: '未登录',
    works: '检测通过。',
    fails: '检测未通过。',
    unsure: '无法判断。',
    wasReset: '已恢复 {count} 个',
    nothingReset: '无需重置',
    isPaused: '已暂停',
    isResumed: '已恢复',
  },
})

export interface CredentialTableProps {
  readonly group: ProviderGroup
  readonly now: ReadonlySignal<number | null>
  readonly onChange: () => Promise<void>
}

export function CredentialTable({ group, now, onChange }: CredentialTableProps) {
  const { provider, counts, rows } = group
  const resetting = useAction()
  const id = `provider-${provider}`
  return (
    <section class="card" aria-labelledby={id}>
      <div class="card-head">
        <h2 id={id}>{provider}</h2>
        <span class="quiet">
          {credentialStates
            .filter((state) => counts[state] > 0)
            .map((state) => `${stateText(state)} ${formatCount(counts[state])}`)
            .join(' · ')}
        </span>
        <span class="push bar">
          <ActionSaid action={resetting} />
          <button
            type="button"
            class="small"
            disabled={resetting.isBusy.value}
            onClick={() => resetting.run(() => reset({ provider }, onChange))}
          >
            {text('resetAll')}
          </button>
        </span>
      </div>
      <div class="scroll">
        <table class="one-line operation">
          <caption class="hidden-label">
            {text('credential')}: {provider}
          </caption>
          <thead>
            <tr>
              <th scope="col">{text('credential')}</th>
              <th scope="col">{text('state')}</th>
              <th scope="col">{text('why')}</th>
              <th scope="col">{text('rests')}</th>
              <th scope="col" class="number">
                {text('inFlight')}
              </th>
              <th scope="col" class="number">
                {text('successes')}
              </th>
              <th scope="col" class="number">
                {text('failures')}
              </th>
              <th scope="col">{text('actions')}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <CredentialRow key={row.index} row={row} now={now} onChange={onChange} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

interface RowProps {
  readonly row: CredentialReport
  readonly now: ReadonlySignal<number | null>
  readonly onChange: () => Promise<void>
}

function CredentialRow({ row, now, onChange }: RowProps) {
  const action = useAction()
  const { label, provider, state, until, restsFor } = row
  const place = { credential: label, provider }
  const isPaused = state === 'paused'
  const button = (name: 'reset' | 'recheck' | 'pause' | 'resume', act: () => Promise<string>, isPossible = true) => (
    <button
      type="button"
      class="small"
      aria-label={`${text(name)}: ${label}`}
      title={name === 'reset' ? text('resetHint') : undefined}
      disabled={action.isBusy.value || !isPossible}
      onClick={() => action.run(act)}
    >
      {text(name)}
    </button>
  )
  return (
    <tr>
      <td>
        <code>{label}</code> <span class="quiet below">{kindText(row.kind)}</span>
      </td>
      <td>
        <StateBadge state={state} />{' '}
        {until !== null && (
          <span class="quiet">
            <Countdown until={until} now={now} />
          </span>
        )}
      </td>
      <td class="why">{state === 'healthy' ? '–' : <Why row={row} />}</td>
      <td>{restsFor.length === 0 ? '–' : <Rests row={row} now={now} />}</td>
      <td class="number">{formatCount(row.inFlight)}</td>
      <td class="number">{formatCount(row.successes)}</td>
      <td class="number">
        {formatCount(row.failures)}
        {row.failuresInRow > 0 && <div class="quiet">{text('inRow', { count: row.failuresInRow })}</div>}
      </td>
      <td>
        <span class="row-actions">
          {button('reset', () => reset(place, onChange), isOut(row))}
          {button('recheck', () => recheck(place, onChange))}
          {isPaused
            ? button('resume', () => setPaused(place, false, onChange))
            : button('pause', () => setPaused(place, true, onChange))}
        </span>
        <ActionSaid action={action} />
      </td>
    </tr>
  )
}

function Why({ row: { reason, detail, since, until, state } }: { readonly row: CredentialReport }) {
  return (
    <>
      {reason === null ? '–' : reasonText(reason)}
      {detail !== null && detail !== '' && <div class="quiet">{detail}</div>}
      {since !== null && (
        <div class="quiet">
          {text('since', { time: formatClock(since) })}
          {until === null && state !== 'paused' ? `, ${text('untilCheck')}` : ''}
        </div>
      )}
    </>
  )
}

const mostRests = 3

function Rests({ row: { restsFor }, now }: Pick<RowProps, 'row' | 'now'>) {
  return (
    <ul class="plain">
      {restsFor.slice(0, mostRests).map(({ scope, reason, until }) => (
        <li key={scope}>
          <code>{scope}</code>{' '}
          <span class="quiet">
            {reasonText(reason)} {until !== null && <Countdown until={until} now={now} />}
          </span>
        </li>
      ))}
      {restsFor.length > mostRests && <li class="quiet">+{restsFor.length - mostRests}</li>}
    </ul>
  )
}

type Place = Readonly<{ provider: string; credential?: string }>

const queryOf = (place: Place) => new URLSearchParams({ ...place })

async function reset(place: Place, onChange: () => Promise<void>): Promise<string> {
  const path = `reset-keys?${queryOf(place)}`
  const { clearedCount } = await askJson<{ clearedCount: number }>(path, { method: 'POST' })
  await onChange()
  return clearedCount === 0 ? text('nothingReset') : text('wasReset', { count: clearedCount })
}

async function recheck(place: Place, onChange: () => Promise<void>): Promise<string> {
  const { works } = await askJson<{ works: boolean | null }>(`admin/recheck?${queryOf(place)}`, { method: 'POST' })
  await onChange()
  if (works === null) return text('unsure')
  return works ? text('works') : text('fails')
}

async function setPaused(place: Place, isPaused: boolean, onChange: () => Promise<void>): Promise<string> {
  await askJson(`admin/${isPaused ? 'pause' : 'resume'}?${queryOf(place)}`, { method: 'POST' })
  await onChange()
  return text(isPaused ? 'isPaused' : 'isResumed')
}

function kindText(kind: string): string {
  return kind === 'key' || kind === 'account' || kind === 'cookie' || kind === 'anonymous' ? text(kind) : kind
}
