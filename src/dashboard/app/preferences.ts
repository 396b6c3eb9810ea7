/** What this browser's user has chosen: language, theme. Kept in the browser; no secret is ever among it. */
import { effect, signal } from '@preact/signals'
import { type Language, language } from './language.ts'

export const themes = ['auto', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

export const theme = signal<Theme>(storedTheme())

/** Reads them, then writes every change down and into the page. */
export function keepPreferences(): void {
  language.value = storedLanguage()
  effect(() => {
    document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en'
    store('language', language.value)
  })
  effect(() => {
    if (theme.value === 'auto') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = theme.value
    store('theme', theme.value)
  })
}

function storedLanguage(): Language {
  const stored = read('language')
  if (stored === 'en' || stored === 'zh') return stored
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}

function storedTheme(): Theme {
  const stored = read('theme')
  return stored === 'light' || stored === 'dark' ? stored : 'auto'
}

/** Storage may be forbidden; then a choice lasts as long as the page. */
function read(name: string): string | null {
  try {
    return localStorage.getItem(`any2api.${name}`)
  } catch {
    return null
  }
}

function store(name: string, value: string): void {
  try {
    localStorage.setItem(`any2api.${name}`, value)
  } catch {
    // As above.
  }
}
