/** Switches and durations as programs written in Go accept them. */
export function parseGoBoolean(text: string): boolean | null {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true
  return /^(0|f|F|FALSE|false|False)$/.test(text) ? false : null
}

/** `1h30m`, `1.5h`, `300ms` → a duration of ours; any other text stays as it is, for the schema to judge. */
export function respellGoDuration(text: string): string {
  if (!goDuration.test(text)) return text
  const durationMs = [...text.matchAll(goPart)].reduce(
    (sum, [, number = '', unit = '']) => sum + Number(number) * (millisecondsOf[unit] ?? 0),
    0,
  )
  return `${durationMs > 0 ? Math.max(1, Math.round(durationMs)) : 0}ms`
}

const part = '(\\d+(?:\\.\\d*)?|\\.\\d+)(ns|us|µs|μs|ms|s|m|h)'
const goPart = new RegExp(part, 'g')
const goDuration = new RegExp(`^\\+?(?:${part})+$`)
const millisecondsOf: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}
