/** The upstream of `any2api demo`: one simulator whose credentials show what can go wrong, with names for people. */

import type { Behaviour } from './openai/behaviours.ts'
import { type OpenAiSimulator, startOpenAiSimulator } from './openai.ts'

/** Starts them on a port the system chooses. The secrets are the same at each start, so that what is kept of them stays true. */
export function startDemoUpstreams(): DemoUpstreams {
  const simulator = startOpenAiSimulator({
    credentials: Object.fromEntries(DEMO_CREDENTIALS.map(({ secret, behaviour }) => [secret, behaviour])),
  })
  return {
    baseUrl: simulator.baseUrl,
    secrets: DEMO_CREDENTIALS.map(({ secret }) => secret),
    credentials: DEMO_CREDENTIALS.map(({ secret, name, description }) => ({ secret, name, description })),
    simulator,
    stop: simulator.stop,
  }
}

export interface DemoUpstreams {
  /** What stands before `/chat/completions`. */
  readonly baseUrl: string
  /** In the order in which they are to be configured. */
  readonly secrets: readonly string[]
  readonly credentials: readonly DemoCredential[]
  readonly simulator: OpenAiSimulator
  readonly stop: () => void
}

export interface DemoCredential {
  readonly secret: string
  readonly name: string
  /** One sentence on what it does. */
  readonly description: string
}

interface ScriptedCredential extends DemoCredential {
  readonly behaviour: Behaviour
}

/** As fast as a quick model, so that a stream can be watched. */
const PACE = { firstTokenDelayMs: 250, delayMs: 25 } as const

const DEMO_CREDENTIALS: readonly ScriptedCredential[] = [
  {
    secret: 'sk-simulated-good-one-4f1c8a2b7d',
    name: 'good one',
    description: 'always answers',
    behaviour: { kind: 'good', ...PACE },
  },
  {
    secret: 'sk-simulated-good-two-9e3d6b5c0a',
    name: 'good two',
    description: 'always answers, with usage in every stream',
    behaviour: { kind: 'good', usage: 'always', ...PACE },
  },
  {
    secret: 'sk-simulated-revoked-1a7f2e9d4c',
    name: 'revoked',
    description: 'is refused with 401, for the model list too',
    behaviour: { kind: 'revoked' },
  },
  {
    secret: 'sk-simulated-limited-6c0b8d3f5e',
    name: 'rate limited',
    description: 'allows three calls in 20 seconds, then answers 429 and says how long to wait',
    behaviour: { kind: 'rate_limited', allowance: { callCount: 3, windowMs: 20_000 }, ...PACE },
  },
  {
    secret: 'sk-simulated-flaky-2d9a4c7b1e',
    name: 'flaky',
    description: 'answers every third call with 500, 502 or 503 in turn',
    behaviour: {
      kind: 'sequence',
      everyNth: 3,
      isRepeated: true,
      steps: [
        { kind: 'server_error', status: 500 },
        { kind: 'server_error', status: 502 },
        { kind: 'overloaded', status: 503 },
      ],
      covers: 'calls',
      ...PACE,
    },
  },
  {
    secret: 'sk-simulated-slow-8b5e1d0f3a',
    name: 'slow',
    description: 'waits six seconds for its first word, sending comment lines meanwhile',
    behaviour: { kind: 'good', firstTokenDelayMs: 6_000, heartbeatMs: 1_500, delayMs: 60 },
  },
  {
    secret: 'sk-simulated-dying-3f7c9a6e2b',
    name: 'dying',
    description: 'resets the connection in the middle of every second answer',
    behaviour: { kind: 'dying', afterChunks: 12, everyNth: 2, ...PACE },
  },
  {
    secret: 'sk-simulated-exhausted-5a0d8e4b7c',
    name: 'exhausted',
    description: 'has no quota left: 429 with insufficient_quota',
    behaviour: { kind: 'exhausted' },
  },
]
