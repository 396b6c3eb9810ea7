/** Measures the built gateway beside nginx, and beside other gateways, in front of the same mock upstream: `bun run bench [--help]`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { stopAll } from './children.ts'
import type { Figures } from './figures.ts'
import { measureAll } from './measure-all.ts'
import { readOptions } from './options.ts'
import { markdownReport, writeReport } from './report.ts'

const options = readOptions()
const directory = await mkdtemp(join(tmpdir(), 'any2api-bench-'))
process.on('SIGINT', () => void end(130))
process.on('SIGTERM', () => void end(143))
try {
  const figures: Figures =
    options.from === undefined ? await measureAll(options, directory) : await Bun.file(options.from).json()
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(figures)}\n`)
  console.log(markdownReport(figures))
  if (options.report !== undefined) await writeReport(figures, resolve(options.report))
} catch (error) {
  console.error(error)
  await end(1)
}
await end(0)

async function end(status: number): Promise<never> {
  await stopAll()
  await rm(directory, { recursive: true, force: true })
  process.exit(status)
}
