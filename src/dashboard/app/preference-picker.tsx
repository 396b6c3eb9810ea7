/** Language and theme, wherever they are to be chosen. */
import { type Language, language, languages } from './language.ts'
import { type Theme, theme, themes } from './preferences.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: { language: 'Language', theme: 'Theme', auto: 'System', light: 'Light', dark: 'Dark' },
  zh: { language: '语言', theme: '主题', auto: '跟随系统', light: '浅色', dark: '深色' },
})

export function PreferencePicker() {
  return (
    <div class="preferences">
      <select
        aria-label={text('language')}
        value={language}
        onChange={(event) => {
          language.value = event.currentTarget.value as Language
        }}
      >
        {Object.entries(languages).map(([code, name]) => (
          <option key={code} value={code}>
            {name}
          </option>
        ))}
      </select>
      <select
        aria-label={text('theme')}
        value={theme}
        onChange={(event) => {
          theme.value = event.currentTarget.value as Theme
        }}
      >
        {themes.map((name) => (
          <option key={name} value={name}>
            {text(name)}
          </option>
        ))}
      </select>
    </div>
  )
}
