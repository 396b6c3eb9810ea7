/** The frame around every page: who is let in, where one can go. */
import { useSignal } from '@preact/signals'
import type { ComponentType } from 'preact'
import { useEffect } from 'preact/hooks'
import { isSignedIn, signOut } from './api.ts'
import { ClientsPage } from './clients-page.tsx'
import { CredentialsPage } from './credentials-page.tsx'
import { OverviewPage } from './overview-page.tsx'
import { PageIcon } from './page-icon.tsx'
import { PreferencePicker } from './preference-picker.tsx'
import { RequestsPage } from './requests-page.tsx'
import { linkTo, type PageName, pageNames, route } from './route.ts'
import { SettingsPage } from './settings-page.tsx'
import { SignInPage } from './sign-in-page.tsx'
import { defineTexts } from './texts.ts'
import { TryPage } from './try-page.tsx'
import { UsagePage } from './usage-page.tsx'

const text = defineTexts({
  en: {
    overview: 'Overview',
    usage: 'Usage',
    requests: 'Requests',
    credentials: 'Credentials',
    clients: 'Clients',
    try: 'Try it',
    settings: 'Settings',
    pages: 'Pages',
    documentation: 'API documentation',
    signOut: 'Sign out',
    skip: 'Skip to the content',
    menu: 'Menu',
    loading: 'Loading…',
  },
  zh: {
    overview: '概览',
    usage: '用量',
    requests: '请求',
    credentials: '凭据',
    clients: '客户端',
    try: '试用',
    settings: '设置',
    pages: '页面',
    documentation: 'API 文档',
    signOut: '退出登录',
    skip: '跳到正文',
    menu: '菜单',
    loading: '加载中…',
  },
})

const pages: Readonly<Record<PageName, ComponentType>> = {
  overview: OverviewPage,
  usage: UsagePage,
  requests: RequestsPage,
  credentials: CredentialsPage,
  clients: ClientsPage,
  try: TryPage,
  settings: SettingsPage,
}

export function App() {
  const isMenuOpen = useSignal(false)
  const { page } = route.value
  const title = isSignedIn.value === true ? `${text(page)} · any2api` : 'any2api'
  useEffect(() => {
    document.title = title
  }, [title])
  useEffect(() => {
    isMenuOpen.value = false
  }, [page])

  if (isSignedIn.value === null)
    return (
      <p class="waiting" role="status">
        {text('loading')}
      </p>
    )
  if (!isSignedIn.value) return <SignInPage />
  const Page = pages[page]
  return (
    <div class="frame">
      <button type="button" class="skip" onClick={focusContent}>
        {text('skip')}
      </button>
      <header class="side">
        <a class="brand" href={linkTo('overview')}>
          <img src="favicon.ico" alt="" width="24" height="24" /> any2api
        </a>
        <button
          type="button"
          class="menu"
          aria-expanded={isMenuOpen}
          aria-controls="menu"
          onClick={() => {
            isMenuOpen.value = !isMenuOpen.value
          }}
        >
          {text('menu')}
        </button>
        <div id="menu" class={isMenuOpen.value ? 'menu-parts is-open' : 'menu-parts'}>
          <nav aria-label={text('pages')}>
            {pageNames.map((name) => (
              <a key={name} href={linkTo(name)} aria-current={name === page ? 'page' : undefined}>
                <PageIcon page={name} /> {text(name)}
              </a>
            ))}
          </nav>
          <div class="side-foot">
            <a href="swagger">{text('documentation')}</a>
            <PreferencePicker />
            <button type="button" onClick={signOut}>
              {text('signOut')}
            </button>
          </div>
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        <h1>{text(page)}</h1>
        <Page key={page} />
      </main>
    </div>
  )
}

/** Not a link: the address after `#` is the page's name. */
function focusContent(): void {
  document.getElementById('content')?.focus()
}
