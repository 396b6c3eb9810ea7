/** A range of time as the address names it (`range=7d`, or `range=custom` with `from` and `to`) and as the gateway is asked for it. */
import type { QueryChanges } from './query-changes.ts'

export const presets = ['today', '1h', '24h', '7d', '30d', '90d', 'all'] as const
export type Preset = (typeof presets)[number]

export interface Range {
  readonly preset: Preset | 'custom'
  /** Of `custom`: ISO times; null: open. */
  readonly from: string | null
  readonly to: string | null
}

/** Hours are answered for so long a range at most. */
const maxHourlyMs = 62 * 86_400_000

export function readRange(query: URLSearchParams, offered: readonly Preset[], byDefault: Preset): Range {
  const name = query.get('range')
  if (name === 'custom') {
    const from = readTime(query.get('from'))
    const to = readTime(query.get('to'))
    if (from !== null || to !== null) return { preset: 'custom', from, to }
  }
  return { preset: offered.find((preset) => preset === name) ?? byDefault, from: null, to: null }
}

/** Parameters `from` and `to` of the statistics API; none: all time. */
export function rangeParameters({ preset, from, to }: Range, now: Date = new Date()): Readonly<Record<string, string>> {
  if (preset === 'all') return {}
  if (preset === 'today') {
    return { from: new Date(now.getFullYear(), now.getMonth(), now.getDate()).toISOString() }
  }
  if (preset !== 'custom') return { from: preset }
  return { ...(from === null ? {} : { from }), ...(to === null ? {} : { to }) }
}

export function presetChanges(preset: Preset): QueryChanges {
  return { range: preset, from: null, to: null }
}

/** `from`, `to`: what a field of type `datetime-local` holds, in the browser's zone; empty: open. */
export function customChanges(from: string, to: string): QueryChanges {
  return { range: 'custom', from: isoOf(from), to: isoOf(to) }
}

/** What a field of type `datetime-local` takes. */
export function fieldValue(iso: string | null): string {
  if (iso === null) return ''
  const time = new Date(iso)
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

/** Whether the range is short enough for numbers by the hour. */
export function isHourly({ preset, from, to }: Range, now: Date = new Date()): boolean {
  if (preset !== 'custom') return preset !== 'all' && preset !== '90d'
  if (from === null) return false
  return (to === null ? now.getTime() : Date.parse(to)) - Date.parse(from) <= maxHourlyMs
}

function readTime(text: string | null): string | null {
  return text !== null && !Number.isNaN(Date.parse(text)) ? new Date(text).toISOString() : null
}

function isoOf(field: string): string | null {
  return field === '' || Number.isNaN(Date.parse(field)) ? null : new Date(field).toISOString()
}
