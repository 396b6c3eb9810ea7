/** Puts other gateways into a cache directory, each version once, by the ordinary client of its package registry. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Peer } from './peer.ts'

/** One command; `home` in it stands for the peer's directory. */
export interface InstallStep {
  readonly tool: string
  readonly command: (home: string) => readonly string[]
  readonly environment?: (home: string) => Record<string, string>
  /** Written before the command runs: name and content. */
  readonly file?: readonly [string, string]
}

const installDeadlineMs = 60 * 60_000

/** `$XDG_CACHE_HOME/any2api-bench/<name>-<version>`. */
export function homeOf(peer: Peer): string {
  const cache = Bun.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  return join(cache, 'any2api-bench', `${peer.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}-${peer.version}`)
}

/** Null when it is installed; otherwise why not, as its installation said last. */
export async function whyNotInstalled(peer: Peer): Promise<string | null> {
  const home = homeOf(peer)
  if (await Bun.file(join(home, installedMark)).exists()) return null
  const failure = Bun.file(join(home, failureMark))
  return (await failure.exists()) ? await failure.text() : 'not installed: run `bun bench/peers.ts install`'
}

/** Null when it went well, otherwise one line on what went wrong. What was installed before is left as it is. */
export async function install(peer: Peer): Promise<string | null> {
  const home = homeOf(peer)
  if (await Bun.file(join(home, installedMark)).exists()) return null
  await rm(home, { recursive: true, force: true })
  await mkdir(home, { recursive: true })
  for (const step of peer.install) {
    const error = await run(step, home)
    if (error === null) continue
    await writeFile(join(home, failureMark), error)
    return error
  }
  await writeFile(join(home, installedMark), `${peer.version}\n`)
  return null
}

/** A virtual environment of Python with these packages, in `venv`. */
export function pip(...packages: string[]): readonly InstallStep[] {
  return [
    { tool: 'python3', command: (home) => ['python3', '-m', 'venv', join(home, 'venv')] },
    {
      tool: 'pip',
      command: (home) => [
        join(home, 'venv/bin/pip'),
        'install',
        '--quiet',
        '--disable-pip-version-check',
        '--prefer-binary',
        ...packages,
      ],
    },
  ]
}

/** Packages of npm by a manifest of our own, in `node_modules`. */
export function npm(manifest: { dependencies: Record<string, string>; overrides?: Record<string, string> }) {
  const step: InstallStep = {
    tool: 'npm',
    file: ['package.json', JSON.stringify({ private: true, ...manifest })],
    command: (home) => ['npm', 'install', '--prefix', home, '--no-audit', '--no-fund', '--loglevel=error'],
  }
  return [step]
}

/** A crate built with optimisation, its binary in `bin`. Takes minutes. */
export function cargo(crate: string, version: string, ...flags: string[]): readonly InstallStep[] {
  const command = (home: string) => ['cargo', 'install', crate, '--version', version, '--locked', '--root', home]
  return [
    {
      tool: 'cargo',
      command: (home) => [...command(home), '--quiet', ...flags],
      environment: (home) => ({ CARGO_TARGET_DIR: join(home, 'target') }),
    },
    // Gigabytes that are not needed to run it.
    { tool: 'rm', command: (home) => ['rm', '-rf', join(home, 'target')] },
  ]
}

/** A Go program, its binary in `bin`. */
export function go(packagePath: string, version: string): readonly InstallStep[] {
  const environment = (home: string) => ({ GOBIN: join(home, 'bin') })
  return [{ tool: 'go', command: () => ['go', 'install', `${packagePath}@${version}`], environment }]
}

const installedMark = 'installed'
const failureMark = 'failed'

async function run(step: InstallStep, home: string): Promise<string | null> {
  if (step.file !== undefined) await writeFile(join(home, step.file[0]), step.file[1])
  const [program = '', ...rest] = step.command(home)
  if (Bun.which(program) === null) return `${step.tool} is not on the path`
  // Others may be working on this machine, and installing is in no hurry.
  const child = Bun.spawn(['nice', program, ...rest], {
    env: { ...Bun.env, ...step.environment?.(home) },
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
    timeout: installDeadlineMs,
  })
  const told = await new Response(child.stderr).text()
  if ((await child.exited) === 0) return null
  return lastLines(told) || `${step.tool} ended with status ${child.exitCode}`
}

/** What a program said at its end, on one line. */
export function lastLines(text: string): string {
  const lines = text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours of a terminal.
    .replaceAll(/\u001b\[[0-9;]*m/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('npm error A complete log'))
  return lines.slice(-3).join(' | ').slice(-400)
}
