/** The simulated OnDemand of `any2api demo`: one simulator whose keys and accounts show what can go wrong, with names for people. */
import type { AccountScript } from './ondemand/accounts.ts'
import type { Behaviour } from './ondemand/behaviours.ts'
import { type OndemandSimulator, startOndemandSimulator } from './ondemand.ts'

/** Starts it on a port the system chooses. The secrets are the same at each start, so that what is kept of them stays true. */
export function startOndemandDemo(): OndemandDemo {
  const simulator = startOndemandSimulator({
    keys: Object.fromEntries(DEMO_KEYS.map(({ secret, behaviour }) => [secret, behaviour])),
    accounts: Object.fromEntries(DEMO_ACCOUNTS.map(({ email, password, script }) => [email, { ...script, password }])),
  })
  return {
    chatBaseUrl: simulator.chatBaseUrl,
    accountChatBaseUrl: simulator.accountChatBaseUrl,
    authBaseUrl: simulator.authBaseUrl,
    catalogueUrl: simulator.catalogueUrl,
    keys: DEMO_KEYS.map(({ secret, name, description }) => ({ secret, name, description })),
    accounts: DEMO_ACCOUNTS.map(({ email, password, name, description }) => ({ email, password, name, description })),
    simulator,
    stop: simulator.stop,
  }
}

export interface OndemandDemo {
  /** What stands before `/sessions` for calls by key. */
  readonly chatBaseUrl: string
  /** What stands before `/sessions` for calls by account. */
  readonly accountChatBaseUrl: string
  /** What stands before `/auth/user/signin`. */
  readonly authBaseUrl: string
  readonly catalogueUrl: string
  /** In the order in which they are to be configured. */
  readonly keys: readonly DemoKey[]
  readonly accounts: readonly DemoAccount[]
  readonly simulator: OndemandSimulator
  readonly stop: () => void
}

export interface DemoKey {
  readonly secret: string
  readonly name: string
  /** One sentence on what it does. */
  readonly description: string
}

export interface DemoAccount {
  readonly email: string
  readonly password: string
  readonly name: string
  readonly description: string
}

/** As fast as a quick model, so that a stream can be watched. */
const PACE = { firstTokenDelayMs: 250, delayMs: 25 } as const

const DEMO_KEYS: readonly (DemoKey & { readonly behaviour: Behaviour })[] = [
  {
    secret: 'od-simulated-good-one-7c2e9b4f1a',
    name: 'good one',
    description: 'always answers',
    behaviour: { kind: 'good', ...PACE },
  },
  {
    secret: 'od-simulated-thinking-3b8d0f6a2c',
    name: 'thinking',
    description: 'always answers, and thinks aloud before',
    behaviour: { kind: 'good', thinkingText: 'Let me see. This is a simulated thought, no answer yet.', ...PACE },
  },
  {
    secret: 'od-simulated-revoked-9f1a5d7e3b',
    name: 'revoked',
    description: 'is refused with 401, for the catalogue too',
    behaviour: { kind: 'revoked' },
  },
  {
    secret: 'od-simulated-limited-2e6c8a0b4d',
    name: 'rate limited',
    description: 'allows three queries in 20 seconds, then answers 429 without a word on how long to wait',
    behaviour: { kind: 'rate_limited', allowance: { callCount: 3, windowMs: 20_000 }, covers: ['query'], ...PACE },
  },
  {
    secret: 'od-simulated-stray-5d3f7b9c1e',
    name: 'stray errors',
    description: 'is refused on every second new session, with 401 or with the 404 of an edge that lost its route',
    behaviour: {
      kind: 'sequence',
      covers: ['session'],
      everyNth: 2,
      isRepeated: true,
      steps: [
        { kind: 'stray', status: 401 },
        { kind: 'stray', status: 404 },
      ],
      ...PACE,
    },
  },
  {
    secret: 'od-simulated-failing-8a4e2c6f0d',
    name: 'failing inside the stream',
    description: 'answers 200 and then tells of an error, every third time after some words',
    behaviour: {
      kind: 'sequence',
      isRepeated: true,
      steps: [{ kind: 'error_in_stream' }, { kind: 'good' }, { kind: 'error_in_stream', after: 8 }],
      ...PACE,
    },
  },
  {
    secret: 'od-simulated-cut-1d9b5f3a7e',
    name: 'cut',
    description: 'resets the connection in the middle of every second answer',
    behaviour: { kind: 'cut', after: 12, everyNth: 2, ...PACE },
  },
  {
    secret: 'od-simulated-slow-6b0e4d8c2a',
    name: 'slow',
    description: 'waits six seconds for its first word, sending heartbeats meanwhile',
    behaviour: { kind: 'good', firstTokenDelayMs: 6_000, heartbeatMs: 1_500, delayMs: 60 },
  },
]

const DEMO_ACCOUNTS: readonly (DemoAccount & { readonly script: Omit<AccountScript, 'password'> })[] = [
  {
    email: 'good@ondemand.invalid',
    password: 'simulated-password-good',
    name: 'good account',
    description: 'signs in and always answers',
    script: { behaviour: { kind: 'good', ...PACE } },
  },
  {
    email: 'expiring@ondemand.invalid',
    password: 'simulated-password-expiring',
    name: 'expiring token',
    description: 'has tokens that are refused after ten uses and must be refreshed',
    script: { behaviour: { kind: 'good', ...PACE }, token: { uses: 10, isRefreshTokenKept: true } },
  },
  {
    email: 'locked@ondemand.invalid',
    password: 'simulated-password-locked',
    name: 'locked account',
    description: 'is refused when it signs in',
    script: { signIn: { kind: 'locked' } },
  },
]
