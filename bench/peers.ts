/** Other gateways to be measured beside this one, as many as package registries give: `bun bench/peers.ts install | try [NAME …]`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bifrost } from './peers/bifrost.ts'
import { ferro } from './peers/ferro.ts'
import { homeOf, install, whyNotInstalled } from './peers/install.ts'
import { litellm } from './peers/litellm.ts'
import { litellmRs } from './peers/litellm-rs.ts'
import { llmshim } from './peers/llmshim.ts'
import { lmProxy } from './peers/lm-proxy.ts'
import { octopus } from './peers/octopus.ts'
import type { Peer } from './peers/peer.ts'
import { portkey } from './peers/portkey.ts'
import { type PeerSubject, runPeer } from './peers/run-peer.ts'
import { shepherd } from './peers/shepherd.ts'
import { ultrafast } from './peers/ultrafast.ts'
import { vllmRouter } from './peers/vllm-router.ts'
import { withDescendants } from './process-usage.ts'
import { startMock } from './subjects.ts'

export interface Peers {
  readonly subjects: readonly PeerSubject[]
  readonly missing: readonly MissingPeer[]
}

export interface MissingPeer {
  readonly name: string
  readonly version: string
  /** One line: what its installation, its process or its first call said. */
  readonly error: string
}

/**
 * Starts what is installed in front of the upstream, one after the other, and tries each with a call and a stream. What is not installed, does not start or
 * answers wrongly is among the missing; nothing is thrown. `directory` is for configurations and logs.
 */
export async function startPeers(directory: string, upstreamPort: number): Promise<Peers> {
  return start(peers, { directory, upstreamPort, onStart: () => {} })
}

const peers: readonly Peer[] = [
  litellm,
  portkey,
  bifrost,
  ferro,
  octopus,
  vllmRouter,
  shepherd,
  llmshim,
  ultrafast,
  litellmRs,
  lmProxy,
]

async function start(
  chosen: readonly Peer[],
  options: { directory: string; upstreamPort: number; onStart: (peer: Peer) => void },
): Promise<Peers> {
  const subjects: PeerSubject[] = []
  const missing: MissingPeer[] = []
  for (const peer of chosen) {
    const miss = (error: string) => missing.push({ name: peer.name, version: peer.version, error })
    const reason = await whyNotInstalled(peer)
    if (reason !== null) {
      miss(reason)
      continue
    }
    options.onStart(peer)
    try {
      subjects.push(await runPeer(peer, options.directory, options.upstreamPort))
    } catch (error) {
      miss(error instanceof Error ? error.message : String(error))
    }
  }
  return { subjects, missing }
}

if (import.meta.main) {
  const [command, ...names] = Bun.argv.slice(2)
  const chosen = peers.filter((peer) => names.length === 0 || names.includes(peer.name))
  if (command === 'install') await installAll(chosen)
  else if (command === 'try') await tryAll(chosen)
  else {
    console.log(`bun bench/peers.ts install | try [NAME …]\n${peers.map(titleOf).join(', ')}`)
    process.exit(command === undefined ? 0 : 1)
  }
}

async function installAll(chosen: readonly Peer[]): Promise<void> {
  for (const [index, peer] of chosen.entries()) {
    console.log(`[${index + 1}/${chosen.length}] ${titleOf(peer)} into ${homeOf(peer)}`)
    const begin = performance.now()
    const error = await install(peer)
    console.log(`      ${error === null ? 'installed' : `not installed: ${error}`} (${seconds(begin)} s)`)
  }
}

async function tryAll(chosen: readonly Peer[]): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'any2api-peers-'))
  const mock = await startMock()
  const running: PeerSubject[] = []
  try {
    const onStart = (peer: Peer) => console.error(`starting ${titleOf(peer)}`)
    const { subjects, missing } = await start(chosen, { directory, upstreamPort: mock.port, onStart })
    running.push(...subjects)
    console.log('| gateway | start ms | MB | processes | usage | usage in streams | only if asked | failed of 320 |')
    console.log('| --- | --- | --- | --- | --- | --- | --- | --- |')
    for (const { name, version, pids, startMs, trial } of subjects) {
      const sizes = [Math.round(startMs), Math.round(trial.idleBytes / 1e6), withDescendants(pids).length]
      const usage = [trial.hasUsage, trial.hasStreamUsage, trial.isStreamUsageOnlyIfAsked].map((is) =>
        is ? 'yes' : 'no',
      )
      console.log(`| ${[`${name} ${version}`, ...sizes, ...usage, trial.failedCalls].join(' | ')} |`)
    }
    for (const { name, version, error } of missing) console.log(`${name} ${version}: ${error}`)
  } finally {
    for (const subject of [...running, mock]) await subject.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

function titleOf(peer: Peer): string {
  return `${peer.name} ${peer.version}`
}

function seconds(begin: number): string {
  return ((performance.now() - begin) / 1000).toFixed(0)
}
