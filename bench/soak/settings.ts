/** How the gateway is set up for the soak: everything on, and bounds so tight that they are reached many times. */
import { join } from 'node:path'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { createRandom } from '../random.ts'

export const adminKey = 'sk-soak-admin-3b8e1f7a9c'
export const clientKeys = {
  main: 'sk-soak-main-6f1d0c9b7a',
  /** Runs into its limits of requests and tokens. */
  limited: 'sk-soak-limited-2c4e8a1d5b',
  /** May make two calls at once. */
  narrow: 'sk-soak-narrow-9a7b3e5f1c',
} as const

/** Rows past it are deleted once a minute. */
export const retentionMs = 3 * 60_000
export const maxStoreBytes = 2 * 1024 * 1024
/** The file that is written, and one that was rotated. */
export const maxLogBytes = 2 * 20_000_000 + 1_000_000
const credentialCount = 50
/** Goes through the gateway as any header does; not on calls that are to be found equal by the cache. */
export const numberHeader = 'x-soak-number'

/** `version` changes a setting that matters little, so that a reload has something to do. */
export function gatewaySettings(options: {
  directory: string
  simulatorPort: number
  mockPort: number
  version: number
}): object {
  const { directory, simulatorPort, mockPort, version } = options
  return {
    access: {
      admin_key: adminKey,
      client_keys: [
        { name: 'main', key: clientKeys.main },
        { name: 'limited', key: clientKeys.limited, rpm: 120, tpm: 400_000 },
        { name: 'narrow', key: clientKeys.narrow, max_concurrent: 2 },
      ],
    },
    providers: {
      simulator: {
        type: 'openai',
        base_url: `http://127.0.0.1:${simulatorPort}/v1`,
        keys: Object.keys(simulatedCredentials(0)),
        timeouts: { first_byte: '3s', answer: '8s', idle: '3s' },
        max_wait: '15s',
        blacklist: { threshold: 3 + (version % 2), cooldown: '2s', recheck: '20s' },
      },
      mock: {
        type: 'openai',
        base_url: `http://127.0.0.1:${mockPort}/v1`,
        keys: Array.from({ length: 5 }, (_, index) => `sk-mock-${index}-7c1e`),
      },
    },
    models: { 'mock-*': 'mock/*', fast: { targets: ['simulator/gpt-4o-mini', 'simulator/gpt-4.1-mini'] } },
    default_provider: 'simulator',
    cache: { enabled: true, ttl: '20s', max: '4MiB', model_list_ttl: '15s' },
    store: { retention: `${retentionMs / 1000}s`, max_size: `${maxStoreBytes}B` },
    log: { level: 'info', format: 'json', path: join(directory, 'log', 'soak.log'), retention: '1d' },
    server: { shutdown_grace: '10s', keep_alive: '1s' },
  }
}

/**
 * Half of them are good, each in its own shape; every other one has one fault, by chance. None refuses `stream_options`: the call is then
 * sent again within its attempt, and attempts are counted here.
 */
export function simulatedCredentials(seed: number): Record<string, Behaviour> {
  const credentials: Record<string, Behaviour> = {}
  for (let index = 0; index < credentialCount; index++) {
    const random = createRandom(seed, 1_000 + index)
    const shape = {
      firstTokenDelayMs: random.between(0, 120),
      delayMs: random.between(1, 12),
      deltaCount: random.between(5, 40),
      usage: usages[index % usages.length] ?? 'always',
    } as const
    const fault: Behaviour = faults[index - goodCount] ?? { kind: 'good' }
    credentials[`sk-soak-upstream-${String(index).padStart(2, '0')}-e4b7`] = { ...shape, seed: seed + index, ...fault }
  }
  return credentials
}

const goodCount = 25
const usages = ['when_asked', 'never', 'always', 'on_finish_chunk', 'never', 'every_chunk'] as const

const faults: readonly Behaviour[] = [
  { kind: 'rate_limited', probability: 0.1, retryAfterMs: 1_500 },
  { kind: 'rate_limited', probability: 0.1, retryAfter: 'none' },
  { kind: 'rate_limited', allowance: { callCount: 20, windowMs: 10_000 } },
  { kind: 'server_error', status: 500, probability: 0.2 },
  { kind: 'server_error', status: 502, probability: 0.2 },
  { kind: 'server_error', status: 504, probability: 0.1 },
  { kind: 'overloaded', status: 529, probability: 0.2 },
  { kind: 'dying', afterChunks: 3, how: 'reset', probability: 0.15 },
  { kind: 'dying', afterChunks: 2, how: 'close', probability: 0.15 },
  { kind: 'dying', afterChunks: 3, how: 'clean', probability: 0.15, paths: ['/v1/chat/'] },
  { kind: 'error_in_stream', afterChunks: 4, probability: 0.2 },
  { kind: 'error_in_stream', afterChunks: 0, probability: 0.2 },
  { kind: 'no_answer', how: 'reset', probability: 0.2 },
  { kind: 'no_answer', how: 'close', isOnlyOnReusedConnection: true, probability: 0.2 },
  { kind: 'hanging', probability: 0.05 },
  { kind: 'silent', after: 'head', probability: 0.05 },
  { kind: 'silent', after: 'content', afterChunks: 2, probability: 0.05 },
  { kind: 'error_in_200', probability: 0.2 },
  // Elsewhere an empty answer, or part of one, is what the upstream says: it passes as it is.
  { kind: 'empty_body', probability: 0.1, paths: ['/v1/chat/'] },
  // Slow heads.
  { kind: 'good', firstTokenDelayMs: 900, isHeadSentEarly: false },
  { kind: 'good', firstTokenDelayMs: 1_600, heartbeatMs: 300 },
  { kind: 'exhausted', probability: 0.03 },
  { kind: 'revoked', probability: 0.03, covers: 'calls' },
  { kind: 'good', closeConnectionAfterMs: 40, contentEncoding: 'gzip' },
  { kind: 'good', hugeFrameBytes: 150_000, cutEveryBytes: 4_000 },
]
