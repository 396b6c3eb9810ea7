/** Writes a table of Markdown whose columns also stand under one another in plain text. The first row is the header. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const header = rows[0] ?? []
  const widths = header.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.slice(1).map(line)].join('\n')
}
