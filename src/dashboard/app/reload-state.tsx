/** How the last reading of the settings went, and a button for the next. */
import { useAction } from './action.ts'
import { ActionSaid } from './action-said.tsx'
import { ask } from './api.ts'
import { formatTime } from './format.ts'
import type { ReloadReport } from './state-reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    title: 'Reload',
    reload: 'Read the settings anew',
    never: 'The settings are as they were at the start.',
    applied: 'Read {time} ({cause}): in force.',
    refused: 'Read {time} ({cause}): refused. The old ones stay in force.',
    problems: 'Problems',
    notices: 'Notices',
    restart: 'Need a restart',
    done: 'Done',
  },
  zh: {
    title: '重新加载',
    reload: '重新读取设置',
    never: '自启动以来设置未变。',
    applied: '{time} 读取（{cause}）：已生效。',
    refused: '{time} 读取（{cause}）：被拒绝，旧设置继续生效。',
    problems: '问题',
    notices: '提示',
    restart: '需要重启才能生效',
    done: '完成',
  },
})

interface ReloadStateProps {
  readonly reload: ReloadReport | null
  readonly onChange: () => Promise<void>
}

export function ReloadState({ reload, onChange }: ReloadStateProps) {
  const action = useAction()
  return (
    <section class="card" aria-labelledby="reload">
      <div class="card-head">
        <h2 id="reload">{text('title')}</h2>
        <span class="push bar">
          <ActionSaid action={action} />
          <button
            type="button"
            disabled={action.isBusy.value}
            onClick={() =>
              action.run(async () => {
                // Refused settings are an answer too: what is wrong is shown below.
                await ask('admin/reload', { method: 'POST' }).finally(onChange)
                return text('done')
              })
            }
          >
            {text('reload')}
          </button>
        </span>
      </div>
      {reload === null ? (
        <p class="quiet">{text('never')}</p>
      ) : (
        <>
          <p class={reload.applied ? 'quiet' : 'problem'}>
            {text(reload.applied ? 'applied' : 'refused', { time: formatTime(reload.time), cause: reload.cause })}
          </p>
          <Lines title={text('problems')} lines={reload.problems.map(({ place, message }) => `${place}: ${message}`)} />
          <Lines title={text('notices')} lines={reload.notices} />
          <Lines title={text('restart')} lines={reload.needsRestart} />
        </>
      )}
    </section>
  )
}

function Lines({ title, lines }: { readonly title: string; readonly lines: readonly string[] }) {
  if (lines.length === 0) return null
  return (
    <>
      <h3>{title}</h3>
      <ul>
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </>
  )
}
