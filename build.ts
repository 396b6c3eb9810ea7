/** Builds the single binary: `bun build.ts [--target bun-linux-arm64] [--outfile FILE]`; without a target, `dist/any2api` for this machine. */
import { mkdir, realpath, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { BunPlugin } from 'bun'
import { version } from './package.json'
import { readDashboardBundle } from './src/dashboard/bundle.ts'

const root = import.meta.dir

const { values: flags } = parseArgs({ options: { target: { type: 'string' }, outfile: { type: 'string' } } })
const target = flags.target === undefined ? null : parseTarget(flags.target)
const outfile = resolve(flags.outfile ?? join(root, 'dist', defaultName(target)))
const commit = Bun.env.BUILD_COMMIT ?? (await gitCommit())

await mkdir(dirname(outfile), { recursive: true })
/** The page's bundle is made now, because the binary has no source to make it from; before the build, because one inside another never ends. */
const bundleText = JSON.stringify(await readDashboardBundle())
const dashboardBundle: BunPlugin = {
  name: 'dashboard bundle',
  setup(builder) {
    builder.onLoad({ filter: /src\/dashboard\/bundle\.ts$/ }, () => ({
      loader: 'js',
      contents: `export const readDashboardBundle = async () => (${bundleText})`,
    }))
  },
}

const build = await Bun.build({
  plugins: [dashboardBundle],
  // Workers are loaded by their URL, which the bundler does not follow: each must be an entry point of its own.
  entrypoints: ['main.ts', 'stores/worker.ts', 'gateway/token-worker.ts'].map((file) => join(root, 'src', file)),
  // Inside the binary an entry point keeps its path below this folder: a Worker is at `./stores/worker.js` seen from the main file.
  root: join(root, 'src'),
  target: 'bun',
  format: 'esm',
  bytecode: true,
  // Names stay: Elysia reads the source of handlers, and stack traces should be readable.
  minify: { whitespace: true, syntax: true, identifiers: false },
  sourcemap: 'linked',
  define: {
    // Otherwise the bundler writes "development" into the program.
    'process.env.NODE_ENV': JSON.stringify('production'),
    BUILD_VERSION: JSON.stringify(version),
    BUILD_COMMIT: JSON.stringify(commit),
  },
  compile: {
    ...(target === null ? {} : { target }),
    outfile,
    // A service must not change because of files that happen to lie in its working directory.
    autoloadDotenv: false,
    autoloadBunfig: false,
  },
})
for (const message of build.logs) console.warn(String(message))

// The binary carries its own copy of the source maps.
const maps = build.outputs.filter((output) => output.kind === 'sourcemap')
await Promise.all(maps.map((map) => rm(map.path, { force: true })))

const executable = build.outputs.find((output) => output.kind === 'entry-point')?.path ?? outfile
const megabytes = (Bun.file(executable).size / 1e6).toFixed(1)
console.log(`${executable}: any2api ${version}${commit === '' ? '' : ` (${commit})`}, ${megabytes} MB`)

function parseTarget(name: string): Bun.Build.CompileTarget {
  if (isCompileTarget(name)) return name
  console.error(`--target ${name}: expected a name such as bun-linux-x64, bun-linux-arm64-musl or bun-darwin-arm64`)
  process.exit(1)
}

function isCompileTarget(name: string): name is Bun.Build.CompileTarget {
  return /^bun-(?:linux|darwin|windows)-(?:x64|arm64)(?:-(?:baseline|modern))?(?:-(?:musl|glibc))?$/.test(name)
}

/** Cross builds carry their target in the name, so that `dist/any2api` always runs on this machine. */
function defaultName(target: string | null): string {
  return target === null ? 'any2api' : target.replace(/^bun-/, 'any2api-')
}

/** Short id of the commit, with `+` when the tree differs from it; empty in an exported tree, even one inside another repository. */
async function gitCommit(): Promise<string> {
  const topLevel = await git('rev-parse', '--show-toplevel')
  if (topLevel === null || (await realpath(topLevel)) !== (await realpath(root))) return ''
  const head = await git('rev-parse', '--short=12', 'HEAD')
  if (head === null) return ''
  const changes = await git('status', '--porcelain')
  return changes === '' ? head : `${head}+`
}

/** Trimmed output of a git command; null when it fails or there is no git. */
async function git(...args: string[]): Promise<string | null> {
  if (Bun.which('git') === null) return null
  const child = Bun.spawn(['git', '-C', root, ...args], { stdout: 'pipe', stderr: 'ignore' })
  const output = await new Response(child.stdout).text()
  return (await child.exited) === 0 ? output.trim() : null
}
