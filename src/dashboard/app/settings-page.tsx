/** What is in force, and the state of the gateway itself. */
import './operation.css'
import { useSignal } from '@preact/signals'
import { CopyButton } from './copy-button.tsx'
import { GatewayState } from './gateway-state.tsx'
import { ReadingProblem } from './reading-problem.tsx'
import { ReloadState } from './reload-state.tsx'
import { useRemote } from './remote.ts'
import { listSettings } from './setting-list.ts'
import type { StateReport } from './state-reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    title: 'Effective configuration',
    hint: 'File, environment and defaults together. Secrets are masked.',
    search: 'Search settings',
    none: 'No setting fits.',
    loading: 'Loading…',
    json: 'configuration as JSON',
  },
  zh: {
    title: '生效的配置',
    hint: '由配置文件、环境变量和默认值合并而成，密钥均已脱敏。',
    search: '搜索设置',
    none: '没有匹配的设置。',
    loading: '加载中…',
    json: 'JSON 格式的配置',
  },
})

const refreshMs = 5000

export function SettingsPage() {
  const state = useRemote<StateReport>('stats', refreshMs)
  const config = useRemote<Record<string, unknown>>('admin/config')
  const search = useSignal('')
  const known = config.value.value
  const report = state.value.value
  const parts = known === null ? [] : listSettings(known, search.value)

  return (
    <div class="stack">
      <ReadingProblem remote={state} />
      {report === null ? (
        <p class="card empty">{text('loading')}</p>
      ) : (
        <>
          <GatewayState report={report} onChange={state.refresh} />
          <ReloadState
            reload={report.reload}
            onChange={async () => {
              await Promise.all([state.refresh(), config.refresh()])
            }}
          />
        </>
      )}
      <ReadingProblem remote={config} />
      <section class="card" aria-labelledby="configuration">
        <div class="card-head">
          <h2 id="configuration">{text('title')}</h2>
          <span class="quiet">{text('hint')}</span>
        </div>
        <div class="bar fields">
          <label class="field">
            {text('search')}
            <input
              type="search"
              value={search}
              onInput={(event) => {
                search.value = event.currentTarget.value
              }}
            />
          </label>
          {known !== null && <CopyButton value={JSON.stringify(known, null, 2)} label={text('json')} />}
        </div>
        {known !== null && parts.length === 0 && <p class="empty">{text('none')}</p>}
        {parts.map(({ name, lines }) => (
          <details key={name} class="setting-part" open>
            <summary>{name}</summary>
            <dl class="setting-rows">
              {lines.map(({ path, value }) => (
                <div key={path}>
                  <dt>{path === '' ? name : path}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          </details>
        ))}
      </section>
    </div>
  )
}
