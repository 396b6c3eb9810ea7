/** The simulated Scira of `any2api demo`: the service as of 2026, by cookies that show what can go wrong, and as of 2025, signed out. */
import { type SciraAccount, type SciraSimulator, startSciraSimulator } from './scira.ts'

/** Starts both on ports the system chooses. The cookies are the same at each start, so that what is kept of them stays true. */
export function startSciraDemo(): SciraDemo {
  const current = startSciraSimulator({
    accounts: Object.fromEntries(DEMO_COOKIES.map(({ cookie, account }) => [cookie, account])),
  })
  const older = startSciraSimulator({ generation: '2025-06', signedOut: { kind: 'good', ...PACE } })
  return {
    baseUrl: current.origin,
    olderBaseUrl: older.origin,
    cookies: DEMO_COOKIES.map(({ cookie, name, description }) => ({ cookie, name, description })),
    current,
    older,
    stop() {
      current.stop()
      older.stop()
    },
  }
}

export interface SciraDemo {
  /** Requests and UI message streams as of March 2026. */
  readonly baseUrl: string
  /** Requests and data streams as of June 2025. */
  readonly olderBaseUrl: string
  /** In the order in which they are to be configured. */
  readonly cookies: readonly DemoCookie[]
  readonly current: SciraSimulator
  readonly older: SciraSimulator
  readonly stop: () => void
}

export interface DemoCookie {
  /** The whole header. */
  readonly cookie: string
  readonly name: string
  /** One sentence on what it does. */
  readonly description: string
}

/** As fast as a quick model, so that a stream can be watched. */
const PACE = { firstTokenDelayMs: 250, delayMs: 25 } as const

const DEMO_COOKIES: readonly (DemoCookie & { readonly account: SciraAccount })[] = [
  {
    cookie: 'better-auth.session_token=simulated-good-4f1a7c2e9b',
    name: 'good account',
    description: 'always answers, and thinks aloud before',
    account: { kind: 'good', plan: 'pro', reasoningText: 'Let me see. This is a simulated thought.', ...PACE },
  },
  {
    cookie: 'better-auth.session_token=simulated-limited-8b0d3f6a2c',
    name: 'limited account',
    description: 'has three calls in 20 seconds, then 429 with the time of the reset in its text',
    account: {
      kind: 'rate_limited',
      surface: 'chat',
      reset: 'iso',
      allowance: { callCount: 3, windowMs: 20_000 },
      plan: 'pro',
      ...PACE,
    },
  },
  {
    cookie: 'better-auth.session_token=simulated-challenged-5e3b9f1a7d',
    name: 'challenged account',
    description: 'gets the page of a bot check at every second call; nobody is asked there for 30 seconds then',
    account: { kind: 'challenge', everyNth: 2, plan: 'pro', ...PACE },
  },
  {
    cookie: 'better-auth.session_token=simulated-failing-2c6e8a0b4d',
    name: 'failing account',
    description: 'gets 200 and then an error inside the stream, every third time after some words',
    account: {
      kind: 'sequence',
      isRepeated: true,
      steps: [{ kind: 'error_in_stream' }, { kind: 'good' }, { kind: 'error_in_stream', after: 8 }],
      plan: 'pro',
      ...PACE,
    },
  },
]
