/** What somebody sees who has not signed in. */
import { useSignal } from '@preact/signals'
import { ApiError, signIn } from './api.ts'
import { PreferencePicker } from './preference-picker.tsx'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    title: 'Sign in to any2api',
    key: 'Admin key',
    hint: 'The one from your settings, or from generated-keys.txt in the data directory. It is exchanged for a session and not kept in this browser.',
    submit: 'Sign in',
    wrong: 'This is not the admin key.',
    wait: 'Too many attempts. Try again in {seconds} s.',
    failed: 'Signing in failed: {cause}',
    documentation: 'API documentation',
  },
  zh: {
    title: '登录 any2api',
    key: '管理密钥',
    hint: '即设置中的管理密钥，或数据目录中 generated-keys.txt 里的密钥。它会换成一个会话，不会保存在浏览器中。',
    submit: '登录',
    wrong: '管理密钥不正确。',
    wait: '尝试次数过多，请在 {seconds} 秒后再试。',
    failed: '登录失败：{cause}',
    documentation: 'API 文档',
  },
})

export function SignInPage() {
  const key = useSignal('')
  const problem = useSignal<string | null>(null)
  const isBusy = useSignal(false)

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    isBusy.value = true
    problem.value = null
    await signIn(key.value).catch((error: unknown) => {
      problem.value = problemOf(error)
    })
    isBusy.value = false
  }

  return (
    <main class="sign-in">
      <form class="card" onSubmit={submit}>
        <h1>
          <img src="favicon.ico" alt="" width="28" height="28" /> {text('title')}
        </h1>
        {/* So that a password store has a name to keep it under. */}
        <input type="text" name="username" autocomplete="username" value="any2api" hidden readOnly />
        <label for="admin-key">{text('key')}</label>
        <input
          id="admin-key"
          type="password"
          autocomplete="current-password"
          required
          aria-describedby="admin-key-hint"
          value={key}
          onInput={(event) => {
            key.value = event.currentTarget.value
          }}
        />
        <p id="admin-key-hint" class="quiet">
          {text('hint')}
        </p>
        <p class="problem" role="alert">
          {problem}
        </p>
        <button type="submit" class="primary" disabled={isBusy}>
          {text('submit')}
        </button>
      </form>
      <footer>
        <PreferencePicker />
        <a href="swagger">{text('documentation')}</a>
      </footer>
    </main>
  )
}

function problemOf(error: unknown): string {
  if (!(error instanceof ApiError)) return text('failed', { cause: String(error) })
  if (error.status === 401) return text('wrong')
  if (error.status === 429) return text('wait', { seconds: error.retryAfterSeconds ?? 60 })
  return text('failed', { cause: error.message })
}
