/** What the bench writes about a run. */
import { describe, expect, test } from 'bun:test'
import { barsOf, comparePeers } from '../../bench/bars.ts'
import { charts } from '../../bench/charts.ts'
import type { Figures, LaneFigures } from '../../bench/figures.ts'
import { formatBytes, formatNumber } from '../../bench/format-figures.ts'
import { beginMark, endMark, insertResults, markdownReport } from '../../bench/report.ts'

const figures: Figures = {
  date: '2026-11-21T08:00:00.000Z',
  commit: 'abc1234',
  machine: { processor: 'Some Processor', cores: 2, memoryBytes: 8 * 2 ** 30, kernel: '6.1', loadBefore: 0.1 },
  versions: { direct: 'Bun 1.4.5', nginx: '1.22', any2api: '0.1.0', Other: '3 <beta>' },
  options: { rounds: 3, seconds: 1, isQuick: false },
  cases: [
    {
      group: 'json',
      name: '200 B, 64 connections',
      lanes: [
        lane('nginx', { cpuUs: [10, 20, 10], callsPerSecond: [100, 100, 100], p50Ms: [1], p99Ms: [2] }),
        lane('any2api', { cpuUs: [22, 60, 30], callsPerSecond: [50, 40, 60], p50Ms: [2], p99Ms: [4] }),
        lane('Other', { cpuUs: [90], callsPerSecond: [70], p50Ms: [3], p99Ms: [9] }, 'status 500: out of order'),
      ],
    },
  ],
  missing: [{ name: 'Third', version: '1.0', error: 'does not build' }],
  notMeasured: [],
}

describe('the report of the bench', () => {
  test('is written between the marks, and nothing else of the file changes', () => {
    const file = `before\n${beginMark}\nold\n${endMark}\nafter\n`
    const written = insertResults(file, 'new')
    expect(written).toBe(`before\n${beginMark}\n\nnew\n\n${endMark}\nafter\n`)
    expect(insertResults(written, 'new')).toBe(written)
  })

  test.each(['', endMark, beginMark, `${endMark} ${beginMark}`])('is not written where the marks are %p', (text) => {
    expect(() => insertResults(text, 'new')).toThrow('no place for the results')
  })

  test('compares each round with the reference of the same round', () => {
    const [bar] = barsOf(figures)
    expect(bar).toMatchObject({ measured: '3.00 (2.20 to 3.00) × nginx', bar: '≤ 2.5', isMet: false, isGoalMet: false })
  })

  test('says where another gateway is ahead', () => {
    const { count, behind } = comparePeers(figures)
    expect(count).toBe(4)
    expect(behind).toEqual(['Other, json 200 B, 64 connections, calls per second: 70.0, any2api 50.0'])
  })

  test('tells what failed and what is missing', () => {
    const text = markdownReport(figures)
    expect(text).toContain('- Other, json 200 B, 64 connections: not measured to the end: status 500: out of order')
    expect(text).toContain('- Third 1.0: does not build')
  })

  test('draws every server that was measured, and writes the value of a bar that is cut', () => {
    const [picture] = charts(figures)
    expect(picture?.file).toBe('cpu.svg')
    for (const name of ['nginx', 'any2api', 'Other']) expect(picture?.svg).toContain(`>${name}</text>`)
    expect(picture?.svg).toContain('>9.00</text>')
  })
})

test.each([
  [0, '0.00'],
  [0.0514, '0.051'],
  [0.514, '0.51'],
  [5.14, '5.14'],
  [51.44, '51.4'],
  [5144.2, '5,144'],
  [Number.NaN, '–'],
])('%p is written %p', (value, text) => {
  expect(formatNumber(value)).toBe(text)
})

test.each([
  [200, '200 B'],
  [10_000, '10 KB'],
  [999_600, '1 MB'],
  [128_400_000, '128 MB'],
  [Number.NaN, '–'],
])('%p bytes are written %p', (value, text) => {
  expect(formatBytes(value)).toBe(text)
})

function lane(name: string, samples: LaneFigures['samples'], failure?: string): LaneFigures {
  return { name, samples, errors: 0, faults: {}, ...(failure === undefined ? {} : { failure }) }
}
