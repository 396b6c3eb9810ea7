/** Measures the token counter beside js-tiktoken, and what remembering a stream's beginning costs: `bun bench/tokens.ts`. By hand. */
import { join } from 'node:path'
import { Glob } from 'bun'
import { createTokenEncoder, type RankFile, type TokenEncoder } from '../src/formats/token-encoder.ts'
import { createAnswerMemory } from '../src/gateway/answer-memory.ts'

type Counter = (text: string) => number

const words = Bun.argv.slice(2)
/** Each in a process of its own: what it loads shows in the memory of that process alone. */
if (words[0] === 'load') await printLoad(words[1] === 'ours', words[2] === 'o200k_base')
else await printAll()

async function printAll(): Promise<void> {
  console.log('| loading | ms | MB resident |\n| --- | --- | --- |')
  for (const encoding of ['o200k_base', 'cl100k_base'])
    for (const whose of ['ours', 'js-tiktoken']) {
      const child = Bun.spawn([process.execPath, import.meta.path, 'load', whose, encoding], { stdout: 'pipe' })
      console.log(`| ${whose}, ${encoding} | ${await new Response(child.stdout).text()} |`)
    }
  const ours = await load(true, true)
  const theirs = await load(false, true)
  console.log('\n| text (o200k_base) | kB | tokens | ours ms | js-tiktoken ms |\n| --- | --- | --- | --- | --- |')
  for (const [what, text] of Object.entries(await ordinaryTexts())) printRow(what, text, [ours, theirs])
  // Longer ones take tiktoken minutes.
  for (const [what, text] of Object.entries(hostileTexts(4000))) printRow(what, text, [ours, theirs])
  for (const [what, text] of Object.entries(hostileTexts(100_000))) printRow(what, text, [ours, null])
  console.log(`\nRemembering a stream: ${rememberingNs()} ns per chunk.`)
}

async function printLoad(isOurs: boolean, isNew: boolean): Promise<void> {
  const before = process.memoryUsage.rss()
  const start = performance.now()
  const count = await load(isOurs, isNew)
  count('Hello')
  const ms = performance.now() - start
  Bun.gc(true)
  process.stdout.write(`${ms.toFixed(0)} | ${((process.memoryUsage.rss() - before) / 1e6).toFixed(0)}`)
}

async function load(isOurs: boolean, isNew: boolean): Promise<Counter> {
  const file: RankFile = isNew
    ? (await import('js-tiktoken/ranks/o200k_base')).default
    : (await import('js-tiktoken/ranks/cl100k_base')).default
  if (isOurs) {
    const encoder: TokenEncoder = createTokenEncoder(file)
    return (text) => encoder.count(text).tokens
  }
  const { Tiktoken } = await import('js-tiktoken/lite')
  const encoder = new Tiktoken(file as ConstructorParameters<typeof Tiktoken>[0])
  return (text) => encoder.encode(text, [], []).length
}

async function ordinaryTexts(): Promise<Record<string, string>> {
  const root = join(import.meta.dir, '../node_modules')
  const textOf = async (pattern: string) => {
    const texts = [...new Glob(pattern).scanSync(root)].sort().map((file) => Bun.file(join(root, file)).text())
    return (await Promise.all(texts)).join('\n')
  }
  const documents = (await textOf('bun-types/docs/**/*.mdx')).slice(0, 360_000)
  return {
    'documents, English with code': documents.slice(0, 36_000),
    'ten times as much': documents,
    'documents in a dozen languages': await textOf('@biomejs/biome/README.*.md'),
  }
}

function hostileTexts(length: number): Record<string, string> {
  const ideograph = (at: number) => String.fromCharCode(0x4e00 + ((at * 7919) % 20_000))
  return {
    [`${length} equal letters`]: 'a'.repeat(length),
    [`${length} spaces and a letter`]: `${' '.repeat(length)}x`,
    [`${length} different ideographs`]: Array.from({ length }, (_, at) => ideograph(at)).join(''),
    [`${length} exclamation marks`]: '!'.repeat(length),
  }
}

function printRow(what: string, text: string, counters: readonly (Counter | null)[]): void {
  const cells = counters.map((count) => (count === null ? '' : medianMs(() => count(text)).toFixed(1)))
  const tokens = counters[0]?.(text) ?? 0
  console.log(`| ${what} | ${(Buffer.byteLength(text) / 1000).toFixed(0)} | ${tokens} | ${cells.join(' | ')} |`)
}

function medianMs(run: () => void): number {
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    run()
    times.push(performance.now() - start)
    if (times[0] !== undefined && times[0] > 1000) break
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
}

/** A hundred streams at once of 500 chunks each; the making of the chunks is subtracted. */
function rememberingNs(): number {
  const streams = 100
  const chunks = 500
  const rounds = 20
  const run = (isRemembered: boolean) => {
    const memory = createAnswerMemory()
    const start = performance.now()
    for (let round = 0; round < rounds; round++) {
      const running = Array.from({ length: streams }, () => memory.begin())
      for (let chunk = 0; chunk < chunks; chunk++)
        for (const stream of running) {
          const bytes = new Uint8Array(250)
          if (isRemembered) stream.push(bytes)
        }
      for (const stream of running) stream.take()
    }
    return performance.now() - start
  }
  run(true)
  const [without, remembered] = [run(false), run(true)]
  return Math.round(((remembered - without) * 1e6) / (streams * chunks * rounds))
}
