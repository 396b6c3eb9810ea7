/** The page's language. What the browser's user chose is put here by preferences.ts. */
import { signal } from '@preact/signals'

export const languages = { en: 'English', zh: '简体中文' } as const
export type Language = keyof typeof languages

export const language = signal<Language>('en')
