/** What the operator's questions have in common: ranges of time and names in a query string. Misspelt ones are told, not ignored. */
import { GatewayError } from '../errors.ts'
import { createLocalTime } from '../stores/local-time.ts'

const maxNameLength = 256
const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

export interface RangeContext {
  /** Unix milliseconds. */
  readonly now: number
  /** IANA zone in which a bare date begins. */
  readonly timezone: string
}

/** Throws GatewayError 400 naming the first parameter that is not known. */
export function refuseUnknown(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys()) {
    if (known.includes(name)) continue
    throw invalid(`unknown parameter; there are ${known.join(', ')}`, name.slice(0, maxNameLength))
  }
}

/** Unix milliseconds; null where the parameter is not there. Throws GatewayError 400. */
export function readTime(query: URLSearchParams, name: string, { now, timezone }: RangeContext): number | null {
  const text = query.get(name)
  if (text === null) return null
  if (text === 'now') return now
  const ago = /^(\d{1,6})([smhdw])$/.exec(text)
  if (ago !== null) return Math.max(now - Number(ago[1]) * (unitMs[ago[2] ?? ''] ?? 0), 0)
  if (/^\d{1,11}(?:\.\d{1,3})?$/.test(text)) return Math.round(Number(text) * 1000)
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text)
  const isTime = /^\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})?$/.test(text)
  const time = isDate || isTime ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time) || time < 0) {
    throw invalid('expected 24h or 7d (ago), now, 2030-01-01, 2030-01-01T08:00:00Z or Unix seconds', name)
  }
  return isDate ? (createLocalTime(timezone).hourOfLabel(`${text}T00:00`) ?? time) : time
}

/** Throws GatewayError 400 where the range ends before it begins. */
export function refuseBackwards(from: number | null, to: number | null): void {
  if (from !== null && to !== null && from >= to) throw invalid('the range ends before it begins', 'from')
}

/** Of those parameters that are there. Throws GatewayError 400. */
export function readNames<Name extends string>(
  query: URLSearchParams,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  const found: Partial<Record<Name, string>> = {}
  for (const name of names) {
    const value = query.get(name)
    if (value === null) continue
    if (value === '' || value.length > maxNameLength) {
      throw invalid(`expected a name of 1 to ${maxNameLength} characters`, name)
    }
    found[name] = value
  }
  return found
}

/** Throws GatewayError 400; `byDefault` where the parameter is not there. */
export function readCount(query: URLSearchParams, name: string, bounds: { most: number; byDefault: number }): number {
  const text = query.get(name)
  if (text === null) return bounds.byDefault
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (count < 1 || count > bounds.most) throw invalid(`expected a whole number from 1 to ${bounds.most}`, name)
  return count
}

/** Null where the parameter is not there. Throws GatewayError 400. */
export function readChoice<Choice extends string>(
  query: URLSearchParams,
  name: string,
  choices: readonly Choice[],
): Choice | null {
  const text = query.get(name)
  if (text === null) return null
  const choice = choices.find((one) => one === text)
  if (choice === undefined) throw invalid(`expected one of ${choices.join(', ')}`, name)
  return choice
}

/** What is to be downloaded; null: a page as JSON. */
export function readFormat(query: URLSearchParams, request: Request): 'csv' | 'json' | null {
  const asked = readChoice(query, 'format', ['csv', 'json'])
  if (asked !== null) return asked
  return request.headers.get('accept')?.includes('text/csv') ? 'csv' : null
}

export function invalid(message: string, param: string): GatewayError {
  return new GatewayError('invalid_parameter', message, { status: 400, param })
}
