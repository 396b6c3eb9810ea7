/** How long to wait before the gateway is asked again. */

const firstPauseMs = 1000
const longestPauseMs = 30_000

/** Doubled with each failure, spread so that many pages do not come back at once. */
export function pauseMs(failures: number, random: () => number = Math.random): number {
  return Math.min(longestPauseMs, firstPauseMs * 2 ** failures) * (0.75 + random() / 2)
}
