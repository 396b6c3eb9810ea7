/** What goes into a column, whatever came: SQLite and its strict tables are particular. */

/** Longest text in the columns that clients or upstreams have a say in. */
const maxTextLength = 256

/** SQLite keeps UTF-8: half a surrogate pair, cut here or sent by a client, would not come back as it went in. */
export function text(value: string): string {
  return value.length <= maxTextLength && value.isWellFormed() ? value : value.slice(0, maxTextLength).toWellFormed()
}

/** One strange number must not make a whole batch fail, nor a few of them a sum. */
export function integer(value: number): number {
  if (!Number.isFinite(value)) return 0
  return Math.min(Math.max(Math.round(value), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
}
