/** Draws the samples of a soak as an SVG: memory, descriptors and calls, files. */
import type { Sample } from './sampler.ts'

interface Line {
  readonly label: string
  readonly colour: string
  readonly read: (sample: Sample) => number
}

interface Panel {
  readonly title: string
  readonly lines: readonly Line[]
}

const width = 900
const panelHeight = 170
const left = 60
const plotHeight = 110

const panels: readonly Panel[] = [
  {
    title: 'Memory, MB',
    lines: [
      { label: 'resident', colour: '#1f77b4', read: ({ residentBytes }) => residentBytes / 1e6 },
      { label: 'heap', colour: '#9ecae1', read: ({ heapBytes }) => heapBytes / 1e6 },
    ],
  },
  {
    title: 'Descriptors, threads, calls under way',
    lines: [
      { label: 'descriptors', colour: '#d62728', read: ({ descriptors }) => descriptors },
      { label: 'threads', colour: '#7f7f7f', read: ({ threads }) => threads },
      { label: 'calls', colour: '#ff9896', read: ({ activeCalls }) => activeCalls },
    ],
  },
  {
    title: 'Files, MB',
    lines: [
      { label: 'log', colour: '#bcbd22', read: ({ logBytes }) => logBytes / 1e6 },
      { label: 'database', colour: '#2ca02c', read: ({ databaseBytes }) => databaseBytes / 1e6 },
      { label: 'write-ahead log', colour: '#98df8a', read: ({ writeAheadBytes }) => writeAheadBytes / 1e6 },
    ],
  },
]

export function drawSoak(samples: readonly Sample[], title: string): string {
  const endSeconds = samples.at(-1)?.seconds ?? 1
  const height = 30 + panels.length * panelHeight
  const drawn = panels.map((panel, index) => drawPanel(panel, samples, { top: 30 + index * panelHeight, endSeconds }))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">
<title>${title}: memory, descriptors, threads, calls and files over time</title>
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="${left}" y="18" font-size="13">${title}</text>
${drawn.join('\n')}
</svg>
`
}

function drawPanel(
  { title, lines }: Panel,
  samples: readonly Sample[],
  { top, endSeconds }: { top: number; endSeconds: number },
): string {
  const values = lines.flatMap(({ read }) => samples.map(read)).filter(Number.isFinite)
  const most = niceCeiling(Math.max(1, ...values))
  const plotTop = top + 22
  const x = (seconds: number) => (left + (seconds / endSeconds) * (width - left - 20)).toFixed(1)
  const y = (value: number) => (plotTop + plotHeight - (value / most) * plotHeight).toFixed(1)
  const grid = [0, 0.5, 1].map((share) => {
    const at = y(share * most)
    const number = `<text x="${left - 6}" y="${Number(at) + 4}" text-anchor="end" fill="#555">${share * most}</text>`
    return `<line x1="${left}" x2="${width - 20}" y1="${at}" y2="${at}" stroke="#ddd"/>${number}`
  })
  const minutes = Array.from({ length: 5 }, (_, index) => {
    const seconds = (endSeconds * index) / 4
    const text = `${(seconds / 60).toFixed(endSeconds < 600 ? 1 : 0)} min`
    return `<text x="${x(seconds)}" y="${plotTop + plotHeight + 14}" text-anchor="middle" fill="#555">${text}</text>`
  })
  const drawn = lines.map(({ label, colour, read }, index) => {
    const points = samples.flatMap((one) => (Number.isFinite(read(one)) ? `${x(one.seconds)},${y(read(one))}` : []))
    const name = `<text x="${left + 260 + index * 120}" y="${top + 14}" fill="${colour}">■ ${label}</text>`
    return `${name}<polyline fill="none" stroke="${colour}" stroke-width="1.4" points="${points.join(' ')}"/>`
  })
  return [`<text x="${left}" y="${top + 14}">${title}</text>`, ...grid, ...minutes, ...drawn].join('\n')
}

/** 1, 2 or 5 times a power of ten. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power
}
