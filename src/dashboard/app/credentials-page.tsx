/** Every upstream credential: in what state it is and why, and what can be done about it. */
import './operation.css'
import { useSignal } from '@preact/signals'
import { changeQuery } from './address.ts'
import { stateText } from './badge.tsx'
import { BreakerTable } from './breaker-table.tsx'
import { Choices } from './choices.tsx'
import { groupCredentials, readCredentialFilter } from './credential-list.ts'
import { CredentialTable } from './credential-table.tsx'
import { formatCount } from './format.ts'
import { ReadingProblem } from './reading-problem.tsx'
import { useRemote } from './remote.ts'
import { route } from './route.ts'
import { useServerClock } from './server-clock.ts'
import { credentialStates, type StateReport } from './state-reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    state: 'State',
    all: 'All',
    search: 'Search',
    placeholder: 'Label, provider, reason…',
    loading: 'Loading…',
    none: 'No credential is configured. Name keys, accounts or cookies of a provider in the settings.',
    noneFound: 'No credential fits this filter.',
    clear: 'Clear the filter',
    shown: '{shown} of {found} shown',
    more: 'Show more',
  },
  zh: {
    state: '状态',
    all: '全部',
    search: '搜索',
    placeholder: '标签、提供方、原因…',
    loading: '加载中…',
    none: '尚未配置任何凭据。请在设置中为提供方填写密钥、账号或 Cookie。',
    noneFound: '没有符合筛选条件的凭据。',
    clear: '清除筛选',
    shown: '已显示 {shown} / {found}',
    more: '显示更多',
  },
})

const refreshMs = 3000
const rowsAtOnce = 200

export function CredentialsPage() {
  const remote = useRemote<StateReport>('stats', refreshMs)
  const most = useSignal(rowsAtOnce)
  const now = useServerClock(remote.value.value?.timestamp ?? null)
  const filter = readCredentialFilter(route.value.query)
  const report = remote.value.value
  const all = report?.keys.credentials ?? []
  const { groups, found } = groupCredentials(all, filter, most.value)
  const shown = Math.min(found, most.value)

  return (
    <div class="stack">
      <ReadingProblem remote={remote} />
      <div class="bar fields">
        <Choices
          label={text('state')}
          chosen={filter.state ?? 'all'}
          options={[
            { value: 'all', title: text('all') },
            ...credentialStates.map((state) => ({
              value: state,
              title: `${stateText(state)} ${formatCount(all.filter((one) => one.state === state).length)}`,
            })),
          ]}
          onChoose={(state) => changeQuery({ state: state === 'all' ? null : state })}
        />
        <label class="field">
          {text('search')}
          <input
            type="search"
            placeholder={text('placeholder')}
            value={filter.words}
            onInput={(event) => changeQuery({ q: event.currentTarget.value })}
          />
        </label>
      </div>
      {report === null && remote.problem.value === null && <p class="card empty">{text('loading')}</p>}
      {report !== null && all.length === 0 && <p class="card empty">{text('none')}</p>}
      {all.length > 0 && found === 0 && (
        <p class="card empty">
          {text('noneFound')}{' '}
          <button type="button" onClick={() => changeQuery({ state: null, q: null })}>
            {text('clear')}
          </button>
        </p>
      )}
      {groups
        .filter(({ rows }) => rows.length > 0)
        .map((group) => (
          <CredentialTable key={group.provider} group={group} now={now} onChange={remote.refresh} />
        ))}
      {found > shown && (
        <p class="list-foot">
          <span class="quiet">{text('shown', { shown: formatCount(shown), found: formatCount(found) })}</span>{' '}
          <button
            type="button"
            onClick={() => {
              most.value += rowsAtOnce
            }}
          >
            {text('more')}
          </button>
        </p>
      )}
      {report !== null && <BreakerTable breakers={report.breakers} now={now} onChange={remote.refresh} />}
    </div>
  )
}
