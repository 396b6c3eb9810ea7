/** The effective configuration as lines that can be read and searched. */

export interface SettingLine {
  /** `providers.openai.timeouts.idle` without its first part. */
  readonly path: string
  readonly value: string
}

export interface SettingPart {
  /** `providers`. */
  readonly name: string
  readonly lines: readonly SettingLine[]
}

/** Of a list of texts so many are shown; there may be thousands of keys. */
const mostItems = 50

/** Parts with the lines in which every word of the search is found, by path or value. */
export function listSettings(config: Readonly<Record<string, unknown>>, search: string): SettingPart[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  return Object.entries(config)
    .map(([name, value]) => ({
      name,
      lines: linesOf(value, '').filter(({ path, value: shown }) => {
        const line = `${name}.${path} ${shown}`.toLowerCase()
        return words.every((word) => line.includes(word))
      }),
    }))
    .filter(({ lines }) => lines.length > 0)
}

function linesOf(value: unknown, path: string): SettingLine[] {
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== 'object' || item === null)) return [{ path, value: listText(value) }]
    return value.flatMap((item, index) => linesOf(item, `${path}[${index}]`))
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
    if (entries.length === 0) return [{ path, value: '–' }]
    return entries.flatMap(([name, inner]) => linesOf(inner, path === '' ? name : `${path}.${name}`))
  }
  return [{ path, value: scalarText(value) }]
}

function listText(items: readonly unknown[]): string {
  if (items.length === 0) return '–'
  const shown = items.slice(0, mostItems).map(scalarText).join(', ')
  return items.length > mostItems ? `${shown}, … (${items.length})` : shown
}

function scalarText(value: unknown): string {
  return value === null || value === undefined || value === '' ? '–' : String(value)
}
