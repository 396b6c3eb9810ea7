/** The frame around every page: who is let in, where one can go. */
import type { ComponentType } from 'preact'
import { isSignedIn, signOut } from './api.ts'
import { PreferencePicker } from './preference-picker.tsx'
import { linkTo, type PageName, pageNames, route } from './route.ts'
import { SignInPage } from './sign-in-page.tsx'
import { defineTexts } from './texts.ts'

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
    loading: '加载中…',
  },
})

const pages: Readonly<Record<PageName, ComponentType>> = {
  overview: () => <p>overview</p>,
  usage: () => <p>usage</p>,
  requests: () => <p>requests</p>,
  credentials: () => <p>credentials</p>,
  clients: () => <p>clients</p>,
  try: () => <p>try</p>,
  settings: () => <p>settings</p>,
}

export function App() {
  if (isSignedIn.value === null)
    return (
      <p class="waiting" role="status">
        {text('loading')}
      </p>
    )
  if (!isSignedIn.value) return <SignInPage />
  const { page } = route.value
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
        <nav aria-label={text('pages')}>
          {pageNames.map((name) => (
            <a key={name} href={linkTo(name)} aria-current={name === page ? 'page' : undefined}>
              {text(name)}
            </a>
          ))}
        </nav>
        <footer>
          <a href="swagger">{text('documentation')}</a>
          <PreferencePicker />
          <button type="button" onClick={signOut}>
            {text('signOut')}
          </button>
        </footer>
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
