/** Texts in every language of the page. Each page brings its own, next to where they are shown. */
import { type Language, language } from './language.ts'

/** `{name}` in a text is replaced. Reading a text in a component makes it follow the language. */
export function defineTexts<Names extends string>(all: Readonly<Record<Language, Readonly<Record<Names, string>>>>) {
  return (name: Names, values: Readonly<Record<string, string | number>> = {}): string =>
    all[language.value][name].replace(/\{(\w+)\}/g, (whole, key: string) => String(values[key] ?? whole))
}
