/** What stands over numbers that could not be read anew: they stay, and what failed is said. */
import type { Remote } from './remote.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    failed: 'These numbers could not be read: {cause}',
    stale: 'Not up to date, the last reading failed: {cause}',
    retry: 'Try again',
  },
  zh: { failed: '无法读取数据：{cause}', stale: '数据不是最新，上次读取失败：{cause}', retry: '重试' },
})

type Readable = Pick<Remote<unknown>, 'value' | 'problem' | 'refresh'>

export function ReadingProblem({ remote }: { readonly remote: Readable }) {
  const cause = remote.problem.value
  return (
    <div role="alert">
      {cause !== null && (
        <p class="notice bad">
          {text(remote.value.value === null ? 'failed' : 'stale', { cause })}{' '}
          <button type="button" class="small" onClick={remote.refresh}>
            {text('retry')}
          </button>
        </p>
      )}
    </div>
  )
}
