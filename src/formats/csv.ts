/** CSV as RFC 4180 has it, safe to open in a spreadsheet. */

export type CsvValue = string | number | boolean | null

/** One line with its line break. */
export function csvLine(values: readonly CsvValue[]): string {
  return `${values.map(csvCell).join(',')}\r\n`
}

/**
 * Clients choose some of the texts: one that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV
 * Injection"). Numbers are ours and stay as they are.
 */
function csvCell(value: CsvValue): string {
  if (value === null) return ''
  if (typeof value !== 'string') return String(value)
  const safe = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
