/** Whether something grows: a straight line through the lowest values of short windows of time, and how sure it is. */

export interface Trend {
  /** Null where there is too little to tell. */
  readonly perHour: number | null
  /** The slope is so much or more with a chance of about 97 in 100. */
  readonly atLeastPerHour: number | null
}

/**
 * Memory goes up with each load and down with each collection: its floor tells more than its peaks, and neighbours in time are not independent.
 * `points` are seconds and values, in order.
 */
export function trendOf(points: readonly (readonly [seconds: number, value: number])[]): Trend {
  const lengthSeconds = (points.at(-1)?.[0] ?? 0) - (points[0]?.[0] ?? 0)
  const windowSeconds = Math.min(30, Math.max(10, lengthSeconds / 20))
  const floors = new Map<number, readonly [number, number]>()
  for (const point of points) {
    const window = Math.floor(point[0] / windowSeconds)
    const floor = floors.get(window)
    if (floor === undefined || point[1] < floor[1]) floors.set(window, point)
  }
  const kept = [...floors.values()]
  const count = kept.length
  if (count < minWindows) return { perHour: null, atLeastPerHour: null }
  const mean = (of: (point: readonly [number, number]) => number) =>
    kept.reduce((total, point) => total + of(point), 0) / count
  const meanX = mean(([x]) => x)
  const meanY = mean(([, y]) => y)
  const spreadX = mean(([x]) => (x - meanX) ** 2) * count
  const slope = (mean(([x, y]) => (x - meanX) * (y - meanY)) * count) / spreadX
  const residuals = mean(([x, y]) => (y - meanY - slope * (x - meanX)) ** 2) * count
  const error = Math.sqrt(residuals / (count - 2) / spreadX)
  return { perHour: slope * 3600, atLeastPerHour: (slope - 2 * error) * 3600 }
}

/** With fewer a line says nothing. */
const minWindows = 6
