/** What models, providers, clients and credentials are called on every page. */
import type { Dimension } from './reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    model: 'Model',
    provider: 'Provider',
    client: 'Client',
    credential: 'Credential',
    none: '(none)',
    rest: 'Others',
    all: 'All',
  },
  zh: {
    model: '模型',
    provider: '提供方',
    client: '客户端',
    credential: '凭据',
    none: '（无）',
    rest: '其他',
    all: '全部',
  },
})

export function dimensionText(dimension: Dimension): string {
  return text(dimension)
}

/** Of a call that named no model, or for which no credential was chosen, the name is empty. */
export function nameText(name: string): string {
  return name === '' ? text('none') : name
}

/** Of a line in a chart. */
export function lineText(line: { readonly name: string; readonly is_rest: boolean }, isSplit: boolean): string {
  if (line.is_rest) return text('rest')
  return isSplit ? nameText(line.name) : text('all')
}
