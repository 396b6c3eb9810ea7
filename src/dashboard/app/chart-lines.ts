/** What a chart shows, and how its numbers are told and stacked. */

export interface ChartLine {
  readonly name: string
  /** One for each time; null: not known. */
  readonly values: readonly (number | null)[]
  /** Name of a colour of the style sheet (`--good`); by default the next of the series. */
  readonly colour?: string
  /** Stands in the legend while no time is pointed at; by default the last value. */
  readonly total?: string
}

export interface ChartProps {
  /** What is shown, for screen readers. */
  readonly label: string
  /** Unix seconds, ascending; of buckets, when they begin. */
  readonly times: readonly number[]
  readonly lines: readonly ChartLine[]
  /** Each line stands on those before it. */
  readonly isStacked?: boolean
  readonly format: (value: number) => string
  readonly height?: number
  /** Bars instead of lines: how long a bucket is. */
  readonly bucketSeconds?: number
  /** IANA zone in which times are told; by default the browser's. */
  readonly timezone?: string
  /** Marks at whole numbers only. */
  readonly isWhole?: boolean
}

const defaultHeight = 220
const seriesColours = 9

/** CSS pixels. */
export function heightOf({ height = defaultHeight }: Pick<ChartProps, 'height'>): number {
  return height
}

/** Name of the colour in the style sheet. */
export function colourOf({ colour }: ChartLine, index: number): string {
  return colour ?? `--series-${(index % seriesColours) + 1}`
}

/** A dash where it is not known. */
export function valueText(value: number | null, format: (value: number) => string): string {
  return value === null ? '–' : format(value)
}

/** What the legend says while no time is pointed at. */
export function totalOf({ total, values }: ChartLine, format: (value: number) => string): string {
  return total ?? valueText(values.findLast((value) => value !== null) ?? null, format)
}

/** The uppermost line of a stack is drawn first, so that the others are painted over it. */
export function columnsOf({
  times,
  lines,
  isStacked,
  bucketSeconds = 0,
}: Pick<ChartProps, 'times' | 'lines' | 'isStacked' | 'bucketSeconds'>): [number[], ...(number | null)[][]] {
  const middles = times.map((time) => time + bucketSeconds / 2)
  if (isStacked !== true) return [middles, ...lines.map(({ values }) => [...values])]
  const sums = times.map(() => 0)
  const stacked = lines.map(({ values }) =>
    values.map((value, at) => {
      sums[at] = (sums[at] ?? 0) + (value ?? 0)
      return sums[at] ?? 0
    }),
  )
  return [middles, ...stacked.toReversed()]
}
